// Preloaded into a server under test (ld.so(8): LD_PRELOAD): stands between it and the C library,
// and liburing, and makes calls fail as the shared table says. A call that fails is not made. An
// operation on a ring is replaced by a NOP on its way in, and its completion gets the error on its
// way out: to the server it is as if the kernel had said it. Before calls that change the tree of
// objects the process can also be killed.

// The checked forms of these calls are inline functions in the headers: no room for ours beside
// them.
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "tests/faults/fault_table.h"

namespace {

using objmapper::faults::Fault;
using objmapper::faults::FaultTable;

FaultTable* Table() {
  static FaultTable* const table = []() -> FaultTable* {
    const char* path = getenv(objmapper::faults::kVariable);
    if (path == nullptr) return nullptr;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return nullptr;
    // Not by mmap(2) of this library. All of them longs, as syscall() takes them: of an int on the
    // stack it would see more than its caller has written.
    void* const memory = reinterpret_cast<void*>(
        syscall(SYS_mmap, 0L, static_cast<long>(sizeof(FaultTable)), long{PROT_READ | PROT_WRITE},
                long{MAP_SHARED}, long{fd}, 0L));
    close(fd);
    return memory == MAP_FAILED ? nullptr : static_cast<FaultTable*>(memory);
  }();
  return table;
}

// The fault that touches this call of `name`; null: none. message: what it sends, if it sends a
// message: without descriptors none of them can be too many.
const Fault* Due(const char* name, const msghdr* message = nullptr) {
  FaultTable* const table = Table();
  if (table == nullptr) return nullptr;
  for (size_t i = 0; i < objmapper::faults::kCallCount; ++i) {
    if (strcmp(objmapper::faults::kCalls[i], name) != 0) continue;
    Fault& fault = table->faults[i];
    const int every = fault.every.load();
    if (fault.error.load() == ETOOMANYREFS && (message == nullptr || message->msg_controllen == 0))
      return nullptr;
    if (every == 0 || fault.calls.fetch_add(1) % static_cast<uint64_t>(every) != 0) return nullptr;
    fault.touched.fetch_add(1);
    return &fault;
  }
  return nullptr;
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// True: the call is to return -1 now. Else `*bytes` may have become less.
bool Fails(const char* name, size_t* bytes = nullptr, const msghdr* message = nullptr) {
  const Fault* const fault = Due(name, message);
  if (fault == nullptr) return false;
  if (const int error = fault->error.load(); error != 0) {
    errno = error;
    return true;
  }
  if (bytes != nullptr) *bytes = std::min(*bytes, static_cast<size_t>(fault->bytes.load()));
  return false;
}

// The server; processes that it forks have another.
const pid_t server_pid = getpid();

// Does not return when the server is to die before this call, which changes the tree. What is done
// in its place by a process that it has forked (net/expendable.h) is of the server's doing, too.
void DieIfDue() {
  FaultTable* const table = Table();
  if (table == nullptr) return;
  const int64_t kill_at = table->kill_at.load();
  if (kill_at == 0 || table->changes.fetch_add(1) + 1 != kill_at) return;
  kill(server_pid, SIGKILL);
  while (true) kill(getpid(), SIGKILL);
}

// DieIfDue() and Fails().
bool ChangeFails(const char* name, size_t* bytes = nullptr) {
  DieIfDue();
  return Fails(name, bytes);
}

// The whole of a message's bytes, or its first few.
struct Cut {
  Cut(const char* name, const msghdr* from) : message(*from) {
    size_t all = 0;
    for (size_t i = 0; i < from->msg_iovlen; ++i) all += from->msg_iov[i].iov_len;
    size_t bytes = all;
    fails = Fails(name, &bytes, from);
    if (fails || bytes == all || from->msg_iovlen == 0) return;
    first = from->msg_iov[0];
    first.iov_len = std::min(first.iov_len, bytes);
    message.msg_iov = &first;
    message.msg_iovlen = 1;
  }
  bool fails;
  msghdr message;
  iovec first{};
};

// ---- The ring ----

// user_data of operations that became NOPs, and their errno
thread_local std::map<uint64_t, int> failing;

const char* NameOf(const io_uring_sqe& entry) {
  switch (entry.opcode) {
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
      return "ring_recv";
    case IORING_OP_SEND:
      return "ring_send";
    case IORING_OP_SENDMSG:
      return "ring_sendmsg";
    case IORING_OP_MADVISE:
      return "ring_madvise";
    case IORING_OP_WRITE:
      return "ring_write";
    default:
      return nullptr;
  }
}

void TouchEntries(io_uring* ring) {
  for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; ++at) {
    io_uring_sqe& entry = ring->sq.sqes[at & *ring->sq.kring_mask];
    const char* const name = NameOf(entry);
    if (entry.opcode == IORING_OP_WRITE) DieIfDue();
    const auto* const message =
        entry.opcode == IORING_OP_SENDMSG ? reinterpret_cast<const msghdr*>(entry.addr) : nullptr;
    const Fault* const fault = name == nullptr ? nullptr : Due(name, message);
    if (fault == nullptr) continue;
    if (const int error = fault->error.load(); error != 0) {
      const uint64_t user_data = entry.user_data;
      memset(&entry, 0, sizeof(entry));
      entry.opcode = IORING_OP_NOP;
      entry.user_data = user_data;
      failing[user_data] = error;
    } else if (entry.opcode == IORING_OP_SEND || entry.opcode == IORING_OP_WRITE) {
      entry.len = std::min(entry.len, static_cast<unsigned>(fault->bytes.load()));
    }
  }
}

void TouchCompletions(io_uring* ring) {
  const unsigned tail = __atomic_load_n(ring->cq.ktail, __ATOMIC_ACQUIRE);
  if (*ring->cq.khead != tail && Due("ring_lost") != nullptr) {
    ++*ring->cq.koverflow;  // where the kernel counts them
    io_uring_cq_advance(ring, 1);
  }
  if (failing.empty()) return;
  for (unsigned at = *ring->cq.khead; at != tail; ++at) {
    io_uring_cqe& entry = ring->cq.cqes[at & *ring->cq.kring_mask];
    const auto found = failing.find(entry.user_data);
    if (found == failing.end() || entry.res != 0 || entry.flags != 0) continue;
    entry.res = -found->second;
    failing.erase(found);
  }
}

}  // namespace

extern "C" {

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static auto* const real = Real<int(int, sockaddr*, socklen_t*, int)>("accept4");
  return Fails("accept4") ? -1 : real(fd, address, size, flags);
}

ssize_t recv(int fd, void* to, size_t bytes, int flags) {
  static auto* const real = Real<ssize_t(int, void*, size_t, int)>("recv");
  return Fails("recv", &bytes) ? -1 : real(fd, to, bytes, flags);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  static auto* const real = Real<ssize_t(int, msghdr*, int)>("recvmsg");
  Cut cut("recvmsg", message);
  if (cut.fails) return -1;
  const ssize_t got = real(fd, &cut.message, flags);
  message->msg_controllen = cut.message.msg_controllen;
  message->msg_flags = cut.message.msg_flags;
  message->msg_namelen = cut.message.msg_namelen;
  return got;
}

ssize_t send(int fd, const void* from, size_t bytes, int flags) {
  static auto* const real = Real<ssize_t(int, const void*, size_t, int)>("send");
  return Fails("send", &bytes) ? -1 : real(fd, from, bytes, flags);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* const real = Real<ssize_t(int, const msghdr*, int)>("sendmsg");
  const Cut cut("sendmsg", message);
  return cut.fails ? -1 : real(fd, &cut.message, flags);
}

int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  static auto* const real = Real<int(int, mmsghdr*, unsigned, int)>("sendmmsg");
  return Fails("sendmmsg") ? -1 : real(fd, messages, count, flags);
}

ssize_t read(int fd, void* to, size_t bytes) {
  static auto* const real = Real<ssize_t(int, void*, size_t)>("read");
  return Fails("read") ? -1 : real(fd, to, bytes);
}

ssize_t pread(int fd, void* to, size_t bytes, off_t at) {
  static auto* const real = Real<ssize_t(int, void*, size_t, off_t)>("pread");
  return Fails("pread", &bytes) ? -1 : real(fd, to, bytes, at);
}

ssize_t preadv2(int fd, const iovec* parts, int count, off_t at, int flags) {
  static auto* const real = Real<ssize_t(int, const iovec*, int, off_t, int)>("preadv2");
  return Fails("preadv2") ? -1 : real(fd, parts, count, at, flags);
}

int fstat(int fd, struct stat* status) {
  static auto* const real = Real<int(int, struct stat*)>("fstat");
  return Fails("fstat") ? -1 : real(fd, status);
}

void* mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset) {
  static auto* const real = Real<void*(void*, size_t, int, int, int, off_t)>("mmap");
  if (fd >= 0 && Fails("mmap")) return MAP_FAILED;  // memory that is no file's is not meant
  return real(at, bytes, protection, flags, fd, offset);
}

ssize_t splice(int from, off64_t* from_at, int to, off64_t* to_at, size_t bytes, unsigned flags) {
  static auto* const real = Real<ssize_t(int, off64_t*, int, off64_t*, size_t, unsigned)>("splice");
  return Fails("splice", &bytes) ? -1 : real(from, from_at, to, to_at, bytes, flags);
}

ssize_t sendfile(int to, int from, off_t* at, size_t bytes) {
  static auto* const real = Real<ssize_t(int, int, off_t*, size_t)>("sendfile");
  DieIfDue();
  return Fails("sendfile", &bytes) ? -1 : real(to, from, at, bytes);
}

int fstatvfs(int fd, struct statvfs* to) {
  static auto* const real = Real<int(int, struct statvfs*)>("fstatvfs");
  return Fails("fstatvfs") ? -1 : real(fd, to);
}

// ---- What changes the tree ----

int openat(int directory, const char* path, int flags, ...) {
  static auto* const real = Real<int(int, const char*, int, ...)>("openat");
  if ((flags & O_CREAT) == 0 && (flags & O_TMPFILE) != O_TMPFILE)
    return real(directory, path, flags);
  va_list list;
  va_start(list, flags);
  const mode_t mode = va_arg(list, mode_t);
  va_end(list);
  return ChangeFails("openat") ? -1 : real(directory, path, flags, mode);
}

int mkdirat(int directory, const char* path, mode_t mode) {
  static auto* const real = Real<int(int, const char*, mode_t)>("mkdirat");
  return ChangeFails("mkdirat") ? -1 : real(directory, path, mode);
}

int fallocate(int fd, int mode, off_t at, off_t bytes) {
  static auto* const real = Real<int(int, int, off_t, off_t)>("fallocate");
  return ChangeFails("fallocate") ? -1 : real(fd, mode, at, bytes);
}

ssize_t pwrite(int fd, const void* from, size_t bytes, off_t at) {
  static auto* const real = Real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return ChangeFails("pwrite", &bytes) ? -1 : real(fd, from, bytes, at);
}

ssize_t copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, size_t bytes,
                        unsigned flags) {
  static auto* const real =
      Real<ssize_t(int, off64_t*, int, off64_t*, size_t, unsigned)>("copy_file_range");
  return ChangeFails("copy_file_range", &bytes) ? -1 : real(from, from_at, to, to_at, bytes, flags);
}

int ioctl(int fd, unsigned long request, ...) {
  static auto* const real = Real<int(int, unsigned long, ...)>("ioctl");
  va_list list;
  va_start(list, request);
  void* const argument = va_arg(list, void*);
  va_end(list);
  if (request == FICLONE) DieIfDue();
  return real(fd, request, argument);
}

int fsetxattr(int fd, const char* name, const void* value, size_t bytes, int flags) {
  static auto* const real = Real<int(int, const char*, const void*, size_t, int)>("fsetxattr");
  return ChangeFails("fsetxattr") ? -1 : real(fd, name, value, bytes, flags);
}

int fchmod(int fd, mode_t mode) {
  static auto* const real = Real<int(int, mode_t)>("fchmod");
  return ChangeFails("fchmod") ? -1 : real(fd, mode);
}

int fsync(int fd) {
  static auto* const real = Real<int(int)>("fsync");
  return ChangeFails("fsync") ? -1 : real(fd);
}

int flock(int fd, int operation) {
  static auto* const real = Real<int(int, int)>("flock");
  return ChangeFails("flock") ? -1 : real(fd, operation);
}

int linkat(int from, const char* old_path, int to, const char* path, int flags) {
  static auto* const real = Real<int(int, const char*, int, const char*, int)>("linkat");
  return ChangeFails("linkat") ? -1 : real(from, old_path, to, path, flags);
}

int renameat(int from, const char* old_path, int to, const char* path) {
  static auto* const real = Real<int(int, const char*, int, const char*)>("renameat");
  return ChangeFails("renameat") ? -1 : real(from, old_path, to, path);
}

int unlinkat(int directory, const char* path, int flags) {
  static auto* const real = Real<int(int, const char*, int)>("unlinkat");
  return ChangeFails("unlinkat") ? -1 : real(directory, path, flags);
}

int pipe2(int ends[2], int flags) {
  static auto* const real = Real<int(int*, int)>("pipe2");
  return Fails("pipe2") ? -1 : real(ends, flags);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  static auto* const real = Real<int(int, int, int, epoll_event*)>("epoll_ctl");
  // the others cannot fail for want of memory
  if (operation == EPOLL_CTL_ADD && Fails("epoll_ctl")) return -1;
  return real(epoll, operation, fd, event);
}

int epoll_wait(int epoll, epoll_event* events, int count, int timeout) {
  static auto* const real = Real<int(int, epoll_event*, int, int)>("epoll_wait");
  return Fails("epoll_wait") ? -1 : real(epoll, events, count, timeout);
}

long syscall(long number, ...) {
  static auto* const real = Real<long(long, ...)>("syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_openat2 && Fails("openat2")) return -1;
  if (number == SYS_fstat && Fails("fstat")) return -1;
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int io_uring_submit(io_uring* ring) {
  static auto* const real = Real<int(io_uring*)>("io_uring_submit");
  if (Fails("io_uring_submit")) return -errno;
  TouchEntries(ring);
  const int result = real(ring);
  TouchCompletions(ring);
  return result;
}

int io_uring_submit_and_get_events(io_uring* ring) {
  static auto* const real = Real<int(io_uring*)>("io_uring_submit_and_get_events");
  if (Fails("io_uring_submit")) return -errno;
  TouchEntries(ring);
  const int result = real(ring);
  TouchCompletions(ring);
  return result;
}

int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** first, unsigned count,
                                     __kernel_timespec* timeout, sigset_t* signals) {
  static auto* const real =
      Real<int(io_uring*, io_uring_cqe**, unsigned, __kernel_timespec*, sigset_t*)>(
          "io_uring_submit_and_wait_timeout");
  if (Fails("io_uring_submit")) return -errno;
  TouchEntries(ring);
  const int result = real(ring, first, count, timeout, signals);
  TouchCompletions(ring);
  return result;
}

}  // extern "C"
