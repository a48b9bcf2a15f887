// Events come back with their tags.
#include "net/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <set>
#include <vector>

#include "net/event_fd.h"
#include "tests/net/socket_pair.h"

namespace objmapper::net {
namespace {

constexpr int kPatienceMs = 20'000;

class EpollTest : public testing::Test {
 protected:
  Epoll epoll_;
  SocketPair pair_ = SocketPair::Unix();
  int tag_ = 0;
};

// What is ready comes back with its tag and what it is ready for; without anything ready, nothing.
TEST_F(EpollTest, TellsWhatIsReady) {
  ASSERT_EQ(epoll_.Add(pair_.ours.get(), EPOLLIN, &tag_), 0);
  EXPECT_TRUE(epoll_.Wait(0).empty());
  SendAll(pair_.peer.get(), "x");
  const auto events = epoll_.Wait(kPatienceMs);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data.ptr, &tag_);
  EXPECT_EQ(events[0].events, uint32_t{EPOLLIN});
}

// One that somebody else has closed, whose number may be another one's by then.
TEST_F(EpollTest, OthersMayCloseTheirs) {
  const int number = pair_.ours.get();
  EXPECT_EQ(epoll_.Set(number, EPOLLIN, &tag_), 0);
  EXPECT_EQ(epoll_.Set(number, EPOLLIN | EPOLLOUT, &tag_), 0);
  EXPECT_EQ(epoll_.Wait(kPatienceMs).size(), 1u);
  pair_.ours.Reset();
  EXPECT_EQ(epoll_.Set(number, EPOLLIN, &tag_), EBADF);
  epoll_.Forget(number);
  SocketPair other = SocketPair::Unix();
  epoll_.Forget(other.ours.get());
  EXPECT_EQ(epoll_.Set(other.ours.get(), EPOLLOUT, &tag_), 0);
  EXPECT_EQ(epoll_.Wait(kPatienceMs).size(), 1u);
  epoll_.Forget(other.ours.get());
  EXPECT_TRUE(epoll_.Wait(0).empty());
}

// Modify() changes what is waited for, and the tag.
TEST_F(EpollTest, ModifyReplacesEventsAndTag) {
  SendAll(pair_.peer.get(), "x");
  ASSERT_EQ(epoll_.Add(pair_.ours.get(), 0, nullptr), 0);
  EXPECT_TRUE(epoll_.Wait(0).empty());
  epoll_.Modify(pair_.ours.get(), EPOLLOUT, &tag_);
  const auto events = epoll_.Wait(kPatienceMs);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data.ptr, &tag_);
  EXPECT_EQ(events[0].events, uint32_t{EPOLLOUT});
}

// What has been removed is not told of, and may be added again.
TEST_F(EpollTest, RemovedIsSilent) {
  SendAll(pair_.peer.get(), "x");
  ASSERT_EQ(epoll_.Add(pair_.ours.get(), EPOLLIN, &tag_), 0);
  epoll_.Remove(pair_.ours.get());
  EXPECT_TRUE(epoll_.Wait(0).empty());
  ASSERT_EQ(epoll_.Add(pair_.ours.get(), EPOLLIN, &tag_), 0);
  EXPECT_EQ(epoll_.Wait(kPatienceMs).size(), 1u);
}

// An addition that the kernel refuses is an errno, not the end of the server.
TEST_F(EpollTest, AddReturnsTheErrno) {
  ASSERT_EQ(epoll_.Add(pair_.ours.get(), EPOLLIN, &tag_), 0);
  EXPECT_EQ(epoll_.Add(pair_.ours.get(), EPOLLIN, &tag_), EEXIST);
  const UniqueFd folder(open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(epoll_.Add(folder.get(), EPOLLIN, &tag_), EPERM);
}

// More ready descriptors than one Wait() hands out are all told of in the end.
TEST_F(EpollTest, ManyReadyOnesAllComeUp) {
  std::vector<EventFd> ready(300);
  for (EventFd& event : ready) {
    event.Signal();
    ASSERT_EQ(epoll_.Add(event.fd(), EPOLLIN, &event), 0);
  }
  std::set<void*> told;
  for (int turn = 0; turn < 10; ++turn) {
    for (const epoll_event& event : epoll_.Wait(0)) {
      // a copy: the struct is packed (epoll_ctl(2)), a reference into it would be askew
      void* const tag = event.data.ptr;
      told.insert(tag);
    }
  }
  EXPECT_EQ(told.size(), ready.size());
}

// A signal that ends the wait is no event and no failure.
TEST_F(EpollTest, ASignalIsNoEvent) {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART, which epoll_wait(2) would not heed anyway
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  // Again and again: the first may come before the wait begins.
  const itimerval often{{0, 10'000}, {0, 10'000}};
  const itimerval off{};
  ASSERT_EQ(setitimer(ITIMER_REAL, &often, nullptr), 0);
  EXPECT_TRUE(epoll_.Wait(-1).empty());
  ASSERT_EQ(setitimer(ITIMER_REAL, &off, nullptr), 0);
  ASSERT_EQ(sigaction(SIGALRM, &before, nullptr), 0);
}

}  // namespace
}  // namespace objmapper::net
