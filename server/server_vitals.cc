// What a server looks like from outside: its figures, and the line that says what serves with what.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "net/clock.h"
#include "net/expendable.h"
#include "server/log_writer.h"
#include "server/server.h"
#include "session/access_log.h"

namespace objmapper::server {

Vitals Server::Read() const {
  Vitals vitals;
  vitals.now_ns = net::NowNs();
  vitals.shape = Shape();
  vitals.tally = board_.Read();
  vitals.lanes = lanes_->Read();
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
  storage_->Read(&vitals);
  vitals.rules = rules_.figures();
  vitals.root = config_.root;
  vitals.writable = config_.limits.writable;
  vitals.expendable = net::ReadExpendable();
  vitals.process = ReadProcess();
  vitals.log_lines_dropped = LogLinesDropped();
  if (config_.limits.access_log != nullptr)
    vitals.access_lines_dropped = config_.limits.access_log->dropped();
  return vitals;
}

std::string Server::Shape() const {
  return absl::StrCat("serving ", config_.root,
                      config_.limits.writable ? ", writable, on " : " on ",
                      absl::StrJoin(urls_, ", "), "; ", config_.concurrency_model, ": ",
                      lanes_->Shape(config_), "; at most ", config_.admission.connections_max,
                      " connections, ", config_.limits.max_pipeline, " requests in a pipeline");
}

}  // namespace objmapper::server
