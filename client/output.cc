// Opens the place that a path leads to: a new file, a duplicate of an open descriptor, or a device
// or FIFO. A duplicate shares its offset with the original.
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "client/place.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

// A second number for it: both share one offset, so what is written to one by one comes one behind
// the other.
absl::StatusOr<net::UniqueFd> Duplicate(int fd, const std::string& what) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return absl::FailedPreconditionError(absl::StrCat(what, ": descriptor ", fd, " is not open"));
  if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": descriptor ", fd, " is not open for writing"));
  }
  net::UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) return net::ErrnoToStatus(errno, what);
  return copy;
}

absl::StatusOr<net::UniqueFd> OpenStream(const Place& place, const std::string& what) {
  // With O_CREAT the kernel looks at whose FIFO it is; it is there, so nothing is created.
  const int guard = S_ISFIFO(place.attributes.st_mode) && place.has_name ? O_CREAT : 0;
  while (true) {
    net::UniqueFd stream(open(place.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | guard, 0600));
    if (stream.valid()) return stream;
    if (errno != EINTR) return net::ErrnoToStatus(errno, what);
  }
}

}  // namespace

absl::StatusOr<Output> Output::Open(absl::string_view path) {
  absl::StatusOr<Place> place = FindPlace(path);
  if (!place.ok()) return place.status();
  const std::string what = absl::StrCat("write ", text::Printable(path));
  if (place->kind == Place::Kind::kSocket) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": it is a socket"));
  }
  if (place->kind == Place::Kind::kDescriptor || place->kind == Place::Kind::kStream) {
    absl::StatusOr<net::UniqueFd> stream = place->kind == Place::Kind::kDescriptor
                                               ? Duplicate(place->fd, what)
                                               : OpenStream(*place, what);
    if (!stream.ok()) return stream.status();
    return Output(*std::move(stream));
  }
  absl::StatusOr<NewFile> file = NewFile::CreateAt(path, *std::move(place));
  if (!file.ok()) return file.status();
  return Output(*std::move(file));
}

}  // namespace objmapper::client
