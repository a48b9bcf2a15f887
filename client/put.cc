// Client's calls that change what there is.
#include "client/put.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/error.h"
#include "client/exchange.h"
#include "client/upload.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "protocol/capabilities.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"

namespace objmapper::client {
namespace {

using protocol::Mode;

// A request that stores, with its metadata. Not movable: the request points to them.
class StoringRequest {
 public:
  StoringRequest(Mode mode, absl::string_view uri, uint64_t size, const PutOptions& options) {
    request_.mode = mode;
    request_.uri = uri;
    request_.body_length = size;
    if (options.ttl == absl::InfiniteDuration()) return;
    const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(options.ttl, absl::Seconds(1)));
    if (seconds < 1 || seconds > std::numeric_limits<uint32_t>::max()) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat(WhatWasAsked(mode, uri), ": a time to live is 1 to ",
                       std::numeric_limits<uint32_t>::max(), " seconds, not ",
                       absl::FormatDuration(options.ttl)));
      return;
    }
    metadata_.AddU32(protocol::MetadataType::kTtl, static_cast<uint32_t>(seconds));
    request_.flags = protocol::kFlagMetadata;
    request_.metadata = metadata_.bytes();
  }
  StoringRequest(const StoringRequest&) = delete;
  StoringRequest& operator=(const StoringRequest&) = delete;

  const absl::Status& status() const { return status_; }
  const protocol::RequestToSend& request() const { return request_; }

 private:
  protocol::MetadataWriter metadata_;
  protocol::RequestToSend request_;
  absl::Status status_;
};

// What there is now. `size`: what was sent, for a server that does not say.
ObjectInfo InfoOfStored(const Answer& answer, uint64_t size) {
  ObjectInfo info = InfoIn(answer);
  if (!answer.metadata.size.has_value()) info.size = info.length = size;
  return info;
}

absl::StatusOr<ObjectInfo> Store(Channel& channel, absl::string_view uri, uint64_t size,
                                 UploadBody body, const PutOptions& options) {
  const StoringRequest put(Mode::kPut, uri, size, options);
  if (!put.status().ok()) return put.status();
  body.progress = options.progress;
  const absl::StatusOr<Answer> answer = Upload(channel, put.request(), body);
  if (!answer.ok()) return answer.status();
  return InfoOfStored(*answer, size);
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
  std::string piece(kDoubtedBytesMax + 1, '\0');
  net::UniqueFd memory;
  uint64_t have = 0;
  while (true) {
    const absl::StatusOr<size_t> got = ReadAt(file, have, absl::MakeSpan(&piece[0], piece.size()));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    if (!memory.valid()) memory.Reset(memfd_create("objmapper-put", MFD_CLOEXEC));
    if (!memory.valid()) return net::ErrnoToStatus(errno, "memfd_create");
    absl::Status written = WriteAll(memory.get(), absl::string_view(piece.data(), *got), "a memfd");
    if (!written.ok()) return written;
    have += *got;
    if (have > kMadeUpBytesMax) {
      return absl::OutOfRangeError(absl::StrCat("descriptor ", file, " reports a size of ", *size,
                                                " bytes, and has more than ", kMadeUpBytesMax,
                                                ": copy it to a file first"));
    }
  }
  if (have == *size) return net::UniqueFd();
  if (!memory.valid()) memory.Reset(memfd_create("objmapper-put", MFD_CLOEXEC));
  if (!memory.valid()) return net::ErrnoToStatus(errno, "memfd_create");
  *size = have;
  return memory;
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
  return Store(*channel_, uri, bytes.size(), std::move(body), options);
}

absl::StatusOr<ObjectInfo> Client::PutFrom(absl::string_view uri, uint64_t size,
                                           const PutSource& source, const PutOptions& options) {
  UploadBody body;
  body.read = source;
  return Store(*channel_, uri, size, std::move(body), options);
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
  return Store(*channel_, uri, *size, std::move(body), options);
}

absl::StatusOr<ObjectInfo> Client::PutFd(absl::string_view uri, int fd, const PutOptions& options) {
  const std::string what = WhatWasAsked(Mode::kPutFd, uri);
  const absl::StatusOr<uint64_t> size = SizeOf(fd, what);
  if (!size.ok()) return size.status();
  const StoringRequest put(Mode::kPutFd, uri, 0, options);
  if (!put.status().ok()) return put.status();
  const absl::StatusOr<Answer> answer = Ask(*channel_, put.request(), fd);
  if (!answer.ok()) return answer.status();
  return InfoOfStored(*answer, *size);
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

absl::Status Client::Delete(absl::string_view uri) {
  return Ask(*channel_, Mode::kDelete, uri, std::nullopt).status();
}

}  // namespace objmapper::client
