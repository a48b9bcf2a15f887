// The files that a loop passes: found, kept until the round's end, and closed where that may take
// long. How they are opened together, and for whom, is passer_test's.
#include "loop/files_to_pass.h"

#include <fcntl.h>

#include <string>

#include "session/message.h"
#include "tests/net/eventually.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::loop {
namespace {

class FilesToPassTest : public storage::TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    scratch_.Write("a", "what a holds");
    files_.emplace(&*tree_, absl::Seconds(60), &pool_);
  }
  void TearDown() override {
    pool_.Stop();
    files_.reset();
    TreeTest::TearDown();
  }
  static bool IsOpen(int fd) { return fcntl(fd, F_GETFD) != -1; }
  // A message with one descriptor of its own, whose number is returned.
  int AddFd(session::Message* message) {
    absl::StatusOr<storage::OpenedObject> object =
        files_->OpenToPass("a", /*now_ns=*/1, storage::Wait::kMayBlock);
    EXPECT_TRUE(object.ok()) << object.status();
    const int number = object->fd.get();
    message->BeginAnswerWithFd({}, std::move(object->fd), object->info.size);
    return number;
  }

  copypath::BlockingPool pool_{0, "slow", 1};
  std::optional<FilesToPass> files_;
};

TEST_F(FilesToPassTest, ErrorsAreTheTrees) {
  EXPECT_TRUE(absl::IsNotFound(
      files_->OpenToPass("missing", /*now_ns=*/1, storage::Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      files_->OpenToPass("../a", /*now_ns=*/1, storage::Wait::kMayBlock).status()));
}

// One by one, what has been passed is closed at once; with a batch, at the end of the round.
TEST_F(FilesToPassTest, ClosesAtTheEndOfTheRound) {
  session::Message message;
  const int first = AddFd(&message);
  EXPECT_FALSE(files_->opens_together());
  files_->CloseFds(&message);
  EXPECT_FALSE(IsOpen(first));
  message.Clear();

  absl::StatusOr<std::unique_ptr<net::FileBatch>> batch = net::FileBatch::Create();
  if (!batch.ok()) GTEST_SKIP() << batch.status();
  files_->SetBatch(*std::move(batch));
  EXPECT_TRUE(files_->opens_together());
  const int second = AddFd(&message);
  files_->CloseFds(&message);
  EXPECT_TRUE(IsOpen(second));
  files_->OpenFiles();
  EXPECT_FALSE(IsOpen(second));
  files_->SetBatch(nullptr);
}

// What somebody still refers to stays open; then a thread of the pool closes it.
TEST_F(FilesToPassTest, ClosesApart) {
  net::UniqueFd fd(open("/", O_RDONLY | O_CLOEXEC));
  const int number = fd.get();
  std::shared_ptr<const net::UniqueFd> shared = files_->CloseApart(std::move(fd));
  std::shared_ptr<const net::UniqueFd> other = shared;
  shared.reset();
  EXPECT_TRUE(IsOpen(number));
  other.reset();
  EXPECT_TRUE(net::Eventually([number] { return !IsOpen(number); }));
}

// Messages are kept for their memory, and come back empty.
TEST_F(FilesToPassTest, MessagesAreUsedAgain) {
  std::unique_ptr<Passing> passing = files_->NewPassing(nullptr);
  const Passing* const first = passing.get();
  passing->is_x = true;
  passing->message.text()->append("said");
  files_->Recycle(std::move(passing));
  passing = files_->NewPassing(nullptr);
  EXPECT_EQ(passing.get(), first);
  EXPECT_FALSE(passing->is_x);
  EXPECT_TRUE(passing->message.empty());
  files_->Recycle(std::move(passing));
}

}  // namespace
}  // namespace objmapper::loop
