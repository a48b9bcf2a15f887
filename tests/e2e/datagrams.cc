// UDP for tests: requests built by hand, one datagram each.
#include "tests/e2e/datagrams.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace objmapper::e2e {
namespace {

constexpr int kAgainMs = 1000;

DatagramAnswer TakeApart(absl::string_view datagram) {
  DatagramAnswer answer;
  answer.bytes = datagram.size();
  if (datagram.size() < kV2HeaderBytes) {
    ADD_FAILURE() << "an answer of " << datagram.size() << " bytes";
    return answer;
  }
  EXPECT_EQ(datagram[0], 0x02);
  answer.id = static_cast<uint32_t>(BigEndian(datagram.substr(1, 4)));
  answer.status = static_cast<Status>(datagram[5]);
  answer.content_length = BigEndian(datagram.substr(6, 8));
  const size_t metadata_bytes = BigEndian(datagram.substr(14, 2));
  EXPECT_GE(datagram.size(), kV2HeaderBytes + metadata_bytes);
  const std::optional<Metadata> metadata =
      ParseMetadata(datagram.substr(kV2HeaderBytes, metadata_bytes));
  EXPECT_TRUE(metadata.has_value());
  answer.metadata = metadata.value_or(Metadata());
  answer.body = std::string(datagram.substr(kV2HeaderBytes + metadata_bytes));
  EXPECT_EQ(answer.body.size(), answer.content_length);
  if (answer.status != Status::kOk) {
    EXPECT_TRUE(answer.body.empty());
    EXPECT_TRUE(IsUtf8(answer.metadata[kErrorEntry]) && !answer.metadata[kErrorEntry].empty());
  }
  return answer;
}

}  // namespace

uint16_t UdpPort(const ServerProcess& server) {
  const std::string log = server.log();
  const std::string mark = "listening on udp://127.0.0.1:";
  const size_t at = log.find(mark);
  uint32_t port = 0;
  if (at != std::string::npos) {
    const size_t begin = at + mark.size();
    EXPECT_TRUE(absl::SimpleAtoi(log.substr(begin, log.find('\n', begin) - begin), &port));
  }
  EXPECT_NE(port, 0u) << log;
  return static_cast<uint16_t>(port);
}

Datagrams::Datagrams(uint16_t port) : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  EXPECT_TRUE(socket_.valid());
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
}

void Datagrams::Send(absl::string_view datagram) {
  EXPECT_EQ(send(socket_.get(), datagram.data(), datagram.size(), 0),
            static_cast<ssize_t>(datagram.size()));
}

bool Datagrams::HasMore() {
  pollfd readable{socket_.get(), POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

std::optional<DatagramAnswer> Datagrams::Receive() {
  pollfd readable{socket_.get(), POLLIN, 0};
  if (poll(&readable, 1, std::chrono::milliseconds(kPatience).count()) != 1) {
    ADD_FAILURE() << "no answer came";
    return std::nullopt;
  }
  std::string buffer(70000, '\0');
  const ssize_t got = recv(socket_.get(), &buffer[0], buffer.size(), 0);
  if (got < 0) {
    ADD_FAILURE() << "recv: errno " << errno;
    return std::nullopt;
  }
  return TakeApart(absl::string_view(buffer.data(), static_cast<size_t>(got)));
}

DatagramAnswer Datagrams::Ask(const Question& question) {
  const uint32_t id = next_id_++;
  for (int i = 0; i < std::chrono::milliseconds(kPatience).count() / kAgainMs; ++i) {
    Send(V2Request(id, question));
    pollfd readable{socket_.get(), POLLIN, 0};
    while (poll(&readable, 1, kAgainMs) == 1) {
      std::optional<DatagramAnswer> answer = Receive();
      if (!answer.has_value()) break;
      if (answer->id == id) return *std::move(answer);
      EXPECT_LT(answer->id, id) << "an answer to nothing";  // an earlier one, asked twice
    }
  }
  ADD_FAILURE() << "no answer to " << question.mode << " " << question.uri;
  return {};
}

}  // namespace objmapper::e2e
