// A file system in user space whose daemon is the test's: one that does not answer.
//
//   std::unique_ptr<FuseMount> fuse = FuseMount::Make("contents of its one file");
//   if (fuse == nullptr) GTEST_SKIP() << "mount(2) is not allowed here";
//   net::UniqueFd fd(open(fuse->file().c_str(), O_RDONLY));
//   fuse->Hang(FuseMount::kRead);      // from now on nobody gets an answer to READ
//
// It speaks the kernel's protocol (linux/fuse.h) on /dev/fuse, in a process of its own: what waits
// for it may be beyond SIGKILL, until that process ends, with this object at the latest. One
// thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/e2e/object_tree.h"

namespace objmapper::e2e {

class FuseMount {
 public:
  // Requests that can be left without an answer.
  enum Request : uint32_t {
    kOpen = 1,
    kRead = 2,
    kFlush = 4,
    kGetattr = 8,
    kRelease = 16,
    kStatfs = 32
  };

  // Null: this machine does not let us. believed: what it says of names and attributes the kernel
  // may keep, so that the way to its file is in the kernel's caches.
  static std::unique_ptr<FuseMount> Make(absl::string_view contents, bool believed = false);
  ~FuseMount();

  const std::string& directory() const { return directory_.path(); }
  std::string file() const { return directory() + "/file"; }
  // Leaves requests of these kinds (together) unanswered from now on.
  void Hang(uint32_t requests) {
    *unanswered_ = 0;
    *hanging_ = requests;
  }
  // From now on the answer to each OPEN takes so long, one after the other.
  void DelayOpens(uint32_t milliseconds) { *delay_ms_ = milliseconds; }
  // Whether one was left unanswered; waits for it.
  bool AwaitHanging() const;
  // Ends the daemon: who waits gets an error.
  void Abort();

 private:
  FuseMount() = default;

  TempDir directory_;
  std::atomic<uint32_t>* hanging_ = nullptr;  // shared with the daemon
  std::atomic<uint32_t>* unanswered_ = nullptr;
  std::atomic<uint32_t>* delay_ms_ = nullptr;
  pid_t daemon_ = -1;
};

}  // namespace objmapper::e2e
