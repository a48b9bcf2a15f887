// What docs/security.md says that a receiver can do with a descriptor, and how it can be kept from
// it: each statement here, done.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class ReceivedDescriptorTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    path_ = tree_.Add("object", kContents);
  }
  ServerProcess& server() {
    if (server_ == nullptr) {
      server_ = std::make_unique<ServerProcess>(tree_.root(), ServerOptions{.engine = GetParam()});
    }
    return *server_;
  }
  net::UniqueFd Receive(const ServerProcess& server) {
    Answer answer = RawClient::V1(server.Unix()).Get({.mode = kFdPass, .uri = "object"});
    EXPECT_TRUE(answer.fd.valid());
    return std::move(answer.fd);
  }
  static std::string Reopened(int fd) { return absl::StrCat("/proc/self/fd/", fd); }
  // Runs `what` in a child that is user and group 65534; its result, an errno or 0.
  static int AsNobody(const std::function<int()>& what) {
    const pid_t child = fork();
    if (child == 0) {
      if (setgid(65534) != 0 || setuid(65534) != 0) _exit(255);
      _exit(what());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_NE(WEXITSTATUS(status), 255) << "the child could not become nobody";
    return WEXITSTATUS(status);
  }

  static constexpr char kContents[] = "what was there before";
  ObjectTree tree_;
  std::string path_;
  std::unique_ptr<ServerProcess> server_;
};

// "It is opened for reading alone": it can neither be written to, nor made longer or shorter, nor
// mapped to write.
TEST_P(ReceivedDescriptorTest, IsForReadingAlone) {
  const net::UniqueFd fd = Receive(server());
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(pwrite(fd.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(ftruncate(fd.get(), 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0), MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
  EXPECT_EQ(Contents(fd.get()), kContents);
}

// "Offset and flags are the receiver's own": each answer is another open file description
// (open(2)).
TEST_P(ReceivedDescriptorTest, OffsetAndFlagsAreItsOwn) {
  const ServerProcess& serving = server();
  const net::UniqueFd mine = Receive(serving), other = Receive(serving);
  ASSERT_EQ(lseek(mine.get(), 5, SEEK_SET), 5);
  EXPECT_EQ(lseek(other.get(), 0, SEEK_CUR), 0);
  ASSERT_EQ(fcntl(mine.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(fcntl(other.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(Contents(Receive(serving).get()), kContents);
}

// "It can lock the file against others": flock(2) needs no right to write, and the server does not
// mind.
TEST_P(ReceivedDescriptorTest, CanBeLockedAgainstOthers) {
  const ServerProcess& serving = server();
  const net::UniqueFd mine = Receive(serving), other = Receive(serving);
  ASSERT_EQ(flock(mine.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(flock(other.get(), LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
  RawClient client = RawClient::V1(serving.Unix());
  for (const char mode : {kCopy, kSplice}) {
    EXPECT_EQ(client.Get({.mode = mode, .uri = "object"}).body, kContents);
  }
}

// "It cannot be taken back": replaced or removed, the object is still there for who has it.
TEST_P(ReceivedDescriptorTest, CannotBeTakenBack) {
  const net::UniqueFd fd = Receive(server());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_EQ(Contents(fd.get()), kContents);
}

// "A receiver that has the file's own permission to write can reopen it through /proc/self/fd":
// same owner.
TEST_P(ReceivedDescriptorTest, TheOwnerCanReopenItToWrite) {
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  const net::UniqueFd fd = Receive(server());
  const net::UniqueFd again(open(Reopened(fd.get()).c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(again.valid());
  EXPECT_EQ(pwrite(again.get(), "X", 1, 0), 1);
  EXPECT_EQ(Contents(fd.get()).substr(0, 1), "X");
}

// "A uid of the server's own and files of mode 0600 keep everybody else from it": the reader reads,
// but can neither reopen the file, nor change its mode or owner. A file that anybody may write to
// is not kept.
TEST_P(ReceivedDescriptorTest, ADedicatedUidKeepsOthersFromReopening) {
  if (geteuid() != 0 || !ServerProcess::CanBecomeNobody())
    GTEST_SKIP() << "needs two users: root, and nobody";
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  const net::UniqueFd fd = Receive(server());
  const int number = fd.get();
  EXPECT_EQ(AsNobody([number] {
              char byte;
              return pread(number, &byte, 1, 0) == 1 ? 0 : errno;
            }),
            0);
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY}) {
    EXPECT_EQ(AsNobody([number, flags] {
                return open(Reopened(number).c_str(), flags) >= 0 ? 0 : errno;
              }),
              EACCES);
  }
  EXPECT_EQ(AsNobody([number] { return fchmod(number, 0666) == 0 ? 0 : errno; }), EPERM);
  EXPECT_EQ(AsNobody([number] { return fchown(number, 65534, 65534) == 0 ? 0 : errno; }), EPERM);
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  EXPECT_EQ(
      AsNobody([number] { return open(Reopened(number).c_str(), O_WRONLY) >= 0 ? 0 : errno; }), 0);
}

// "A root that is mounted read-only keeps everybody from it", the owner and root too.
TEST_P(ReceivedDescriptorTest, AReadOnlyMountKeepsEverybody) {
  if (geteuid() != 0) GTEST_SKIP() << "mount(2) needs root";
  const std::string root = tree_.root();
  const pid_t child = fork();
  if (child == 0) {
    // Not _exit(3): there ThreadSanitizer looks for threads that nobody joined, and finds those of
    // our parent.
    const auto leave = [](int code) { syscall(SYS_exit_group, code); };
    // A mount namespace of its own, which ends with it.
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        mount(nullptr, root.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      leave(77);
    }
    ServerProcess server(root, {.engine = GetParam()});
    Answer answer = RawClient::V1(server.Unix()).Get({.mode = kFdPass, .uri = "object"});
    if (!answer.fd.valid() || Contents(answer.fd.get()) != kContents) leave(1);
    if (open(Reopened(answer.fd.get()).c_str(), O_WRONLY) >= 0 || errno != EROFS) leave(2);
    if (fchmod(answer.fd.get(), 0666) == 0 || errno != EROFS) leave(3);
    leave(server.Stop(SIGTERM) == 0 ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    GTEST_SKIP() << "mounting is not allowed here";
  EXPECT_EQ(status, 0) << "exit status " << WEXITSTATUS(status);
}

INSTANTIATE_TEST_SUITE_P(Engines, ReceivedDescriptorTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
