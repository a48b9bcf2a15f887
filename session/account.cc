// Lines about single requests, at most ten per second of the slow ones; the number of omitted lines
// is logged with the next.
#include "session/account.h"

#include <glog/logging.h>
#include <time.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "net/mutex.h"
#include "protocol/mode.h"
#include "protocol/status.h"
#include "session/access_log.h"
#include "text/printable.h"

namespace objmapper::session {
namespace {

constexpr int kSlowPerSecond = 10;
// Of a name; the rest of a long one is left out.
constexpr size_t kShownMax = 512;

// Lets some lines through in each second, and counts the others.
class Gate {
 public:
  // nullopt-like: -1 when the line is to be left out, else how many were left out before it.
  int64_t Pass(int64_t now_ns) {
    const net::MutexLock lock(&mutex_);
    if (now_ns - since_ns_ >= 1'000'000'000) {
      since_ns_ = now_ns;
      passed_ = 0;
    }
    if (passed_ >= kSlowPerSecond) {
      ++left_out_;
      return -1;
    }
    ++passed_;
    const int64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  net::Mutex mutex_;
  int64_t since_ns_ GUARDED_BY(mutex_) = 0;
  int passed_ GUARDED_BY(mutex_) = 0;
  int64_t left_out_ GUARDED_BY(mutex_) = 0;
};

std::string Line(const Session& session, const Receipt& receipt, int64_t took_ns) {
  const absl::string_view name = *receipt.name;
  return absl::StrCat(session.PeerName(), ": ", protocol::ModeName(receipt.mode), " ",
                      text::Quoted(name, kShownMax), ": ", protocol::StatusName(receipt.status),
                      ", ", receipt.bytes, " bytes, ", took_ns / 1000, " us");
}

}  // namespace

void LogAnswer(const Session& session, const Receipt& receipt, int64_t now_ns) {
  const int64_t took_ns = now_ns - receipt.received_ns;
  if (receipt.http != nullptr && receipt.http->logged != nullptr) {
    AccessLog* const log = session.limits->access_log;
    log->Write(
        AccessLine(log->format(), session, receipt, *receipt.http->logged, took_ns, time(nullptr)));
  }
  if (session.limits->log_requests) LOG(INFO) << "request: " << Line(session, receipt, took_ns);
  if (session.limits->slow_request_ns == 0 || took_ns < session.limits->slow_request_ns) return;
  static Gate* const gate = new Gate;  // the process's: the log is one
  const int64_t left_out = gate->Pass(now_ns);
  if (left_out < 0) return;
  LOG(WARNING) << "slow: " << Line(session, receipt, took_ns)
               << (left_out == 0 ? "" : absl::StrCat(" (and ", left_out, " more before it)"));
}

}  // namespace objmapper::session
