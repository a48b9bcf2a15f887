// This program again, in a process of its own, as a floor.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/contenders/floor/floor_main.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/process_contender.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {

Started StartFloor(const ContenderOptions& options, const ObjectSet& objects) {
  absl::StatusOr<std::string> own = OwnProgram();
  if (!own.ok()) return own.status();
  absl::StatusOr<uint16_t> port = FreePort();
  if (!port.ok()) return port.status();
  const std::string path = absl::StrCat(options.work_dir, "/", options.name, ".sock");
  auto contender = std::make_unique<ProcessContender>(options.name, Kind::kFloor);
  absl::Status status = contender->Start(
      options.work_dir, "",
      {*own, absl::StrCat(kFloorArgument, options.name), objects.root, path, absl::StrCat(*port)});
  if (status.ok()) {
    status = contender->AddEndpoint({.transport = Transport::kUnix, .path = path});
  }
  // Descriptors pass over Unix sockets alone.
  if (status.ok() && !absl::StartsWith(options.name, "floor_fdpass")) {
    status = contender->AddEndpoint({.transport = Transport::kTcp, .port = *port});
  }
  if (!status.ok()) return status;
  return contender;
}

}  // namespace objmapper::bench
