// A connection to an objmapper server.
//
//   absl::StatusOr<Client> client = Client::Connect("unix:/run/objmapper.sock");
//   if (!client.ok()) return client.status();
//   absl::StatusOr<FdObject> object = client->GetFd("models/a.bin");      // an open file, O(1)
//   absl::StatusOr<std::string> bytes = client->GetBytes("models/a.bin");  // a copy
//
// Batches are in client/batch.h, getting into a file in client/to_file.h, what errors carry in
// client/error.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/body.h"
#include "client/channel.h"
#include "client/object.h"
#include "client/options.h"
#include "protocol/mode.h"

namespace objmapper::client {

// One connection. Movable. Not thread-safe: use one client per thread, or a lock of your own. A
// child of fork(2) must not use its parent's client.
//
// Errors of all calls that ask the server, by SourceOf() (client/error.h):
//   kServer      the server's answer, with its text, as ServerError(); the client can go on
//   kConnection  UNAVAILABLE (the server closed the connection or said CLOSE), DEADLINE_EXCEEDED
//                (silent for Options::request_timeout), DATA_LOSS (it ended in the middle of an
//                object), INTERNAL (the server broke the protocol): from now on every call fails
//                with status()
//   kLocal       INVALID_ARGUMENT (URI empty or over 4096 bytes, FDPASS over TCP),
//                FAILED_PRECONDITION (a range, which this connection did not agree on),
//                RESOURCE_EXHAUSTED (RLIMIT_NOFILE, Options::bytes_max)
class Client {
 public:
  // Connects to "unix:/path", "unix:@abstract" or "tcp://host:port".
  //
  // Errors: INVALID_ARGUMENT (the URL or an option); kConnection: UNAVAILABLE (nobody listens),
  // DEADLINE_EXCEEDED; kServer: what the server said in place of a handshake, such as UNAVAILABLE
  // at its limit of connections.
  static absl::StatusOr<Client> Connect(absl::string_view url, const Options& options = Options());

  // The object as an open file. Unix sockets only.
  absl::StatusOr<FdObject> GetFd(absl::string_view uri,
                                 const std::optional<Range>& range = std::nullopt);

  // The object's bytes. mode: kCopy or kSplice; both bring the same, by different ways.
  absl::StatusOr<std::string> GetBytes(absl::string_view uri,
                                       protocol::Mode mode = protocol::Mode::kCopy,
                                       const std::optional<Range>& range = std::nullopt);

  // The same piece by piece, into the caller's buffer.
  absl::StatusOr<Body> OpenBody(absl::string_view uri, protocol::Mode mode = protocol::Mode::kCopy,
                                const std::optional<Range>& range = std::nullopt);

  // Asks about the object alone. offset is 0 and length is size.
  absl::StatusOr<ObjectInfo> Stat(absl::string_view uri);

  // One round trip; any answer counts. It touches no object.
  absl::Status Ping();

  // INVALID_ARGUMENT unless `mode` brings bytes: kCopy or kSplice.
  static absl::Status CheckBodyMode(protocol::Mode mode);

  // Says goodbye (V2: CLOSE, and waits for CLOSE_ACK). Not needed before the client dies.
  absl::Status Close();

  // OK while the client can be used, else why it cannot.
  const absl::Status& status() const { return channel_->broken(); }

  bool is_unix() const { return channel_->is_unix(); }
  // As agreed in the handshake (protocol/capabilities.h); V1: 0.
  uint16_t capabilities() const { return channel_->capabilities(); }
  // How many requests a batch keeps outstanding.
  size_t max_pipeline() const { return channel_->window(); }
  // How many requests the server says it works on at once; V1: 0.
  uint8_t parallelism() const { return channel_->parallelism(); }

 private:
  friend class Batch;

  explicit Client(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  std::unique_ptr<Channel> channel_;  // null only after a move
};

}  // namespace objmapper::client
