// What all contenders are, however they were started; and which there are.
#include "tools/bench/contenders/contender.h"

#include <unistd.h>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "net/dial.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

// Contenders that are started alike.
struct Group {
  Kind kind;
  Starter* start;
  std::vector<std::string> names;
};

// In the order of reports.
const std::vector<Group>& Groups() {
  static const auto* const kGroups = new std::vector<Group>{
      {Kind::kModel,
       StartModel,
       {"mode_routing", "other_build", "auto", "thread_per_request", "thread_per_connection",
        "thread_pool", "accept_pool", "work_stealing", "epoll", "uring", "seda"}},
      {Kind::kModel,
       StartModelHttp,
       {"mode_routing_http", "mode_routing_http_16", "other_build_http"}},
      {Kind::kFloor,
       StartFloor,
       {"floor_fdpass", "floor_fdpass_poll", "floor_fdpass_v1", "floor_fdpass_v1_two",
        "floor_fdpass_batch", "floor_copy_buffer", "floor_copy_map", "floor_copy_ring",
        "floor_splice", "floor_sendfile"}},
      {Kind::kPeer, StartNginx, {"nginx"}},
      {Kind::kPeer, StartLighttpd, {"lighttpd"}},
      {Kind::kPeer, StartH2o, {"h2o"}},
      {Kind::kPeer, StartRedis, {"redis"}},
      {Kind::kPeer, StartMemcached, {"memcached"}},
      {Kind::kPeer, StartDbusBroker, {"dbus_broker"}},
      {Kind::kPeer, StartDbusDaemon, {"dbus_daemon"}},
  };
  return *kGroups;
}

const Group* Find(const std::string& name) {
  for (const Group& group : Groups()) {
    if (absl::c_linear_search(group.names, name)) return &group;
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

void Contender::Await(Wire wire, Transport transport, int depth) {
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
  endpoints_.push_back(
      {.wire = wire, .transport = transport, .path = path_, .port = port_, .depth = depth});
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
  const Group* const group = Find(options.name);
  if (group == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no contender \"", options.name, "\"; there are\n", Roster()));
  }
  auto contender = std::make_unique<Contender>(options, group->kind);
  group->start(options, objects, *contender);
  if (!contender->status().ok()) return contender->status();
  return contender;
}

std::vector<std::string> ContenderNames(Kind kind) {
  std::vector<std::string> names;
  for (const Group& group : Groups()) {
    if (group.kind == kind) absl::c_copy(group.names, std::back_inserter(names));
  }
  return names;
}

absl::optional<Kind> KindOf(const std::string& name) {
  const Group* const group = Find(name);
  return group == nullptr ? absl::nullopt : absl::optional<Kind>(group->kind);
}

std::string Roster() {
  return absl::StrCat("  models: ", absl::StrJoin(ContenderNames(Kind::kModel), " "),
                      "\n  floors: ", absl::StrJoin(ContenderNames(Kind::kFloor), " "),
                      "\n  peers:  ", absl::StrJoin(ContenderNames(Kind::kPeer), " "), "\n");
}

}  // namespace objmapper::bench
