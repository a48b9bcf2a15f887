// What an answer with a descriptor says, as its client reads it.
#include "fdpass/answer.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "net/scm_rights.h"
#include "tests/client/temporary_folder.h"
#include "tests/fdpass/worker_fixture.h"
#include "tests/storage/fake_remote.h"

namespace objmapper::fdpass {
namespace {

class AnswerTest : public testing::TestWithParam<Speech> {
 protected:
  AnswerTest() {
    net::SocketPair pair = net::SocketPair::Unix();
    session_ = MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_,
                           GetParam().dialect, GetParam().capabilities);
    client_ = std::make_unique<ClientEnd>(std::move(pair.peer), GetParam().dialect,
                                          /*greeted=*/true);
    request_.uri = "a.json";
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    EXPECT_TRUE(tree.ok()) << tree.status();
    tree_ = std::make_unique<storage::Tree>(*std::move(tree));
  }

  // An object of 100 bytes.
  static Passable Object() {
    Passable object;
    object.fd.Reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
    object.info = {.size = 100, .mtime_s = -5, .mtime_ns = -5, .expires_s = 4'000'000'000};
    return object;
  }
  // The answer to request_, and whether a descriptor came with it, or is to come behind it.
  session::ServerMessage Answer(absl::StatusOr<Passable> opened = Object()) {
    session::Message message;
    const net::UniqueFd x_fd =
        AnswerWithFd(*session_, request_, request_.uri, *tree_, std::move(opened), &message);
    EXPECT_EQ(net::SendWithFds(session_->fd(), message.bytes(), message.fds()),
              static_cast<ssize_t>(message.bytes().size()));
    session::ServerMessage answer = client_->Next();
    has_fd_ = GetParam().in_header() ? client_->TakeFd().valid() : x_fd.valid();
    return answer;
  }

  const client::TemporaryFolder folder_;
  std::unique_ptr<storage::Tree> tree_;
  session::SessionLimits limits_;
  session::ConnectionCounters counters_;
  std::unique_ptr<session::Session> session_;
  std::unique_ptr<ClientEnd> client_;
  protocol::Request request_;
  bool has_fd_ = false;
};

// The length is told where the descriptor rides on the header, and nothing that was not asked for.
TEST_P(AnswerTest, TellsTheLength) {
  const session::ServerMessage answer = Answer();
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.content_length, GetParam().in_header() ? 100u : 0u);
  EXPECT_FALSE(answer.metadata.size.has_value());
  EXPECT_FALSE(answer.metadata.etag.has_value());
  EXPECT_TRUE(has_fd_);
}

// Who has negotiated VERSIONS is told which version it is.
TEST_P(AnswerTest, TellsTheVersion) {
  if (GetParam().dialect == Dialect::kV1) GTEST_SKIP() << "V1 has no VERSIONS";
  request_.versions = true;
  const session::ServerMessage answer = Answer();
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.metadata.size, 100u);
  EXPECT_EQ(answer.metadata.mtime, static_cast<uint64_t>(-5));
  EXPECT_EQ(answer.metadata.etag, storage::Etag(Object().info));
  EXPECT_EQ(answer.metadata.expires, 4'000'000'000u);
  EXPECT_EQ(answer.metadata.mime, "application/json");
  EXPECT_TRUE(has_fd_);
}

// And whether it is stale, where it comes from elsewhere.
TEST_P(AnswerTest, TellsThatItIsStale) {
  storage::FakeRemote remote(folder_.path());
  tree_->SetRemote(&remote);
  remote.SetStale("far/a.json");
  for (const bool versions : {false, true}) {
    request_.versions = versions && GetParam().dialect != Dialect::kV1;
    for (const char* uri : {"a.json", "far/b.json", "far/a.json"}) {
      request_.uri = uri;
      const bool told = request_.versions && request_.uri == "far/a.json";
      EXPECT_EQ(Answer().metadata.stale, told) << uri;
    }
  }
}

// A range is cut at the end of the object; one that begins behind it is refused, without a
// descriptor.
TEST_P(AnswerTest, GrantsARange) {
  if (GetParam().dialect == Dialect::kV1) GTEST_SKIP() << "V1 has no RANGE";
  request_.flags = protocol::kFlagRange;
  request_.offset = 90;
  request_.length = 20;
  EXPECT_EQ(Answer().content_length, GetParam().in_header() ? 10u : 0u);
  EXPECT_TRUE(has_fd_);
  request_.offset = 101;
  EXPECT_TRUE(Answer().Refuses(Status::kRangeNotSatisfiable));
  EXPECT_FALSE(has_fd_);
}

// Why there is no descriptor is said.
TEST_P(AnswerTest, SaysWhyThereIsNone) {
  const session::ServerMessage answer = Answer(absl::NotFoundError("no such object"));
  EXPECT_TRUE(answer.Refuses(Status::kNotFound));
  EXPECT_EQ(answer.metadata.error, "no such object");
  EXPECT_FALSE(has_fd_);
}

INSTANTIATE_TEST_SUITE_P(Speeches, AnswerTest, testing::ValuesIn(kSpeeches),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace objmapper::fdpass
