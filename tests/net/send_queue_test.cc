// A reader that reads a little is recognized as reading, over both transports.
#include "net/send_queue.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "net/unique_fd.h"
#include "tests/net/eventually.h"
#include "tests/net/socket_pair.h"

namespace objmapper::net {
namespace {

// As full as it gets: over TCP some of it goes on to the peer's side a moment later.
SendQueue Fill(const SocketPair& pair) {
  SendQueue queue;
  while (!FillSocket(pair.ours.get()).empty()) usleep(50'000);
  queue.Watch(pair.ours.get());
  return queue;
}

TEST(SendQueue, UnixReaderThatTakesLittle) {
  const SocketPair pair = SocketPair::Unix();
  SendQueue queue = Fill(pair);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(queue.Shrank(pair.ours.get()));
    ReadBytes(pair.peer.get(), 65536);  // a whole piece, and no room for another yet
    EXPECT_TRUE(queue.Shrank(pair.ours.get()));
  }
  EXPECT_FALSE(queue.Shrank(pair.ours.get()));
}

TEST(SendQueue, TcpReaderThatTakesLittle) {
  const SocketPair pair = SocketPair::Tcp();
  SendQueue queue = Fill(pair);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(queue.Shrank(pair.ours.get()));
    // What the peer's side holds, so that it opens its window.
    EXPECT_TRUE(Eventually([&] {
      ReadReady(pair.peer.get());
      return queue.Shrank(pair.ours.get());
    }));
    queue = Fill(pair);
  }
}

// Nobody has looked yet: the first look is for the peer, the second counts.
TEST(SendQueue, ForgottenBeginsWithTheFirstLook) {
  const SocketPair pair = SocketPair::Unix();
  SendQueue queue = Fill(pair);
  queue.Forget();
  EXPECT_TRUE(queue.Shrank(pair.ours.get()));
  EXPECT_FALSE(queue.Shrank(pair.ours.get()));
}

// Of what is no socket, nothing is said.
TEST(SendQueue, NoSocket) {
  SendQueue queue;
  queue.Watch(-1);
  EXPECT_FALSE(queue.Shrank(-1));
}

}  // namespace
}  // namespace objmapper::net
