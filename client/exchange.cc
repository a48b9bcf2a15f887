#include "client/exchange.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "net/errno_status.h"
#include "protocol/capabilities.h"
#include "protocol/status.h"

namespace objmapper::client {
namespace {

// A string grows by this much at a time, so that the zeros it puts there are still in the CPU's
// cache when the bytes from the socket replace them.
constexpr uint64_t kGrowBytes = 256 * 1024;

ObjectInfo InfoFrom(const protocol::Metadata& metadata) {
  ObjectInfo info;
  info.mtime_s = metadata.mtime;
  info.etag = metadata.etag;
  info.mime = metadata.mime;
  info.backend = metadata.backend;
  info.latency_us = metadata.latency_us;
  info.ttl_s = metadata.ttl_s;
  return info;
}

// The bytes of `range` in an object of `size` bytes.
uint64_t LengthWithin(const Range& range, uint64_t size) {
  const uint64_t behind = size > range.offset ? size - range.offset : 0;
  return range.length == 0 ? behind : std::min(range.length, behind);
}

// Bytes from another place than asked for must not pass for the right ones.
absl::Status CheckGrant(Channel& channel, const ObjectInfo& info, const std::optional<Range>& range,
                        absl::string_view what) {
  if (!range.has_value()) return absl::OkStatus();
  if (info.offset == range->offset && (range->length == 0 || info.length <= range->length)) {
    return absl::OkStatus();
  }
  return channel.Break(absl::InternalError(
      absl::StrCat(what, ": asked for ", range->length, " bytes at ", range->offset,
                   ", the server granted ", info.length, " at ", info.offset)));
}

}  // namespace

absl::StatusOr<Answer> Ask(Channel& channel, protocol::Mode mode, absl::string_view uri,
                           const std::optional<Range>& range) {
  return Ask(channel, RequestFor(mode, uri, range));
}

absl::StatusOr<Answer> Ask(Channel& channel, const protocol::RequestToSend& request, int fd) {
  if (absl::Status status = channel.Check(request); !status.ok()) return status;
  const std::string what = WhatWasAsked(request.mode, request.uri);
  const absl::StatusOr<uint32_t> id = channel.Queue(request);
  absl::Status status = id.status();
  if (status.ok()) status = fd < 0 ? channel.Flush() : channel.FlushWithFd(fd);
  if (!status.ok()) return About(what, status);
  return AwaitAnswer(channel, *id, what);
}

absl::StatusOr<Answer> AwaitAnswer(Channel& channel, uint32_t id, absl::string_view what) {
  absl::StatusOr<Answer> answer = channel.Receive();
  if (!answer.ok()) return About(what, answer.status());
  if (answer->id != id) {
    return channel.Break(absl::InternalError(
        absl::StrCat(what, ": asked as ", id, ", the server answered ", answer->id)));
  }
  if (answer->status != protocol::Status::kOk) return ErrorIn(channel, *answer, what);
  return answer;
}

absl::Status ErrorIn(const Channel& channel, const Answer& answer, absl::string_view what) {
  absl::Status status = ServerError(answer.status, what, answer.metadata);
  return channel.broken().ok() ? status : About("last answer of this connection", status);
}

absl::StatusOr<FdObject> TakeObject(Channel& channel, const Answer& answer,
                                    const std::optional<Range>& range, absl::string_view what) {
  absl::StatusOr<net::UniqueFd> fd = channel.TakeFd();
  if (!fd.ok()) return About(what, fd.status());
  FdObject object;
  object.fd = *std::move(fd);
  ObjectInfo& info = object.info = InfoFrom(answer.metadata);

  // The header's length saves the fstat(2), where the dialect puts one there.
  const bool length_known = channel.Has(protocol::kFdInHeader);
  std::optional<uint64_t> size = answer.metadata.size;
  if (!size.has_value() && length_known && !range.has_value()) size = answer.content_length;
  if (!size.has_value()) {
    struct stat attributes;
    if (fstat(object.fd.get(), &attributes) != 0) {
      return net::ErrnoToStatus(errno, absl::StrCat(what, ": fstat of the received descriptor"));
    }
    size = static_cast<uint64_t>(attributes.st_size);
  }
  info.size = *size;
  if (!range.has_value()) {
    info.length = info.size;
  } else if (answer.metadata.range.has_value()) {
    info.offset = answer.metadata.range->offset;
    info.length = answer.metadata.range->length;
  } else {
    info.offset = range->offset;
    info.length = length_known ? answer.content_length : LengthWithin(*range, info.size);
  }
  if (absl::Status status = CheckGrant(channel, info, range, what); !status.ok()) return status;
  return object;
}

absl::StatusOr<ObjectInfo> TakeInfo(Channel& channel, const Answer& answer,
                                    const std::optional<Range>& range, absl::string_view what) {
  ObjectInfo info = InfoFrom(answer.metadata);
  info.length = answer.content_length;
  info.size = answer.metadata.size.value_or(answer.content_length);
  if (range.has_value()) {
    info.offset = answer.metadata.range.has_value() ? answer.metadata.range->offset : range->offset;
  }
  if (absl::Status status = CheckGrant(channel, info, range, what); !status.ok()) return status;
  return info;
}

absl::StatusOr<std::string> TakeBytes(Channel& channel, const Answer& answer,
                                      const std::optional<Range>& range, absl::string_view what) {
  absl::StatusOr<ObjectInfo> info = TakeInfo(channel, answer, range, what);
  if (!info.ok()) return info.status();
  const uint64_t length = info->length;
  if (length > channel.options().bytes_max) {
    const std::string why =
        absl::StrCat(what, ": its ", length, " bytes are more than Options::bytes_max (",
                     channel.options().bytes_max, "); get a range, a descriptor, or into a file");
    channel.Abandon(why);
    return absl::ResourceExhaustedError(why);
  }
  std::string bytes;
  bytes.reserve(length);
  for (uint64_t have = 0; have < length;) {
    if (have == bytes.size()) bytes.resize(std::min(length, have + kGrowBytes));
    absl::StatusOr<size_t> got =
        channel.ReadBody(absl::MakeSpan(&bytes[have], bytes.size() - have));
    if (!got.ok()) {
      return About(absl::StrCat(what, ", after ", have, " of ", length, " bytes"), got.status());
    }
    have += *got;
  }
  return bytes;
}

}  // namespace objmapper::client
