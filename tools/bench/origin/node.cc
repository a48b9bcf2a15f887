// The server, started, watched by its admin socket, and ended.
#include "tools/bench/origin/node.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/contenders/place.h"

namespace objmapper::bench {
namespace {

constexpr char kFetching[] = "objmapper_origin_fetching ";
constexpr absl::Duration kPause = absl::Milliseconds(20);
constexpr absl::Duration kFetchMax = absl::Minutes(10);

}  // namespace

Node::Node(std::string folder)
    : folder_(std::move(folder)),
      root_(folder_ + "/root"),
      socket_(folder_ + "/s"),
      admin_(folder_ + "/a") {}

Node::~Node() {
  process_.reset();
  std::error_code error;
  std::filesystem::remove_all(folder_, error);
}

absl::StatusOr<std::unique_ptr<Node>> Node::Start(const std::string& folder,
                                                  const std::vector<std::string>& flags) {
  const absl::StatusOr<std::string> program = BuiltProgram("server/server");
  if (!program.ok()) return program.status();
  std::unique_ptr<Node> node(new Node(folder));
  std::error_code error;
  std::filesystem::create_directories(node->root_, error);
  if (error) return absl::InternalError(absl::StrCat(node->root_, ": ", error.message()));
  std::vector<std::string> argv = {*program, "--root=" + node->root_,
                                   "--listen_unix=" + node->socket_,
                                   "--admin_listen=" + node->admin_, "--drain_timeout=1s"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.argv = std::move(argv), .log_path = folder + "/log"});
  if (!process.ok()) return process.status();
  node->process_ = *std::move(process);
  const absl::Status ready =
      node->process_->WaitForLog("ready", absl::Now() + Contender::kStartTime);
  if (!ready.ok()) return ready;
  return node;
}

HttpPlace Node::http(absl::string_view uri) const {
  return {absl::StrCat("http://localhost/", uri), socket_};
}

std::string Node::PathOf(absl::string_view uri) const { return absl::StrCat(root_, "/", uri); }

absl::StatusOr<double> Node::CpuSeconds() const {
  Usage usage;
  if (absl::Status added = process_->AddUsage(&usage); !added.ok()) return added;
  return static_cast<double>(usage.cpu_ns) / 1e9;
}

absl::StatusOr<Memory> Node::MemoryUsed() const {
  if (absl::Status running = process_->Running(); !running.ok()) return running;
  Memory memory;
  std::ifstream status(absl::StrCat("/proc/", process_->pid(), "/status"));
  std::string key, line;
  while (status >> key) {
    uint64_t kib = 0;
    if (key == "VmHWM:" && status >> kib) memory.peak_rss = kib * 1024;
    if (key == "RssAnon:" && status >> kib) memory.anonymous = kib * 1024;
    if (key == "RssFile:" && status >> kib) memory.files = kib * 1024;
    std::getline(status, line);
  }
  if (memory.peak_rss == 0) return absl::InternalError("/proc/PID/status has no VmHWM");
  return memory;
}

absl::Status Node::AwaitIdle() const {
  for (const absl::Time deadline = absl::Now() + kFetchMax; absl::Now() < deadline;) {
    const absl::StatusOr<HttpAnswer> metrics = HttpAsk({"http://localhost/metrics", admin_}, {});
    if (!metrics.ok()) return metrics.status();
    for (absl::string_view line : absl::StrSplit(metrics->body, '\n')) {
      double fetching = 0;
      if (absl::ConsumePrefix(&line, kFetching) && absl::SimpleAtod(line, &fetching) &&
          fetching == 0)
        return absl::OkStatus();
    }
    absl::SleepFor(kPause);
  }
  return absl::DeadlineExceededError("the server does not end fetching");
}

absl::Status Node::Evict(absl::string_view uri) const {
  if (absl::Status idle = AwaitIdle(); !idle.ok()) return idle;
  const HttpPlace door = {absl::StrCat("http://localhost/cache/evict?uri=", uri), admin_};
  const absl::Status evicted =
      HttpAsk(door, {.method = "POST", .fields = {{"Objmapper-Change", "yes"}}}).status();
  // There is nothing of it.
  return absl::StrContains(evicted.message(), "status 404") ? absl::OkStatus() : evicted;
}

}  // namespace objmapper::bench
