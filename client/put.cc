// Client's calls that change what there is. A body is sent with an ear for an early answer: the
// rest of a refused one is sent if it is short; otherwise the connection is closed.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/error.h"
#include "client/exchange.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "protocol/capabilities.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"

namespace objmapper::client {
namespace {

using protocol::Mode;

// A body up to this size leaves together with its request, in one message.
constexpr uint64_t kChunkBytes = 256 * 1024;

// When a server refuses a PUT it says so at once, and skips the body as it comes. What is left of
// it is sent all the same, since only then both sides know their place in the stream, unless it is
// more than this: then the connection is closed, which costs less, and a new one must be made.
constexpr uint64_t kSentAfterRefusalMax = 1024 * 1024;

// What is to be sent.
struct UploadBody {
  // Any way to the bytes; never asked for more than request.body_length in all.
  PutSource read;
  // A regular file that has the same bytes from its start, borrowed; -1: there is none. Large
  // bodies go by sendfile(2) from it.
  int file = -1;
  ProgressCallback progress;
};

class Sender {
 public:
  Sender(Channel& channel, const UploadBody& body, uint64_t length)
      : channel_(channel), outbox_(channel.outbox()), body_(body), length_(length) {}

  // Puts the next piece of the body behind what is queued.
  absl::Status QueueChunk() {
    const absl::Span<char> room = outbox_.Room(std::min(kChunkBytes, length_ - queued_));
    for (size_t have = 0; have < room.size();) {
      const absl::StatusOr<size_t> got = body_.read(queued_ + have, room.subspan(have));
      if (!got.ok()) return got.status();
      if (*got == 0 || *got > room.size() - have) {
        return absl::DataLossError(
            absl::StrCat("the body ended after ", queued_ + have, " of ", length_, " bytes"));
      }
      have += *got;
    }
    queued_ += room.size();
    return absl::OkStatus();
  }

  // Sends until all has gone or the server says something.
  absl::Status SendOrHear() {
    if (body_.file >= 0 && length_ > kChunkBytes) {
      const absl::StatusOr<uint64_t> sent = outbox_.SendFile(body_.file, length_, body_.progress);
      if (!sent.ok()) return sent.status();
      queued_ = *sent;
      if (channel_.HasAnswer()) return absl::OkStatus();
    }
    while (queued_ < length_) {
      if (absl::Status status = QueueChunk(); !status.ok()) return status;
      if (absl::Status status = outbox_.FlushOrAwaitInput(); !status.ok()) return status;
      if (body_.progress)
        body_.progress(queued_ - std::min<uint64_t>(outbox_.unsent(), queued_), length_);
      if (queued_ < length_ && channel_.HasAnswer()) return absl::OkStatus();
    }
    return outbox_.FlushOrAwaitInput();
  }

  // After an answer: sends what it did not wait for.
  absl::Status SendRest() {
    if (absl::Status status = outbox_.Flush(); !status.ok()) return status;
    while (queued_ < length_) {
      if (absl::Status status = QueueChunk(); !status.ok()) return status;
      if (absl::Status status = outbox_.Flush(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  uint64_t left() const { return length_ - queued_ + outbox_.unsent(); }

 private:
  Channel& channel_;
  Outbox& outbox_;
  const UploadBody& body_;
  const uint64_t length_;
  uint64_t queued_ = 0;  // bytes of the body that are sent, or at least in the outbox
};

// Sends `request`, a PUT, and its request.body_length bytes, with nothing else outstanding; waits
// for the answer. In memory are at most a few hundred KB of the body.
//
// Errors: as Ask(); those of body.read, DATA_LOSS when it ends early: after these and after a
// refusal with much left to send the channel is broken.
absl::StatusOr<Answer> Upload(Channel& channel, const protocol::RequestToSend& request,
                              const UploadBody& body) {
  if (absl::Status status = channel.Check(request); !status.ok()) return status;
  const std::string what = WhatWasAsked(request.mode, request.uri);
  const absl::StatusOr<uint32_t> id = channel.Queue(request);
  if (!id.ok()) return About(what, id.status());
  Sender sender(channel, body, request.body_length);
  absl::Status sent = sender.SendOrHear();
  if (!sent.ok()) {
    // The server waits for bytes that will never come.
    channel.Abandon(absl::StrCat(what, ": ", sent.message()));
    return About(what, sent);
  }
  absl::StatusOr<Answer> answer = AwaitAnswer(channel, *id, what);
  const uint64_t left = sender.left();
  if (left == 0 || !channel.broken().ok()) return answer;
  if (answer.ok()) {
    return channel.BreakAsWrong(what, ": the server answered OK before it had the last ", left,
                                " bytes");
  }
  if (left > kSentAfterRefusalMax) {
    channel.Abandon(absl::StrCat(what, " was refused with ", left, " bytes left to send"));
  } else if (sent = sender.SendRest(); !sent.ok()) {
    channel.Abandon(
        absl::StrCat(what, " was refused, and the rest of it not sent: ", sent.message()));
  }
  return answer;
}

absl::Status AddConditions(const Channel& channel, absl::string_view what,
                           const PutOptions& options, protocol::MetadataWriter* metadata) {
  if (options.if_absent && !options.if_match.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what,
                     ": what is absent has no version: if_absent and if_match exclude each "
                     "other"));
  }
  if (!options.if_absent && options.if_match.empty()) return absl::OkStatus();
  absl::Status may = CheckCondition(channel, options.if_absent ? "none" : options.if_match, what);
  if (!may.ok()) return may;
  if (options.if_absent) {
    metadata->AddText(protocol::MetadataType::kIfAbsent, "");
  } else {
    metadata->AddText(protocol::MetadataType::kIfMatch, options.if_match);
  }
  return absl::OkStatus();
}

// Stores what `body` has: with kPut its `size` bytes; with kPutFd body.file, of that size.
absl::StatusOr<ObjectInfo> Store(Channel& channel, Mode mode, absl::string_view uri, uint64_t size,
                                 UploadBody body, const PutOptions& options) {
  protocol::RequestToSend request;
  request.mode = mode;
  request.uri = uri;
  if (mode == Mode::kPut) request.body_length = size;
  protocol::MetadataWriter metadata;
  if (options.ttl != absl::InfiniteDuration()) {
    constexpr int64_t kSecondsMax = std::numeric_limits<uint32_t>::max();
    const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(options.ttl, absl::Seconds(1)));
    if (seconds < 1 || seconds > kSecondsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(WhatWasAsked(mode, uri), ": a time to live is 1 to ", kSecondsMax,
                       " seconds, not ", absl::FormatDuration(options.ttl)));
    }
    metadata.AddU32(protocol::MetadataType::kTtl, static_cast<uint32_t>(seconds));
  }
  if (absl::Status added = AddConditions(channel, WhatWasAsked(mode, uri), options, &metadata);
      !added.ok())
    return added;
  if (!metadata.bytes().empty()) {
    request.flags = protocol::kFlagMetadata;
    request.metadata = metadata.bytes();
  }
  body.progress = options.progress;
  const absl::StatusOr<Answer> answer =
      mode == Mode::kPut ? Upload(channel, request, body) : Ask(channel, request, body.file);
  if (!answer.ok()) return answer.status();
  ObjectInfo info = InfoIn(*answer);
  // A server that does not say has what was sent.
  if (!answer->metadata.size.has_value()) info.size = info.length = size;
  return info;
}

// The size of `file`, which must be one that can be read from. blocks: how many it takes.
absl::StatusOr<uint64_t> SizeOf(int file, absl::string_view what, uint64_t* blocks = nullptr) {
  struct stat attributes;
  const int flags = fcntl(file, F_GETFL);
  if (flags < 0 || fstat(file, &attributes) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat(what, ": descriptor ", file));
  }
  if (!S_ISREG(attributes.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": descriptor ", file, " is not a regular file"));
  }
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": descriptor ", file, " is not open for reading"));
  }
  if (blocks != nullptr) *blocks = static_cast<uint64_t>(attributes.st_blocks);
  return static_cast<uint64_t>(attributes.st_size);
}

absl::StatusOr<size_t> ReadAt(int file, uint64_t offset, absl::Span<char> out) {
  ssize_t got;
  do {
    got = pread(file, out.data(), out.size(), static_cast<off_t>(offset));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return net::ErrnoToStatus(errno, absl::StrCat("read descriptor ", file));
  return static_cast<size_t>(got);
}

// Files that say that they take no blocks may hold more than their size (procfs: 0) or less (sysfs:
// a page). A larger one has holes.
constexpr uint64_t kDoubtedBytesMax = 64 * 1024;
// What such a file may hold.
constexpr uint64_t kMadeUpBytesMax = 256 * 1024 * 1024;

// All that such a file holds, in memory; nothing, where it is what it says.
absl::StatusOr<net::UniqueFd> Spooled(int file, uint64_t* size) {
  net::UniqueFd memory;
  std::string piece(kDoubtedBytesMax + 1, '\0');
  uint64_t have = 0;
  while (true) {
    const absl::StatusOr<size_t> got = ReadAt(file, have, absl::MakeSpan(&piece[0], piece.size()));
    if (!got.ok()) return got.status();
    if (!memory.valid() && (*got > 0 || have != *size)) {
      memory.Reset(memfd_create("objmapper-put", MFD_CLOEXEC));
      if (!memory.valid()) return net::ErrnoToStatus(errno, "memfd_create");
    }
    if (*got == 0) break;
    absl::Status written = WriteAll(memory.get(), absl::string_view(piece.data(), *got), "a memfd");
    if (!written.ok()) return written;
    have += *got;
    if (have > kMadeUpBytesMax) {
      return absl::OutOfRangeError(absl::StrCat("descriptor ", file, " reports a size of ", *size,
                                                " bytes, and has more than ", kMadeUpBytesMax,
                                                ": copy it to a file first"));
    }
  }
  return std::exchange(*size, have) == have ? net::UniqueFd() : std::move(memory);
}

}  // namespace

absl::StatusOr<ObjectInfo> Client::Put(absl::string_view uri, absl::string_view bytes,
                                       const PutOptions& options) {
  UploadBody body;
  body.read = [bytes](uint64_t offset, absl::Span<char> out) -> absl::StatusOr<size_t> {
    const absl::string_view piece = bytes.substr(offset, out.size());
    memcpy(out.data(), piece.data(), piece.size());
    return piece.size();
  };
  return Store(*channel_, Mode::kPut, uri, bytes.size(), std::move(body), options);
}

absl::StatusOr<ObjectInfo> Client::PutFrom(absl::string_view uri, uint64_t size,
                                           const PutSource& source, const PutOptions& options) {
  return Store(*channel_, Mode::kPut, uri, size, UploadBody{source}, options);
}

absl::StatusOr<ObjectInfo> Client::PutFile(absl::string_view uri, int file,
                                           const PutOptions& options) {
  uint64_t blocks = 0;
  absl::StatusOr<uint64_t> size = SizeOf(file, WhatWasAsked(Mode::kPut, uri), &blocks);
  if (!size.ok()) return size.status();
  net::UniqueFd spooled;
  if (blocks == 0 && *size <= kDoubtedBytesMax) {
    absl::StatusOr<net::UniqueFd> all = Spooled(file, &*size);
    if (!all.ok()) return About(WhatWasAsked(Mode::kPut, uri), all.status());
    spooled = *std::move(all);
    if (spooled.valid()) file = spooled.get();
  }
  UploadBody body;
  body.file = file;
  body.read = [file](uint64_t offset, absl::Span<char> out) { return ReadAt(file, offset, out); };
  return Store(*channel_, Mode::kPut, uri, *size, std::move(body), options);
}

absl::StatusOr<ObjectInfo> Client::PutFd(absl::string_view uri, int fd, const PutOptions& options) {
  const absl::StatusOr<uint64_t> size = SizeOf(fd, WhatWasAsked(Mode::kPutFd, uri));
  if (!size.ok()) return size.status();
  return Store(*channel_, Mode::kPutFd, uri, *size, UploadBody{nullptr, fd, nullptr}, options);
}

absl::StatusOr<ObjectInfo> Client::PutMemory(absl::string_view uri, absl::string_view bytes,
                                             const PutOptions& options) {
  const net::UniqueFd memory(memfd_create("objmapper-put", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return net::ErrnoToStatus(errno, "memfd_create");
  if (absl::Status status = WriteAll(memory.get(), bytes, "a memfd"); !status.ok()) return status;
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
    return net::ErrnoToStatus(errno, "seal a memfd");
  }
  return PutFd(uri, memory.get(), options);
}

absl::Status Client::Delete(absl::string_view uri, absl::string_view if_match) {
  if (if_match.empty()) return Ask(*channel_, Mode::kDelete, uri, std::nullopt).status();
  absl::Status may = CheckCondition(*channel_, if_match, WhatWasAsked(Mode::kDelete, uri));
  if (!may.ok()) return may;
  protocol::RequestToSend request = RequestFor(Mode::kDelete, uri, std::nullopt);
  protocol::MetadataWriter metadata;
  metadata.AddText(protocol::MetadataType::kIfMatch, if_match);
  request.flags = protocol::kFlagMetadata;
  request.metadata = metadata.bytes();
  return Ask(*channel_, request).status();
}

}  // namespace objmapper::client
