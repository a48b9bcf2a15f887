// The fdpass lane's kernel on io_uring: what comes is received by the ring while it waits, files
// are opened together in one call, and what is sent and closed goes with the next wait. So a round
// of one request enters the kernel twice, and one of a hundred hardly more often.
//
// Nothing but receives, and what waits for room or mail, is in flight between two calls: a send
// that may not wait (MSG_DONTWAIT), and a close, are done while they are submitted
// (io_uring_enter(2)). Both tell nothing when all went well (IOSQE_CQE_SKIP_SUCCESS): so a wait is
// not ended by what was sent before it.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fdpass/kernel.h"
#include "net/file_batch.h"
#include "net/ring.h"
#include "net/scm_rights.h"
#include "session/intake.h"

namespace objmapper::fdpass {
namespace {

// A message up to this size goes whole or not at all: a Unix socket makes one piece of it, whatever
// its buffer is (unix_stream_sendmsg() cuts at half of SO_SNDBUF, of which SOCK_MIN_SNDBUF, 4608,
// is the least). Of a longer one nobody would be told that a part has gone.
constexpr size_t kWholeBytes = 2048;

// The low bits of user_data tell which operation of the object it points to has completed; bit 0
// is the ring's. Objects are aligned to 16 bytes by the allocator.
enum class Operation : uint64_t {
  kReceive = 0,
  kRoom = 2,
  kCancel = 4,
  kSend = 6,
  kClose = 8,
  kMail = 10,
};
constexpr uint64_t kOperationMask = 14;

uint64_t Tag(const void* object, Operation operation) {
  return reinterpret_cast<uint64_t>(object) | static_cast<uint64_t>(operation);
}

}  // namespace

class UringKernel : public Kernel {
 public:
  UringKernel(std::unique_ptr<net::Ring> ring, std::unique_ptr<net::FileBatch> files, int event_fd)
      : ring_(std::move(ring)), files_(std::move(files)), event_fd_(event_fd) {}
  // What was to be closed with the next wait is closed now.
  ~UringKernel() override {
    while (ring_->queued() > 0) TakeEvents(ring_->Flush());
  }

  const char* name() const override { return "uring"; }

  int Add(Socket* socket) override {
    CHECK_EQ(reinterpret_cast<uint64_t>(socket) & 15, 0u) << "Tag() needs aligned objects";
    sockets_.insert(socket);
    // The ring has no way to look for descriptors in what comes before it takes it.
    socket->exact_ = socket->session->may_bring_fds;
    return SetInterest(socket, Interest::kRequests);
  }

  int SetInterest(Socket* socket, Interest interest) override {
    if (socket->interest_ == interest) return 0;
    Disarm(socket);
    socket->interest_ = interest;
    if (interest == Interest::kRoom) {
      socket->room_armed_ = true;
      ring_->PollOnce(socket->session->fd(), POLLOUT, Tag(socket, Operation::kRoom));
    } else if (interest == Interest::kRequests) {
      Arm(socket);
      if (!socket->pieces_.empty() || socket->ended_) MarkReady(socket);
    }
    return 0;
  }

  void Remove(Socket* socket) override {
    Disarm(socket);
    if (socket->out_ != nullptr) {
      while (ring_->queued() > 0) TakeEvents(ring_->Flush());
      std::erase(unsent_, socket->out_);
      std::erase(later_, socket->out_);
      socket->out_ = nullptr;
    }
    for (const Socket::Piece& piece : socket->pieces_) {
      socket->session->unread.append(piece.bytes.data(), piece.bytes.size());
      ring_->ReturnBuffer(piece.buffer);
    }
    socket->pieces_.clear();
    if (socket->ready_) std::erase(ready_, socket);
    socket->ready_ = false;
    socket->interest_ = Interest::kNothing;
    sockets_.erase(socket);
  }

  void Wait(int64_t timeout_ns, Woken* woken) override {
    if (!mail_armed_) {
      mail_armed_ = true;
      ring_->PollOnce(event_fd_, POLLIN, Tag(nullptr, Operation::kMail));
    }
    const bool tells_already = !ready_.empty() || !unsent_.empty() || mail_;
    TakeEvents(ring_->Wait(tells_already ? 0 : timeout_ns));
    // Where the kernel has no memory for it, not all is submitted at once.
    while (ring_->queued() > 0) TakeEvents(ring_->Flush());
    for (Outgoing* out : later_) out->socket->out_ = nullptr;
    later_.clear();
    for (Socket* socket : ready_) socket->ready_ = false;
    woken->ready.clear();
    woken->ready.swap(ready_);
    woken->unsent.clear();
    woken->unsent.swap(unsent_);
    woken->mail = std::exchange(mail_, false);
  }

  ssize_t Receive(Socket* socket, absl::Span<char> buffer, size_t have) override {
    size_t got = 0;
    size_t taken = 0;
    for (Socket::Piece& piece : socket->pieces_) {
      const size_t bytes = std::min(piece.bytes.size(), buffer.size() - have - got);
      memcpy(buffer.data() + have + got, piece.bytes.data(), bytes);
      got += bytes;
      piece.bytes.remove_prefix(bytes);
      if (!piece.bytes.empty()) break;
      ring_->ReturnBuffer(piece.buffer);
      ++taken;
    }
    socket->pieces_.erase(socket->pieces_.begin(),
                          socket->pieces_.begin() + static_cast<ptrdiff_t>(taken));
    if (got > 0) {
      if (!socket->pieces_.empty() || socket->ended_) MarkReady(socket);
      Arm(socket);
      return static_cast<ssize_t>(got);
    }
    if (socket->ended_) {
      errno = socket->end_error_;
      return socket->end_error_ == 0 ? 0 : -1;
    }
    if (!socket->exact_) {
      Arm(socket);
      errno = EAGAIN;
      return -1;
    }
    const ssize_t result =
        session::Receive(socket->session.get(), buffer, have, session::OnFds::kLeave);
    const int error = errno;
    if (result > 0 || (result < 0 && error == EAGAIN)) Arm(socket);
    errno = error;
    return result;
  }

  void Exact(Socket* socket) override {
    if (socket->exact_) return;
    const Interest interest = socket->interest_;
    Disarm(socket);
    socket->exact_ = true;
    SetInterest(socket, interest);
  }

  bool wants_seen_regular() const override { return false; }
  void Open(int directory, const char* name, bool, int* result) override {
    files_->Open(directory, name, result);
  }
  void OpenAll() override { files_->Submit(); }
  void CutShort() override { files_->CutShort(); }

  bool SendLater(Outgoing* out) override {
    const absl::string_view bytes = out->message.bytes();
    Socket* const socket = out->socket;
    if (bytes.size() > kWholeBytes || out->x_fd.valid() || socket->out_ != nullptr) return false;
    out->error = 0;
    out->bytes_sent = bytes.size();
    out->bytes_ = {const_cast<char*>(bytes.data()), bytes.size()};
    out->header_ = msghdr{};
    out->header_.msg_iov = &out->bytes_;
    out->header_.msg_iovlen = 1;
    const std::vector<int>& fds = out->message.fds();
    if (!fds.empty()) net::AttachFds(fds, &out->control_, &out->header_);
    ring_->SendMessageNow(socket->session->fd(), &out->header_, Tag(out, Operation::kSend));
    out->message.TakeOwnFds(&passed_);
    for (net::UniqueFd& fd : passed_) Close(std::move(fd));
    passed_.clear();
    socket->out_ = out;
    later_.push_back(out);
    return true;
  }

  void Close(net::UniqueFd fd) override {
    const int number = fd.Release();
    ring_->Close(number, static_cast<uint64_t>(number) << 4 | uint64_t(Operation::kClose));
  }

 private:
  void Arm(Socket* socket) {
    if (socket->armed_ || socket->ended_ || socket->interest_ != Interest::kRequests) return;
    socket->armed_ = true;
    const uint64_t tag = Tag(socket, Operation::kReceive);
    if (socket->exact_) {
      ring_->AwaitReadable(socket->session->fd(), net::Ring::Receive::kBytes, tag);
    } else {
      ring_->ReceiveMultishot(socket->session->fd(), net::Ring::Receive::kBytes, tag);
    }
  }

  // Ends what is in flight for the socket.
  void Disarm(Socket* socket) {
    socket->interest_ = Interest::kNothing;
    while (socket->armed_ || socket->room_armed_) {
      // Again and again: what was about to complete may have gone on.
      const Operation target = socket->armed_ ? Operation::kReceive : Operation::kRoom;
      ring_->CancelReceive(net::Ring::Receive::kBytes, Tag(socket, target),
                           Tag(nullptr, Operation::kCancel));
      TakeEvents(ring_->Flush());
    }
  }

  void MarkReady(Socket* socket) {
    if (std::exchange(socket->ready_, true)) return;
    ready_.push_back(socket);
  }

  void TakeEvents(absl::Span<net::Ring::Event> events) {
    if (ring_->lost()) {
      Recover();
      return;
    }
    for (const net::Ring::Event& event : events) Handle(event);
  }

  void Handle(const net::Ring::Event& event) {
    void* const object = reinterpret_cast<void*>(event.user_data & ~uint64_t{15});
    switch (static_cast<Operation>(event.user_data & kOperationMask)) {
      case Operation::kReceive:
        HandleReceive(static_cast<Socket*>(object), event);
        return;
      case Operation::kRoom:
        static_cast<Socket*>(object)->room_armed_ = false;
        static_cast<Socket*>(object)->interest_ = Interest::kNothing;
        MarkReady(static_cast<Socket*>(object));
        return;
      case Operation::kSend: {
        auto* const out = static_cast<Outgoing*>(object);
        // Interrupted before anything was sent: as if there had been no room.
        out->error = event.result == -EINTR ? EAGAIN : -event.result;
        out->bytes_sent = 0;
        unsent_.push_back(out);
        return;
      }
      case Operation::kClose:
        CHECK_NE(event.result, -EBADF)
            << "descriptor " << (event.user_data >> 4) << " was closed by other code";
        return;
      case Operation::kMail:
        mail_armed_ = false;
        mail_ = true;
        return;
      case Operation::kCancel:
        return;
    }
  }

  void HandleReceive(Socket* socket, const net::Ring::Event& event) {
    if (!event.more) socket->armed_ = false;
    if (!event.bytes.empty()) {
      socket->pieces_.push_back({event.buffer, event.bytes});
    } else if (event.buffer >= 0) {
      ring_->ReturnBuffer(event.buffer);
    }
    if (event.more || socket->exact_) {
      // An exact one is asked itself, what there is.
      if (event.result > 0 || !socket->exact_) MarkReady(socket);
      return;
    }
    // The kernel ends a multishot receive for reasons of its own, too: Receive() begins again.
    const bool goes_on = event.result > 0 || event.result == -ENOBUFS || event.result == -EINTR ||
                         event.result == -ECANCELED || event.result == -EAGAIN;
    if (!goes_on) {
      socket->ended_ = true;
      socket->end_error_ = -event.result;
    }
    if (event.result != -ECANCELED || !socket->pieces_.empty()) MarkReady(socket);
  }

  // Completions have been lost. Of what a connection has received a part may be missing, and of
  // what was sent to it nobody knows whether it has gone: those where that may be so end, as if
  // they had been reset. The others, and the lane, go on.
  void Recover() {
    ring_->Recover();
    int broken = 0;
    for (Socket* socket : sockets_) {
      const bool lost = (socket->armed_ && !socket->exact_) || socket->out_ != nullptr ||
                        !socket->pieces_.empty();
      socket->armed_ = socket->room_armed_ = false;
      socket->pieces_.clear();  // the buffers are the kernel's again
      if (lost) {
        ++broken;
        socket->ended_ = true;
        socket->end_error_ = ECONNRESET;
      }
      MarkReady(socket);
    }
    std::erase_if(unsent_, [](const Outgoing* out) { return out->socket->ended_; });
    mail_armed_ = false;
    mail_ = true;  // it may have been what was lost
    LOG(ERROR) << "io_uring lost completions for lack of memory (EBADR): " << broken
               << " connections of this loop are closed, since it is not known what was lost";
  }

  const std::unique_ptr<net::Ring> ring_;
  const std::unique_ptr<net::FileBatch> files_;
  const int event_fd_;
  absl::flat_hash_set<Socket*> sockets_;  // for when completions are lost
  bool mail_armed_ = false;
  std::vector<net::UniqueFd> passed_;
  std::vector<Outgoing*> later_;  // to go with the next Wait()
  // What the next Wait() tells.
  std::vector<Socket*> ready_;
  std::vector<Outgoing*> unsent_;
  bool mail_ = false;
};

absl::StatusOr<std::unique_ptr<Kernel>> MakeUringKernel(int event_fd) {
  absl::StatusOr<std::unique_ptr<net::Ring>> ring = net::Ring::Create({});
  if (!ring.ok()) return std::move(ring).status();
  absl::StatusOr<std::unique_ptr<net::FileBatch>> files = net::FileBatch::Create();
  if (!files.ok()) return std::move(files).status();
  return std::make_unique<UringKernel>(*std::move(ring), *std::move(files), event_fd);
}

}  // namespace objmapper::fdpass
