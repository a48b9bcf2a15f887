// Writes all figures as Prometheus families. Names, labels and units are an interface: dashboards
// and alerts depend on them.
#include "server/admin/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "protocol/status.h"
#include "text/version.h"

namespace objmapper::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using session::LatencySnapshot;
using Labels = std::vector<std::pair<const char*, std::string>>;

constexpr double kNs = 1e-9;

// Upper bounds of the histograms' buckets: powers of two from 1 µs to 17 s. They are a view on
// finer ones, so what they count is right to within 1/16 of the bound.
constexpr int kFirstBound = 10, kLastBound = 34;

class Families {
 public:
  MetricFamily& Begin(const char* name, const char* help, MetricType type) {
    MetricFamily& family = families_.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    return family;
  }
  void Gauge(const char* name, const char* help, double value) {
    Begin(name, help, MetricType::Gauge).metric.emplace_back().gauge.value = value;
  }
  void Counter(const char* name, const char* help, double value) {
    Begin(name, help, MetricType::Counter).metric.emplace_back().counter.value = value;
  }
  std::vector<MetricFamily> all() const { return {families_.begin(), families_.end()}; }

 private:
  std::deque<MetricFamily> families_;  // which grows without moving what Begin() has given out
};

ClientMetric& With(MetricFamily& family, const Labels& labels) {
  ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

void AddHistogram(MetricFamily& family, const Labels& labels, const LatencySnapshot& latency) {
  ClientMetric::Histogram& histogram = With(family, labels).histogram;
  histogram.sample_count = latency.count();
  histogram.sample_sum = static_cast<double>(latency.sum_ns()) * kNs;
  for (int bits = kFirstBound; bits <= kLastBound; ++bits) {
    const int64_t bound_ns = int64_t{1} << bits;
    histogram.bucket.push_back(
        {latency.CountUpTo(bound_ns - 1), static_cast<double>(bound_ns) * kNs});
  }
}

void AddRequests(const session::TallySnapshot& tally, Families& out) {
  MetricFamily& answers =
      out.Begin("objmapper_requests_total", "Requests that were answered, by mode and status.",
                MetricType::Counter);
  for (size_t w = 0; w < session::kWays; ++w) {
    const char* const mode = NameOf(static_cast<session::Way>(w));
    for (size_t s = 0; s < session::kStatuses; ++s) {
      // All modes are there from the beginning, so that a rate can be taken; a status once it has
      // been seen.
      if (tally.ways[w].by_status[s] == 0 && s != 0) continue;
      const absl::string_view name = protocol::StatusName(static_cast<protocol::Status>(s));
      With(answers, {{"mode", mode}, {"status", absl::AsciiStrToLower(name)}}).counter.value =
          static_cast<double>(tally.ways[w].by_status[s]);
    }
  }
  MetricFamily& bytes = out.Begin("objmapper_object_bytes_total",
                                  "Bytes of objects that were delivered: sent, or the sizes of the "
                                  "objects whose descriptors were passed.",
                                  MetricType::Counter);
  MetricFamily& service =
      out.Begin("objmapper_service_seconds",
                "From receiving a request to handing the last byte of its answer to the kernel.",
                MetricType::Histogram);
  for (size_t w = 0; w < session::kWays; ++w) {
    const Labels mode = {{"mode", NameOf(static_cast<session::Way>(w))}};
    With(bytes, mode).counter.value = static_cast<double>(tally.ways[w].bytes);
    AddHistogram(service, mode, tally.ways[w].service);
  }
}

void AddLanes(const Vitals& vitals, Families& out) {
  MetricFamily& threads = out.Begin("objmapper_lane_threads",
                                    "Threads that serve a lane's connections.", MetricType::Gauge);
  MetricFamily& busy = out.Begin(
      "objmapper_lane_busy_seconds_total",
      "Time of a lane's threads outside of waiting; its rate is the number of busy threads.",
      MetricType::Counter);
  MetricFamily& wait =
      out.Begin("objmapper_queue_wait_seconds",
                "From putting a connection into a lane's queue to a thread taking it.",
                MetricType::Histogram);
  for (const session::TallySnapshot::PerLane& lane : vitals.tally.lanes) {
    With(threads, {{"lane", lane.name}}).gauge.value = static_cast<double>(lane.threads);
    With(busy, {{"lane", lane.name}}).counter.value = static_cast<double>(lane.busy_ns) * kNs;
    AddHistogram(wait, {{"lane", lane.name}}, lane.wait);
  }
  struct Figure {
    const char* name;
    const char* help;
    MetricType type;
    uint64_t Vitals::Lane::*value;
  };
  constexpr Figure kFigures[] = {
      {"objmapper_queue_depth", "Connections or requests that wait for one of a lane's threads.",
       MetricType::Gauge, &Vitals::Lane::queue_depth},
      {"objmapper_object_cache_hits_total", "Requests whose object was known and open.",
       MetricType::Counter, &Vitals::Lane::cache_hits},
      {"objmapper_object_cache_misses_total", "Requests whose object had to be opened.",
       MetricType::Counter, &Vitals::Lane::cache_misses},
      {"objmapper_page_ins_total", "Windows of objects that were not in the page cache.",
       MetricType::Counter, &Vitals::Lane::page_ins},
      {"objmapper_page_ins_pending", "Windows that are being read from the disk.",
       MetricType::Gauge, &Vitals::Lane::page_ins_pending},
      {"objmapper_transfers_total", "Times that a body was handed to a splice thread.",
       MetricType::Counter, &Vitals::Lane::transfers},
      {"objmapper_transfers_pending", "Bodies that splice threads are moving or that wait for one.",
       MetricType::Gauge, &Vitals::Lane::transfers_pending},
  };
  for (const Figure& figure : kFigures) {
    MetricFamily& family = out.Begin(figure.name, figure.help, figure.type);
    for (const Vitals::Lane& lane : vitals.lanes) {
      ClientMetric& metric = With(family, {{"lane", lane.name}});
      const auto value = static_cast<double>(lane.*figure.value);
      (figure.type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
    }
  }
}

void AddConnections(const Vitals& vitals, Families& out) {
  out.Gauge("objmapper_connections_open", "Connections that are open.",
            static_cast<double>(vitals.connections_open));
  out.Gauge("objmapper_connections_hot",
            "Of the open ones, those that sent something in the last second.",
            static_cast<double>(vitals.connections_hot));
  out.Gauge("objmapper_connections_max", "--max_connections.",
            static_cast<double>(vitals.connections_max));
  out.Counter("objmapper_connections_accepted_total", "Connections that were accepted.",
              static_cast<double>(vitals.accepted));
  out.Counter("objmapper_connections_refused_total",
              "Refused connections: beyond --max_connections, or no descriptors left.",
              static_cast<double>(vitals.refused));
  out.Counter("objmapper_connections_timed_out_total",
              "Connections closed because of silence, an incomplete request, or unread answers.",
              static_cast<double>(vitals.timed_out));
  out.Counter("objmapper_connections_migrated_total",
              "Moves of a connection to another lane after its first request.",
              static_cast<double>(vitals.migrated));
  ClientMetric::Histogram& ended =
      out.Begin("objmapper_requests_per_connection",
                "Answers that a connection had received when it ended.", MetricType::Histogram)
          .metric.emplace_back()
          .histogram;
  uint64_t most = 0;
  for (size_t i = 0; i < vitals.ended_by_answers.size(); ++i) {
    ended.sample_count += vitals.ended_by_answers[i];
    if (i + 1 == vitals.ended_by_answers.size()) break;  // the last has no bound
    ended.bucket.push_back({ended.sample_count, static_cast<double>(most)});
    most = most == 0 ? 1 : most * 10;
  }
  ended.sample_sum = static_cast<double>(vitals.ended_answers);
  out.Counter("objmapper_index_hits_total", "OP_STAT answered from the cache.",
              static_cast<double>(vitals.index_hits));
  out.Counter("objmapper_index_misses_total", "OP_STAT answered from the file system.",
              static_cast<double>(vitals.index_misses));
}

void AddUdp(const Vitals::Udp& udp, Families& out) {
  struct Figure {
    const char* name;
    const char* help;
    uint64_t value;
  };
  const Figure figures[] = {
      {"objmapper_udp_received_total", "Datagrams received.", udp.received},
      {"objmapper_udp_dropped_total", "Datagrams that were not a request, and got no answer.",
       udp.dropped},
      {"objmapper_udp_answered_total", "Datagrams sent.", udp.answered},
      {"objmapper_udp_too_large_total",
       "Answers that did not fit --udp_max_payload: TOO_LARGE was sent.", udp.too_large},
      {"objmapper_udp_errors_total",
       "Answers that the kernel did not accept, and failures to receive.", udp.errors},
      {"objmapper_udp_cold_total", "Requests that had to wait for the disk.", udp.cold},
      {"objmapper_udp_received_bytes_total", "Bytes of the datagrams received.", udp.bytes_in},
      {"objmapper_udp_sent_bytes_total", "Bytes of the datagrams sent.", udp.bytes_out},
  };
  for (const Figure& figure : figures)
    out.Counter(figure.name, figure.help, static_cast<double>(figure.value));
  out.Gauge("objmapper_udp_cold_pending", "Requests that wait for the disk now.",
            static_cast<double>(udp.cold_waiting));
}

// One number of a set of counts, and what it is called.
template <typename Counts>
struct Figure {
  const char* name;
  const char* help;
  MetricType type;
  uint64_t Counts::*value;
};

template <typename Counts, size_t kFigures>
void AddFigures(const Counts& counts, const Figure<Counts> (&figures)[kFigures], Families& out) {
  for (const Figure<Counts>& figure : figures) {
    const auto value = static_cast<double>(counts.*figure.value);
    figure.type == MetricType::Gauge ? out.Gauge(figure.name, figure.help, value)
                                     : out.Counter(figure.name, figure.help, value);
  }
}

void AddObjects(const storage::Housekeeping::Counts& objects, Families& out) {
  out.Gauge("objmapper_catalog_complete",
            "1 if all objects are known; 0 until the directory tree has been walked.",
            objects.complete ? 1 : 0);
  using Counts = storage::Housekeeping::Counts;
  constexpr Figure<Counts> kFigures[] = {
      {"objmapper_objects", "Objects in the catalog.", MetricType::Gauge, &Counts::objects},
      {"objmapper_objects_bytes", "Their sizes.", MetricType::Gauge, &Counts::bytes},
      {"objmapper_catalog_folders_watched", "Directories in which changes are followed.",
       MetricType::Gauge, &Counts::watched},
      {"objmapper_catalog_folders_unwatched",
       "Directories that are read every --catalog_rescan instead.", MetricType::Gauge,
       &Counts::unwatched},
      {"objmapper_catalog_rescans_total", "Number of times that directories were read again.",
       MetricType::Counter, &Counts::rescans},
      {"objmapper_objects_expired_total", "Objects removed because they had expired.",
       MetricType::Counter, &Counts::expired},
      {"objmapper_objects_evicted_total", "Objects removed to make room (--disk_evict_at).",
       MetricType::Counter, &Counts::evicted},
      {"objmapper_objects_evicted_bytes_total", "Their sizes.", MetricType::Counter,
       &Counts::evicted_bytes},
      {"objmapper_stores_refused_total", "Objects refused for lack of room (--disk_refuse_at).",
       MetricType::Counter, &Counts::refused},
      {"objmapper_disk_used_bytes",
       "Bytes that count against --disk_evict_at and --disk_refuse_at.", MetricType::Gauge,
       &Counts::used_bytes},
      {"objmapper_disk_evict_at_bytes", "--disk_evict_at in bytes; 0: not set.", MetricType::Gauge,
       &Counts::evict_at_bytes},
      {"objmapper_disk_refuse_at_bytes", "--disk_refuse_at in bytes; 0: not set.",
       MetricType::Gauge, &Counts::refuse_at_bytes},
      {"objmapper_unlinked_files", "Files that the server has deleted and that are still open.",
       MetricType::Gauge, &Counts::unlinked},
      {"objmapper_unlinked_bytes", "Bytes that they take on the disk.", MetricType::Gauge,
       &Counts::unlinked_bytes},
      {"objmapper_unlinked_untold_total",
       "Such files beyond those that are counted, since the start.", MetricType::Counter,
       &Counts::unlinked_untold},
  };
  AddFigures(objects, kFigures, out);
}

void AddMemory(const storage::MemoryTier::Counts& memory, Families& out) {
  using Counts = storage::MemoryTier::Counts;
  constexpr Figure<Counts> kFigures[] = {
      {"objmapper_memory_objects", "Objects in memory.", MetricType::Gauge, &Counts::objects},
      {"objmapper_memory_bytes", "Their sizes in whole pages.", MetricType::Gauge, &Counts::bytes},
      {"objmapper_memory_max_bytes", "--memory_limit.", MetricType::Gauge, &Counts::bytes_max},
      {"objmapper_memory_hits_total", "Opens of objects in memory.", MetricType::Counter,
       &Counts::hits},
      {"objmapper_memory_misses_total", "Opens of objects that were not in memory.",
       MetricType::Counter, &Counts::misses},
      {"objmapper_memory_adoptions_total", "Sealed memfds that became objects.",
       MetricType::Counter, &Counts::adoptions},
      {"objmapper_memory_refusals_total",
       "Sealed memfds that were copied to the disk: too large, or not possible to open.",
       MetricType::Counter, &Counts::refusals},
      {"objmapper_memory_evictions_total", "Objects evicted to make room.", MetricType::Counter,
       &Counts::evictions},
      {"objmapper_memory_expired_total", "Objects removed because they had expired.",
       MetricType::Counter, &Counts::expired},
  };
  AddFigures(memory, kFigures, out);
}

void AddForeign(const net::ExpendableCounts& foreign, Families& out) {
  using Counts = net::ExpendableCounts;
  constexpr Figure<Counts> kFigures[] = {
      {"objmapper_foreign_fds_total",
       "Clients' descriptors, and sockets that may hold some, passed to processes that may hang.",
       MetricType::Counter, &Counts::disposed},
      {"objmapper_foreign_fds_waiting",
       "Of these, not passed yet because all such processes hang; above a limit, none are "
       "accepted.",
       MetricType::Gauge, &Counts::waiting},
      {"objmapper_foreign_tasks_total", "Examinations and copies of clients' files.",
       MetricType::Counter, &Counts::tasks},
      {"objmapper_foreign_tasks_late_total", "Of these, not complete within --request_timeout.",
       MetricType::Counter, &Counts::tasks_late},
      {"objmapper_foreign_workers", "Such processes.", MetricType::Gauge, &Counts::workers},
      {"objmapper_foreign_workers_stuck", "Of these, not ended although they were killed.",
       MetricType::Gauge, &Counts::stuck},
      {"objmapper_foreign_workers_killed_total", "Of these, killed because they took too long.",
       MetricType::Counter, &Counts::killed},
  };
  AddFigures(foreign, kFigures, out);
}

void AddProcess(const Vitals::Process& process, Families& out) {
  out.Counter("process_cpu_seconds_total", "CPU time of the process, user and system.",
              process.cpu_user_s + process.cpu_system_s);
  out.Gauge("process_resident_memory_bytes", "Resident memory.",
            static_cast<double>(process.rss_bytes));
  out.Gauge("process_open_fds", "Open descriptors.", static_cast<double>(process.open_fds));
  out.Gauge("process_max_fds", "Maximum number of descriptors.",
            static_cast<double>(process.max_fds));
  out.Gauge("process_threads", "Threads.", static_cast<double>(process.threads));
  out.Gauge("process_start_time_seconds", "When it was started, in Unix time.", process.start_s);
  With(out.Begin("objmapper_build_info", "Always 1; the version is in the labels.",
                 MetricType::Gauge),
       {{"version", std::string(text::kVersion)}})
      .gauge.value = 1;
}

}  // namespace

namespace {

void AddRules(const Vitals::Rules& rules, Families& out) {
  out.Gauge("objmapper_rules", "Rules of --rules_file that are in effect.",
            static_cast<double>(rules.count));
  MetricFamily& reloads = out.Begin("objmapper_rules_reloads_total",
                                    "Times that --rules_file was read again at SIGHUP, by result.",
                                    MetricType::Counter);
  With(reloads, {{"result", "ok"}}).counter.value = static_cast<double>(rules.reloads);
  With(reloads, {{"result", "failed"}}).counter.value = static_cast<double>(rules.reloads_failed);
  out.Gauge("objmapper_rules_last_reload_successful",
            "1, or 0: the last reload failed, and older rules are in effect.",
            rules.error.empty() ? 1 : 0);
  out.Gauge("objmapper_rules_read_timestamp_seconds",
            "When the rules in effect were read, in Unix time.", rules.read_unix_s);
}

void AddRoot(const Vitals& vitals, Families& out) {
  out.Gauge("objmapper_writable", "1 with --writable.", vitals.writable ? 1 : 0);
  if (vitals.disk_bytes == 0) return;
  out.Gauge("objmapper_root_size_bytes", "Size of the file system that --root is on.",
            static_cast<double>(vitals.disk_bytes));
  out.Gauge("objmapper_root_available_bytes",
            "Bytes of it that are available to users other than root.",
            static_cast<double>(vitals.disk_available_bytes));
}

}  // namespace

std::string ToPrometheus(const Vitals& vitals) {
  Families families;
  AddRequests(vitals.tally, families);
  AddLanes(vitals, families);
  AddConnections(vitals, families);
  if (vitals.udp.has_value()) AddUdp(*vitals.udp, families);
  if (vitals.objects.has_value()) AddObjects(*vitals.objects, families);
  if (vitals.memory.has_value()) AddMemory(*vitals.memory, families);
  if (vitals.rules.has_value()) AddRules(*vitals.rules, families);
  AddRoot(vitals, families);
  if (vitals.expendable.running) AddForeign(vitals.expendable, families);
  families.Counter(
      "objmapper_log_lines_dropped_total",
      "Lines of the log that were lost because its reader was too slow or the disk full.",
      static_cast<double>(vitals.log_lines_dropped));
  families.Counter("objmapper_slow_opens_total",
                   "Opens that took 100 ms or more although the path was in the kernel's caches.",
                   static_cast<double>(vitals.slow_opens));
  families.Gauge(
      "objmapper_slow_file_systems",
      "File systems whose files are opened by separate threads because opening takes long.",
      static_cast<double>(vitals.slow_file_systems));
  AddProcess(vitals.process, families);
  return prometheus::TextSerializer().Serialize(families.all());
}

}  // namespace objmapper::server
