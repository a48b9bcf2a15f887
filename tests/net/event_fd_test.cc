// A signal makes the descriptor readable until it is cleared.
#include "net/event_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>

namespace objmapper::net {
namespace {

bool Readable(const EventFd& event) {
  pollfd wait{event.fd(), POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
}

// It is readable from a signal until it is cleared, however many signals there were.
TEST(EventFdTest, ReadableUntilCleared) {
  EventFd event;
  EXPECT_FALSE(Readable(event));
  event.Signal();
  EXPECT_TRUE(Readable(event));
  event.Signal();
  event.Signal();
  event.Clear();
  EXPECT_FALSE(Readable(event));
  event.Signal();
  EXPECT_TRUE(Readable(event));
}

// Clearing what nobody has signalled does not wait for a signal.
TEST(EventFdTest, ClearNeverBlocks) {
  EventFd event;
  alarm(20);  // ends a wait
  event.Clear();
  alarm(0);
  EXPECT_FALSE(Readable(event));
}

// A loop that never clears it costs its wakers nothing: at the counter's end a signal neither waits
// nor is lost.
TEST(EventFdTest, AFullCounterStaysReadable) {
  EventFd event;
  const uint64_t most = UINT64_MAX - 1;  // eventfd(2)
  ASSERT_EQ(write(event.fd(), &most, sizeof(most)), static_cast<ssize_t>(sizeof(most)));
  alarm(20);
  event.Signal();
  alarm(0);
  EXPECT_TRUE(Readable(event));
  event.Clear();
  EXPECT_FALSE(Readable(event));
}

// Programs that the process starts do not inherit it.
TEST(EventFdTest, IsCloseOnExec) {
  EventFd event;
  EXPECT_EQ(fcntl(event.fd(), F_GETFD), FD_CLOEXEC);
}

}  // namespace
}  // namespace objmapper::net
