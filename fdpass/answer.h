// An answer with a descriptor: from what came of opening the object to the bytes of the message.
//
//   net::UniqueFd x_fd = AnswerWithFd(session, request, uri, tree, std::move(opened),
//                                    &message);
//   if (x_fd.valid()) ... the message, then one byte 'X' with x_fd     // docs/protocol.md
//
// The one place that makes them: for the fdpass lane, and for whoever else answers OP_FDPASS.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "session/message.h"
#include "session/session.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

// An object that may be passed.
struct Passable {
  Passable() = default;
  explicit Passable(storage::OpenedObject object)
      : fd(std::move(object.fd)), info(object.info), tier(object.tier) {}

  net::UniqueFd fd;                             // for this answer alone; or
  std::shared_ptr<const net::UniqueFd> shared;  // for others too, or not to be closed right here
  storage::ObjectInfo info;                     // of the descriptor
  storage::Tier tier = storage::Tier::kDisk;
};

// Adds the answer to an OP_FDPASS request: the descriptor and its header, the range that is granted
// of it and its version where that is told, or why there is none. uri: of the request, whose own is
// not used. tree: where it was opened. Returns the descriptor where it rides on an 'X' of its own
// behind the message, for a client without FD_IN_HEADER; else none.
net::UniqueFd AnswerWithFd(const session::Session& session, const protocol::Request& request,
                           absl::string_view uri, const storage::Tree& tree,
                           absl::StatusOr<Passable> opened, session::Message* message);

// Adds an answer that refuses `request`.
void AnswerWithError(const session::Session& session, const protocol::Request& request,
                     protocol::Status status, absl::string_view text, session::Message* message);
void AnswerWithError(const session::Session& session, const protocol::Request& request,
                     const absl::Status& error, session::Message* message);

}  // namespace objmapper::fdpass
