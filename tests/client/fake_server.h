// A server, mostly of one connection, that plays a script: what a test says, byte for byte.
//
//   FakeServer server([](Peer& peer) {
//     const auto request = peer.ReadRequest();          // answers HELLO on the way
//     peer.Send(Ok(request.id, 5) + "hello");
//   });
//   auto client = Client::Connect(server.url());
//
// The script runs on a thread of its own; ADD_FAILURE works there. Every wait of it ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "protocol/mode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"

namespace objmapper::client {

// A request as the script sees it; owns its URI.
struct Asked {
  protocol::Request request;
  std::string uri;
  uint32_t id = 0;
};

// The script's end of the connection.
class Peer {
 public:
  Peer(net::UniqueFd socket, protocol::RequestParser::Offer offer);

  // The next request. A HELLO in front of it is answered with HELLO_ACK. A test failure and an
  // empty request when none comes.
  Asked ReadRequest();
  // The next `bytes` bytes: the body of a PUT whose request was read. Fewer, and a test failure,
  // when they do not come.
  std::string ReadBody(size_t bytes);
  // The first descriptor that came and was not taken; invalid when there is none.
  net::UniqueFd TakeFd();
  // Waits for the client's HELLO and does not answer it.
  void ReadHello();
  // Answers the HELLO that was read with HELLO_ACK.
  void AnswerHello();
  // The token of AUTH, which must come next.
  std::string ReadAuth();
  // Waits for CLOSE.
  void ReadClose();

  // True when the client has sent more than the script has taken.
  bool HasMore();

  // Waits until the client has sent more, or hung up: then false.
  bool AwaitMore();

  // Sends `bytes` with copies of `fds` on the first of them, in one message.
  void Send(const std::string& bytes, const std::vector<int>& fds = {});
  // The same in messages of one byte each.
  void SendByteByByte(const std::string& bytes, const std::vector<int>& fds = {});
  // Waits until the client hangs up.
  void AwaitEnd();
  // Hangs up before the script's end.
  void HangUp() { socket_.Reset(); }

 private:
  protocol::RequestParser::Result Next();
  // One read to input_ and fds_; false, and a test failure, when nothing comes.
  bool ReadSome();

  net::UniqueFd socket_;
  std::vector<net::UniqueFd> fds_;
  protocol::RequestParser parser_;
  std::string input_;
};

enum class Transport { kUnix, kTcp };

class FakeServer {
 public:
  using Script = std::function<void(Peer&)>;

  explicit FakeServer(Script script, protocol::RequestParser::Offer offer = {},
                      Transport transport = Transport::kUnix);
  // One of any number of connections, each of which `script` is run for, on a thread of its own.
  static std::unique_ptr<FakeServer> ForMany(Script script);
  // Waits for the script's end; of many connections, for those that there are.
  ~FakeServer() { Join(); }

  const std::string& url() const { return url_; }
  void Join();

 private:
  explicit FakeServer(Transport transport);

  std::string url_;  // before listener_, which fills it in
  net::UniqueFd listener_;
  bool many_ = false;
  std::thread thread_;
};

// ---- Answers, encoded ----

using Metadata = std::function<void(protocol::MetadataWriter&)>;

// A V2 answer's header. `id`: as asked.
std::string Ok(uint32_t id, uint64_t content_length, const Metadata& metadata = {});
std::string Error(uint32_t id, protocol::Status status, absl::string_view text,
                  uint32_t retry_after_ms = 0);
// The same in V1.
std::string OkV1(uint64_t content_length, const Metadata& metadata = {});
std::string ErrorV1(protocol::Status status, absl::string_view text, uint32_t retry_after_ms = 0);
std::string Close(protocol::CloseReason reason);

// An open memory file with these bytes: something to pass.
net::UniqueFd FileWith(absl::string_view bytes);
// All that `fd` holds, read by position.
std::string ContentOf(int fd);

}  // namespace objmapper::client
