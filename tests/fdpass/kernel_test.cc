// What a round may rely on, whatever it runs on: each call of fdpass/kernel.h, on io_uring and on
// epoll.
#include "fdpass/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "fdpass/peer.h"
#include "net/event_fd.h"
#include "net/scm_rights.h"
#include "tests/fdpass/worker_fixture.h"

namespace objmapper::fdpass {
namespace {

constexpr int64_t kSoonNs = 20'000'000;

class KernelTest : public testing::TestWithParam<Engine> {
 protected:
  KernelTest() {
    absl::StatusOr<std::unique_ptr<Kernel>> kernel =
        GetParam() == Engine::kUring ? MakeUringKernel(event_.fd()) : MakeEpollKernel(event_.fd());
    if (kernel.ok()) kernel_ = *std::move(kernel);
  }
  void SetUp() override { ASSERT_NE(kernel_, nullptr); }

  // A peer in the kernel's care, and the client's end.
  std::pair<std::unique_ptr<Peer>, net::UniqueFd> Connect() {
    net::SocketPair pair = net::SocketPair::Unix();
    auto peer = std::make_unique<Peer>(session::MakeSession(
        std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_, Dialect::kV2));
    EXPECT_EQ(kernel_->Add(peer.get()), 0);
    return {std::move(peer), std::move(pair.peer)};
  }
  // Waits until `peer` is told of.
  bool IsTold(Peer* peer) {
    return net::Eventually([&] {
      kernel_->Wait(kSoonNs, &woken_);
      return std::find(woken_.ready.begin(), woken_.ready.end(), peer) != woken_.ready.end();
    });
  }
  // What one Receive() brings; "-EAGAIN" and the like when there is nothing.
  std::string Receive(Peer* peer, size_t room = 1000) {
    std::string buffer(room, '\0');
    const ssize_t got = kernel_->Receive(peer, absl::MakeSpan(buffer.data(), room), 0);
    if (got < 0) return errno == EAGAIN ? "-EAGAIN" : "-error";
    return buffer.substr(0, static_cast<size_t>(got));
  }
  int Open(int directory, const char* name, bool seen_regular) {
    int result = -1;
    kernel_->Open(directory, name, seen_regular, &result);
    kernel_->OpenAll();
    return result;
  }

  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  net::EventFd event_;
  std::unique_ptr<Kernel> kernel_;
  Kernel::Woken woken_;
};

// What comes is told of and received, all of it and in order, and then there is nothing.
TEST_P(KernelTest, ReceivesInOrder) {
  auto [peer, client] = Connect();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    const std::string piece = std::string(100, static_cast<char>('a' + i % 26));
    net::SendAll(client.get(), piece);
    all += piece;
  }
  std::string got;
  EXPECT_TRUE(net::Eventually([&, &peer = peer] {
    kernel_->Wait(kSoonNs, &woken_);
    const std::string more = Receive(peer.get(), 333);
    if (more != "-EAGAIN") got += more;
    return got.size() >= all.size();
  }));
  EXPECT_EQ(got, all);
  EXPECT_EQ(Receive(peer.get()), "-EAGAIN");
  kernel_->Remove(peer.get());
}

// What there was no room for is told of again, though nothing comes any more.
TEST_P(KernelTest, TellsOfWhatIsLeft) {
  auto [peer, client] = Connect();
  net::SendAll(client.get(), "twelve bytes");
  ASSERT_TRUE(IsTold(peer.get()));
  EXPECT_EQ(Receive(peer.get(), 6), "twelve");
  ASSERT_TRUE(IsTold(peer.get()));
  EXPECT_EQ(Receive(peer.get(), 6), " bytes");
  kernel_->Remove(peer.get());
}

// The end comes behind all bytes.
TEST_P(KernelTest, TheEndComesLast) {
  auto [peer, client] = Connect();
  net::SendAll(client.get(), "last words");
  client.Reset();
  ASSERT_TRUE(IsTold(peer.get()));
  EXPECT_EQ(Receive(peer.get()), "last words");
  ASSERT_TRUE(IsTold(peer.get()));
  EXPECT_EQ(Receive(peer.get()), "");
  kernel_->Remove(peer.get());
}

// Who leaves takes along what has come for it, in its session or in its socket.
TEST_P(KernelTest, NothingIsLostWithWhoLeaves) {
  auto [peer, client] = Connect();
  net::SendAll(client.get(), "first ");
  ASSERT_TRUE(IsTold(peer.get()));
  net::SendAll(client.get(), "second");
  kernel_->Remove(peer.get());
  EXPECT_EQ(peer->session->unread + net::ReadReady(peer->session->fd()), "first second");
}

// After Exact() a receive finds what is in the socket, whether anybody was told of it or not.
TEST_P(KernelTest, ExactMissesNothing) {
  auto [peer, client] = Connect();
  kernel_->Wait(0, &woken_);
  kernel_->Exact(peer.get());
  for (const char* piece : {"one", "two", "three"}) {
    net::SendAll(client.get(), piece);
    EXPECT_EQ(Receive(peer.get()), piece);
  }
  EXPECT_EQ(Receive(peer.get()), "-EAGAIN");
  net::SendAll(client.get(), "four");
  ASSERT_TRUE(IsTold(peer.get()));
  EXPECT_EQ(Receive(peer.get()), "four");
  kernel_->Remove(peer.get());
}

// Who is waited for nothing is told of for nothing, and later for all that came meanwhile.
TEST_P(KernelTest, NoInterestNoWord) {
  auto [peer, client] = Connect();
  EXPECT_EQ(kernel_->SetInterest(peer.get(), Interest::kNothing), 0);
  net::SendAll(client.get(), "meanwhile");
  kernel_->Wait(kSoonNs, &woken_);
  EXPECT_TRUE(woken_.ready.empty());
  EXPECT_EQ(kernel_->SetInterest(peer.get(), Interest::kRequests), 0);
  ASSERT_TRUE(IsTold(peer.get()));
  EXPECT_EQ(Receive(peer.get()), "meanwhile");
  kernel_->Remove(peer.get());
}

// A full socket is told of when it has room again, and not before.
TEST_P(KernelTest, TellsOfRoom) {
  auto [peer, client] = Connect();
  const std::string chunk(4096, 'x');
  while (send(peer->session->fd(), chunk.data(), chunk.size(), MSG_DONTWAIT) > 0) {
  }
  EXPECT_EQ(kernel_->SetInterest(peer.get(), Interest::kRoom), 0);
  kernel_->Wait(kSoonNs, &woken_);
  EXPECT_TRUE(woken_.ready.empty());
  net::ReadReady(client.get());
  EXPECT_TRUE(IsTold(peer.get()));
  kernel_->Remove(peer.get());
}

// What is left to the next wait goes with it, descriptors and all, and they are closed behind it;
// what does not fit is told of, none of it has gone, and its descriptors are closed all the same.
TEST_P(KernelTest, SendsLater) {
  auto [peer, client] = Connect();
  const ptrdiff_t before = net::OpenFds();
  Outgoing out;
  const auto fill = [&, &peer = peer] {
    out.socket = peer.get();
    out.message.Clear();
    net::UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    out.message.BeginAnswerWithFd(protocol::Request(), std::move(fd), 0);
    *out.message.text() = "an answer";
  };
  fill();
  if (!kernel_->SendLater(&out)) {
    EXPECT_EQ(GetParam(), Engine::kEpoll) << "whose sends are all made at once";
    out.message.Clear();
    kernel_->Remove(peer.get());
    return;
  }
  kernel_->Wait(0, &woken_);
  EXPECT_TRUE(woken_.unsent.empty());
  EXPECT_EQ(net::OpenFds(), before);
  char buffer[100];
  std::vector<net::UniqueFd> fds;
  const auto got = net::RecvWithFds(client.get(), absl::MakeSpan(buffer), 2, &fds);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(std::string(buffer, got->bytes), "an answer");
  EXPECT_EQ(fds.size(), 1u);
  fds.clear();

  const std::string chunk(4096, 'x');
  while (send(peer->session->fd(), chunk.data(), chunk.size(), MSG_DONTWAIT) > 0) {
  }
  while (send(peer->session->fd(), "x", 1, MSG_DONTWAIT) > 0) {
  }
  fill();
  ASSERT_TRUE(kernel_->SendLater(&out));
  kernel_->Wait(-1, &woken_);
  ASSERT_EQ(woken_.unsent.size(), 1u);
  EXPECT_EQ(woken_.unsent[0], &out);
  EXPECT_EQ(out.error, EAGAIN);
  EXPECT_EQ(out.bytes_sent, 0u);
  EXPECT_EQ(net::OpenFds(), before);
  kernel_->Remove(peer.get());
}

// What was to be sent to who leaves has been sent before its socket is another's.
TEST_P(KernelTest, WhoLeavesIsOwedNothing) {
  auto [peer, client] = Connect();
  Outgoing out;
  out.socket = peer.get();
  out.message.BeginAnswer(protocol::Request());
  *out.message.text() = "an answer";
  if (!kernel_->SendLater(&out)) return kernel_->Remove(peer.get());
  kernel_->Remove(peer.get());
  peer.reset();
  EXPECT_EQ(net::ReadReady(client.get()), "an answer");
  kernel_->Wait(0, &woken_);
  EXPECT_TRUE(woken_.unsent.empty() && woken_.ready.empty());
}

// Many files are opened together; each result is its own.
TEST_P(KernelTest, OpensTogether) {
  const client::TemporaryFolder folder;
  constexpr int kFiles = 300;  // more than a batch's ring holds
  std::vector<std::string> names;
  for (int i = 0; i < kFiles; ++i) {
    names.push_back(absl::StrCat("file", i));
    if (i % 3 != 0) folder.Write(names.back(), names.back());
  }
  const net::UniqueFd directory(open(folder.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::vector<int> results(kFiles, -1);
  for (int i = 0; i < kFiles; ++i)
    kernel_->Open(directory.get(), names[static_cast<size_t>(i)].c_str(), i % 2 == 0,
                  &results[static_cast<size_t>(i)]);
  kernel_->OpenAll();
  for (size_t i = 0; i < kFiles; ++i) {
    if (i % 3 == 0) {
      EXPECT_TRUE(results[i] == -ENOENT || results[i] == -EAGAIN) << results[i];
      continue;
    }
    ASSERT_GE(results[i], 0) << i;
    const net::UniqueFd fd(results[i]);
    EXPECT_EQ(ContentOf(fd), names[i]);
    EXPECT_EQ(fcntl(fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
    EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
  }
}

// A FIFO holds up nobody, and no symbolic link is followed.
TEST_P(KernelTest, OpensWithCare) {
  const client::TemporaryFolder folder;
  folder.Write("file", "content");
  ASSERT_EQ(mkfifo(folder.Path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("file", folder.Path("link").c_str()), 0);
  const net::UniqueFd directory(open(folder.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(Open(directory.get(), "link", /*seen_regular=*/true), -ELOOP);
  net::UniqueFd fifo(Open(directory.get(), "fifo", /*seen_regular=*/false));
  EXPECT_TRUE(fifo.valid());
}

// What is behind an open that hangs is not opened here: it might hang as long. What follows is.
TEST_P(KernelTest, CutsShortWhatHangs) {
  if (!kernel_->wants_seen_regular()) return;  // a FIFO holds up nobody; tests/net/file_batch_test
  const client::TemporaryFolder folder;
  for (const char* name : {"hangs", "too"}) ASSERT_EQ(mkfifo(folder.Path(name).c_str(), 0600), 0);
  const net::UniqueFd directory(open(folder.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  int results[] = {-1, -1};
  kernel_->Open(directory.get(), "hangs", /*seen_regular=*/true, &results[0]);
  kernel_->Open(directory.get(), "too", /*seen_regular=*/true, &results[1]);
  const std::string call = absl::StrCat("/proc/self/task/", gettid(), "/syscall");
  std::thread watch([&] {
    const std::string opens = absl::StrCat(SYS_openat2, " ");
    EXPECT_TRUE(net::Eventually([&] {
      std::string line;
      std::getline(std::ifstream(call), line);
      return absl::StartsWith(line, opens);
    }));
    kernel_->CutShort();
    // A writer is what the FIFO's reader waits for.
    const net::UniqueFd writer(open(folder.Path("hangs").c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(writer.valid());
  });
  kernel_->OpenAll();
  watch.join();
  EXPECT_GE(results[0], 0);
  net::UniqueFd(results[0]).Reset();
  EXPECT_EQ(results[1], -EAGAIN);
  net::UniqueFd fifo(Open(directory.get(), "too", /*seen_regular=*/false));
  EXPECT_TRUE(fifo.valid());
}

// What is closed last is closed, though no wait comes after it.
TEST_P(KernelTest, ClosesBeforeItEnds) {
  net::UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = file.get();
  ASSERT_TRUE(file.valid());
  kernel_->Close(std::move(file));
  kernel_.reset();
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

// Mail ends a wait.
TEST_P(KernelTest, MailEndsAWait) {
  for (int i = 0; i < 3; ++i) {
    event_.Signal();
    kernel_->Wait(-1, &woken_);
    EXPECT_TRUE(woken_.mail);
    event_.Clear();
    kernel_->Wait(0, &woken_);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, KernelTest, testing::ValuesIn(kEngines),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::fdpass
