// The ring. Completions are copied out before they are handled, so nothing completes while an
// operation is queued; each errno of io_uring_enter(2) has one stated meaning here.
#include "net/ring.h"

#include <errno.h>
#include <glog/logging.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::net {
namespace {

constexpr int kBufferGroup = 1;

// Operations this class queues; all must be there, or the epoll engine is the better choice.
constexpr int kNeededOperations[] = {IORING_OP_RECV,    IORING_OP_RECVMSG,      IORING_OP_SEND,
                                     IORING_OP_SENDMSG, IORING_OP_POLL_ADD,     IORING_OP_MADVISE,
                                     IORING_OP_WRITE,   IORING_OP_ASYNC_CANCEL, IORING_OP_CLOSE};

// The ring's own bit of user_data: the completion of a receive is to be read as a RECVMSG's.
constexpr uint64_t kMessageBit = 1;
// Of Recover()'s own operations: nobody's address.
constexpr uint64_t kCancelAll = ~uint64_t{0};

// How long Recover() waits for what cannot be cancelled, and how often it looks.
constexpr int kRecoverRounds = 100;
constexpr int64_t kRecoverPauseNs = 10'000'000;
// How long to let the kernel find memory, where nothing else is to be waited for.
constexpr timespec kBreath = {0, 1'000'000};

uint64_t BitOf(Ring::Receive what) { return what == Ring::Receive::kBytes ? 0 : kMessageBit; }

}  // namespace

absl::Status RingSetupError(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(absl::StrCat(
          "io_uring_setup is forbidden (", strerrorname_np(error),
          "): the sysctl kernel.io_uring_disabled, or a seccomp filter such as a container's"));
    case ENOSYS:
    case EOPNOTSUPP:
      return absl::UnimplementedError(absl::StrCat(
          "there is no io_uring (", strerrorname_np(error),
          "): the kernel is built without it, or a seccomp filter or sandbox hides it"));
    case ENOMEM:
      return absl::ResourceExhaustedError(
          "no memory for a ring (ENOMEM): RLIMIT_MEMLOCK or the memory cgroup is too small");
    default:
      return ErrnoToStatus(error, "io_uring_setup");
  }
}

absl::Status CheckOperations(io_uring* ring, absl::Span<const int> operations) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return absl::UnimplementedError("io_uring cannot be probed");
  absl::Status lacking;
  for (int operation : operations) {
    if (!io_uring_opcode_supported(probe, operation)) {
      lacking = absl::UnimplementedError(
          absl::StrCat("this kernel's io_uring lacks operation ", operation));
    }
  }
  io_uring_free_probe(probe);
  return lacking;
}

Ring::Ring() : ring_(std::make_unique<io_uring>()) {}

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(const Options& options) {
  auto ring = std::unique_ptr<Ring>(new Ring());
  ring->options_ = options;
  const auto set_up = [&](unsigned flags) {
    io_uring_params params{};
    params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | flags;
    params.cq_entries = options.entries * 4;
    return io_uring_queue_init_params(options.entries, ring->ring_.get(), &params);
  };
  int error = set_up(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
  // Kernels before 6.1 have no DEFER_TASKRUN, before 6.0 no SINGLE_ISSUER.
  if (error == -EINVAL) error = set_up(IORING_SETUP_COOP_TASKRUN);
  if (error != 0) {
    ring->ring_.reset();  // nothing to io_uring_queue_exit()
    return RingSetupError(-error);
  }
  if (absl::Status can = CheckOperations(ring->ring_.get(), kNeededOperations); !can.ok())
    return can;

  // A ring of receive buffers, so that idle connections hold none.
  const size_t ring_bytes = options.receive_buffers * sizeof(io_uring_buf);
  void* memory =
      mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return ErrnoToStatus(errno, "mmap for receive buffers");
  ring->buffers_ = static_cast<io_uring_buf_ring*>(memory);
  // Not touched here: pages that nobody has received into cost no memory.
  ring->buffer_memory_ = std::make_unique_for_overwrite<char[]>(size_t{options.receive_buffers} *
                                                                options.receive_buffer_bytes);
  if (absl::Status registered = ring->RegisterBuffers(); !registered.ok()) return registered;
  return ring;
}

absl::Status Ring::RegisterBuffers() {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(buffers_);
  registration.ring_entries = options_.receive_buffers;
  registration.bgid = kBufferGroup;
  const int error = io_uring_register_buf_ring(ring_.get(), &registration, 0);
  if (error != 0) return RingSetupError(-error);
  io_uring_buf_ring_init(buffers_);
  for (unsigned i = 0; i < options_.receive_buffers; ++i) ReturnBuffer(static_cast<int>(i));
  return absl::OkStatus();
}

Ring::~Ring() {
  if (ring_ != nullptr) io_uring_queue_exit(ring_.get());
  if (buffers_ != nullptr) munmap(buffers_, options_.receive_buffers * sizeof(io_uring_buf));
}

void Ring::ReturnBuffer(int buffer) {
  io_uring_buf_ring_add(buffers_, &buffer_memory_[size_t{options_.receive_buffer_bytes} * buffer],
                        options_.receive_buffer_bytes, static_cast<unsigned short>(buffer),
                        io_uring_buf_ring_mask(options_.receive_buffers), 0);
  io_uring_buf_ring_advance(buffers_, 1);
}

io_uring_sqe* Ring::NextEntry() {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  while (entry == nullptr) {
    // The queue is full: submitting empties it. -EBUSY: the completion queue has overflowed, so
    // make room there first (io_uring_enter(2)).
    const int submitted = io_uring_submit(ring_.get());
    if (submitted < 0) {
      Judge(submitted);
      const size_t before = pending_.size();
      Drain();
      if (pending_.size() == before && submitted != -EINTR) nanosleep(&kBreath, nullptr);
    }
    entry = io_uring_get_sqe(ring_.get());
  }
  return entry;
}

void Ring::ReceiveMultishot(int fd, Receive what, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  if (what == Receive::kBytes) {
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
  } else {
    // RECVMSG rather than RECV: its flags tell when descriptors came along.
    io_uring_prep_recvmsg_multishot(entry, fd, &shape_, 0);
  }
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kBufferGroup;
  entry->user_data = user_data | BitOf(what);
}

void Ring::AwaitReadable(int fd, Receive what, uint64_t user_data) {
  PollOnce(fd, POLLIN, user_data | BitOf(what));
}

void Ring::Send(int fd, const void* data, size_t bytes, bool poll_first, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_send(entry, fd, data, bytes, MSG_NOSIGNAL);
  if (poll_first) entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  entry->user_data = user_data;
}

void Ring::SendMessage(int fd, const msghdr* message, bool poll_first, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_sendmsg(entry, fd, message, MSG_NOSIGNAL);
  if (poll_first) entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  entry->user_data = user_data;
}

void Ring::SendMessageNow(int fd, const msghdr* message, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_sendmsg(entry, fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
  entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
  entry->user_data = user_data;
}

void Ring::Close(int fd, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_close(entry, fd);
  entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
  entry->user_data = user_data;
}

unsigned Ring::queued() const { return io_uring_sq_ready(ring_.get()); }

void Ring::Write(int fd, const void* data, size_t bytes, uint64_t offset, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_write(entry, fd, data, static_cast<unsigned>(bytes), offset);
  entry->user_data = user_data;
}

void Ring::PollOnce(int fd, uint32_t poll_mask, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_poll_add(entry, fd, poll_mask);
  entry->user_data = user_data;
}

void Ring::CancelReceive(Receive what, uint64_t target, uint64_t user_data) {
  io_uring_sqe* entry = NextEntry();
  io_uring_prep_cancel64(entry, target | BitOf(what), 0);
  entry->user_data = user_data;
}

void Ring::Judge(int error) {
  switch (-error) {
    case ETIME:   // nothing happened in time
    case EINTR:   // a signal
    case EBUSY:   // completions wait for room: to be taken first
    case EAGAIN:  // no memory for a request, or
    case ENOMEM:  // for what the kernel keeps of this thread: what is queued is submitted next time
      return;
    case EBADR:
      lost_ = true;
      return;
    default:
      // EBADF, EBADFD, EEXIST, EFAULT, EINVAL, ENXIO, EOPNOTSUPP, EOWNERDEAD: not the ring, thread
      // or set-up that we made.
      LOG(FATAL) << "io_uring_enter: " << strerror(-error);
  }
}

absl::Span<Ring::Event> Ring::Wait(int64_t timeout_ns) {
  if (!pending_.empty()) timeout_ns = 0;
  int result;
  if (timeout_ns == 0) {
    // Also runs deferred work, which completes operations (DEFER_TASKRUN).
    result = io_uring_submit_and_get_events(ring_.get());
  } else {
    io_uring_cqe* first = nullptr;
    __kernel_timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    result = io_uring_submit_and_wait_timeout(ring_.get(), &first, 1,
                                              timeout_ns < 0 ? nullptr : &timeout, nullptr);
  }
  return HandOut(result);
}

absl::Span<Ring::Event> Ring::Flush() {
  int result = io_uring_submit(ring_.get());
  if (result >= 0) result = io_uring_get_events(ring_.get());
  return HandOut(result);
}

absl::Span<Ring::Event> Ring::HandOut(int result) {
  if (result < 0) Judge(result);
  Drain();
  // A caller that calls again at once is not to burn a core meanwhile.
  if (pending_.empty() && (result == -EAGAIN || result == -ENOMEM)) nanosleep(&kBreath, nullptr);
  events_.clear();
  events_.swap(pending_);
  return absl::MakeSpan(events_);
}

// Cancels what it can. How many operations there were, or -1: that was not to be learned. Their
// events are in pending_.
int Ring::CancelAll() {
  io_uring_sqe* const entry = NextEntry();
  io_uring_prep_cancel(entry, nullptr, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  entry->user_data = kCancelAll;
  io_uring_cqe* first = nullptr;
  __kernel_timespec timeout{0, kRecoverPauseNs};
  const int result = io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &timeout, nullptr);
  if (result < 0) Judge(result);
  Drain();
  int found = -1;
  std::erase_if(pending_, [&](const Event& event) {
    if (event.user_data != (kCancelAll & ~kMessageBit)) return false;
    found = event.result == -ENOENT ? 0 : event.result;
    CHECK_GE(found, 0) << "cancelling all (Linux 5.19) gave " << strerror(-found);
    return true;
  });
  return found;
}

Ring::Remains Ring::Recover() {
  Remains remains;
  const timespec pause = {0, kRecoverPauseNs};
  for (int round = 0;; ++round) {
    const int found = CancelAll();
    if (found == 0) break;
    // Not before it is known that what can be cancelled is: who forgot an operation that goes on
    // would be told of it later.
    if (round >= kRecoverRounds && found > 0) {
      remains.all_ended = false;
      break;
    }
    // What a kernel worker is in the middle of ends by itself.
    if (round > 1) nanosleep(&pause, nullptr);
  }
  // Ended operations' completions may still be on their way from a worker: they come with the next
  // entering.
  const int result = io_uring_submit_and_get_events(ring_.get());
  if (result < 0) Judge(result);
  Drain();
  remains.events.swap(pending_);
  for (Event& event : remains.events) {
    event.bytes = {};
    event.buffer = -1;
  }
  // Buffers that came with a lost completion are nobody's: all of them are handed in anew.
  io_uring_unregister_buf_ring(ring_.get(), kBufferGroup);
  absl::Status registered = RegisterBuffers();
  for (int attempt = 0; !registered.ok() && attempt < kRecoverRounds; ++attempt) {
    nanosleep(&pause, nullptr);
    registered = RegisterBuffers();
  }
  CHECK(registered.ok()) << registered;
  lost_ = false;
  lost_seen_ = *ring_->cq.koverflow;
  return remains;
}

void Ring::Drain() {
  unsigned head;
  unsigned count = 0;
  io_uring_cqe* cqe;
  io_uring_for_each_cqe(ring_.get(), head, cqe) {
    ++count;
    Event event;
    event.user_data = cqe->user_data;
    event.result = cqe->res;
    event.more = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
      event.buffer = static_cast<int>(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
      char* data = &buffer_memory_[size_t{options_.receive_buffer_bytes} * event.buffer];
      const size_t size = event.result > 0 ? static_cast<size_t>(event.result) : 0;
      if ((event.user_data & kMessageBit) != 0 && size > 0) {
        // RECVMSG: a header stands before the bytes.
        io_uring_recvmsg_out* out =
            io_uring_recvmsg_validate(data, static_cast<int>(size), &shape_);
        CHECK(out != nullptr) << "the kernel wrote a short recvmsg header";
        event.bytes = absl::string_view(
            static_cast<const char*>(io_uring_recvmsg_payload(out, &shape_)),
            io_uring_recvmsg_payload_length(out, static_cast<int>(size), &shape_));
        event.result = static_cast<int>(event.bytes.size());
        event.fds_refused = (out->flags & MSG_CTRUNC) != 0;
      } else {
        event.bytes = absl::string_view(data, size);
      }
    }
    event.user_data &= ~kMessageBit;
    pending_.push_back(event);
  }
  io_uring_cq_advance(ring_.get(), count);
  // Counted before what is lost could be missed: whoever has seen a later completion sees this,
  // too. EBADR comes later, when the thread enters with nothing to submit.
  if (*static_cast<volatile unsigned*>(ring_->cq.koverflow) != lost_seen_) lost_ = true;
}

}  // namespace objmapper::net
