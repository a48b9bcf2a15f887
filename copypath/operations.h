// What OP_PUT, OP_PUT_FD, OP_DELETE and OP_LIST come to, and their answers. For whoever may wait:
// the threads of a pool, or of a synchronous model.
//
//   absl::StatusOr<std::unique_ptr<storage::NewObject>> object = BeginPut(work);
//   ...                                                   // Extend() for what comes of the body,
//   which is written to it Outcome outcome = object.ok() ? CommitPut(work, object->get()) :
//   Failed(work, object.status());
//
// Every call may wait for the disk. Any thread, but one at a time for one Operand.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/foreign_fd.h"
#include "net/peer_credentials.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "session/access.h"
#include "storage/store/store.h"
#include "storage/tree/tree.h"

namespace objmapper::copypath {

// Of a listing's page, at most (docs/protocol.md).
inline constexpr size_t kListPageBytes = 1024 * 1024;

// What is to be done.
struct Operand {
  storage::Store* store = nullptr;  // both outlive it
  const storage::Tree* tree = nullptr;
  protocol::Dialect dialect = protocol::Dialect::kV2;
  protocol::Request request;  // its `uri` is not to be used:
  std::string uri;
  // Whose rules say which folders the peer may remove; null: all. `socket` is its connection.
  const session::Access* access = nullptr;
  net::PeerCredentials peer;
  int socket = -1;
  std::string peer_key;  // Session::PeerKey(), of who stores
  // It is changed at its origin first (storage::Remote::Change()): as ChangesAfar() says when the
  // request comes. Of OP_PUT, OP_PUT_FD and OP_DELETE.
  bool afar = false;
};

// The whole answer; of a listing in HTTP, what is next (copypath/folder_listing.h).
struct Outcome {
  enum class Kind : uint8_t {
    kAnswer,  // `answer` is all of it, or the end of it
    kPiece,   // `answer` is a part of it, and more follows
    kObject,  // the object of which `answer` is the URI is to be sent in its place
    kBroken,  // there is no more of what has begun: the connection ends; `answer` says why
  };
  Kind kind = Kind::kAnswer;
  protocol::Status status = protocol::Status::kOk;
  std::string answer;
  uint64_t bytes = 0;             // of the object that is stored now
  storage::ListRoom::Lease room;  // OP_LIST: to be kept until the answer has gone
};

// The answer that says what went wrong; codes as Store's (session::WireStatus).
Outcome Failed(const Operand& operand, const absl::Status& error);

// Errors as Store::Begin().
absl::StatusOr<std::unique_ptr<storage::NewObject>> BeginPut(const Operand& operand);
// All of the body has been written. In pieces, of some milliseconds each (but for what the disk
// needs at the end); nullopt: call it again.
std::optional<Outcome> StepCommitPut(const Operand& operand, storage::NewObject* object);
// All pieces.
Outcome CommitPut(const Operand& operand, storage::NewObject* object);
// All of it, where the whole body is here.
Outcome PutWhole(const Operand& operand, absl::string_view body);
// What went wrong when a part of the body was written: UNAVAILABLE when there is no room.
absl::Status BodyError(const Operand& operand, int error);

// A client that has gone is not worked for: what takes longer than a moment is given up then.
Outcome PutFd(const Operand& operand, net::ForeignFd fd);
Outcome Delete(const Operand& operand);

// The answer that has `page`, of the prefix in operand.uri; room: what it may take.
Outcome Listed(const Operand& operand, storage::ListPage page, storage::ListRoom::Lease room);

// ---- What is changed at an object's origin first (storage::Remote::Change()) ----
//
// The functions above do that, too, and wait. Who must not wait for an origin:
//
//   work.afar = ChangesAfar(*work.tree, work.uri);
//   if (work.afar) {
//     ... the whole body is in an object, of BeginPut() or of these:
//     object = SpoolWhole(work, body);  object = SpoolFd(work, std::move(fd));
//     PutAfar(work, object->get(), [...](Outcome outcome) { ... });   // instead of CommitPut()
bool ChangesAfar(const storage::Tree& tree, absl::string_view uri);
absl::StatusOr<std::unique_ptr<storage::NewObject>> SpoolWhole(const Operand& operand,
                                                               absl::string_view body);
absl::StatusOr<std::unique_ptr<storage::NewObject>> SpoolFd(const Operand& operand,
                                                            net::ForeignFd fd);
// Both return at once. done: called once, on any thread and perhaps inside the call. Operand and
// object live until then, and are not touched meanwhile; where it returns, the thread may wait for
// the disk.
void PutAfar(const Operand& operand, storage::NewObject* object, std::function<void(Outcome)> done);
void DeleteAfar(const Operand& operand, std::function<void(Outcome)> done);

// What is here alone. access: null, or whose rules say what `peer` sees; `socket` is its
// connection.
Outcome List(const Operand& operand, const session::Access* access,
             const net::PeerCredentials& peer, int socket);

}  // namespace objmapper::copypath
