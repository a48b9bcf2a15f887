// One function for each way to start a contender; contender.cc knows which name needs which.
#pragma once

#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

// All: start the processes of `contender`, which is new, and wait until it answers. Errors are in
// its status(), as StartContender() returns them. `options.name` is one that the function knows.

// model.cc: our server, with a concurrency model; and mode_routing by options.other_server, to have
// what another build does beside this one.
void StartModel(const ContenderOptions& options, const ObjectSet& objects, Contender& contender);
void StartOtherBuild(const ContenderOptions& options, const ObjectSet& objects,
                     Contender& contender);
// floor_process.cc: this program again, as a floor (floor/floor_main.h).
void StartFloor(const ContenderOptions& options, const ObjectSet& objects, Contender& contender);
// http_peers.cc
void StartNginx(const ContenderOptions& options, const ObjectSet& objects, Contender& contender);
void StartLighttpd(const ContenderOptions& options, const ObjectSet& objects, Contender& contender);
void StartH2o(const ContenderOptions& options, const ObjectSet& objects, Contender& contender);
// value_peers.cc
void StartRedis(const ContenderOptions& options, const ObjectSet& objects, Contender& contender);
void StartMemcached(const ContenderOptions& options, const ObjectSet& objects,
                    Contender& contender);
// dbus_peers.cc
void StartDbusDaemon(const ContenderOptions& options, const ObjectSet& objects,
                     Contender& contender);
void StartDbusBroker(const ContenderOptions& options, const ObjectSet& objects,
                     Contender& contender);

}  // namespace objmapper::bench
