// Writes all figures as Prometheus families: those of figures.h, and what has labels or is no
// count. Names, labels and units are an interface: dashboards and alerts depend on them.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protocol/status.h"
#include "server/admin/figures.h"
#include "server/admin/pages.h"
#include "text/printable.h"
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
  // Of counters, if its name ends with _total, else of gauges.
  MetricFamily& Begin(const char* name, const char* help) {
    const bool counts = absl::EndsWith(name, "_total");
    return Begin(name, help, counts ? MetricType::Counter : MetricType::Gauge);
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

template <typename Number>
void Add(MetricFamily& family, const Labels& labels, Number value) {
  ClientMetric& metric = With(family, labels);
  const bool counts = family.type == MetricType::Counter;
  (counts ? metric.counter.value : metric.gauge.value) = static_cast<double>(value);
}

template <typename Counts, size_t kFigures>
void Add(const Counts& counts, const Figure<Counts> (&figures)[kFigures], Families& out) {
  for (const Figure<Counts>& figure : figures)
    Add(out.Begin(figure.metric, figure.help), {}, counts.*figure.value);
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
      out.Begin("objmapper_requests_total", "Requests that were answered, by mode and status.");
  for (size_t w = 0; w < session::kWays; ++w) {
    const char* const mode = NameOf(static_cast<session::Way>(w));
    for (size_t s = 0; s < session::kStatuses; ++s) {
      // All modes are there from the beginning, so that a rate can be taken; a status once it has
      // been seen.
      if (tally.ways[w].by_status[s] == 0 && s != 0) continue;
      const absl::string_view name = protocol::StatusName(static_cast<protocol::Status>(s));
      Add(answers, {{"mode", mode}, {"status", absl::AsciiStrToLower(name)}},
          tally.ways[w].by_status[s]);
    }
  }
  MetricFamily& dialects =
      out.Begin("objmapper_answers_total", "Requests that were answered, by dialect.");
  for (size_t d = 1; d < session::kDialects; ++d) {
    Add(dialects, {{"dialect", session::NameOf(static_cast<protocol::Dialect>(d))}},
        tally.by_dialect[d]);
  }
  MetricFamily& bytes = out.Begin("objmapper_object_bytes_total",
                                  "Bytes of objects that were delivered: sent, or the sizes of the "
                                  "objects whose descriptors were passed.");
  MetricFamily& service =
      out.Begin("objmapper_service_seconds",
                "From receiving a request to handing the last byte of its answer to the kernel.",
                MetricType::Histogram);
  for (size_t w = 0; w < session::kWays; ++w) {
    const Labels mode = {{"mode", NameOf(static_cast<session::Way>(w))}};
    Add(bytes, mode, tally.ways[w].bytes);
    AddHistogram(service, mode, tally.ways[w].service);
  }
}

void AddLanes(const Vitals& vitals, Families& out) {
  MetricFamily& threads =
      out.Begin("objmapper_lane_threads", "Threads that serve a lane's connections.");
  MetricFamily& busy = out.Begin(
      "objmapper_lane_busy_seconds_total",
      "Time of a lane's threads outside of waiting; its rate is the number of busy threads.");
  MetricFamily& wait =
      out.Begin("objmapper_queue_wait_seconds",
                "From putting a connection into a lane's queue to a thread taking it.",
                MetricType::Histogram);
  for (const session::TallySnapshot::PerLane& lane : vitals.tally.lanes) {
    const Labels labels = {{"lane", lane.name}};
    Add(threads, labels, lane.threads);
    Add(busy, labels, static_cast<double>(lane.busy_ns) * kNs);
    AddHistogram(wait, labels, lane.wait);
  }
  for (const Figure<Vitals::Lane>& figure : kLaneFigures) {
    if (figure.metric == nullptr) continue;
    MetricFamily& family = out.Begin(figure.metric, figure.help);
    for (const Vitals::Lane& lane : vitals.lanes)
      Add(family, {{"lane", lane.name}}, lane.*figure.value);
  }
}

void AddAnswersPerConnection(const Vitals& vitals, Families& out) {
  MetricFamily& family =
      out.Begin("objmapper_requests_per_connection",
                "Answers that a connection had received when it ended.", MetricType::Histogram);
  ClientMetric::Histogram& ended = With(family, {}).histogram;
  uint64_t most = 0;
  for (size_t i = 0; i < vitals.ended_by_answers.size(); ++i) {
    ended.sample_count += vitals.ended_by_answers[i];
    if (i + 1 == vitals.ended_by_answers.size()) break;  // the last has no bound
    ended.bucket.push_back({ended.sample_count, static_cast<double>(most)});
    most = most == 0 ? 1 : most * 10;
  }
  ended.sample_sum = static_cast<double>(vitals.ended_answers);
}

std::string NameOf(const origin::Flights::Report& report) {
  return absl::StrCat("/", text::Printable(report.origin->prefix));
}

void AddAccounts(const std::vector<origin::Flights::Report>& each, Families& out) {
  MetricFamily& hits = out.Begin("objmapper_origin_hits_total",
                                 "Requests for the origin's objects that did not wait for it.");
  MetricFamily& retries = out.Begin("objmapper_origin_retries_total",
                                    "Requests of HTTP that were sent again, by why they failed.");
  MetricFamily& well = out.Begin("objmapper_origin_last_fetch_successful",
                                 "1, or 0: the last fetch or check failed.");
  MetricFamily& delays = out.Begin("objmapper_origin_answer_seconds",
                                   "Time until the origin's answer to a request of HTTP began.",
                                   MetricType::Histogram);
  for (const origin::Flights::Report& report : each) {
    const Labels labels = {{"origin", NameOf(report)}};
    const AccountCounts& counts = report.counts;
    Add(hits, labels, counts.hits());
    Add(well, labels, counts.over || counts.trouble.empty());
    // All causes are there from the beginning, so that a rate can be taken.
    for (size_t i = static_cast<size_t>(origin::fetch::Cause::kNone) + 1; i < counts.retries.size();
         ++i) {
      const absl::string_view cause =
          origin::fetch::CauseName(static_cast<origin::fetch::Cause>(i));
      Add(retries, {{"origin", NameOf(report)}, {"cause", std::string(cause)}}, counts.retries[i]);
    }
    ClientMetric::Histogram& histogram = With(delays, labels).histogram;
    histogram.sample_sum = counts.delays.sum_s;
    histogram.sample_count = counts.delays.count();
    uint64_t below = 0;
    for (size_t i = 0; i < origin::Account::Delays::kBounds; ++i) {
      below += counts.delays.counts[i];
      histogram.bucket.push_back({below, absl::ToDoubleSeconds(origin::Account::Delays::Bound(i))});
    }
  }
  for (const Figure<AccountCounts>& figure : kAccountFigures) {
    MetricFamily& family = out.Begin(figure.metric, figure.help);
    for (const origin::Flights::Report& report : each)
      Add(family, {{"origin", NameOf(report)}}, report.counts.*figure.value);
  }
  for (const Figure<origin::Flights::Report>& figure : kReportFigures) {
    MetricFamily& family = out.Begin(figure.metric, figure.help);
    for (const origin::Flights::Report& report : each)
      Add(family, {{"origin", NameOf(report)}}, report.*figure.value);
  }
}

void AddOrigins(const Vitals::Origins& origins, Families& out) {
  AddAccounts(origins.each, out);
  Add(origins, kOriginFigures, out);
  Add(origins.flights, kFlightFigures, out);
  Add(origins.uncached, kUncachedFigures, out);
  MetricFamily& reloads =
      out.Begin("objmapper_origins_reloads_total",
                "Times that --origins_file was read again at SIGHUP, by result.");
  Add(reloads, {{"result", "ok"}}, origins.reloads);
  Add(reloads, {{"result", "failed"}}, origins.reloads_failed);
  Add(out.Begin("objmapper_origins_last_reload_successful",
                "1, or 0: the last reload failed, and older origins are in use."),
      {}, origins.error.empty());
}

void AddRules(const Vitals::Rules& rules, Families& out) {
  Add(out.Begin("objmapper_rules", "Rules of --rules_file that are in effect."), {}, rules.count);
  MetricFamily& reloads = out.Begin("objmapper_rules_reloads_total",
                                    "Times that --rules_file was read again at SIGHUP, by result.");
  Add(reloads, {{"result", "ok"}}, rules.reloads);
  Add(reloads, {{"result", "failed"}}, rules.reloads_failed);
  Add(out.Begin("objmapper_rules_last_reload_successful",
                "1, or 0: the last reload failed, and older rules are in effect."),
      {}, rules.error.empty());
  Add(out.Begin("objmapper_rules_read_timestamp_seconds",
                "When the rules in effect were read, in Unix time."),
      {}, rules.read_unix_s);
}

void AddProcess(const Vitals::Process& process, Families& out) {
  Add(out.Begin("process_cpu_seconds_total", "CPU time of the process, user and system."), {},
      process.cpu_user_s + process.cpu_system_s);
  Add(process, kProcessFigures, out);
  Add(out.Begin("process_start_time_seconds", "When it was started, in Unix time."), {},
      process.start_s);
  Add(out.Begin("objmapper_build_info", "Always 1; the version is in the labels."),
      {{"version", std::string(text::kVersion)}}, 1);
}

}  // namespace

std::string ToPrometheus(const Vitals& vitals) {
  Families families;
  AddRequests(vitals.tally, families);
  AddLanes(vitals, families);
  Add(vitals, kConnectionFigures, families);
  AddAnswersPerConnection(vitals, families);
  Add(vitals, kIndexFigures, families);
  if (vitals.udp.has_value()) Add(*vitals.udp, kUdpFigures, families);
  if (vitals.objects.has_value()) {
    Add(families.Begin("objmapper_catalog_complete",
                       "1 if all objects are known; 0 until the directory tree has been walked."),
        {}, vitals.objects->complete);
    Add(*vitals.objects, kObjectFigures, families);
  }
  if (vitals.memory.has_value()) Add(*vitals.memory, kMemoryFigures, families);
  if (vitals.rules.has_value()) AddRules(*vitals.rules, families);
  if (vitals.origins.has_value()) AddOrigins(*vitals.origins, families);
  Add(families.Begin("objmapper_writable", "1 with --writable."), {}, vitals.writable);
  if (vitals.disk_bytes != 0) Add(vitals, kDiskFigures, families);
  if (vitals.expendable.running) Add(vitals.expendable, kForeignFigures, families);
  Add(vitals, kTroubleFigures, families);
  AddProcess(vitals.process, families);
  return prometheus::TextSerializer().Serialize(families.all());
}

}  // namespace objmapper::server
