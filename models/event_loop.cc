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
#include <memory>
#include <optional>

#include "loop/lane.h"
#include "models/makers.h"

namespace objmapper::models {
namespace {

using Made = absl::StatusOr<std::unique_ptr<session::Lane>>;

Made MakeLoop(loop::EngineKind engine, const Options& options) {
  loop::LoopOptions loop = options;
  loop.engine = engine;
  // What says which of several lanes answers has no meaning here.
  loop.in_place = false;
  loop.async_copy = loop.splice_in_loop = true;
  loop.lane = std::nullopt;
  return loop::CopyPathLane::Create(loop, {.splice = options.splice_threads});
}

}  // namespace

Made MakeEpollLoop(const Options& options) { return MakeLoop(loop::EngineKind::kEpoll, options); }
Made MakeUringLoop(const Options& options) { return MakeLoop(loop::EngineKind::kUring, options); }

}  // namespace objmapper::models
