// What all contenders are, however they were started; and which there are.
#include "tools/bench/contenders/contender.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "net/dial.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

struct Entry {
  const char* name;
  Kind kind;
  Starter* start;
};

// In the order of reports.
constexpr Entry kEntries[] = {
    {"mode_routing", Kind::kModel, StartModel},
    {"other_build", Kind::kModel, StartOtherBuild},
    {"auto", Kind::kModel, StartModel},
    {"thread_per_request", Kind::kModel, StartModel},
    {"thread_per_connection", Kind::kModel, StartModel},
    {"thread_pool", Kind::kModel, StartModel},
    {"accept_pool", Kind::kModel, StartModel},
    {"work_stealing", Kind::kModel, StartModel},
    {"epoll", Kind::kModel, StartModel},
    {"uring", Kind::kModel, StartModel},
    {"seda", Kind::kModel, StartModel},
    {"floor_fdpass", Kind::kFloor, StartFloor},
    {"floor_fdpass_poll", Kind::kFloor, StartFloor},
    {"floor_fdpass_v1", Kind::kFloor, StartFloor},
    {"floor_fdpass_v1_two", Kind::kFloor, StartFloor},
    {"floor_fdpass_batch", Kind::kFloor, StartFloor},
    {"floor_copy_buffer", Kind::kFloor, StartFloor},
    {"floor_copy_map", Kind::kFloor, StartFloor},
    {"floor_copy_ring", Kind::kFloor, StartFloor},
    {"floor_splice", Kind::kFloor, StartFloor},
    {"floor_sendfile", Kind::kFloor, StartFloor},
    {"nginx", Kind::kPeer, StartNginx},
    {"lighttpd", Kind::kPeer, StartLighttpd},
    {"h2o", Kind::kPeer, StartH2o},
    {"redis", Kind::kPeer, StartRedis},
    {"memcached", Kind::kPeer, StartMemcached},
    {"dbus_broker", Kind::kPeer, StartDbusBroker},
    {"dbus_daemon", Kind::kPeer, StartDbusDaemon},
};

const Entry* Find(const std::string& name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

}  // namespace

Contender::Contender(const ContenderOptions& options, Kind kind)
    : name_(options.name),
      kind_(kind),
      base_(absl::StrCat(options.work_dir, "/", options.name)),
      path_(base_ + ".sock"),
      port_(Take(FreePort())) {
  Check(net::UnixAddress(path_).status());  // that the path is not too long
  unlink(path_.c_str());                    // of an earlier run: not every server removes it
}

Contender::~Contender() {
  while (!processes_.empty()) processes_.pop_back();
}

net::Address Contender::address(Transport transport) const {
  if (transport == Transport::kUnix) return {.kind = net::Address::Kind::kUnix, .path = path_};
  return {.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = port_};
}

std::string Contender::Write(const std::string& suffix, const std::string& text) {
  if (status_.ok()) Check(WriteFile(base_ + suffix, text));
  return base_ + suffix;
}

void Contender::Start(std::vector<std::string> argv, const std::string& log_suffix,
                      int descriptor_3) {
  if (!status_.ok()) return;
  auto process = Take(Process::Start({.argv = std::move(argv),
                                      .log_path = absl::StrCat(base_, log_suffix, ".log"),
                                      .descriptor_3 = descriptor_3}));
  if (process != nullptr) processes_.push_back(std::move(process));
}

void Contender::Await(Wire wire, Transport transport) {
  const net::Address address = this->address(transport);
  const absl::Time deadline = absl::Now() + kStartTime;
  while (status_.ok()) {
    const absl::StatusOr<net::UniqueFd> connected = net::Dial(address, absl::Seconds(1));
    for (const auto& process : processes_) Check(process->Running());
    if (connected.ok()) break;
    if (absl::Now() > deadline) {
      CheckWithLog(absl::DeadlineExceededError(absl::StrCat(
          "does not accept connections at ", address.ToUrl(), ": ", connected.status().message())));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  endpoints_.push_back({.wire = wire, .transport = transport, .path = path_, .port = port_});
}

void Contender::AwaitLog(const std::string& text) {
  if (status_.ok()) Check(processes_.back()->WaitForLog(text, absl::Now() + kStartTime));
}

void Contender::CheckWithLog(const absl::Status& step) {
  if (step.ok()) return;
  Check(absl::Status(step.code(), absl::StrCat(name_, ": ", step.message(), "; its log ends:\n",
                                               processes_.back()->LogEnd())));
}

absl::StatusOr<Endpoint> Contender::endpoint(Transport transport) const {
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.transport == transport) return endpoint;
  }
  return absl::NotFoundError(
      absl::StrCat(name_, " is not reached by ", transport == Transport::kUnix ? "Unix" : "TCP"));
}

std::string Contender::command() const {
  std::string all;
  for (const auto& process : processes_) {
    absl::StrAppend(&all, all.empty() ? "" : " & ", process->command());
  }
  return all + remarks_;
}

absl::StatusOr<Usage> Contender::usage() const {
  Usage sum;
  for (const auto& process : processes_) {
    absl::Status status = process->AddUsage(&sum);
    if (!status.ok()) return status;
  }
  return sum;
}

absl::StatusOr<std::unique_ptr<Contender>> StartContender(const ContenderOptions& options,
                                                          const ObjectSet& objects) {
  if (objects.objects.empty()) return absl::InvalidArgumentError("there are no objects to serve");
  const Entry* const entry = Find(options.name);
  if (entry == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no contender \"", options.name, "\"; there are\n", Roster()));
  }
  auto contender = std::make_unique<Contender>(options, entry->kind);
  entry->start(options, objects, *contender);
  if (!contender->status().ok()) return contender->status();
  return contender;
}

std::vector<std::string> ContenderNames(Kind kind) {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) {
    if (entry.kind == kind) names.push_back(entry.name);
  }
  return names;
}

absl::optional<Kind> KindOf(const std::string& name) {
  const Entry* const entry = Find(name);
  return entry == nullptr ? absl::nullopt : absl::optional<Kind>(entry->kind);
}

std::string Roster() {
  return absl::StrCat("  models: ", absl::StrJoin(ContenderNames(Kind::kModel), " "),
                      "\n  floors: ", absl::StrJoin(ContenderNames(Kind::kFloor), " "),
                      "\n  peers:  ", absl::StrJoin(ContenderNames(Kind::kPeer), " "), "\n");
}

}  // namespace objmapper::bench
