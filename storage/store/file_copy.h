// The bytes of one file made another's: holes stay holes, room is made before the first byte is
// written, and the work is done in pieces, between which its caller does something else or gives
// up.
//
//   FileCopy copy(from, size, to);
//   absl::StatusOr<bool> done = false;
//   while (done.ok() && !*done && wanted()) done = copy.Step();
//
// Knows two descriptors and nothing of a server, so that it can as well be called in another
// process. Not thread-safe. Waits for both files' disks, and for whatever else `from` waits for:
// which files may be asked at all is its caller's to know.
//
// Where the holes are is asked of a description of our own (opened anew through /proc/self/fd),
// since lseek(2) would move the offset that whoever gave us `from` shares with us. Where it cannot
// be had (no /proc, no permission), all is read, and pages of zeros become holes. Source: lseek(2),
// SEEK_DATA; copy_file_range(2); sendfile(2); ioctl_ficlone(2); fallocate(2), FALLOC_FL_KEEP_SIZE.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

class FileCopy {
 public:
  // What one Step() moves at most, in bytes: some milliseconds' worth.
  static constexpr uint64_t kPieceBytes = 16 * 1024 * 1024;

  // from: a regular file, open for reading; borrowed. Its offset is neither used nor moved. It may
  //       change all the time.
  // size: how much of it is to be copied, from its beginning on: all of it, as it was when it was
  //       judged.
  // to:   an empty regular file, open for reading and writing; borrowed. Its offset is moved.
  FileCopy(int from, uint64_t size, int to) : from_(from), size_(size), to_(to) {}
  FileCopy(const FileCopy&) = delete;
  FileCopy& operator=(const FileCopy&) = delete;

  // Does the next piece. True: all is done, and `to` has `size` bytes. After that, or an error, it
  // is not to be called again; what `to` holds after an error is nothing in particular.
  //   ABORTED      the file has become smaller than `size`
  //   UNAVAILABLE  no room on the disk of `to`; where the holes are known, nothing has been written
  //   else         as net::ErrnoToStatus, DATA_LOSS for a disk that failed
  absl::StatusOr<bool> Step() { return (this->*step_)(); }

 private:
  struct Extent {
    uint64_t begin = 0, end = 0;  // begin == size: there is no more
  };

  absl::StatusOr<Extent> NextExtent(uint64_t at) const;
  // What Step() does: first Clone(), which where it cannot goes on with Survey(), Reserve() and
  // Copy(), or with CopyBlind().
  absl::StatusOr<bool> Clone();
  absl::StatusOr<bool> Survey();
  absl::StatusOr<bool> Reserve();
  absl::StatusOr<bool> Copy();
  absl::StatusOr<bool> CopyBlind();
  absl::StatusOr<bool> Finish() const;
  absl::Status CheckRoom(uint64_t bytes) const;
  int64_t MoveSome(uint64_t bytes);

  const int from_;
  const uint64_t size_;
  const int to_;
  net::UniqueFd own_;  // `from`, with an offset of our own
  absl::StatusOr<bool> (FileCopy::*step_)() = &FileCopy::Clone;
  uint64_t at_ = 0;  // how far the step has come
  Extent extent_;    // Copy(): the one that `at_` is in
  // that there are, as far as is known, and that room has been looked for
  uint64_t data_bytes_ = 0;
  uint64_t copied_ = 0;  // of them, in the extents up to this one
  bool by_sendfile_ = false;
  std::unique_ptr<char[]> buffer_;  // CopyBlind()
};

// All of it. go_on: asked between two pieces, not before the first; false: CANCELLED. Else as
// FileCopy::Step().
absl::Status CopyFile(int from, uint64_t size, int to, absl::FunctionRef<bool()> go_on);

}  // namespace objmapper::storage
