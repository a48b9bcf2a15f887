// Congestion control is chosen for local peers only.
#include "net/tcp.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fstream>
#include <string>

#include "net/address.h"
#include "net/listener.h"
#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

std::string ControlOf(int socket) {
  char name[16] = {};
  socklen_t bytes = sizeof(name);
  EXPECT_EQ(getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, &bytes), 0);
  return name;
}

std::string SystemsControl() {
  return ControlOf(UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)).get());
}

// One that this process may choose and the system has not; empty: there is none.
std::string AnotherControl() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
  for (std::string name; file >> name;) {
    if (name != SystemsControl()) return name;
  }
  return "";
}

// Our end of a connection over loopback, to a listener and a connection that have been prepared.
UniqueFd Prepared(const CongestionControl& control) {
  Address any;
  any.kind = Address::Kind::kTcp;
  any.host = "127.0.0.1";
  const absl::StatusOr<Listener> listener = Listener::Open(any);
  EXPECT_TRUE(listener.ok()) << listener.status();
  control.PrepareListener(listener->fd());
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(static_cast<uint16_t>(listener->address().port));
  there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&there), sizeof(there)), 0);
  UniqueFd ours(accept4(listener->fd(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(ours.valid());
  control.Prepare(ours.get());
  return ours;
}

TEST(CongestionControlTest, IsChosenForLocalPeers) {
  const std::string another = AnotherControl();
  if (another.empty()) GTEST_SKIP() << "there is " << SystemsControl() << " alone";
  const UniqueFd ours = Prepared(CongestionControl(another));
  EXPECT_EQ(ControlOf(ours.get()), another);
  EXPECT_EQ(Paces(ours.get()), another == "bbr");
}

TEST(CongestionControlTest, StaysTheSystemsUnlessChosen) {
  EXPECT_EQ(ControlOf(Prepared(CongestionControl("")).get()), SystemsControl());
}

// What the kernel does not know changes nothing, and was refused before.
TEST(CongestionControlTest, WhatThereIsNotIsRefused) {
  const absl::Status status = CongestionControl::Check("nonsense");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("there is "), absl::string_view::npos) << status;
  EXPECT_EQ(ControlOf(Prepared(CongestionControl("nonsense")).get()), SystemsControl());
  EXPECT_TRUE(CongestionControl::Check(SystemsControl()).ok());
}

TEST(TcpTest, SendsAtOnce) {
  const UniqueFd socket_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SendAtOnce(socket_fd.get());
  int value = 0;
  socklen_t bytes = sizeof(value);
  ASSERT_EQ(getsockopt(socket_fd.get(), IPPROTO_TCP, TCP_NODELAY, &value, &bytes), 0);
  EXPECT_NE(value, 0);
}

}  // namespace
}  // namespace objmapper::net
