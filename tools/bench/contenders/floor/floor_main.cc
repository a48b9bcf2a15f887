#include "tools/bench/contenders/floor/floor_main.h"

#include <fcntl.h>

#include <iostream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/listener.h"
#include "net/tcp.h"
#include "tools/bench/contenders/floor/floors.h"

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

  const bool poll = name == "floor_fdpass_poll", batch = name == "floor_fdpass_batch";
  if (name == "floor_fdpass" || poll || batch) ServeFdPass(listeners, root_fd, poll, batch);
  if (name == "floor_fdpass_v1") ServeFdPassV1(listeners, root_fd, /*threads=*/1);
  if (name == "floor_fdpass_v1_two") ServeFdPassV1(listeners, root_fd, /*threads=*/2);
  if (name == "floor_copy_buffer") ServeCopyBuffer(listeners, objects);
  if (name == "floor_copy_map") ServeCopyMap(listeners, objects);
  if (name == "floor_copy_ring") ServeCopyRing(listeners, objects);
  if (name == "floor_splice") ServeSplice(listeners, objects);
  if (name == "floor_sendfile") ServeSendfile(listeners, objects);
  return Fail(absl::StrCat("there is no floor \"", name, "\""));
}

}  // namespace objmapper::bench
