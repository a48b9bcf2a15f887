// One function for each way to start a contender; contender.cc knows which name needs which.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

// Errors of all: as StartContender(). `options.name` is one that the function knows.
using Started = absl::StatusOr<std::unique_ptr<Contender>>;

// model.cc: our server, with a concurrency model.
Started StartModel(const ContenderOptions& options, const ObjectSet& objects);
// mode_routing, by options.other_server: what another build, or another version, does beside this
// one.
Started StartOtherBuild(const ContenderOptions& options, const ObjectSet& objects);
// floor_process.cc: this program again, as a floor (floor/floor_main.h).
Started StartFloor(const ContenderOptions& options, const ObjectSet& objects);
// http_peers.cc
Started StartNginx(const ContenderOptions& options, const ObjectSet& objects);
Started StartLighttpd(const ContenderOptions& options, const ObjectSet& objects);
Started StartH2o(const ContenderOptions& options, const ObjectSet& objects);
// value_peers.cc
Started StartRedis(const ContenderOptions& options, const ObjectSet& objects);
Started StartMemcached(const ContenderOptions& options, const ObjectSet& objects);
// dbus_peers.cc
Started StartDbusDaemon(const ContenderOptions& options, const ObjectSet& objects);
Started StartDbusBroker(const ContenderOptions& options, const ObjectSet& objects);

}  // namespace objmapper::bench
