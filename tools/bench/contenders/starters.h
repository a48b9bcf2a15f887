// One function for each way to start a contender; contender.cc knows which name needs which.
#pragma once

#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

// Starts the processes of `contender`, which is new, and waits until it answers. Errors are in its
// status(), as StartContender() returns them. `options.name` is one that the function knows.
using Starter = void(const ContenderOptions& options, const ObjectSet& objects,
                     Contender& contender);

// model.cc: our server, with a concurrency model, or for other_build mode_routing by
// options.other_server, to have what another build does beside this one; the same, asked in HTTP
// (NAME_http; NAME_http_16 always 16 requests at a time); and this program again, as a floor
// (floor/floor_main.h).
Starter StartModel, StartModelHttp, StartFloor;
// http_peers.cc
Starter StartNginx, StartLighttpd, StartH2o;
// value_peers.cc
Starter StartRedis, StartMemcached;
// dbus_peers.cc
Starter StartDbusDaemon, StartDbusBroker;

}  // namespace objmapper::bench
