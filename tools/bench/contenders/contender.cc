#include "tools/bench/contenders/contender.h"

#include "absl/strings/str_cat.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

struct Entry {
  const char* name;
  Kind kind;
  Started (*start)(const ContenderOptions&, const ObjectSet&);
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

}  // namespace

std::vector<std::string> ContenderNames(Kind kind) {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) {
    if (entry.kind == kind) names.push_back(entry.name);
  }
  return names;
}

absl::StatusOr<std::unique_ptr<Contender>> StartContender(const ContenderOptions& options,
                                                          const ObjectSet& objects) {
  if (objects.objects.empty()) return absl::InvalidArgumentError("there are no objects to serve");
  for (const Entry& entry : kEntries) {
    if (options.name == entry.name) return entry.start(options, objects);
  }
  std::string known;
  for (const Entry& entry : kEntries) absl::StrAppend(&known, " ", entry.name);
  return absl::InvalidArgumentError(
      absl::StrCat("there is no contender \"", options.name, "\"; there are:", known));
}

}  // namespace objmapper::bench
