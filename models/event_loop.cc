#include "models/event_loop.h"

#include <optional>
#include <utility>

#include "loop/lane.h"

namespace objmapper::models {

absl::StatusOr<std::unique_ptr<session::Lane>> MakeEventLoop(loop::EngineKind engine,
                                                             const Options& options) {
  loop::LoopOptions loop;
  loop.limits = options.limits;
  loop.tree = options.tree;
  loop.index = options.index;
  loop.store = options.store;
  loop.connections = options.connections;
  loop.board = options.board;
  loop.switchboard = options.switchboard;
  loop.engine = engine;
  loop.cache_entries = options.cache_entries;
  loop.cache_valid = options.cache_valid;
  loop.splice_bytes_min = options.splice_bytes_min;
  loop.sendfile_bytes_min = options.sendfile_bytes_min;
  loop.unix_send_buffer_bytes = options.unix_send_buffer_bytes;
  loop.lane = std::nullopt;
  absl::StatusOr<std::unique_ptr<loop::CopyPathLane>> lane =
      loop::CopyPathLane::Create(loop, {.splice = options.splice_threads});
  if (!lane.ok()) return std::move(lane).status();
  return std::unique_ptr<session::Lane>(*std::move(lane));
}

}  // namespace objmapper::models
