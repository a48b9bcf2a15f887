// What may hang, hangs elsewhere: descriptors are let go of, asked and received by other processes,
// and those are replaced.
#include "net/expendable.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/foreign_fd.h"
#include "net/foreign_kind.h"
#include "net/scm_rights.h"
#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

constexpr absl::Duration kLong = absl::Seconds(30);  // tells "hangs" from "works"

bool Until(absl::FunctionRef<bool()> condition) {
  const absl::Time until = absl::Now() + kLong;
  while (!condition()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

// In a worker.
std::string Task(absl::string_view request, absl::Span<const int> fds,
                 absl::FunctionRef<bool()> go_on) {
  if (request == "hang") {
    while (true) pause();
  }
  if (request == "die") raise(SIGKILL);
  if (request == "slowly") {
    for (int i = 0; i < 15; ++i) {
      absl::SleepFor(absl::Milliseconds(100));
      if (!go_on()) return "";
    }
  }
  std::string contents(100, '\0');
  const ssize_t got = fds.empty() ? 0 : pread(fds[0], contents.data(), contents.size(), 0);
  return absl::StrCat("did ", request, " ",
                      contents.substr(0, static_cast<size_t>(std::max<ssize_t>(got, 0))));
}

// Whoever asks waits for the answer.
absl::StatusOr<std::string> Ask(absl::string_view request, absl::Span<const int> fds,
                                absl::Duration patience) {
  return RunExpendable(request, fds, patience, [] { return true; });
}

class ExpendableTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(StartExpendable(Task, JudgeForeignFd).ok()); }
};

// A pipe's end, and whether all copies of it are closed.
struct Watched {
  Watched() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_end.Reset(ends[0]);
    write_end.Reset(ends[1]);
  }
  bool closed() const {
    char byte;
    return read(read_end.get(), &byte, 1) == 0;
  }
  UniqueFd read_end, write_end;
};

// A TCP connection whose last close(2) waits for 1000 s.
struct Lingering {
  Lingering() {
    const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    fd.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
    peer.Reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string bytes(1 << 16, 'x');
    for (int i = 0; i < 1000; ++i) {
      if (send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) break;
    }
    const linger long_time{1, 1000};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &long_time, sizeof(long_time));
  }
  ~Lingering() {
    const linger throw_away{1, 0};
    setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &throw_away, sizeof(throw_away));
    peer.Reset();
  }
  UniqueFd peer, fd;
};

// What is let go of is closed, everywhere.
TEST_F(ExpendableTest, WhatIsLetGoOfIsClosed) {
  for (int i = 0; i < 300; ++i) {
    Watched watched;
    ForeignFd(std::move(watched.write_end)).Reset();
    EXPECT_TRUE(Until([&] { return watched.closed(); }));
  }
}

// Who hangs in close(2) keeps nobody back: neither the caller, nor what is let go of next; and is
// gone in the end.
TEST_F(ExpendableTest, OneThatHangsKeepsNobodyBack) {
  std::vector<Lingering> lingering(6);
  const uint64_t killed = ReadExpendable().killed;
  const absl::Time since = absl::Now();
  for (Lingering& one : lingering) Dispose(std::move(one.fd));
  EXPECT_LT(absl::Now() - since, absl::Seconds(10));
  Watched watched;
  Dispose(std::move(watched.write_end));
  EXPECT_TRUE(Until([&] { return watched.closed(); }));
  EXPECT_TRUE(
      Until([&] { return ReadExpendable().killed >= killed + 6 && ReadExpendable().stuck == 0; }));
  EXPECT_EQ(ReadExpendable().waiting, 0u);
}

TEST_F(ExpendableTest, ATaskIsDoneWithItsDescriptors) {
  const UniqueFd memory(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(write(memory.get(), "contents", 8), 8);
  for (int i = 0; i < 10; ++i) {
    const auto answer = Ask("it", {memory.get()}, kLong);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(*answer, "did it contents");
  }
}

// One that makes progress may take longer than it may be silent; one that does not is given up, and
// one that dies is told of.
TEST_F(ExpendableTest, TasksThatDoNotAnswer) {
  EXPECT_EQ(Ask("slowly", {}, absl::Seconds(1)).value_or(""), "did slowly ");
  EXPECT_TRUE(absl::IsDeadlineExceeded(Ask("hang", {}, absl::Milliseconds(300)).status()));
  EXPECT_TRUE(absl::IsUnavailable(Ask("die", {}, kLong).status()));
  EXPECT_TRUE(absl::IsCancelled(
      RunExpendable("hang", {}, absl::Seconds(1), [] { return false; }).status()));
  EXPECT_TRUE(Ask("it", {}, kLong).ok());
  EXPECT_TRUE(Until([] { return ReadExpendable().stuck == 0; }));
}

// What rides on bytes comes with them, if it is one, and of a kind that may; else it is told what
// it was.
TEST_F(ExpendableTest, DescriptorsAreReceivedAndJudged) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]), theirs(ends[1]);
  const UniqueFd memory(memfd_create("test", MFD_CLOEXEC));
  Watched watched;
  const Lingering lingering;
  const struct {
    std::vector<int> fds;
    bool comes;
    std::string why;
  } cases[] = {{{memory.get()}, true, ""},
               {{memory.get(), memory.get()}, false, ""},
               {{watched.write_end.get()}, false, "a pipe"},
               {{theirs.get()}, false, "a socket"},
               {{lingering.fd.get()}, false, "a socket"},
               {std::vector<int>(kFdsPerMessageMax, memory.get()), false, ""}};
  for (const auto& c : cases) {
    ASSERT_EQ(SendWithFds(theirs.get(), "bytes", c.fds), 5);
    char buffer[100];
    size_t with_fds = 0;
    ASSERT_EQ(RecvBeforeFds(ours.get(), absl::MakeSpan(buffer), &with_fds), -1);
    EXPECT_EQ(errno, EBADMSG);
    auto received = ReceiveElsewhere(ours.get(), with_fds, kLong);
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->bytes, "bytes");
    EXPECT_EQ(received->fds, c.fds.size());
    EXPECT_EQ(received->fd.valid(), c.comes);
    EXPECT_EQ(received->verdict == 0, c.why.empty());
    EXPECT_TRUE(c.why.empty() || absl::StrContains(WhyUnfit(received->verdict), c.why));
    EXPECT_FALSE(received->lost);
  }
  watched.write_end.Reset();
  EXPECT_TRUE(Until([&] { return watched.closed(); }));
}

// Last: when it has died, nothing is received or asked any more, and what is let go of still goes.
TEST_F(ExpendableTest, ZWithoutTheProcess) {
  std::ifstream file(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  pid_t child = 0;
  ASSERT_TRUE(file >> child);
  kill(child, SIGKILL);
  EXPECT_TRUE(Until([] { return !Ask("it", {}, kLong).ok(); }));
  Watched watched;
  Dispose(std::move(watched.write_end));
  EXPECT_TRUE(Until([&] { return watched.closed(); }));
  // A worker may have outlived it for a moment. What is let go of after that finds nobody.
  EXPECT_TRUE(Until([] {
    Watched another;
    Dispose(std::move(another.write_end));
    return ExpendableFull();
  }));
}

}  // namespace
}  // namespace objmapper::net
