// floor_splice and floor_sendfile: epoll, the header with MSG_MORE, and the body inside the kernel,
// on non-blocking sockets. Descriptors are opened at the start; offsets are passed, so they are
// shared.
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "tools/bench/contenders/floor/body.h"
#include "tools/bench/contenders/floor/floors.h"

namespace objmapper::bench {
namespace {

constexpr size_t kPipeBytes = 1 << 20;

bool SendHeader(BodyConnection* to) {
  const ssize_t sent = send(to->fd, to->header + to->sent, kAnswerBytes - to->sent,
                            MSG_NOSIGNAL | (to->object->bytes != 0 ? MSG_MORE : 0));
  if (sent > 0) to->sent += sent;
  return sent > 0;
}

// A file that has become shorter would otherwise be asked for ever.
bool Shrunk() {
  errno = EIO;
  return false;
}

class BySendfile : public BodyServant {
 public:
  using BodyServant::BodyServant;

 protected:
  bool Send(BodyConnection* to) override {
    if (to->sent < kAnswerBytes) return SendHeader(to);
    off_t offset = to->offset();
    const ssize_t sent = sendfile(to->fd, to->object->fd, &offset, to->object->bytes - offset);
    if (sent > 0) to->sent += sent;
    return sent == 0 ? Shrunk() : sent > 0;
  }
};

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

struct SpliceConnection : BodyConnection {
  ~SpliceConnection() override {
    if (in_pipe == 0) return;
    close(pipe.read_end);
    close(pipe.write_end);
  }
  // Bytes of its object on their way to a full socket; the pipe is its own until they have left.
  Pipe pipe;
  size_t in_pipe = 0;
};

class BySplice : public BodyServant {
 public:
  explicit BySplice(const Objects& objects) : BodyServant(objects) { idle_.push_back(NewPipe()); }

  std::unique_ptr<FloorConnection> NewConnection() override {
    return std::make_unique<SpliceConnection>();
  }

 protected:
  bool Send(BodyConnection* connection) override {
    auto* to = static_cast<SpliceConnection*>(connection);
    if (to->sent < kAnswerBytes) return SendHeader(to);
    if (to->in_pipe == 0) {
      if (!Fill(to)) return false;
    }
    const bool last = to->sent + to->in_pipe == to->total();
    const ssize_t moved = splice(to->pipe.read_end, nullptr, to->fd, nullptr, to->in_pipe,
                                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (last ? 0 : SPLICE_F_MORE));
    if (moved <= 0) return false;
    to->sent += moved;
    to->in_pipe -= moved;
    if (to->in_pipe == 0) idle_.push_back(to->pipe);
    return true;
  }

 private:
  static Pipe NewPipe() {
    int ends[2];
    PCHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    PCHECK(fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes) > 0);
    return {ends[0], ends[1]};
  }

  bool Fill(SpliceConnection* to) {
    if (idle_.empty()) idle_.push_back(NewPipe());
    loff_t offset = to->offset();
    const ssize_t got =
        splice(to->object->fd, &offset, idle_.back().write_end, nullptr,
               std::min<uint64_t>(to->object->bytes - offset, kPipeBytes), SPLICE_F_MOVE);
    if (got <= 0) return got == 0 ? Shrunk() : false;
    to->pipe = idle_.back();
    idle_.pop_back();
    to->in_pipe = got;
    return true;
  }

  std::vector<Pipe> idle_;
};

}  // namespace

void ServeSendfile(const Listeners& listeners, const Objects& objects) {
  RunFloor(listeners, /*poll=*/false, [&objects] { return std::make_unique<BySendfile>(objects); });
}

void ServeSplice(const Listeners& listeners, const Objects& objects) {
  RunFloor(listeners, /*poll=*/false, [&objects] { return std::make_unique<BySplice>(objects); });
}

}  // namespace objmapper::bench
