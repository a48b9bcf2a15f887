// Copies of a part of a file hold exactly its bytes, by each way that the kernel offers.
#include "client/copy_range.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

// Bytes that differ from place to place.
std::string Pattern(size_t bytes) {
  std::string pattern(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<char>(i * 31 + i / 256);
  return pattern;
}

class CopyRangeTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  net::UniqueFd In(const std::string& bytes) {
    folder_.Write("in", bytes);
    return net::UniqueFd(open(folder_.Path("in").c_str(), O_RDONLY | O_CLOEXEC));
  }
  net::UniqueFd Out(int flags = 0) {
    return net::UniqueFd(
        open(folder_.Path("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600));
  }

  const ptrdiff_t before_ = net::OpenFds();
  TemporaryFolder folder_;
};

// A whole file arrives whole, whichever way this file system allows, and no further away than the
// kernel: within one file system the bytes never come to this process.
TEST_F(CopyRangeTest, WholeFile) {
  const std::string bytes = Pattern(20 << 20);
  const net::UniqueFd in = In(bytes);
  const net::UniqueFd out = Out();
  const absl::StatusOr<CopyMethod> method =
      CopyRange(in.get(), 0, bytes.size(), out.get(), "out", {});
  ASSERT_TRUE(method.ok()) << method.status();
  EXPECT_NE(*method, CopyMethod::kReadWrite);
  EXPECT_TRUE(folder_.Read("out") == bytes);
}

// A part goes behind what the output holds; the input's offset, which others may share, stays.
TEST_F(CopyRangeTest, PartBehindTheOutputsOffset) {
  const std::string bytes = Pattern(300000);
  const net::UniqueFd in = In(bytes);
  ASSERT_EQ(lseek(in.get(), 77, SEEK_SET), 77);
  const net::UniqueFd out = Out();
  ASSERT_EQ(write(out.get(), "head", 4), 4);
  ASSERT_TRUE(CopyRange(in.get(), 1001, 200000, out.get(), "out", {}).ok());
  ASSERT_EQ(write(out.get(), "tail", 4), 4);
  EXPECT_TRUE(folder_.Read("out") == "head" + bytes.substr(1001, 200000) + "tail");
  EXPECT_EQ(lseek(in.get(), 0, SEEK_CUR), 77);
}

// Nothing to copy is a copy.
TEST_F(CopyRangeTest, Empty) {
  const net::UniqueFd in = In("");
  const net::UniqueFd out = Out();
  std::vector<std::pair<uint64_t, uint64_t>> told;
  ASSERT_TRUE(CopyRange(in.get(), 0, 0, out.get(), "out", [&told](uint64_t done, uint64_t total) {
                told.emplace_back(done, total);
              }).ok());
  EXPECT_EQ(told, (std::vector<std::pair<uint64_t, uint64_t>>{{0, 0}}));
}

// Where the kernel refuses (a socket, a file opened to append) the buffer does it.
TEST_F(CopyRangeTest, FallsBackToReadAndWrite) {
  const std::string bytes = Pattern(1 << 20);
  const net::UniqueFd in = In(bytes);
  const net::UniqueFd append = Out(O_APPEND);
  ASSERT_EQ(write(append.get(), "x", 1), 1);
  absl::StatusOr<CopyMethod> method = CopyRange(in.get(), 0, bytes.size(), append.get(), "out", {});
  ASSERT_TRUE(method.ok()) << method.status();
  EXPECT_EQ(*method, CopyMethod::kReadWrite);
  EXPECT_TRUE(folder_.Read("out") == "x" + bytes);

  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
  net::UniqueFd sender(pair[0]);
  const net::UniqueFd receiver(pair[1]);
  ASSERT_EQ(fcntl(receiver.get(), F_SETFL, 0), 0);
  std::string got;
  // The non-blocking output is full most of the time.
  std::thread reader([&] {
    char buffer[1000];
    ssize_t n;
    while ((n = recv(receiver.get(), buffer, sizeof(buffer), 0)) > 0) got.append(buffer, n);
  });
  method = CopyRange(in.get(), 5, bytes.size() - 5, sender.get(), "socket", {});
  sender.Reset();
  reader.join();
  ASSERT_TRUE(method.ok()) << method.status();
  EXPECT_EQ(*method, CopyMethod::kReadWrite);
  EXPECT_TRUE(got == bytes.substr(5));
}

// Progress grows, ends at the total, and is told for large copies on the way.
TEST_F(CopyRangeTest, TellsProgress) {
  const std::string bytes = Pattern(20 << 20);
  const net::UniqueFd in = In(bytes);
  const net::UniqueFd out = Out(O_APPEND);
  uint64_t last = 0;
  int calls = 0;
  ASSERT_TRUE(
      CopyRange(in.get(), 0, bytes.size(), out.get(), "out", [&](uint64_t done, uint64_t total) {
        EXPECT_GT(done, last);
        EXPECT_EQ(total, bytes.size());
        last = done;
        ++calls;
      }).ok());
  EXPECT_EQ(last, bytes.size());
  EXPECT_GT(calls, 1);
}

// An object that is shorter than it was said to be is an error, not a short file.
TEST_F(CopyRangeTest, ShrunkObjectIsDataLoss) {
  const net::UniqueFd in = In("hello");
  const net::UniqueFd out = Out();
  const absl::Status status = CopyRange(in.get(), 0, 9, out.get(), "out", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(status.message(), "after 5 of 9 bytes")) << status;
}

// A full disk is the output's error, by name.
TEST_F(CopyRangeTest, FullOutput) {
  const net::UniqueFd in = In("hello");
  const net::UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  const absl::Status status = CopyRange(in.get(), 0, 5, full.get(), "/dev/full", {}).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "write to /dev/full: No space left")) << status;
}

}  // namespace
}  // namespace objmapper::client
