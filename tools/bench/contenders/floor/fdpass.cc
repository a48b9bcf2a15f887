// floor_fdpass, floor_fdpass_poll, floor_fdpass_batch: epoll_wait, recv, openat, sendmsg, close.
// floor_fdpass_v1, floor_fdpass_v1_two: the same in V1, with one thread and with two; sendmmsg,
// since V1's descriptor follows the header in a message of its own.
//
// Beyond what all floors leave out: content_length is 0 (no fstat), the name is any path that
// openat(2) resolves, and the descriptor is whatever it found.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/scm_rights.h"
#include "tools/bench/contenders/floor/floor.h"

namespace objmapper::bench {
namespace {

int OpenByName(int root, absl::string_view name) {
  char path[256];
  if (name.size() >= sizeof(path)) return -1;
  memcpy(path, name.data(), name.size());
  path[name.size()] = 0;
  return openat(root, path, O_RDONLY | O_CLOEXEC);
}

}  // namespace

Serve FdPass(int root, size_t answers_max) {
  return [root, answers_max](FloorConnection& connection, absl::string_view input) -> ssize_t {
    char bytes[net::kFdsPerMessageMax * kAnswerBytes];
    int opened[net::kFdsPerMessageMax];
    const size_t all = input.size();
    while (!connection.blocked) {
      absl::string_view rest = input;
      FloorRequest request;
      size_t answers = 0, fds = 0;
      while (answers < answers_max && TakeRequest(&rest, &request)) {
        const int fd = OpenByName(root, request.name);
        WriteAnswer(request.id, fd < 0 ? kAnswerNotFound : kAnswerOk, 0,
                    bytes + answers++ * kAnswerBytes);
        if (fd >= 0) opened[fds++] = fd;
      }
      if (answers == 0) break;
      const ssize_t sent = net::SendWithFds(connection.fd.get(), {bytes, answers * kAnswerBytes},
                                            absl::MakeConstSpan(opened, fds));
      const int error = errno;
      for (size_t i = 0; i < fds; ++i) close(opened[i]);
      if (sent < 0 && error != EAGAIN) return -1;
      // Less than a page goes out whole or not at all: it is made again when there is room.
      connection.blocked = sent < 0;
      if (sent >= 0) input = rest;
    }
    return all - input.size();
  };
}

// A client asks one at a time: the socket always has room for an answer.
Serve FdPassV1(int root) {
  return [root](FloorConnection& connection, absl::string_view input) -> ssize_t {
    const size_t all = input.size();
    absl::string_view name;
    while (TakeName(&input, kRequestBytesV1, &name)) {
      const int fd = OpenByName(root, name);
      const char answer[kAnswerBytesV1] = {fd < 0 ? char{kAnswerNotFound} : char{kAnswerOk}};
      const absl::string_view header(answer, kAnswerBytesV1);
      size_t sent = 0;
      const bool gone = fd < 0 ? net::SendWithFds(connection.fd.get(), header, {}) < 0
                               : net::SendThenX(connection.fd.get(), header, fd, &sent) < 2;
      if (fd >= 0) close(fd);
      if (gone) return -1;
    }
    return all - input.size();
  };
}

}  // namespace objmapper::bench
