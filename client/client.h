// A connection to an objmapper server.
//
//   absl::StatusOr<Client> client = Client::Connect("unix:/run/objmapper.sock");
//   if (!client.ok()) return client.status();
//   absl::StatusOr<FdObject> object = client->GetFd("models/a.bin");      // an open file, O(1)
//   absl::StatusOr<std::string> bytes = client->GetBytes("models/a.bin");  // a copy
//
//   absl::StatusOr<ObjectInfo> stored = client->Put("notes/today", "bytes");
//
// Batches are in client/batch.h, work over several connections in client/parallel.h, getting into a
// file in client/to_file.h, what errors carry in client/error.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/channel.h"
#include "client/object.h"
#include "client/options.h"
#include "protocol/mode.h"

namespace objmapper::client {

// The body of one COPY or SPLICE answer, from Client::OpenBody(). While it lives the client must
// not be used for anything else, nor die. Movable; not thread-safe.
//
// A body that dies before its end leaves bytes in the connection that nobody will read: the client
// can then no longer be used.
class Body {
 public:
  // For Client. `channel`: borrowed; stands at the first of info.length bytes of body.
  Body(Channel* channel, ObjectInfo info, std::string what)
      : channel_(channel), info_(std::move(info)), left_(info_.length), what_(std::move(what)) {}
  Body(Body&& other) noexcept
      : channel_(std::exchange(other.channel_, nullptr)),
        info_(std::move(other.info_)),
        left_(std::exchange(other.left_, 0)),
        what_(std::move(other.what_)) {}
  Body& operator=(Body&&) = delete;
  ~Body();

  const ObjectInfo& info() const { return info_; }
  uint64_t left() const { return left_; }  // bytes not read yet

  // Reads at least 1 and at most `out.size()` bytes, straight from the socket when `out` is large;
  // returns 0 at the end. `out` must not be empty.
  //
  // Errors end the connection: DATA_LOSS (it ended before the body did), DEADLINE_EXCEEDED,
  // UNAVAILABLE.
  absl::StatusOr<size_t> Read(absl::Span<char> out);

 private:
  Channel* channel_;
  ObjectInfo info_;
  uint64_t left_;
  std::string what_;  // for messages
};

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
//                FAILED_PRECONDITION (what this connection did not agree on),
//                RESOURCE_EXHAUSTED (RLIMIT_NOFILE, Options::bytes_max)
class Client {
 public:
  // Connects to "unix:/path", "unix:@abstract" or "tcp://host:port"; a path that begins with "/",
  // "./" or "../" may stand alone.
  //
  // Errors: INVALID_ARGUMENT (the URL or an option); kConnection: UNAVAILABLE (nobody listens),
  // DEADLINE_EXCEEDED; kServer: what the server said in place of a handshake, such as UNAVAILABLE
  // at its limit of connections.
  static absl::StatusOr<Client> Connect(absl::string_view url, const Options& options = Options());

  // if_none_match, below: the etag of the version that the caller has; empty: none. If the object
  // is still that one, the error is kServer ALREADY_EXISTS (NOT_MODIFIED), and nothing is sent.

  // The object as an open file. Unix sockets only.
  absl::StatusOr<FdObject> GetFd(absl::string_view uri,
                                 const std::optional<Range>& range = std::nullopt,
                                 absl::string_view if_none_match = "");

  // The object's bytes. mode: kCopy or kSplice; both bring the same, by different ways.
  absl::StatusOr<std::string> GetBytes(absl::string_view uri,
                                       protocol::Mode mode = protocol::Mode::kCopy,
                                       const std::optional<Range>& range = std::nullopt,
                                       absl::string_view if_none_match = "");

  // The same piece by piece, into the caller's buffer.
  absl::StatusOr<Body> OpenBody(absl::string_view uri, protocol::Mode mode = protocol::Mode::kCopy,
                                const std::optional<Range>& range = std::nullopt,
                                absl::string_view if_none_match = "");

  // ---- Changing what there is: a V2 connection with OBJECT_OPS, and a server with --writable ----
  //
  // Beside the errors above: kLocal FAILED_PRECONDITION (no such connection), INVALID_ARGUMENT (the
  // time to live, an etag); kServer UNIMPLEMENTED (the server is read-only), ABORTED (CONFLICT: the
  // name is a directory, or a part of the way is an object), FAILED_PRECONDITION
  // (PRECONDITION_FAILED: the condition does not hold), UNAVAILABLE (no room; may be asked again).
  // An object appears whole or not at all, in place of what had its name, before the call returns.
  // The info is what the server says of it then.

  // Stores `bytes`.
  absl::StatusOr<ObjectInfo> Put(absl::string_view uri, absl::string_view bytes,
                                 const PutOptions& options = PutOptions());
  // Stores the whole of `file`, a regular file open for reading (borrowed; its offset is neither
  // used nor moved), through the connection. What comes behind its size as of now is left out.
  // kLocal: INVALID_ARGUMENT (no such file); DATA_LOSS (it got shorter), which breaks the
  // connection.
  absl::StatusOr<ObjectInfo> PutFile(absl::string_view uri, int file,
                                     const PutOptions& options = PutOptions());
  // Stores the `size` bytes that `source` brings, of which few are in memory at a time.
  //
  // These three break the connection when the server refuses a body with more than 1 MiB left to
  // send (kSentAfterRefusalMax in client/put.cc): the error is the server's, and status() is not
  // OK.
  absl::StatusOr<ObjectInfo> PutFrom(absl::string_view uri, uint64_t size, const PutSource& source,
                                     const PutOptions& options = PutOptions());

  // Stores what `fd` (borrowed) names by passing the descriptor: its bytes do not go through the
  // connection. A memfd sealed against writing, growing and shrinking may be taken over as it is;
  // anything else is copied by the server. Unix sockets only.
  absl::StatusOr<ObjectInfo> PutFd(absl::string_view uri, int fd,
                                   const PutOptions& options = PutOptions());
  // PutFd() of a new sealed memfd with `bytes`.
  // kLocal: RESOURCE_EXHAUSTED (no memory, no descriptors).
  absl::StatusOr<ObjectInfo> PutMemory(absl::string_view uri, absl::string_view bytes,
                                       const PutOptions& options = PutOptions());

  // Removes the object; NOT_FOUND when there is none. if_match: only if it is the version of this
  // etag; where there is none PRECONDITION_FAILED. Empty: whatever it is.
  absl::Status Delete(absl::string_view uri, absl::string_view if_match = "");

  // ---- Looking around: a V2 connection with OBJECT_OPS ----

  // A page of the objects whose URIs begin with `prefix`; bytes, any, may be empty: all of them.
  // cursor: from the page before; empty: the first. Not a snapshot: what comes and goes between two
  // pages is in the later ones or not.
  // through: of what the server's origins have too, whether or not it is here (docs/origins.md).
  // Then also kLocal FAILED_PRECONDITION (the server does not know of it), kServer UNIMPLEMENTED
  // (nothing that could be listed is behind that prefix).
  absl::StatusOr<ListPage> List(absl::string_view prefix, absl::string_view cursor = "",
                                bool through = false);
  // All pages, entry by entry, until `each` returns false. It must not use the client. Entries come
  // in order and once; a server whose list is not so, or never gets on, breaks the protocol. How
  // many there are is the server's word alone: who keeps them sets a bound of his own.
  absl::Status ListAll(absl::string_view prefix, absl::FunctionRef<bool(ListEntry entry)> each,
                       bool through = false);

  // Asks about the object alone. offset is 0 and length is size.
  absl::StatusOr<ObjectInfo> Stat(absl::string_view uri, absl::string_view if_none_match = "");

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

  // List() of a page whose entries are behind `after`; empty: anywhere.
  absl::StatusOr<ListPage> ListBehind(absl::string_view prefix, absl::string_view cursor,
                                      absl::string_view after, bool through);

  explicit Client(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  std::unique_ptr<Channel> channel_;  // null only after a move
};

}  // namespace objmapper::client
