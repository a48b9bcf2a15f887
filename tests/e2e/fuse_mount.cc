// A file system in user space whose daemon answers, hangs or fails as a test says.
#include "tests/e2e/fuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "tests/e2e/wire.h"

namespace objmapper::e2e {
namespace {

constexpr uint64_t kFileNode = 2;

class Daemon {
 public:
  Daemon(int device, absl::string_view contents, bool believed, std::atomic<uint32_t>* hanging,
         std::atomic<uint32_t>* unanswered, std::atomic<uint32_t>* delay_ms)
      : device_(device),
        contents_(contents),
        believed_s_(believed ? 3600 : 0),
        hanging_(hanging),
        unanswered_(unanswered),
        delay_ms_(delay_ms) {}

  void Run() {
    static char request[1 << 18];
    while (true) {
      const ssize_t got = read(device_, request, sizeof(request));
      if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
      if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
      fuse_in_header header;
      memcpy(&header, request, sizeof(header));
      const uint32_t kind = KindOf(header.opcode);
      if ((hanging_->load() & kind) != 0) {
        unanswered_->fetch_add(1);
      } else {
        if (kind == FuseMount::kOpen && *delay_ms_ != 0)
          absl::SleepFor(absl::Milliseconds(delay_ms_->load()));
        Answer(header, request + sizeof(header));
      }
    }
  }

 private:
  static uint32_t KindOf(uint32_t opcode) {
    switch (opcode) {
      case FUSE_OPEN:
        return FuseMount::kOpen;
      case FUSE_READ:
        return FuseMount::kRead;
      case FUSE_FLUSH:
        return FuseMount::kFlush;
      case FUSE_GETATTR:
        return FuseMount::kGetattr;
      case FUSE_RELEASE:
        return FuseMount::kRelease;
      case FUSE_STATFS:
        return FuseMount::kStatfs;
      default:
        return 0;
    }
  }

  void Say(const fuse_in_header& to, int error, const void* data = nullptr, size_t bytes = 0) {
    fuse_out_header header{static_cast<uint32_t>(sizeof(fuse_out_header) + bytes), -error,
                           to.unique};
    std::string answer(reinterpret_cast<const char*>(&header), sizeof(header));
    answer.append(static_cast<const char*>(data), bytes);
    [[maybe_unused]] const ssize_t written = write(device_, answer.data(), answer.size());
  }

  fuse_attr AttributesOf(uint64_t node) const {
    fuse_attr attributes{};
    attributes.ino = node;
    attributes.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
    attributes.nlink = 1;
    attributes.size = node == FUSE_ROOT_ID ? 0 : contents_.size();
    attributes.blksize = 4096;
    return attributes;
  }

  // Unless it is to be believed, nothing is for any time, so that everything is asked.
  void Answer(const fuse_in_header& header, const char* body) {
    switch (header.opcode) {
      case FUSE_INIT: {
        fuse_init_in in{};
        memcpy(&in, body, std::min(sizeof(in), header.len - sizeof(header)));
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = std::min<uint32_t>(in.minor, FUSE_KERNEL_MINOR_VERSION);
        out.max_write = 65536;
        Say(header, 0, &out, sizeof(out));
        return;
      }
      case FUSE_LOOKUP: {
        if (strcmp(body, "file") != 0) return Say(header, ENOENT);
        fuse_entry_out out{};
        out.nodeid = kFileNode;
        out.entry_valid = out.attr_valid = believed_s_;
        out.attr = AttributesOf(kFileNode);
        return Say(header, 0, &out, sizeof(out));
      }
      case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr = AttributesOf(header.nodeid);
        out.attr_valid = believed_s_;
        return Say(header, 0, &out, sizeof(out));
      }
      case FUSE_OPEN:
      case FUSE_OPENDIR: {
        fuse_open_out out{};
        out.open_flags = header.opcode == FUSE_OPEN ? FOPEN_DIRECT_IO : 0;
        return Say(header, 0, &out, sizeof(out));
      }
      case FUSE_READ: {
        fuse_read_in in;
        memcpy(&in, body, sizeof(in));
        const uint64_t at = std::min<uint64_t>(in.offset, contents_.size());
        return Say(header, 0, contents_.data() + at,
                   std::min<uint64_t>(in.size, contents_.size() - at));
      }
      case FUSE_READDIR:
        return Say(header, 0);
      case FUSE_STATFS: {
        fuse_statfs_out out{};
        out.st.namelen = 255;
        out.st.bsize = 4096;
        return Say(header, 0, &out, sizeof(out));
      }
      case FUSE_FLUSH:
      case FUSE_RELEASE:
      case FUSE_RELEASEDIR:
      case FUSE_ACCESS:
        return Say(header, 0);
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;  // these want none
      default:
        return Say(header, ENOSYS);
    }
  }

  const int device_;
  const std::string contents_;
  const uint64_t believed_s_;
  std::atomic<uint32_t>* const hanging_;
  std::atomic<uint32_t>* const unanswered_;
  std::atomic<uint32_t>* const delay_ms_;
};

}  // namespace

std::unique_ptr<FuseMount> FuseMount::Make(absl::string_view contents, bool believed) {
  auto fuse = std::unique_ptr<FuseMount>(new FuseMount());
  net::UniqueFd device(open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device.valid()) return nullptr;
  const std::string options =
      absl::StrCat("fd=", device.get(), ",rootmode=40000,user_id=", geteuid(),
                   ",group_id=", getegid(), ",allow_other");
  if (mount("test", fuse->directory().c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    return nullptr;
  void* const shared = mmap(nullptr, 3 * sizeof(std::atomic<uint32_t>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  fuse->hanging_ = new (shared) std::atomic<uint32_t>(0);
  fuse->unanswered_ = new (fuse->hanging_ + 1) std::atomic<uint32_t>(0);
  fuse->delay_ms_ = new (fuse->hanging_ + 2) std::atomic<uint32_t>(0);
  fuse->daemon_ = fork();
  if (fuse->daemon_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Daemon(device.get(), contents, believed, fuse->hanging_, fuse->unanswered_, fuse->delay_ms_)
        .Run();
    _exit(0);
  }
  return fuse;
}

bool FuseMount::AwaitHanging() const {
  const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
  while (*unanswered_ == 0) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

void FuseMount::Abort() {
  if (daemon_ <= 0) return;
  kill(daemon_, SIGKILL);
  waitpid(daemon_, nullptr, 0);
  daemon_ = -1;
}

FuseMount::~FuseMount() {
  Abort();
  if (hanging_ == nullptr) return;
  umount2(directory().c_str(), MNT_DETACH);
  munmap(hanging_, 3 * sizeof(std::atomic<uint32_t>));
}

}  // namespace objmapper::e2e
