// Checks of an answer against its request: a range, a length or a descriptor that contradicts the
// request breaks the channel, so that wrong bytes never pass for right ones.
#include "client/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "net/errno_status.h"
#include "protocol/capabilities.h"
#include "protocol/limits.h"
#include "protocol/status.h"

namespace objmapper::client {
namespace {

// A string grows by this much at a time, so that the zeros it puts there are still in the CPU's
// cache when the bytes from the socket replace them.
constexpr uint64_t kGrowBytes = 256 * 1024;
// What is reserved for a body before its bytes come; more only as much as has come already.
constexpr uint64_t kReservedOnWordBytes = 64 << 20;

constexpr absl::string_view kContradiction = ": the server contradicts itself: ";

// Bytes from another place than asked for must not pass for the right ones, nor more than were
// asked for.
absl::Status CheckGrant(Channel& channel, const ObjectInfo& info, const std::optional<Range>& range,
                        absl::string_view what) {
  if (!range.has_value()) return absl::OkStatus();
  if (info.offset == range->offset && (range->length == 0 || info.length <= range->length)) {
    return absl::OkStatus();
  }
  return channel.BreakAsWrong(what, ": asked for ", range->length, " bytes at ", range->offset,
                              ", the server granted ", info.length, " at ", info.offset);
}

// Whether `fd` is what FDPASS brings, and how long it is.
absl::Status LookAt(int fd, uint64_t* size) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return net::ErrnoToStatus(errno, "F_GETFL of the received descriptor");
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) {
    return absl::InternalError("the server passed a descriptor that is not open for reading");
  }
  struct statx file;
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &file) != 0) {
    return net::ErrnoToStatus(errno, "statx of the received descriptor");
  }
  if (!S_ISREG(file.stx_mode)) {
    return absl::InternalError("the server passed a descriptor that is not a regular file");
  }
  *size = file.stx_size;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Answer> Ask(Channel& channel, protocol::Mode mode, absl::string_view uri,
                           const std::optional<Range>& range, absl::string_view if_none_match) {
  protocol::RequestToSend request = RequestFor(mode, uri, range);
  if (if_none_match.empty()) return Ask(channel, request);
  absl::Status may = CheckCondition(channel, if_none_match, WhatWasAsked(mode, uri));
  if (!may.ok()) return may;
  protocol::MetadataWriter metadata;
  metadata.AddText(protocol::MetadataType::kIfNoneMatch, if_none_match);
  request.flags |= protocol::kFlagMetadata;
  request.metadata = metadata.bytes();
  return Ask(channel, request);
}

absl::Status CheckCondition(const Channel& channel, absl::string_view etag,
                            absl::string_view what) {
  if (!channel.broken().ok()) return channel.broken();
  if (etag.empty() || etag.size() > protocol::kEtagBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": an etag has 1 to ",
                                                   protocol::kEtagBytesMax, " bytes, this one has ",
                                                   etag.size()));
  }
  if (channel.Has(protocol::kConditions)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(what,
                   ": conditions need V2 and the CONDITIONS capability, which was not agreed "
                   "on"));
}

absl::StatusOr<Answer> Ask(Channel& channel, const protocol::RequestToSend& request, int fd) {
  if (absl::Status status = channel.Check(request); !status.ok()) return status;
  const std::string what = WhatWasAsked(request.mode, request.uri);
  const absl::StatusOr<uint32_t> id = channel.Queue(request);
  absl::Status status = id.status();
  if (status.ok()) status = fd < 0 ? channel.outbox().Flush() : channel.outbox().FlushWithFd(fd);
  if (!status.ok()) return About(what, status);
  return AwaitAnswer(channel, *id, what);
}

absl::StatusOr<Answer> AwaitAnswer(Channel& channel, uint32_t id, absl::string_view what) {
  absl::StatusOr<Answer> answer = channel.Receive();
  if (!answer.ok()) return About(what, answer.status());
  if (answer->id != id) {
    return channel.BreakAsWrong(what, ": asked as ", id, ", the server answered ", answer->id);
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

  uint64_t file_bytes = 0;
  if (absl::Status bad = LookAt(object.fd.get(), &file_bytes); !bad.ok()) {
    return channel.Break(About(what, bad));
  }
  const bool length_known = channel.Has(protocol::kFdInHeader);
  const bool says_size = length_known && !range.has_value();
  info.size = answer.metadata.size.value_or(says_size ? answer.content_length : file_bytes);
  if (says_size && info.size != answer.content_length) {
    return channel.BreakAsWrong(what, kContradiction, "an object of ", info.size, " bytes and of ",
                                answer.content_length);
  }
  if (!range.has_value()) {
    info.length = info.size;
  } else if (answer.metadata.range.has_value()) {
    info.offset = answer.metadata.range->offset;
    info.length = answer.metadata.range->length;
    if (length_known && info.length != answer.content_length) {
      return channel.BreakAsWrong(what, kContradiction, "a part of ", info.length, " bytes and of ",
                                  answer.content_length);
    }
  } else {
    info.offset = range->offset;
    info.length = length_known ? answer.content_length : LengthWithin(*range, info.size);
  }
  if (absl::Status status = CheckGrant(channel, info, range, what); !status.ok()) return status;
  if (info.offset > file_bytes || info.length > file_bytes - info.offset) {
    return absl::DataLossError(absl::StrCat(what, ": the received file has only ",
                                            LengthWithin(Range{info.offset, 0}, file_bytes), " of ",
                                            info.length, " bytes"));
  }
  return object;
}

ObjectInfo InfoFrom(const protocol::Metadata& metadata) {
  ObjectInfo info;
  info.mtime_s = metadata.mtime;
  info.etag = metadata.etag;
  info.mime = metadata.mime;
  info.backend = metadata.backend;
  info.latency_us = metadata.latency_us;
  info.ttl_s = metadata.ttl_s;
  info.expires_s = metadata.expires;
  info.stale = metadata.stale;
  return info;
}

uint64_t LengthWithin(const Range& range, uint64_t size) {
  const uint64_t behind = size > range.offset ? size - range.offset : 0;
  return range.length == 0 ? behind : std::min(range.length, behind);
}

ObjectInfo InfoIn(const Answer& answer) {
  ObjectInfo info = InfoFrom(answer.metadata);
  info.size = info.length = answer.metadata.size.value_or(0);
  return info;
}

absl::StatusOr<ObjectInfo> TakeBodyInfo(Channel& channel, const Answer& answer,
                                        const std::optional<Range>& range, absl::string_view what) {
  ObjectInfo info = InfoFrom(answer.metadata);
  info.length = answer.content_length;
  info.size = answer.metadata.size.value_or(answer.content_length);
  if (range.has_value()) info.offset = range->offset;
  if (answer.metadata.range.has_value()) {
    info.offset = answer.metadata.range->offset;
    if (answer.metadata.range->length != info.length) {
      return channel.BreakAsWrong(what, kContradiction, "a part of ", answer.metadata.range->length,
                                  " bytes in ", info.length);
    }
  }
  if (absl::Status status = CheckGrant(channel, info, range, what); !status.ok()) return status;
  // Nothing is left out of what was asked for but what lies behind the object's end.
  if (answer.metadata.size.has_value() &&
      (info.length != LengthWithin(range.value_or(Range()), info.size) ||
       (!range.has_value() && info.offset != 0))) {
    return channel.BreakAsWrong(what, kContradiction, info.length, " bytes at ", info.offset,
                                " of an object of ", info.size);
  }
  return info;
}

absl::StatusOr<std::string> TakeBytes(Channel& channel, const Answer& answer,
                                      const std::optional<Range>& range, absl::string_view what) {
  absl::StatusOr<ObjectInfo> info = TakeBodyInfo(channel, answer, range, what);
  if (!info.ok()) return info.status();
  if (info->length > channel.options().bytes_max) {
    const std::string why =
        absl::StrCat(what, ": its ", info->length, " bytes are more than Options::bytes_max (",
                     channel.options().bytes_max, "); get a range, a descriptor, or into a file");
    channel.Abandon(why);
    return absl::ResourceExhaustedError(why);
  }
  return TakeBody(channel, info->length, what);
}

absl::StatusOr<std::string> TakeBody(Channel& channel, uint64_t length, absl::string_view what) {
  std::string bytes;
  bytes.reserve(std::min(length, kReservedOnWordBytes));
  for (uint64_t have = 0; have < length;) {
    if (have == bytes.capacity()) bytes.reserve(std::min(length, 2 * have));
    if (have == bytes.size()) {
      bytes.resize(std::min<uint64_t>({length, have + kGrowBytes, bytes.capacity()}));
    }
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
