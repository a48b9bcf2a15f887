#include "tools/bench/contenders/floor/floor_main.h"

#include <fcntl.h>

#include <iostream>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/listener.h"
#include "net/scm_rights.h"
#include "net/tcp.h"
#include "tools/bench/contenders/floor/floor.h"

namespace objmapper::bench {
namespace {

int Fail(absl::string_view reason) {
  std::cerr << "floor: " << reason << std::endl;
  return 1;
}

}  // namespace

bool IsFloor(int argc, char** argv) {
  return argc > 1 && absl::StartsWith(argv[1], kFloorArgument);
}

int FloorMain(int argc, char** argv) {
  int port = 0;
  if (argc != 5 || !absl::SimpleAtoi(argv[4], &port)) {
    return Fail(absl::StrCat("expected ", kFloorArgument, "NAME ROOT UNIX_PATH TCP_PORT"));
  }
  const absl::string_view name = absl::StripPrefix(argv[1], kFloorArgument);
  const std::string root = argv[2];
  const int root_fd = open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root_fd < 0) return Fail(absl::StrCat("cannot open the folder ", root));

  // Before it listens: whoever connects finds it ready.
  Objects objects;
  if (!absl::StartsWith(name, "floor_fdpass")) {
    const bool map = name == "floor_copy_map" || name == "floor_copy_ring";
    absl::StatusOr<Objects> opened = OpenObjects(root, map);
    if (!opened.ok()) return Fail(opened.status().message());
    objects = *std::move(opened);
  }
  absl::StatusOr<net::Listener> on_unix =
      net::Listener::Open({.kind = net::Address::Kind::kUnix, .path = argv[3]});
  if (!on_unix.ok()) return Fail(on_unix.status().message());
  absl::StatusOr<net::Listener> on_tcp = net::Listener::Open(
      {.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = static_cast<uint16_t>(port)});
  if (!on_tcp.ok()) return Fail(on_tcp.status().message());
  // Between processes of one machine nothing need be paced (bbr).
  net::CongestionControl("reno").PrepareListener(on_tcp->fd());
  const Listeners listeners{on_unix->fd(), on_tcp->fd()};

  if (name == "floor_copy_ring") RunCopyRing(objects, listeners);
  const absl::flat_hash_map<absl::string_view, EpollFloor> floors = {
      {"floor_fdpass", {.serve = FdPass(root_fd, 1)}},
      {"floor_fdpass_poll", {.serve = FdPass(root_fd, 1), .poll = true}},
      {"floor_fdpass_batch", {.serve = FdPass(root_fd, net::kFdsPerMessageMax)}},
      {"floor_fdpass_v1", {.serve = FdPassV1(root_fd), .greets = false, .threads = 1}},
      {"floor_fdpass_v1_two", {.serve = FdPassV1(root_fd), .greets = false, .threads = 2}},
      {"floor_copy_buffer", {.serve = Bodies(objects, SendFromBuffer)}},
      {"floor_copy_map", {.serve = Bodies(objects, SendFromMapping)}},
      {"floor_sendfile", {.serve = Bodies(objects, SendBySendfile)}},
      {"floor_splice", {.serve = Bodies(objects, SendBySplice)}},
  };
  if (const auto floor = floors.find(name); floor != floors.end()) Run(floor->second, listeners);
  return Fail(absl::StrCat("there is no floor \"", name, "\""));
}

}  // namespace objmapper::bench
