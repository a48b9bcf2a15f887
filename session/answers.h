// How answers look on the wire: what every lane and every model sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "session/session.h"
#include "session/version.h"

namespace objmapper::session {

// The wire status of a failed lookup or read (storage/tree/tree.h says which codes occur).
protocol::Status WireStatus(const absl::Status& status);

// Milliseconds after which a client may try again what was UNAVAILABLE; for RETRY_AFTER.
inline constexpr uint32_t kRetryAfterMs = 100;

// Appends an error answer. RETRY_AFTER goes along when `status` is UNAVAILABLE: `retry_after_ms`,
// or, when that is 0, kRetryAfterMs.
// Without a request (HTTP): the connection ends behind it.
void AppendError(protocol::Dialect dialect, uint32_t id, protocol::Status status,
                 absl::string_view message, std::string* out, uint32_t retry_after_ms = 0);
// The same as the answer to `request`.
void AppendError(protocol::Dialect dialect, const protocol::Request& request,
                 protocol::Status status, absl::string_view message, std::string* out);
// The same, of what WireStatus() makes of `error`, which may say when to come again
// (net/retry_after.h).
void AppendError(protocol::Dialect dialect, const protocol::Request& request,
                 const absl::Status& error, std::string* out);

// The bytes of an object that a request asks for.
struct Extent {
  uint64_t offset = 0;
  uint64_t length = 0;
};

// What `request` gets of an object of `size` bytes: all of it without a range, else the range cut
// at the end of the object. nullopt: the offset is past the end (RANGE_NOT_SATISFIABLE).
inline std::optional<Extent> ResolveExtent(const protocol::Request& request, uint64_t size) {
  if (!request.has_range()) return Extent{0, size};
  if (request.offset > size) return std::nullopt;
  const uint64_t rest = size - request.offset;
  const uint64_t length = request.length == 0 || request.length > rest ? rest : request.length;
  return Extent{request.offset, length};
}

// The message for that.
std::string RangeMessage(const protocol::Request& request, uint64_t size);

// Writes the header of an OK answer that `extent.length` bytes follow (COPY, SPLICE): V2 carries
// SIZE, RANGE when the request had one, and the version where that is told (version.h). `out`:
// protocol::kResponseBytesMax. Returns its size.
size_t EncodeBodyHeader(protocol::Dialect dialect, const protocol::Request& request,
                        const Extent& extent, const ObjectFacts& facts, char* out);

// Appends what STAT tells; or NOT_MODIFIED, where JudgeVersion() says so.
void AppendStat(protocol::Dialect dialect, const protocol::Request& request,
                const ObjectFacts& facts, std::string* out);

// Appends an OK answer that says no more.
void AppendDone(protocol::Dialect dialect, uint32_t id, std::string* out);

// Appends the answer to a LIST with that body, from protocol::AppendListEntry(). cursor: empty when
// there is no more.
void AppendList(protocol::Dialect dialect, uint32_t id, absl::string_view cursor,
                absl::string_view body, std::string* out);

// Appends what ends a V2 conversation after the last answer; V1 has no such words.
void AppendClose(protocol::Dialect dialect, protocol::CloseReason reason, std::string* out);
void AppendCloseAck(protocol::Dialect dialect, std::string* out);

// Appends the answer to a message after which the stream cannot go on, and CLOSE.
void AppendFatal(protocol::Dialect dialect, uint32_t id, protocol::Status status,
                 absl::string_view message, std::string* out);

}  // namespace objmapper::session
