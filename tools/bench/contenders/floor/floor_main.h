// The floors: bare loops that do the least a kernel allows for a kind of answer. Each is a process
// of its own: the benchmark executes itself with a first argument that main() hands over here.
#pragma once

namespace objmapper::bench {

// "--floor_main=floor_fdpass ROOT UNIX_PATH TCP_PORT"
inline constexpr char kFloorArgument[] = "--floor_main=";

// Is the command line a floor's? Then main() returns FloorMain(argc, argv) before it does anything
// else.
bool IsFloor(int argc, char** argv);

// Serves until it is killed; returns an exit status when it cannot start.
int FloorMain(int argc, char** argv);

}  // namespace objmapper::bench
