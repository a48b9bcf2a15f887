// What readers see of a fill: which bytes, when, and how it ends.
#include "origin/flight/progress.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

using Wants = std::vector<std::pair<uint64_t, uint64_t>>;
constexpr uint64_t kBlock = 4096;

class ProgressTest : public PartialTest {
 protected:
  void SetUp() override {
    PartialTest::SetUp();
    if (IsSkipped()) return;
    part_ = OpenPart(IdentityOf("far/a", content_));
    storage::Description description;
    description.size = content_.size();
    progress_ = std::make_shared<Progress>(
        part_->view(), description,
        Progress::Flight{
            .want = [this](uint64_t begin, uint64_t end) { wants_.emplace_back(begin, end); },
            .left = [this] { ++left_; }});
  }

  const std::string content_ = Content(3 * kBlock + 100);
  Part part_;
  std::shared_ptr<Progress> progress_;
  Wants wants_;
  int left_ = 0;
};

// The last block is nobody's before the whole is good.
TEST_F(ProgressTest, WithholdsTheLastBlock) {
  progress_->WholeComes();
  EXPECT_EQ(progress_->ReadableFrom(0), 0u);
  ASSERT_TRUE(part_->Write(0, content_.substr(0, 100)).ok());
  EXPECT_EQ(progress_->ReadableFrom(0), 100u) << "from its first bytes";
  FillAll(part_.get(), content_);
  EXPECT_EQ(progress_->ReadableFrom(0), 3 * kBlock);
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock), 0u);
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock + 50), 0u);
  EXPECT_EQ(progress_->ended(), std::nullopt);
  progress_->End(absl::OkStatus());
  EXPECT_EQ(progress_->ReadableFrom(0), content_.size());
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock + 50), 50u);
  EXPECT_EQ(progress_->ReadableFrom(content_.size()), 0u);
  progress_->End(absl::DataLossError("too late"));
  EXPECT_EQ(progress_->ended(), absl::OkStatus());
}

// Nor is it when the whole is not.
TEST_F(ProgressTest, AFailureShowsNoMore) {
  progress_->WholeComes();
  FillAll(part_.get(), content_);
  progress_->End(absl::DataLossError("its checksum"));
  EXPECT_EQ(progress_->ReadableFrom(0), 3 * kBlock);
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock), 0u);
  EXPECT_EQ(progress_->ended()->code(), absl::StatusCode::kDataLoss);
}

// Of an object that does not come whole it is shown when it is complete.
TEST_F(ProgressTest, TheLastBlockAlone) {
  ASSERT_TRUE(part_->Write(3 * kBlock, content_.substr(3 * kBlock)).ok());
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock), 0u) << "it has no checksum yet";
  ASSERT_TRUE(part_->MarkValid(3).ok());
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock), 100u);
  progress_->WholeComes();
  EXPECT_EQ(progress_->ReadableFrom(3 * kBlock), 0u);
}

// Each is told once, when there is something for him or it is over, and at once where that is so
// already.
TEST_F(ProgressTest, TellsThoseWhoWait) {
  std::string told;
  const auto await = [&](uint64_t offset, char name) {
    progress_->Await(offset, [&told, name] { told += name; });
  };
  await(0, 'a');
  await(kBlock, 'b');
  progress_->Tell();
  EXPECT_EQ(told, "");
  ASSERT_TRUE(part_->Write(0, content_.substr(0, 10)).ok());
  progress_->Tell();
  EXPECT_EQ(told, "a");
  await(5, 'c');
  EXPECT_EQ(told, "ac");
  progress_->End(absl::ResourceExhaustedError("trouble"));
  EXPECT_EQ(told, "acb");
  await(kBlock, 'd');
  EXPECT_EQ(told, "acbd");
  progress_->Tell();
  EXPECT_EQ(told, "acbd");
}

// The flight learns what is wanted, once for each follower, and when the last has gone; nothing
// when it has ended.
TEST_F(ProgressTest, TheFlightLearns) {
  auto first = std::make_unique<Follower>(progress_);
  auto second = std::make_unique<Follower>(progress_);
  EXPECT_TRUE(progress_->followed());
  first->Want(0, 10);
  first->Want(5, 8);
  second->Want(5, UINT64_MAX);
  EXPECT_EQ(wants_, (Wants{{0, 10}, {5, content_.size()}}));
  first.reset();
  EXPECT_EQ(left_, 0);
  second.reset();
  EXPECT_EQ(left_, 1);
  EXPECT_FALSE(progress_->followed());
  first = std::make_unique<Follower>(progress_);
  progress_->End(absl::OkStatus());
  first->Want(0, 20);
  first.reset();
  EXPECT_EQ(wants_.size(), 2u);
  EXPECT_EQ(left_, 1);
}

}  // namespace
}  // namespace objmapper::origin
