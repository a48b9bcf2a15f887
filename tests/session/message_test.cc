// Answers and their descriptors keep their order in a message.
#include "session/message.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/unique_fd.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"
#include "tests/net/open_fds.h"

namespace objmapper::session {
namespace {

using protocol::Dialect;
using protocol::Request;
using protocol::ResponseParser;
using protocol::Status;

class MessageTest : public testing::Test {
 protected:
  ~MessageTest() override {
    message_.Clear();
    EXPECT_EQ(net::OpenFds(), open_fds_);
  }

  static Request WithId(uint32_t id) {
    Request request;
    request.id = id;
    return request;
  }
  static std::string Header(uint32_t id, Status status, uint64_t content_length) {
    char bytes[protocol::kResponseBytesMax];
    return std::string(
        bytes, protocol::EncodeResponse(Dialect::kV2, id, status, content_length, "", bytes));
  }
  void AddText(uint32_t id, Status status, uint64_t content_length = 0) {
    message_.BeginAnswer(WithId(id));
    *message_.text() += Header(id, status, content_length);
  }
  int AddFd(uint32_t id, uint64_t content_length) {
    net::UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = fd.get();
    message_.BeginAnswerWithFd(WithId(id), std::move(fd), /*bytes=*/1);
    *message_.text() += Header(id, Status::kOk, content_length);
    return number;
  }

  const ptrdiff_t open_fds_ = net::OpenFds();
  Message message_;
};

// Answers line up in the order in which they were begun, and so do their descriptors.
TEST_F(MessageTest, KeepsOrder) {
  EXPECT_TRUE(message_.empty());
  AddText(1, Status::kNotFound);
  const int first = AddFd(2, 10);
  AddText(3, Status::kOk);
  const int second = AddFd(4, 20);
  EXPECT_FALSE(message_.empty());
  EXPECT_EQ(message_.answer_count(), 4u);
  EXPECT_EQ(message_.bytes(), Header(1, Status::kNotFound, 0) + Header(2, Status::kOk, 10) +
                                  Header(3, Status::kOk, 0) + Header(4, Status::kOk, 20));
  EXPECT_EQ(message_.fds(), (std::vector<int>{first, second}));
}

// Descriptors that the kernel would not take become UNAVAILABLE answers under their ids; what had
// none stays byte for byte. The descriptors are closed.
TEST_F(MessageTest, RefuseFdsRewritesThoseAlone) {
  AddFd(1, 10);
  AddText(2, Status::kOk, 5);
  AddText(3, Status::kNotFound);
  AddFd(4, 20);
  AddFd(5, 30);
  AddText(6, Status::kOk, 7);
  message_.RefuseFds(Dialect::kV2, "too many in flight");

  EXPECT_TRUE(message_.fds().empty());
  EXPECT_EQ(net::OpenFds(), open_fds_);
  EXPECT_EQ(message_.answer_count(), 6u);
  ResponseParser parser(Dialect::kV2);
  char ack[protocol::kHelloAckBytes];
  parser.Next(absl::string_view(ack, protocol::EncodeHelloAck(0, 0, 0, ack)));
  absl::string_view rest = message_.bytes();
  const struct {
    Status status;
    uint64_t content_length;
  } expected[] = {{Status::kUnavailable, 0}, {Status::kOk, 5},          {Status::kNotFound, 0},
                  {Status::kUnavailable, 0}, {Status::kUnavailable, 0}, {Status::kOk, 7}};
  for (uint32_t id = 1; id <= 6; ++id) {
    const ResponseParser::Result answer = parser.Next(rest);
    ASSERT_EQ(answer.kind, ResponseParser::Kind::kResponse);
    rest.remove_prefix(answer.consumed);
    EXPECT_EQ(answer.response.id, id);
    EXPECT_EQ(answer.response.status, expected[id - 1].status);
    EXPECT_EQ(answer.response.content_length, expected[id - 1].content_length);
    if (answer.response.status != Status::kUnavailable) continue;
    const auto metadata = protocol::ParseMetadata(answer.response.metadata);
    ASSERT_TRUE(metadata.has_value());
    EXPECT_EQ(metadata->error, "too many in flight");
    EXPECT_TRUE(metadata->retry_after_ms.has_value());
  }
  EXPECT_EQ(rest, "");
}

// A message without descriptors has nothing to refuse.
TEST_F(MessageTest, RefuseFdsWithoutAnyChangesNothing) {
  AddText(1, Status::kOk, 5);
  AddText(2, Status::kNotFound);
  const std::string before(message_.bytes());
  message_.RefuseFds(Dialect::kV2, "too many in flight");
  EXPECT_EQ(message_.bytes(), before);
  EXPECT_EQ(message_.answer_count(), 2u);
}

// A cleared message is as good as new, and holds no descriptor.
TEST_F(MessageTest, ClearEmptiesAndCloses) {
  AddFd(1, 10);
  AddText(2, Status::kOk);
  message_.Clear();
  EXPECT_EQ(net::OpenFds(), open_fds_);
  EXPECT_TRUE(message_.empty());
  EXPECT_EQ(message_.bytes(), "");
  EXPECT_TRUE(message_.fds().empty());
  const int fd = AddFd(3, 30);
  EXPECT_EQ(message_.bytes(), Header(3, Status::kOk, 30));
  EXPECT_EQ(message_.fds(), std::vector<int>{fd});
}

// Once the first bytes have gone the descriptors have, too: they are closed, and the answers stay
// as they are for what is left to send. A shared one loses this user alone.
TEST_F(MessageTest, CloseFdsKeepsTheText) {
  AddFd(1, 10);
  AddText(2, Status::kOk, 5);
  auto shared = std::make_shared<const net::UniqueFd>(open("/dev/null", O_RDONLY | O_CLOEXEC));
  message_.BeginAnswerWithFd(WithId(3), shared, /*bytes=*/1);
  *message_.text() += Header(3, Status::kOk, 30);
  EXPECT_EQ(message_.fds().size(), 2u);
  EXPECT_EQ(shared.use_count(), 2);
  const std::string before(message_.bytes());
  message_.CloseFds();
  EXPECT_TRUE(message_.fds().empty());
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_EQ(net::OpenFds(), open_fds_ + 1);  // the shared one
  EXPECT_EQ(message_.bytes(), before);
  EXPECT_EQ(message_.answer_count(), 3u);
  message_.CloseFds();  // again: nothing
  EXPECT_EQ(message_.bytes(), before);
}

// One that dies closes what it still has.
TEST_F(MessageTest, DeathCloses) {
  Message message;
  message.BeginAnswerWithFd(WithId(1), net::UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)),
                            /*bytes=*/1);
  // Checked by the fixture.
}

}  // namespace
}  // namespace objmapper::session
