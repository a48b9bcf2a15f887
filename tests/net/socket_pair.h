// Two connected stream sockets, and a peer's ways to read and write that never hang.
//
//   SocketPair pair = SocketPair::Unix();
//   SendAll(pair.peer.get(), "hello");
//   ... pair.ours.get() ...               // what the code under test has
//   EXPECT_EQ(ReadBytes(pair.peer.get(), 5), "world");
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::net {

struct SocketPair {
  UniqueFd ours;  // blocking mode, as the server's sockets are
  UniqueFd peer;  // blocking too, but no wait lasts longer than 20 s

  static SocketPair Unix() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return Of(UniqueFd(ends[0]), UniqueFd(ends[1]));
  }

  // On 127.0.0.1. What is on its way from ours to the peer stays small: the kernel would let its
  // buffers grow to megabytes.
  static SocketPair Tcp() {
    const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* name = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener.get(), name, size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), name, &size), 0);
    UniqueFd peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(peer.get(), name, size), 0);
    UniqueFd ours(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const int bytes = 64 * 1024;
    EXPECT_EQ(setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    EXPECT_EQ(setsockopt(peer.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    return Of(std::move(ours), std::move(peer));
  }

 private:
  static SocketPair Of(UniqueFd ours, UniqueFd peer) {
    EXPECT_TRUE(ours.valid() && peer.valid());
    const timeval patience{20, 0};
    EXPECT_EQ(setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    EXPECT_EQ(setsockopt(peer.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    return SocketPair{std::move(ours), std::move(peer)};
  }
};

inline void SendAll(int socket, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_GT(sent, 0) << "the peer takes no bytes";
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// `bytes` bytes; fewer at the end of the stream, or when they do not come.
inline std::string ReadBytes(int socket, size_t bytes) {
  std::string out(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    const ssize_t got = recv(socket, &out[have], bytes - have, 0);
    if (got <= 0) {
      EXPECT_EQ(got, 0) << "the bytes do not come, or the connection was reset";
      break;
    }
    have += static_cast<size_t>(got);
  }
  out.resize(have);
  return out;
}

// What has arrived, `bytes` at most; waits for the first of them.
inline std::string ReadSome(int socket, size_t bytes) {
  std::string out(bytes, '\0');
  const ssize_t got = recv(socket, &out[0], bytes, 0);
  EXPECT_GE(got, 0) << "no bytes come, or the connection was reset";
  out.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return out;
}

// Everything up to an orderly end of the stream; anything else is a failure.
inline std::string ReadToEnd(int socket) {
  std::string out;
  char buffer[65536];
  ssize_t got;
  while ((got = recv(socket, buffer, sizeof(buffer), 0)) > 0) {
    out.append(buffer, static_cast<size_t>(got));
  }
  EXPECT_EQ(got, 0) << "the stream does not end, or the connection was reset";
  return out;
}

// What has arrived already; never waits.
inline std::string ReadReady(int socket) {
  std::string out;
  char buffer[65536];
  ssize_t got;
  while ((got = recv(socket, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
    out.append(buffer, static_cast<size_t>(got));
  }
  return out;
}

// Sends bytes until the socket takes no more; returns them. A Unix socket is full then, until its
// peer reads; TCP may move what it has to the peer's side a moment later, and take more.
inline std::string FillSocket(int socket) {
  std::string sent;
  // In ever smaller pieces: what a large send no longer finds room for, a small one does.
  for (size_t piece = 65536; piece > 0; piece /= 2) {
    const std::string bytes(piece, static_cast<char>('a' + sent.size() % 26));
    ssize_t taken;
    while ((taken = send(socket, bytes.data(), piece, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
      sent.append(bytes, 0, static_cast<size_t>(taken));
    }
  }
  return sent;
}

// Makes the peer's end break the connection (TCP): a reset instead of an orderly end.
inline void Reset(UniqueFd* peer) {
  const linger at_once{1, 0};  // socket(7), SO_LINGER
  EXPECT_EQ(setsockopt(peer->get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
  peer->Reset();
}

}  // namespace objmapper::net
