// From a datagram to the datagram that answers it: no socket is known here.
//
//   const std::optional<protocol::Request> request = ParseDatagram(bytes);   // nullopt: dropped
//   std::optional<Reply> reply = ReplyTo(*request, objects, storage::Wait::kCachedOnly);
//   if (!reply.has_value()) ...                                              // the disk must be
//   asked: kMayBlock, elsewhere
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::server::udp {

// Where answers come from. Both outlive the answers.
struct Objects {
  const storage::Tree* tree = nullptr;
  storage::StatCache* index = nullptr;  // for STAT
  size_t payload_max = 0;               // bytes of a datagram: kPayloadMaxLeast or more
};

// The least that --udp_max_payload may be: an answer without a body is never larger.
extern const size_t kPayloadMaxLeast;

// The one V2 request that is all of `datagram`; its `uri` points into it. nullopt: anything else,
// which is not answered, since who has sent it would not understand: HELLO and other messages, V1,
// half a request, bytes behind it (but for the body of a PUT, which is refused). A request whose
// frame is sound and that UDP does not carry, or that is wrong in itself, comes with its refusal,
// as from RequestParser, and INVALID_MODE for all but COPY and STAT.
std::optional<protocol::Request> ParseDatagram(absl::string_view datagram);

struct Reply {
  std::string bytes;  // the datagram, of at most payload_max
  protocol::Status status = protocol::Status::kOk;
  uint64_t object_bytes = 0;  // of the object, in it
};

Reply ErrorReply(const protocol::Request& request, protocol::Status status,
                 absl::string_view message);
// The same of what storage says.
Reply ErrorReply(const protocol::Request& request, const absl::Status& error);

// COPY's answers carry the ETAG of what was read, so that a client sees that its ranges are of one
// version: the file is looked at before and after reading, and read again if it has changed
// meanwhile. nullopt: kCachedOnly, and something is not in the kernel's caches.
std::optional<Reply> ReplyTo(const protocol::Request& request, const Objects& objects,
                             storage::Wait wait);

}  // namespace objmapper::server::udp
