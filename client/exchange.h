// From a request to the thing it asked for: what single calls and batches share.
//
// All functions concern the answer that Channel::Receive() returned last, and leave the channel
// behind it or broken. `what` names the request in messages: WhatWasAsked().
// Not thread-safe, as the channel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/channel.h"
#include "client/object.h"
#include "protocol/mode.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"

namespace objmapper::client {

// Sends one request and waits for its answer, with nothing else outstanding. An answer that is not
// OK is a ServerError(). Other errors: Channel::Check(), Queue(), Receive(). if_none_match: an
// etag, of which the object must be another version (a request that reads); empty: any.
absl::StatusOr<Answer> Ask(Channel& channel, protocol::Mode mode, absl::string_view uri,
                           const std::optional<Range>& range, absl::string_view if_none_match = "");
// The same for any request without a body. fd: of a PUT_FD, borrowed; else -1.
absl::StatusOr<Answer> Ask(Channel& channel, const protocol::RequestToSend& request, int fd = -1);

// Whether `etag` may be sent as a condition of a request on this channel: INVALID_ARGUMENT (it is
// none), FAILED_PRECONDITION (CONDITIONS was not agreed on). A server that does not know conditions
// would ignore them.
absl::Status CheckCondition(const Channel& channel, absl::string_view etag, absl::string_view what);

// Waits for the answer to request `id`, which was sent with nothing else outstanding.
absl::StatusOr<Answer> AwaitAnswer(Channel& channel, uint32_t id, absl::string_view what);

// The error in `answer`, which is not OK. The message says when the connection ends with it.
absl::Status ErrorIn(const Channel& channel, const Answer& answer, absl::string_view what);

// The descriptor behind an OK FDPASS answer: of a regular file that is open for reading and has the
// bytes granted. What it is, is found out without asking the file system behind it, which might let
// us wait (statx(2), AT_STATX_DONT_SYNC). Errors: Channel::TakeFd(); INTERNAL when the server
// granted another range than asked for, contradicts itself, or passed something else than such a
// file; DATA_LOSS, and the channel goes on, when the file is shorter than what was granted: it may
// have been cut meanwhile.
absl::StatusOr<FdObject> TakeObject(Channel& channel, const Answer& answer,
                                    const std::optional<Range>& range, absl::string_view what);

// What an answer's metadata say of an object, but for its size and range.
ObjectInfo InfoFrom(const protocol::Metadata& metadata);

// How many bytes of `range` there are in an object of `size` bytes.
uint64_t LengthWithin(const Range& range, uint64_t size);

// What an OK STAT answer says, or that to a PUT or PUT_FD of the object that there is now.
ObjectInfo InfoIn(const Answer& answer);

// What an OK COPY or SPLICE answer says; info.length bytes of body follow.
// INTERNAL when that is not what was asked for, cut at the object's end, or the server contradicts
// itself.
absl::StatusOr<ObjectInfo> TakeBodyInfo(Channel& channel, const Answer& answer,
                                        const std::optional<Range>& range, absl::string_view what);

// The body behind an OK COPY or SPLICE answer.
// Errors: RESOURCE_EXHAUSTED (larger than Options::bytes_max), TakeBodyInfo(), Channel::ReadBody().
absl::StatusOr<std::string> TakeBytes(Channel& channel, const Answer& answer,
                                      const std::optional<Range>& range, absl::string_view what);

// The `length` bytes of body that follow. Memory is taken as they come: the announcement alone
// takes little. Errors: Channel::ReadBody().
absl::StatusOr<std::string> TakeBody(Channel& channel, uint64_t length, absl::string_view what);

}  // namespace objmapper::client
