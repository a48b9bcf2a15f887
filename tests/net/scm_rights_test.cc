// A received descriptor is either returned or closed, whatever the peer sends.
#include "net/scm_rights.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/pass_rights.h"
#include "tests/net/fds_left.h"
#include "tests/net/open_fds.h"

namespace objmapper::net {
namespace {

class ScmRightsTest : public testing::Test {
 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    sender_.Reset(pair[0]);
    receiver_.Reset(pair[1]);
    // No read in these tests may hang.
    const timeval timeout{20, 0};
    ASSERT_EQ(setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
    null_.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(null_.valid());
    open_fds_ = OpenFds();
  }
  void TearDown() override {
    fds_.clear();
    EXPECT_EQ(OpenFds(), open_fds_);
  }

  // Sends `bytes` with `count` copies of one descriptor.
  void Send(absl::string_view bytes, size_t count) {
    const std::vector<int> fds(count, null_.get());
    ASSERT_EQ(SendWithFds(sender_.get(), bytes, fds), static_cast<ssize_t>(bytes.size()))
        << strerror(errno);
  }
  Received Receive(size_t fds_max) {
    absl::StatusOr<Received> got =
        RecvWithFds(receiver_.get(), absl::MakeSpan(buffer_), fds_max, &fds_);
    EXPECT_TRUE(got.ok()) << got.status();
    return got.ok() ? *got : Received();
  }
  std::string Bytes(const Received& got) const { return std::string(buffer_, got.bytes); }

  UniqueFd sender_;
  UniqueFd receiver_;
  UniqueFd null_;
  std::vector<UniqueFd> fds_;
  char buffer_[256];
  ptrdiff_t open_fds_ = 0;
};

// A descriptor arrives with the bytes it rode on, close-on-exec, naming the same open file.
TEST_F(ScmRightsTest, DescriptorArrives) {
  Send("hello", 1);
  const Received got = Receive(1);
  EXPECT_EQ(Bytes(got), "hello");
  EXPECT_FALSE(got.fds_lost);
  ASSERT_EQ(fds_.size(), 1u);
  EXPECT_EQ(fcntl(fds_[0].get(), F_GETFD), FD_CLOEXEC);
}

// Bytes need no descriptors.
TEST_F(ScmRightsTest, BytesAlone) {
  Send("hello", 0);
  const Received got = Receive(kFdsPerMessageMax);
  EXPECT_EQ(Bytes(got), "hello");
  EXPECT_FALSE(got.fds_lost);
  EXPECT_TRUE(fds_.empty());
}

// One message carries as many as the kernel allows.
TEST_F(ScmRightsTest, AMessageCarries253) {
  Send("x", kFdsPerMessageMax);
  EXPECT_FALSE(Receive(kFdsPerMessageMax).fds_lost);
  EXPECT_EQ(fds_.size(), kFdsPerMessageMax);
}

// A message that is sent later carries what was attached, and one control buffer serves messages of
// any number of descriptors one after the other.
TEST_F(ScmRightsTest, AttachedDescriptorsGoWithTheMessage) {
  std::vector<char> control;
  for (const size_t count : {size_t{1}, kFdsPerMessageMax, size_t{2}}) {
    char bytes[] = "hello";
    iovec iov{bytes, 5};
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    AttachFds(std::vector<int>(count, null_.get()), &control, &message);
    ASSERT_EQ(sendmsg(sender_.get(), &message, MSG_NOSIGNAL), 5) << strerror(errno);
    const Received got = Receive(kFdsPerMessageMax);
    EXPECT_EQ(Bytes(got), "hello");
    EXPECT_FALSE(got.fds_lost);
    EXPECT_EQ(fds_.size(), count);
    fds_.clear();
  }
}

// A read ends with the message that carried descriptors, however much room it has left: this is
// how a reader knows whose they are.
TEST_F(ScmRightsTest, ReadStopsAfterAMessageWithDescriptors) {
  Send("plain,", 0);
  Send("first,", 1);
  Send("second", 1);
  EXPECT_EQ(Bytes(Receive(8)), "plain,first,");
  EXPECT_EQ(fds_.size(), 1u);
  EXPECT_EQ(Bytes(Receive(8)), "second");
  EXPECT_EQ(fds_.size(), 2u);
}

class ExtraFdsTest : public ScmRightsTest, public testing::WithParamInterface<size_t> {};

// A received descriptor is either returned or closed, whatever the peer sends; the padding of an
// odd limit in the control buffer has no room for one more than was asked for.
TEST_P(ExtraFdsTest, AreAllClosed) {
  Send("x", GetParam());
  const Received got = Receive(1);
  EXPECT_TRUE(got.fds_lost);
  EXPECT_TRUE(got.fds_surplus);
  EXPECT_EQ(fds_.size(), 1u);
  EXPECT_EQ(OpenFds(), open_fds_ + 1);
}

// 2 fit the aligned control buffer; 3 and 253 do not.
INSTANTIATE_TEST_SUITE_P(Counts, ExtraFdsTest, testing::Values(2, 3, 253));

// A reader that asks for none gets none, and learns that there were some.
TEST_F(ScmRightsTest, NoneAskedFor) {
  Send("x", 3);
  const Received got = Receive(0);
  EXPECT_EQ(got.bytes, 1u);
  EXPECT_TRUE(got.fds_lost);
  EXPECT_TRUE(got.fds_surplus);
  EXPECT_TRUE(fds_.empty());
}

// Where the kernel knows of SO_PASSRIGHTS, none can be sent to who does not want them, and again to
// who does.
TEST_F(ScmRightsTest, RightsDoNotPass) {
  AllowFds(receiver_.get(), false);
  const std::vector<int> one = {null_.get()};
  if (SendWithFds(sender_.get(), "x", one) >= 0) GTEST_SKIP() << "this kernel has no SO_PASSRIGHTS";
  EXPECT_EQ(errno, EPERM);
  Send("x", 0);
  AllowFds(receiver_.get(), true);
  Send("y", 1);
  EXPECT_EQ(Bytes(Receive(1)), "xy");
  EXPECT_EQ(fds_.size(), 1u);
}

// At RLIMIT_NOFILE the kernel installs what fits and drops the rest; the bytes still arrive.
TEST_F(ScmRightsTest, DescriptorLimitIsReported) {
  Send("x", 3);
  const Received got = [&] {
    const FdsLeft one(1);
    return Receive(3);
  }();
  EXPECT_EQ(got.bytes, 1u);
  EXPECT_TRUE(got.fds_lost);
  EXPECT_FALSE(got.fds_surplus) << "our limit passed for the peer's doing";
  EXPECT_EQ(fds_.size(), 1u);
}

// An orderly end of the stream is 0 bytes, not an error.
TEST_F(ScmRightsTest, EndOfStream) {
  sender_.Reset();
  --open_fds_;
  EXPECT_EQ(Receive(1).bytes, 0u);
}

// A socket with nothing to read says so with the code of EAGAIN.
TEST_F(ScmRightsTest, NothingToReadIsResourceExhausted) {
  ASSERT_EQ(fcntl(receiver_.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(RecvWithFds(receiver_.get(), absl::MakeSpan(buffer_), 1, &fds_).status().code(),
            absl::StatusCode::kResourceExhausted);
}

// A full socket takes nothing and never blocks or raises a signal.
TEST_F(ScmRightsTest, FullSocketIsEagain) {
  const std::string block(65536, 'x');
  ssize_t sent = 0;
  for (int i = 0; i < 1000 && sent >= 0; ++i) sent = SendWithFds(sender_.get(), block, {});
  EXPECT_EQ(sent, -1);
  EXPECT_EQ(errno, EAGAIN);
}

// A peer that has gone is EPIPE, not SIGPIPE.
TEST_F(ScmRightsTest, GonePeerIsEpipe) {
  receiver_.Reset();
  --open_fds_;
  EXPECT_EQ(SendWithFds(sender_.get(), "x", {null_.get()}), -1);
  EXPECT_EQ(errno, EPIPE);
}

// The server's read takes the bytes, refuses the descriptors, and never holds one.
TEST_F(ScmRightsTest, RefusingReadTakesNoDescriptors) {
  bool refused = true;
  Send("plain", 0);
  EXPECT_EQ(RecvRefusingFds(receiver_.get(), absl::MakeSpan(buffer_), &refused), 5);
  EXPECT_FALSE(refused);
  Send("loaded", 2);
  Send("after", 0);
  EXPECT_EQ(RecvRefusingFds(receiver_.get(), absl::MakeSpan(buffer_), &refused), 6);
  EXPECT_TRUE(refused);
  EXPECT_EQ(OpenFds(), open_fds_);
  EXPECT_EQ(RecvRefusingFds(receiver_.get(), absl::MakeSpan(buffer_), &refused), 5);
  EXPECT_FALSE(refused);
  EXPECT_EQ(RecvRefusingFds(receiver_.get(), absl::MakeSpan(buffer_), &refused), -1);
  EXPECT_EQ(errno, EAGAIN);
  sender_.Reset();
  --open_fds_;
  EXPECT_EQ(RecvRefusingFds(receiver_.get(), absl::MakeSpan(buffer_), &refused), 0);
}

}  // namespace
}  // namespace objmapper::net
