// A client's end of UDP, as bytes: one datagram out, one in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "tests/e2e/messages.h"
#include "tests/e2e/server_process.h"

namespace objmapper::e2e {

// The port that the server's log names for its first UDP listener on 127.0.0.1; 0, and a failure,
// when there is none.
uint16_t UdpPort(const ServerProcess& server);

// One answer, taken apart.
struct DatagramAnswer {
  uint32_t id = 0;
  Status status = Status::kOk;
  uint64_t content_length = 0;
  Metadata metadata;
  std::string body;
  size_t bytes = 0;  // of the datagram

  uint64_t Number(uint8_t entry) const { return BigEndian(metadata.at(entry)); }
};

class Datagrams {
 public:
  explicit Datagrams(uint16_t port);

  void Send(absl::string_view datagram);
  // The next datagram; nullopt, and a failure, when none comes within kPatience.
  std::optional<DatagramAnswer> Receive();
  // Sends the question and returns its answer, which must have its id. Asks again when none comes
  // for a while: the kernel may drop a datagram of a busy machine.
  DatagramAnswer Ask(const Question& question);
  // Whether a datagram has come already.
  bool HasMore();

 private:
  net::UniqueFd socket_;
  uint32_t next_id_ = 0x90000000u;
};

}  // namespace objmapper::e2e
