// What a server looks like from outside: its figures, and the line that says what serves with what.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/model.h"
#include "net/clock.h"
#include "net/expendable.h"
#include "server/log_writer.h"
#include "server/server.h"
#include "session/access_log.h"

namespace objmapper::server {
namespace {

Vitals::Lane LaneVitals(const char* name, const session::Lane& lane) {
  Vitals::Lane vitals;
  vitals.name = name;
  vitals.queue_depth = lane.QueueDepth();
  const auto* const loops = dynamic_cast<const loop::CopyPathLane*>(&lane);
  if (loops == nullptr) return vitals;
  vitals.engine = loops->engine_name();
  vitals.splice_threads = static_cast<uint64_t>(loops->splice_threads());
  for (const auto& loop : loops->loops()) {
    const loop::LoopCounters& counters = loop->counters();
    const copypath::Objects::Counters& objects = loop->object_counters();
    vitals.cache_hits += objects.hits;
    vitals.cache_misses += objects.misses;
    // What is done is read first, so that no more can be done than was begun.
    const uint64_t page_ins_done = objects.page_ins_done;
    vitals.page_ins += objects.page_ins;
    vitals.page_ins_pending += objects.page_ins - page_ins_done;
    const uint64_t transfers_done = counters.transfers_done;
    vitals.transfers += counters.transfers;
    vitals.transfers_pending += counters.transfers - transfers_done;
  }
  return vitals;
}

}  // namespace

Vitals Server::Read() const {
  Vitals vitals;
  vitals.now_ns = net::NowNs();
  vitals.shape = Shape();
  vitals.tally = board_.Read();
  if (fdpass_ != nullptr) {
    vitals.lanes.push_back(LaneVitals("fdpass", *fdpass_));
    vitals.lanes.back().engine = fdpass_->engine_name();
  }
  if (copypath_ != nullptr) vitals.lanes.push_back(LaneVitals("copypath", *copypath_));
  if (model_ != nullptr) vitals.lanes.push_back(LaneVitals("model", *model_));
  if (udp_ != nullptr) {
    const udp::UdpCounters& counters = udp_->counters();
    Vitals::Udp& figures = vitals.udp.emplace();
    // What has become of datagrams is read first, so that no more can have been answered than came.
    figures.answered = counters.answered;
    figures.dropped = counters.dropped;
    figures.too_large = counters.too_large;
    figures.errors = counters.errors;
    figures.cold = counters.cold;
    figures.cold_waiting = udp_->cold_waiting();
    figures.bytes_out = counters.bytes_out;
    figures.bytes_in = counters.bytes_in;
    figures.received = counters.received;
  }
  vitals.connections_max = config_.admission.connections_max;
  vitals.connections_open = counters_.open;
  vitals.connections_hot = HotConnections(counters_.list);
  vitals.accepted = counters_.accepted;
  vitals.refused = counters_.refused;
  vitals.timed_out = counters_.timed_out;
  vitals.migrated = counters_.migrated;
  for (size_t i = 0; i < vitals.ended_by_answers.size(); ++i) {
    vitals.ended_by_answers[i] = counters_.ended_by_answers[i];
  }
  vitals.ended_answers = counters_.ended_answers;
  vitals.index_hits = index_->hits();
  vitals.index_misses = index_->misses();
  if (house_ != nullptr) vitals.objects = house_->Read();
  if (memory_ != nullptr) vitals.memory = memory_->Read();
  {
    const net::MutexLock lock(&rules_mutex_);
    vitals.rules = rules_;
  }
  vitals.root = config_.root;
  vitals.writable = config_.limits.writable;
  vitals.expendable = net::ReadExpendable();
  vitals.process = ReadProcess();
  vitals.log_lines_dropped = LogLinesDropped();
  if (config_.limits.access_log != nullptr)
    vitals.access_lines_dropped = config_.limits.access_log->dropped();
  vitals.slow_opens = tree_->slow_opens().slow_opens();
  vitals.slow_file_systems = tree_->slow_opens().file_systems();
  return vitals;
}

std::string Server::Shape() const {
  std::string threads;
  if (model_ != nullptr) {
    threads = models::ThreadsOf(*config_.model, config_.sizes.pool_size, config_.sizes.threads_max);
  } else {
    threads = absl::StrCat(
        fdpass_ == nullptr ? "no fdpass lane (no Unix socket), "
                           : absl::StrCat(config_.sizes.pool_size, " fdpass workers on ",
                                          fdpass_->engine_name(), ", "),
        config_.copy_loops, " copy loop(s)",
        config_.bulk_loops == 0
            ? ""
            : absl::StrCat(" and ", config_.bulk_loops, " for large bodies over TCP"),
        " on ", copypath_->engine_name(), ", ", config_.sizes.splice_threads, " splice threads");
  }
  return absl::StrCat("serving ", config_.root,
                      config_.limits.writable ? ", writable, on " : " on ",
                      absl::StrJoin(urls_, ", "), "; ", config_.concurrency_model, ": ", threads,
                      "; at most ", config_.admission.connections_max, " connections, ",
                      config_.limits.max_pipeline, " requests in a pipeline");
}

}  // namespace objmapper::server
