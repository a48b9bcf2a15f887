// What an origin has sent, by its own log.
#include "tools/bench/origin/far.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace objmapper::bench {
namespace {

// An answer gets its line when all of it is with the kernel, a moment after the client has it.
constexpr absl::Duration kQuiet = absl::Milliseconds(300);
constexpr absl::Duration kQuietMax = absl::Seconds(60);

}  // namespace

absl::StatusOr<uint64_t> Far::BytesSent(absl::string_view key) const {
  const std::string path = PathOf(key);
  const absl::Time deadline = absl::Now() + kQuietMax;
  for (uint64_t before = UINT64_MAX; absl::Now() < deadline;) {
    uint64_t bytes = 0;
    std::ifstream log(log_);
    if (!log) return absl::NotFoundError(absl::StrCat(kind_, " has no log at ", log_));
    for (std::string line; std::getline(log, line);) {
      Sent sent;
      if (ParseLine(line, &sent) && sent.path == path) bytes += sent.bytes;
    }
    if (bytes == before) return bytes;
    before = bytes;
    absl::SleepFor(kQuiet);
  }
  return absl::DeadlineExceededError(absl::StrCat(kind_, " goes on sending ", path));
}

absl::StatusOr<std::unique_ptr<Far>> StartFar(const std::string& kind, const std::string& folder) {
  if (kind == "nginx") return StartNginxFar(folder);
  if (kind == "radosgw") return StartRadosgwFar(folder);
  return absl::InvalidArgumentError(absl::StrCat("there is no origin \"", kind, "\""));
}

}  // namespace objmapper::bench
