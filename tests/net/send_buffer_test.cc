// Send buffers are enlarged and never reduced.
#include "net/send_buffer.h"

#include <gtest/gtest.h>
#include <limits.h>
#include <sys/socket.h>

#include <fstream>
#include <string>

#include "tests/net/socket_pair.h"

namespace objmapper::net {
namespace {

// What goes into the socket while nobody reads.
size_t Takes(const SocketPair& pair) {
  const std::string piece(16 * 1024, 'x');
  size_t taken = 0;
  while (true) {
    const ssize_t sent =
        send(pair.ours.get(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return taken;
    taken += static_cast<size_t>(sent);
  }
}

int SystemsLimit() {
  std::ifstream file("/proc/sys/net/core/wmem_max");
  int bytes = 0;
  file >> bytes;
  return bytes;
}

TEST(SendBuffer, IsWidened) {
  const int bytes = SendBufferAllowed(512 * 1024);
  if (bytes < 160 * 1024) GTEST_SKIP() << "net.core.wmem_max is " << SystemsLimit();
  const SocketPair wide = SocketPair::Unix();
  WidenSendBuffer(wide.ours.get(), bytes);
  EXPECT_GT(Takes(wide), Takes(SocketPair::Unix()));
}

TEST(SendBuffer, IsNeverNarrowed) {
  for (const int bytes : {0, 1, 4096}) {
    SCOPED_TRACE(bytes);
    const SocketPair pair = SocketPair::Unix();
    WidenSendBuffer(pair.ours.get(), bytes);
    EXPECT_EQ(Takes(pair), Takes(SocketPair::Unix()));
  }
  const SocketPair twice = SocketPair::Unix(), once = SocketPair::Unix();
  for (const SocketPair* pair : {&twice, &once})
    WidenSendBuffer(pair->ours.get(), SendBufferAllowed(512 * 1024));
  WidenSendBuffer(twice.ours.get(), SendBufferAllowed(256 * 1024));
  EXPECT_EQ(Takes(twice), Takes(once));
}

TEST(SendBuffer, AllowedIsWhatTheSystemHas) {
  EXPECT_EQ(SendBufferAllowed(0), 0);
  EXPECT_EQ(SendBufferAllowed(16 * 1024), 16 * 1024);
  const int limit = SystemsLimit();
  if (limit <= 0) GTEST_SKIP() << "net.core.wmem_max is not there to be read";
  EXPECT_EQ(SendBufferAllowed(INT_MAX / 2), limit);
}

// Of a socket that is none, nothing is said: its writer will hear of it.
TEST(SendBuffer, NoSocket) { WidenSendBuffer(-1, 4096); }

}  // namespace
}  // namespace objmapper::net
