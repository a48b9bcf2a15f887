// Starts one loop that passes descriptors too, with the blocking pool behind it.
#include "models/event_loop.h"

#include <optional>
#include <utility>

#include "loop/lane.h"

namespace objmapper::models {

absl::StatusOr<std::unique_ptr<session::Lane>> MakeEventLoop(loop::EngineKind engine,
                                                             const Options& options) {
  loop::LoopOptions loop = options;
  loop.engine = engine;
  // What says which of several lanes answers has no meaning here.
  loop.in_place = false;
  loop.async_copy = loop.splice_in_loop = true;
  loop.lane = std::nullopt;
  absl::StatusOr<std::unique_ptr<loop::CopyPathLane>> lane =
      loop::CopyPathLane::Create(loop, {.splice = options.splice_threads});
  if (!lane.ok()) return std::move(lane).status();
  return std::unique_ptr<session::Lane>(*std::move(lane));
}

}  // namespace objmapper::models
