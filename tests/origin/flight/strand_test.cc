// Work in order, and what becomes of work that nobody does.
#include "origin/flight/strand.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace objmapper::origin {
namespace {

class StrandTest : public ::testing::Test {
 protected:
  const RunFn run_ = [this](std::function<void()> work) { queue_.push_back(std::move(work)); };
  std::vector<std::function<void()>> queue_;  // the pool's
};

TEST_F(StrandTest, OneAfterTheOther) {
  const auto strand = std::make_shared<Strand>(run_);
  std::string done;
  strand->Post([&] { done += "a"; });
  strand->Post([&] {
    done += "b";
    strand->Post([&] { done += "c"; });
  });
  EXPECT_EQ(queue_.size(), 1u);
  queue_[0]();
  EXPECT_EQ(done, "ab");
  ASSERT_EQ(queue_.size(), 2u);
  queue_[1]();
  EXPECT_EQ(done, "abc");
}

// A pool that has stopped drops its work, which may hold whoever holds the strand.
TEST_F(StrandTest, WhatIsDroppedHoldsNobody) {
  struct Owner {
    std::shared_ptr<Strand> strand;
  };
  auto owner = std::make_shared<Owner>();
  owner->strand = std::make_shared<Strand>(run_);
  owner->strand->Post([owner] {});
  const std::weak_ptr<Owner> left = owner;
  owner.reset();
  EXPECT_FALSE(left.expired());
  queue_.clear();
  EXPECT_TRUE(left.expired());
}

}  // namespace
}  // namespace objmapper::origin
