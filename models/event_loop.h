// One event loop for everything: epoll, uring.
//
// A single thread owns all connections and answers every mode: it is the copypath's own loop, told
// to pass descriptors too. `epoll` makes each system call itself when a socket is ready; `uring`
// hands receives and sends to the kernel in batches, descriptors too (IORING_OP_SENDMSG). What
// would wait for a disk, and OP_SPLICE of large objects, goes to the splice threads behind it, as
// in mode_routing.
//
// Wins: no hand-over, no lock, and with many busy connections few system calls for each request.
// Loses: uses one core, however many there are; with few connections it sleeps while the others
// wait, and a large copy makes every small request behind it late.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "loop/loop.h"
#include "models/context.h"
#include "session/lane.h"

namespace objmapper::models {

// FAILED_PRECONDITION: the kernel refuses the engine; the message says why.
absl::StatusOr<std::unique_ptr<session::Lane>> MakeEventLoop(loop::EngineKind engine,
                                                             const Options& options);

}  // namespace objmapper::models
