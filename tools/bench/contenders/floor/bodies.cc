// The floors that send bodies from epoll: how the bytes leave.
//
// floor_copy_buffer and floor_copy_map: header and body in one sendmsg. The buffer: 256 KiB that
// stay in a core's cache, repeated: the bytes are not the object's, so this is a ceiling for
// anything that copies. The mapping: the object's own pages, mapped at the start, never checked for
// being in memory.
//
// floor_splice and floor_sendfile: the header with MSG_MORE, and the body inside the kernel, on
// non-blocking sockets. Descriptors are opened at the start; offsets are passed, so they are
// shared.
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "tools/bench/contenders/floor/floor.h"

namespace objmapper::bench {
namespace {

constexpr size_t kPipeBytes = 1 << 20;

bool SendPieces(FloorConnection& to, iovec* pieces, size_t count) {
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = count;
  const ssize_t sent = sendmsg(to.fd.get(), &message, MSG_NOSIGNAL);
  if (sent > 0) to.sent += sent;
  return sent > 0;
}

// What is left of the header, if anything, as the first piece.
size_t HeaderPiece(FloorConnection& to, iovec* pieces) {
  if (to.sent >= kAnswerBytes) return 0;
  pieces[0] = {to.header + to.sent, kAnswerBytes - to.sent};
  return 1;
}

bool SendHeader(FloorConnection& to) {
  const ssize_t sent = send(to.fd.get(), to.header + to.sent, kAnswerBytes - to.sent,
                            MSG_NOSIGNAL | (to.object->bytes != 0 ? MSG_MORE : 0));
  if (sent > 0) to.sent += sent;
  return sent > 0;
}

// A file that has become shorter would otherwise be asked for ever.
bool Shrunk() {
  errno = EIO;
  return false;
}

// This thread's pipes that are empty.
thread_local std::vector<Pipe> idle_pipes;

Pipe NewPipe() {
  int ends[2];
  PCHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  PCHECK(fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes) > 0);
  return {net::UniqueFd(ends[0]), net::UniqueFd(ends[1])};
}

bool FillPipe(FloorConnection& to) {
  if (idle_pipes.empty()) idle_pipes.push_back(NewPipe());
  loff_t offset = to.offset();
  const ssize_t got =
      splice(to.object->fd, &offset, idle_pipes.back().write_end.get(), nullptr,
             std::min<uint64_t>(to.object->bytes - offset, kPipeBytes), SPLICE_F_MOVE);
  if (got <= 0) return got == 0 ? Shrunk() : false;
  to.pipe = std::move(idle_pipes.back());
  idle_pipes.pop_back();
  to.in_pipe = got;
  return true;
}

}  // namespace

absl::StatusOr<Objects> OpenObjects(const std::string& root, bool map) {
  Objects objects;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->is_regular_file()) continue;
    const std::string path = entry->path().string();
    Object object{.fd = open(path.c_str(), O_RDONLY | O_CLOEXEC), .bytes = entry->file_size()};
    if (object.fd < 0) return net::ErrnoToStatus(errno, absl::StrCat("open ", path));
    if (map && object.bytes != 0) {
      void* data = mmap(nullptr, object.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, object.fd, 0);
      if (data == MAP_FAILED) return net::ErrnoToStatus(errno, absl::StrCat("map ", path));
      object.data = static_cast<const char*>(data);
    }
    objects[entry->path().filename().string()] = object;
  }
  if (error) return net::ErrnoToStatus(error.value(), absl::StrCat("list ", root));
  return objects;
}

bool BeginAnswer(const Objects& objects, absl::string_view& input, FloorConnection& to) {
  static const Object kNone;
  FloorRequest request;
  if (!TakeRequest(&input, &request)) return false;
  const auto found = objects.find(request.name);
  const bool known = found != objects.end();
  to.object = known ? &found->second : &kNone;
  to.sent = 0;
  WriteAnswer(request.id, known ? kAnswerOk : kAnswerNotFound, to.object->bytes, to.header);
  return true;
}

Serve Bodies(const Objects& objects, SendMore send) {
  return [&objects, send](FloorConnection& to, absl::string_view input) -> ssize_t {
    const size_t all = input.size();
    while (to.object != nullptr || BeginAnswer(objects, input, to)) {
      while (to.sent < to.total()) {
        if (send(to) || errno == EINTR) continue;
        if (errno != EAGAIN) return -1;
        to.blocked = true;
        return all - input.size();
      }
      to.object = nullptr;
    }
    return all - input.size();
  };
}

bool SendFromBuffer(FloorConnection& to) {
  constexpr size_t kRepeats = 64;  // 16 MiB a call
  // Written: pages that nobody has written are all the same one.
  static auto& buffer = *new std::vector<char>(256 * 1024, 'x');
  iovec pieces[1 + kRepeats];
  size_t count = HeaderPiece(to, pieces);
  uint64_t left = to.object->bytes - to.offset();
  while (left != 0 && count <= kRepeats) {
    pieces[count] = {buffer.data(), static_cast<size_t>(std::min<uint64_t>(left, buffer.size()))};
    left -= pieces[count++].iov_len;
  }
  return SendPieces(to, pieces, count);
}

size_t MappedPieces(FloorConnection& to, iovec* pieces) {
  size_t count = HeaderPiece(to, pieces);
  const uint64_t offset = to.offset();
  if (offset < to.object->bytes) {
    pieces[count++] = {const_cast<char*>(to.object->data) + offset, to.object->bytes - offset};
  }
  return count;
}

bool SendFromMapping(FloorConnection& to) {
  iovec pieces[2];
  return SendPieces(to, pieces, MappedPieces(to, pieces));
}

bool SendBySendfile(FloorConnection& to) {
  if (to.sent < kAnswerBytes) return SendHeader(to);
  off_t offset = to.offset();
  const ssize_t sent = sendfile(to.fd.get(), to.object->fd, &offset, to.object->bytes - offset);
  if (sent > 0) to.sent += sent;
  return sent == 0 ? Shrunk() : sent > 0;
}

bool SendBySplice(FloorConnection& to) {
  if (to.sent < kAnswerBytes) return SendHeader(to);
  if (to.in_pipe == 0 && !FillPipe(to)) return false;
  const bool last = to.sent + to.in_pipe == to.total();
  const ssize_t moved = splice(to.pipe.read_end.get(), nullptr, to.fd.get(), nullptr, to.in_pipe,
                               SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (last ? 0 : SPLICE_F_MORE));
  if (moved <= 0) return false;
  to.sent += moved;
  to.in_pipe -= moved;
  if (to.in_pipe == 0) idle_pipes.push_back(std::move(to.pipe));
  return true;
}

}  // namespace objmapper::bench
