// What is remembered of when an origin was asked.
#include "origin/flight/freshness.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace objmapper::origin {
namespace {

class FreshnessTest : public testing::Test {
 protected:
  void SetOrigins(absl::string_view lines) {
    const absl::StatusOr<Origins> origins = Origins::Parse(lines);
    ASSERT_TRUE(origins.ok()) << origins.status();
    freshness_.SetOrigins(*origins);
  }
  void SetUp() override {
    SetOrigins(
        "/far http://h/base revalidate=60s\n/ever http://h/ever immutable\n/whole s3://bucket\n");
  }
  void Good(absl::string_view uri) { freshness_.Good(uri, now_, now_ + absl::Seconds(60)); }

  bool IsStale(absl::string_view uri) const {
    return freshness_.ProvenanceOf(uri).value_or(storage::Provenance()).stale;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Freshness freshness_{{.names_max = 6400, .now = [this] { return now_; }}};
};

// Of what nothing is known of it is to be found out, below an origin that revalidates; of others
// there is nothing to find out, nor anything to keep.
TEST_F(FreshnessTest, WhatIsUnknown) {
  EXPECT_TRUE(freshness_.MustCheck("far/a"));
  EXPECT_TRUE(freshness_.MustCheck("/far/a"));
  EXPECT_TRUE(freshness_.MustCheck("whole/a"));
  // The last is a bucket, not an object in it.
  for (const char* uri : {"ever/a", "near", "farther/a", "whole"}) {
    EXPECT_FALSE(freshness_.MustCheck(uri)) << uri;
    Good(uri);
    EXPECT_FALSE(freshness_.MustCheck(uri)) << uri;
  }
  // Of what never is due it is kept when it came.
  EXPECT_EQ(freshness_.size(), 1u);
  EXPECT_TRUE(freshness_.ProvenanceOf("ever/a").has_value());
}

TEST_F(FreshnessTest, IsGoodUntilItIsDue) {
  Good("/far/a");
  EXPECT_FALSE(freshness_.MustCheck("far/a"));
  EXPECT_TRUE(freshness_.MustCheck("far/b"));
  EXPECT_EQ(freshness_.CheckedAt("far/a"), now_);
  now_ += absl::Seconds(59);
  EXPECT_FALSE(freshness_.MustCheck("far/a"));
  now_ += absl::Seconds(1);
  EXPECT_TRUE(freshness_.MustCheck("far/a"));
  EXPECT_EQ(freshness_.CheckedAt("far/a"), now_ - absl::Seconds(60));
}

// What is good enough for now has been checked no later than before.
TEST_F(FreshnessTest, Stale) {
  const absl::Time checked = now_;
  Good("far/a");
  now_ += absl::Seconds(90);
  freshness_.Stale("far/a", checked, now_ + absl::Seconds(5));
  EXPECT_TRUE(IsStale("far/a"));
  EXPECT_FALSE(IsStale("far/b"));
  EXPECT_FALSE(freshness_.MustCheck("far/a"));
  EXPECT_EQ(freshness_.CheckedAt("far/a"), checked);
  now_ += absl::Seconds(5);
  EXPECT_TRUE(freshness_.MustCheck("far/a"));
  Good("far/a");
  EXPECT_FALSE(IsStale("far/a"));
}

// What is told of where it comes from; of names that never are due, too, but of none that is below
// no origin, or no origin's.
TEST_F(FreshnessTest, Provenance) {
  using Came = storage::Provenance::Came;
  SetOrigins("/far http://h/base\n/ever http://h/ever immutable\n");
  const int64_t now_s = absl::ToUnixSeconds(now_);
  for (const char* uri : {"far/a", "ever/a"})
    EXPECT_FALSE(freshness_.ProvenanceOf(uri).has_value());
  for (const char* uri : {"far/a", "ever/a", "near/a"})
    freshness_.Good(uri, now_, now_ + absl::Seconds(60), Came::kFetched);
  freshness_.Nothing("far/own", now_ + absl::Seconds(10));
  freshness_.Nothing("ever/own", now_ + absl::Seconds(10));
  now_ += absl::Seconds(7);
  const auto due = freshness_.ProvenanceOf("/far/a");
  const auto ever = freshness_.ProvenanceOf("ever/a");
  ASSERT_TRUE(due.has_value() && ever.has_value());
  for (const auto& one : {*due, *ever}) {
    EXPECT_TRUE(one.remote);
    EXPECT_FALSE(one.stale);
    EXPECT_EQ(one.came, Came::kFetched);
    EXPECT_EQ(one.checked_s, now_s);
  }
  EXPECT_EQ(due->due_s, now_s + 60);
  EXPECT_EQ(ever->due_s, INT64_MAX);
  EXPECT_FALSE(freshness_.ProvenanceOf("far/own")->remote);
  EXPECT_FALSE(freshness_.ProvenanceOf("ever/own").has_value());
  EXPECT_FALSE(freshness_.ProvenanceOf("near/a").has_value());
  now_ += absl::Hours(10'000);
  EXPECT_FALSE(freshness_.MustCheck("ever/a"));
}

// What a mark has said is kept of names that never are due, unless more is known.
TEST_F(FreshnessTest, Remember) {
  const int64_t now_s = absl::ToUnixSeconds(now_);
  for (const char* uri : {"ever/a", "far/a", "near/a"})
    freshness_.Remember(uri, now_ - absl::Seconds(9));
  EXPECT_EQ(freshness_.ProvenanceOf("ever/a")->checked_s, now_s - 9);
  EXPECT_FALSE(freshness_.MustCheck("ever/a"));
  EXPECT_TRUE(freshness_.MustCheck("far/a"));
  EXPECT_EQ(freshness_.size(), 1u);
  Good("ever/a");
  freshness_.Remember("ever/a", now_ - absl::Seconds(9));
  EXPECT_EQ(freshness_.ProvenanceOf("ever/a")->checked_s, now_s);
}

// Who wants it younger than it is has it compared, so often in a second and no oftener, whatever
// comes of it; but not what is this disk's own.
TEST_F(FreshnessTest, MustCompare) {
  EXPECT_TRUE(freshness_.MustCompare("far/a", 0));
  Good("far/a");
  now_ += absl::Seconds(10);
  EXPECT_FALSE(freshness_.MustCompare("far/a", 10));
  EXPECT_TRUE(freshness_.MustCompare("far/a", 9));
  for (int i = 1; i < Freshness::kComparesPerSecond; ++i) {
    EXPECT_TRUE(freshness_.MustCompare("far/a", 0));
    Good("far/a");
  }
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(freshness_.MustCompare("far/a", 0));
  EXPECT_FALSE(freshness_.MustCheck("far/a"));
  now_ += absl::Seconds(1);
  EXPECT_TRUE(freshness_.MustCompare("far/a", 0));
  freshness_.Stale("far/a", now_, now_ + absl::Seconds(5));
  EXPECT_TRUE(freshness_.MustCompare("far/a", 1000));
  freshness_.Nothing("far/own", now_ + absl::Seconds(10));
  EXPECT_FALSE(freshness_.MustCompare("far/own", 0));
}

TEST_F(FreshnessTest, NothingToCheck) {
  freshness_.Nothing("far/own", now_ + absl::Seconds(10));
  EXPECT_FALSE(freshness_.MustCheck("far/own"));
  EXPECT_FALSE(freshness_.CheckedAt("far/own").has_value());
  now_ += absl::Seconds(10);
  EXPECT_TRUE(freshness_.MustCheck("far/own"));
}

// Other origins, other rules; and what was good by the old ones is looked at once more.
TEST_F(FreshnessTest, OtherOrigins) {
  Good("far/a");
  SetOrigins("/far http://h/base immutable\n/ever http://h/ever\n");
  EXPECT_FALSE(freshness_.MustCheck("far/a"));
  EXPECT_TRUE(freshness_.MustCheck("ever/a"));
  SetOrigins("/far http://h/base immutable\n");
  EXPECT_FALSE(freshness_.MustCheck("ever/a"));
  SetOrigins("/far http://h/base\n");
  EXPECT_TRUE(freshness_.MustCheck("far/a"));
}

// A clock that is put back makes nothing last longer.
TEST_F(FreshnessTest, AClockThatIsPutBack) {
  Good("far/a");
  now_ -= absl::Hours(1);
  EXPECT_TRUE(freshness_.MustCheck("far/a"));
}

// It forgets rather than grows, and what it forgets is looked at.
TEST_F(FreshnessTest, IsBounded) {
  for (int i = 0; i < 20'000; ++i) Good(absl::StrCat("far/", i));
  EXPECT_LE(freshness_.size(), 6400u);
  EXPECT_GT(freshness_.size(), 5000u);
  EXPECT_FALSE(freshness_.MustCheck("far/19999"));
  int forgotten = 0;
  for (int i = 0; i < 20'000; ++i) forgotten += freshness_.MustCheck(absl::StrCat("far/", i));
  EXPECT_EQ(20'000 - forgotten, static_cast<int>(freshness_.size()));
}

}  // namespace
}  // namespace objmapper::origin
