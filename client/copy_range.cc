// Copying between open files: reflink, then copy_file_range(2), then pread(2) and write(2). Each
// step continues where the one before stopped.
#include "client/copy_range.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::client {
namespace {

// One copy_file_range(2): small enough that a progress bar moves.
constexpr uint64_t kKernelPieceBytes = 8 * 1024 * 1024;
constexpr uint64_t kBufferBytes = 256 * 1024;

void Tell(const ProgressCallback& progress, uint64_t done, uint64_t total) {
  if (progress) progress(done, total);
}

// True when `out` now is `in`: whole, sharing its blocks. Most file systems cannot, and none across
// mounts; nothing has happened then.
bool Reflink(int in, uint64_t offset, uint64_t length, int out) {
  struct stat from;
  struct stat to;
  if (fstat(in, &from) != 0 || fstat(out, &to) != 0) return false;
  if (offset != 0 || length != static_cast<uint64_t>(from.st_size)) return false;
  if (!S_ISREG(to.st_mode) || to.st_size != 0 || length == 0) return false;
  if (ioctl(out, FICLONE, in) != 0) return false;
  return lseek(out, 0, SEEK_END) == static_cast<off_t>(length);
}

// Copies as much as the kernel is willing to; returns how much. What stopped it will stop or not
// stop pread() and write() too, which then say why.
uint64_t CopyInKernel(int in, uint64_t offset, uint64_t length, int out,
                      const ProgressCallback& progress) {
  uint64_t done = 0;
  while (done < length) {
    loff_t at = static_cast<loff_t>(offset + done);
    const ssize_t copied =
        copy_file_range(in, &at, out, nullptr, std::min(length - done, kKernelPieceBytes), 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied <= 0) break;
    done += static_cast<uint64_t>(copied);
    Tell(progress, done, length);
  }
  return done;
}

}  // namespace

absl::string_view CopyMethodName(CopyMethod method) {
  constexpr absl::string_view kNames[] = {"socket", "reflink", "copy_file_range", "read_write"};
  return kNames[static_cast<size_t>(method)];
}

absl::Status WriteAll(int out, absl::string_view bytes, absl::string_view out_name) {
  while (!bytes.empty()) {
    const ssize_t written = write(out, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody else made this pipe or terminal non-blocking. Its reader may take its time.
      pollfd entry{out, POLLOUT, 0};
      poll(&entry, 1, -1);
    } else if (errno != EINTR) {
      const bool too_large = errno == EFBIG;
      const absl::Status error = net::ErrnoToStatus(errno, absl::StrCat("write to ", out_name));
      if (!too_large) return error;
      return absl::Status(error.code(), absl::StrCat(error.message(),
                                                     ": more than the limit of this process "
                                                     "(ulimit -f) or the file system allows"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CopyMethod> CopyRange(int in, uint64_t offset, uint64_t length, int out,
                                     absl::string_view out_name, const ProgressCallback& progress,
                                     const InspectCallback& inspect) {
  uint64_t done = 0;
  if (!inspect) {
    if (Reflink(in, offset, length, out)) {
      Tell(progress, length, length);
      return CopyMethod::kReflink;
    }
    done = CopyInKernel(in, offset, length, out, progress);
    if (done == length) {
      if (length == 0) Tell(progress, 0, 0);
      return CopyMethod::kCopyFileRange;
    }
  }
  std::string buffer(std::min(length - done, kBufferBytes), '\0');
  while (done < length) {
    const ssize_t got = pread(in, &buffer[0], std::min<uint64_t>(length - done, buffer.size()),
                              static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::ErrnoToStatus(errno, "read of the received descriptor");
    if (got == 0) {
      return absl::DataLossError(
          absl::StrCat("the object has shrunk: it ended after ", done, " of ", length, " bytes"));
    }
    const absl::string_view piece(buffer.data(), static_cast<size_t>(got));
    absl::Status status = inspect ? inspect(piece) : absl::OkStatus();
    if (status.ok()) status = WriteAll(out, piece, out_name);
    if (!status.ok()) return status;
    done += static_cast<uint64_t>(got);
    Tell(progress, done, length);
  }
  return CopyMethod::kReadWrite;
}

}  // namespace objmapper::client
