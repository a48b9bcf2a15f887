#include "tests/tools/bench/contenders/asker.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/address.h"
#include "net/dial.h"
#include "net/scm_rights.h"
#include "protocol/capabilities.h"

namespace objmapper::bench {
namespace {

// The integer of `count` bytes at `at`.
uint64_t Integer(const std::string& bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

void Append(std::string* bytes, uint64_t value, size_t count) {
  for (size_t i = count; i-- > 0;) bytes->push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

net::UniqueFd DialEndpoint(const Endpoint& endpoint) {
  net::Address address{.kind = net::Address::Kind::kUnix, .path = endpoint.path};
  if (endpoint.transport == Transport::kTcp) {
    address = {.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = endpoint.port};
  }
  absl::StatusOr<net::UniqueFd> socket = net::Dial(address, absl::Seconds(kSilenceSeconds));
  EXPECT_TRUE(socket.ok()) << socket.status();
  if (!socket.ok()) return net::UniqueFd();
  const timeval silence{kSilenceSeconds, 0};
  setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
  return *std::move(socket);
}

Asker::Asker(const Endpoint& endpoint, bool batch) : socket_(DialEndpoint(endpoint)) {
  const uint16_t capabilities =
      protocol::kPipelining | protocol::kFdInHeader | (batch ? protocol::kFdBatch : 0);
  std::string hello = "OBJM\x02";
  Append(&hello, capabilities, 2);
  Append(&hello, 64, 2);
  EXPECT_EQ(send(socket_.get(), hello.data(), hello.size(), MSG_NOSIGNAL), 9);
  EXPECT_TRUE(Fill(10));
  if (input_.size() < 10) return;
  EXPECT_EQ(input_.substr(0, 5), "OBJM\x02");
  // Descriptors are granted on Unix sockets alone.
  EXPECT_NE(Integer(input_, 5, 2) & protocol::kPipelining, 0u);
  EXPECT_EQ(Integer(input_, 7, 2), 64u);
  input_.erase(0, 10);
}

void Asker::Ask(char mode, absl::string_view name, uint32_t id) {
  std::string request = "\x01";
  Append(&request, id, 4);
  Append(&request, 0, 1);
  request.push_back(mode);
  Append(&request, name.size(), 2);
  request.append(name.data(), name.size());
  const ssize_t all = request.size();
  EXPECT_EQ(send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL), all);
}

bool Asker::Fill(size_t bytes) {
  while (input_.size() < bytes) {
    char piece[65536];
    absl::StatusOr<net::Received> got =
        net::RecvWithFds(socket_.get(), absl::MakeSpan(piece), net::kFdsPerMessageMax, &fds_);
    if (!got.ok() || got->bytes == 0) {
      ADD_FAILURE() << "the connection ended: " << got.status();
      return false;
    }
    input_.append(piece, got->bytes);
  }
  return true;
}

Asker::Answer Asker::Next(bool descriptor) {
  constexpr size_t kHeaderBytes = 16;
  Answer answer;
  if (!Fill(kHeaderBytes)) return answer;
  EXPECT_EQ(input_[0], 2);
  const size_t bytes = descriptor ? 0 : Integer(input_, 6, 8);
  const size_t metadata = Integer(input_, 14, 2);
  const size_t all = kHeaderBytes + metadata + bytes;
  if (!Fill(all)) return answer;
  answer.status = static_cast<uint8_t>(input_[5]);
  answer.id = Integer(input_, 1, 4);
  answer.body = input_.substr(kHeaderBytes + metadata, bytes);
  input_.erase(0, all);
  if (descriptor && answer.status == 0) {
    EXPECT_FALSE(fds_.empty()) << "no descriptor came";
    if (fds_.empty()) return answer;
    answer.fd = std::move(fds_.front());
    fds_.erase(fds_.begin());
  }
  return answer;
}

std::string Asker::ReadAll(int fd) {
  std::string content(2 << 20, 0);
  const ssize_t got = pread(fd, content.data(), content.size(), 0);
  content.resize(got < 0 ? 0 : got);
  return content;
}

}  // namespace objmapper::bench
