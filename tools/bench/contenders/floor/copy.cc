// floor_copy_buffer and floor_copy_map: epoll, and header and body in one sendmsg.
//
// The buffer: 256 KiB that stay in a core's cache, repeated: the bytes are not the object's, so
// this is a ceiling for anything that copies. The mapping: the object's own pages, mapped at the
// start, never checked for being in memory.
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>

#include "tools/bench/contenders/floor/body.h"
#include "tools/bench/contenders/floor/floors.h"

namespace objmapper::bench {
namespace {

bool SendPieces(BodyConnection* to, iovec* pieces, size_t count) {
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = count;
  const ssize_t sent = sendmsg(to->fd, &message, MSG_NOSIGNAL);
  if (sent > 0) to->sent += sent;
  return sent > 0;
}

// What is left of the header, if anything, as the first piece.
size_t HeaderPiece(BodyConnection* to, iovec* pieces) {
  if (to->sent >= kAnswerBytes) return 0;
  pieces[0] = {to->header + to->sent, kAnswerBytes - to->sent};
  return 1;
}

class FromBuffer : public BodyServant {
 public:
  using BodyServant::BodyServant;

 protected:
  bool Send(BodyConnection* to) override {
    iovec pieces[1 + kRepeats];
    size_t count = HeaderPiece(to, pieces);
    uint64_t left = to->object->bytes - to->offset();
    while (left != 0 && count <= kRepeats) {
      pieces[count] = {buffer_, static_cast<size_t>(std::min<uint64_t>(left, sizeof(buffer_)))};
      left -= pieces[count++].iov_len;
    }
    return SendPieces(to, pieces, count);
  }

 private:
  static constexpr size_t kRepeats = 64;  // 16 MiB a call
  char buffer_[256 * 1024] = {};
};

class FromMapping : public BodyServant {
 public:
  using BodyServant::BodyServant;

 protected:
  bool Send(BodyConnection* to) override {
    iovec pieces[2];
    size_t count = HeaderPiece(to, pieces);
    const uint64_t offset = to->offset();
    if (offset < to->object->bytes) {
      pieces[count++] = {const_cast<char*>(to->object->data) + offset, to->object->bytes - offset};
    }
    return SendPieces(to, pieces, count);
  }
};

}  // namespace

void ServeCopyBuffer(const Listeners& listeners, const Objects& objects) {
  RunFloor(listeners, /*poll=*/false, [&objects] { return std::make_unique<FromBuffer>(objects); });
}

void ServeCopyMap(const Listeners& listeners, const Objects& objects) {
  RunFloor(listeners, /*poll=*/false,
           [&objects] { return std::make_unique<FromMapping>(objects); });
}

}  // namespace objmapper::bench
