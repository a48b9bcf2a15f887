// Copies between the data segments of a file (SEEK_DATA, SEEK_HOLE), by reflink, copy_file_range(2)
// or sendfile(2). Room is reserved before the first byte, and each step is bounded.
#include "storage/store/file_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/tree/disk_error.h"

namespace objmapper::storage {
namespace {

// How many pieces of data, with holes between, one step looks at.
constexpr int kExtentsMax = 1024;
// CopyBlind(): read at once; and what becomes a hole when it is zeros.
constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kPageBytes = 4096;

absl::Status Shrunk() {
  return absl::AbortedError(
      "the descriptor's file was truncated while it was copied, or has fewer bytes than its size "
      "(as files of sysfs)");
}

absl::Status FromError(int error) { return DiskError(error, "copy from the descriptor"); }

bool IsZeros(const char* bytes, size_t size) {
  return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

}  // namespace

// Shared extents need no room, and take no time.
absl::StatusOr<bool> FileCopy::Clone() {
  if (size_ == 0 || ioctl(to_, FICLONE, from_) == 0) {
    struct stat status;
    if (fstat(to_, &status) != 0) return net::ErrnoToStatus(errno, "fstat");
    if (static_cast<uint64_t>(status.st_size) != size_) return Shrunk();
    return true;
  }
  // O_NONBLOCK: not even a lease is waited for.
  own_.Reset(open(absl::StrCat("/proc/self/fd/", from_).c_str(),
                  O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!own_.valid()) {
    struct stat status;
    if (fstat(from_, &status) != 0) return net::ErrnoToStatus(errno, "fstat");
    // stat(2): blocks of 512 bytes, whatever st_blksize says. Some file systems share or pack them:
    // a bound, if a rough one.
    if (absl::Status room =
            CheckRoom(std::min<uint64_t>(size_, static_cast<uint64_t>(status.st_blocks) * 512));
        !room.ok()) {
      return room;
    }
    step_ = &FileCopy::CopyBlind;
  } else {
    step_ = &FileCopy::Survey;
  }
  return Step();
}

// The first data at or behind `at`, as far as size_.
absl::StatusOr<FileCopy::Extent> FileCopy::NextExtent(uint64_t at) const {
  const off_t data = lseek(own_.get(), static_cast<off_t>(at), SEEK_DATA);
  if (data < 0) {
    if (errno == ENXIO)
      return Extent{size_, size_};  // none, or the file ends before `at`: Finish() sees that
    // A file system that knows no holes says EINVAL.
    if (errno == EINVAL) return Extent{at, size_};
    return FromError(errno);
  }
  if (static_cast<uint64_t>(data) >= size_) return Extent{size_, size_};
  const off_t hole = lseek(own_.get(), data, SEEK_HOLE);
  if (hole < 0 && errno != ENXIO) return FromError(errno);
  // Punched out between the two calls: one page, rather than all that is left.
  const uint64_t end =
      hole <= data ? static_cast<uint64_t>(data) + kPageBytes : static_cast<uint64_t>(hole);
  return Extent{static_cast<uint64_t>(data), std::min(end, size_)};
}

// Whether there is room for `bytes` more.
absl::Status FileCopy::CheckRoom(uint64_t bytes) const {
  struct statvfs status;
  // One that does not say how much there is takes what comes until it says no.
  if (fstatvfs(to_, &status) != 0 || status.f_blocks == 0) return absl::OkStatus();
  // f_bavail is without what root alone may use: that is not for objects.
  const uint64_t free =
      static_cast<uint64_t>(status.f_bavail) * static_cast<uint64_t>(status.f_frsize);
  if (bytes > free) {
    return absl::UnavailableError(absl::StrCat("no room on the disk: the descriptor's file has ",
                                               bytes, " bytes, and ", free, " are free"));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FileCopy::Survey() {
  for (int i = 0; i < kExtentsMax && at_ < size_; ++i) {
    const absl::StatusOr<Extent> extent = NextExtent(at_);
    if (!extent.ok()) return extent.status();
    data_bytes_ += extent->end - extent->begin;
    at_ = extent->end;
  }
  if (at_ < size_) return false;
  if (absl::Status room = CheckRoom(data_bytes_); !room.ok()) return room;
  at_ = 0;
  // What one step can do has its room when it is written, and no other can take it meanwhile.
  step_ = data_bytes_ > kPieceBytes ? &FileCopy::Reserve : &FileCopy::Copy;
  return Step();
}

// Several copies at once may each find room for one: who has it is settled before the first byte.
absl::StatusOr<bool> FileCopy::Reserve() {
  for (int i = 0; i < kExtentsMax && at_ < size_; ++i) {
    const absl::StatusOr<Extent> extent = NextExtent(at_);
    if (!extent.ok()) return extent.status();
    at_ = extent->end;
    if (extent->begin == extent->end) break;
    const long result =
        TEMP_FAILURE_RETRY(fallocate(to_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(extent->begin),
                                     static_cast<off_t>(extent->end - extent->begin)));
    if (result == 0) continue;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
      return DiskError(errno, absl::StrCat("room for ", data_bytes_, " bytes"));
    at_ = size_;  // it cannot be kept here
  }
  if (at_ < size_) return false;
  at_ = 0;
  step_ = &FileCopy::Copy;
  return false;
}

// Moves bytes from at_ on by one of two calls; -1 and errno as they.
int64_t FileCopy::MoveSome(uint64_t bytes) {
  if (!by_sendfile_) {
    off_t in = static_cast<off_t>(at_), out = in;
    const ssize_t moved = copy_file_range(own_.get(), &in, to_, &out, bytes, 0);
    // Between file systems of different kinds, such as a memfd's and a disk's, and for files that
    // have no such thing.
    const bool cannot =
        moved < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS);
    if (!cannot) return moved;
    by_sendfile_ = true;
  }
  if (lseek(to_, static_cast<off_t>(at_), SEEK_SET) < 0) return -1;
  off_t in = static_cast<off_t>(at_);
  return sendfile(to_, own_.get(), &in, bytes);
}

absl::StatusOr<bool> FileCopy::Copy() {
  uint64_t left = kPieceBytes;
  int extents = 0;
  while (at_ < size_) {
    if (at_ >= extent_.end) {
      if (left == 0 || ++extents > kExtentsMax) return false;
      const absl::StatusOr<Extent> next = NextExtent(at_);
      if (!next.ok()) return next.status();
      extent_ = *next;
      at_ = extent_.begin;
      // Its writers may fill holes meanwhile: for that room has not been looked for yet.
      copied_ += extent_.end - extent_.begin;
      if (copied_ > data_bytes_) {
        const uint64_t more = copied_ - data_bytes_;
        data_bytes_ = copied_;
        if (absl::Status room = CheckRoom(more); !room.ok()) return room;
      }
      continue;
    }
    if (left == 0) return false;
    const int64_t moved = MoveSome(std::min(extent_.end - at_, left));
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return FromError(errno);
    if (moved == 0) return Shrunk();
    at_ += static_cast<uint64_t>(moved);
    left -= static_cast<uint64_t>(moved);
  }
  return Finish();
}

absl::StatusOr<bool> FileCopy::CopyBlind() {
  if (buffer_ == nullptr) buffer_.reset(new char[kReadBytes]);
  for (uint64_t left = kPieceBytes; at_ < size_ && left > 0;) {
    const ssize_t got =
        pread(from_, buffer_.get(), std::min<uint64_t>({kReadBytes, size_ - at_, left}),
              static_cast<off_t>(at_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FromError(errno);
    if (got == 0) return Shrunk();
    const size_t bytes = static_cast<size_t>(got);
    // Pages as the file has them: what was got may end within one.
    const auto page_end = [&](size_t done) {
      return std::min(done + kPageBytes - (at_ + done) % kPageBytes, bytes);
    };
    for (size_t done = 0; done < bytes;) {
      size_t end = done;
      while (end < bytes && !IsZeros(buffer_.get() + end, page_end(end) - end)) end = page_end(end);
      if (end == done) {
        done = page_end(done);
        continue;
      }
      while (done < end) {
        const ssize_t put =
            pwrite(to_, buffer_.get() + done, end - done, static_cast<off_t>(at_ + done));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return FromError(put == 0 ? ENOSPC : errno);
        done += static_cast<size_t>(put);
      }
    }
    at_ += bytes;
    left -= std::min<uint64_t>(left, bytes);
  }
  if (at_ < size_) return false;
  return Finish();
}

// What ends in a hole has its size yet to get.
absl::StatusOr<bool> FileCopy::Finish() const {
  struct stat status;
  if (fstat(from_, &status) != 0) return net::ErrnoToStatus(errno, "fstat");
  if (static_cast<uint64_t>(status.st_size) < size_) return Shrunk();
  if (ftruncate(to_, static_cast<off_t>(size_)) != 0) return FromError(errno);
  return true;
}

absl::Status CopyFile(int from, uint64_t size, int to, absl::FunctionRef<bool()> go_on) {
  FileCopy copy(from, size, to);
  while (true) {
    const absl::StatusOr<bool> done = copy.Step();
    if (!done.ok()) return done.status();
    if (*done) return absl::OkStatus();
    if (!go_on()) return absl::CancelledError("the copy is no longer needed");
  }
}

}  // namespace objmapper::storage
