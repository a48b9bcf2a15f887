// Objects that somebody wants to have been compared with their origin (storage::Wanted::age_max_s),
// though they are not due: it is done for him, and beside all others.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/net/eventually.h"
#include "tests/origin/flight/checks_fixture.h"

namespace objmapper::origin {
namespace {

using ComparesTest = ChecksTest;

// Who wants it compared has it compared, whatever its line says, and others have it as new.
TEST_F(ComparesTest, ComparedWhereSomebodyWantsIt) {
  int number = 0;
  for (const char* words : {"revalidate=1h", "immutable"}) {
    SCOPED_TRACE(words);
    SetOrigins(words);
    const std::string name = absl::StrCat("a", ++number);
    const std::string uri = "far/" + name;
    Fetched(name, "content");
    Asked(name);
    now_s_ += 10;
    EXPECT_EQ(GetAged(uri, 0), "content");
    EXPECT_EQ(Asked(name), 1u);
    EXPECT_EQ(LastAsked(name).status, 304);
    // So that a cache on the way does the same.
    EXPECT_EQ(LastAsked(name).Header("cache-control"), "no-cache");
    EXPECT_EQ(flights_->ProvenanceOf(uri, -1).checked_s, now_s_);
    origin_.Put("base/" + name, "another");
    now_s_ += 10;
    EXPECT_EQ(Get(uri), "content");
    EXPECT_EQ(GetAged(uri, 10), "content");
    EXPECT_EQ(Asked(name), 0u);
    EXPECT_EQ(GetAged(uri, 9), "another");
    EXPECT_GT(Asked(name), 0u);
    EXPECT_EQ(Get(uri), "another");
    EXPECT_EQ(Asked(name), 0u);
  }
}

// After a start, when nothing is remembered, its mark says how old it is.
TEST_F(ComparesTest, ComparedByItsMark) {
  int number = 0;
  for (const char* words : {"revalidate=1h", "immutable"}) {
    SCOPED_TRACE(words);
    SetOrigins(words);
    const std::string name = absl::StrCat("a", ++number);
    const std::string uri = "far/" + name;
    Fetched(name, "content");
    now_s_ += 10;
    Begin();
    SetOrigins(words);
    Asked(name);
    EXPECT_EQ(GetAged(uri, 10), "content");
    EXPECT_EQ(Asked(name), 0u);
    EXPECT_EQ(GetAged(uri, 9), "content");
    EXPECT_EQ(Asked(name), 1u);
  }
}

// One comparison for all who want one meanwhile, and those who want none have what is here.
TEST_F(ComparesTest, OneComparisonForAll) {
  SetOrigins("immutable");
  Fetched("a", "content");
  Asked("a");
  Gate gate;
  origin_.Misbehave("base/a", 1, gate.BeforeHead());
  std::atomic<int> told{0};
  for (int i = 0; i < 300; ++i) {
    flights_->BringChecked("far/a", 0, [&told](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      ++told;
    });
  }
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(told, 0);
  gate.Open();
  EXPECT_TRUE(net::Eventually([&] { return told == 300; }));
  EXPECT_EQ(Asked("a"), 1u);
}

// Who wants it compared, and comes to one who finds it good enough without asking, has it asked
// for all the same.
TEST_F(ComparesTest, GoodEnoughForOneIsNotForAnother) {
  Fetched("a", "content");
  Restart();
  Asked("a");
  std::atomic<int> told{0};
  const auto tell = [&told](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    ++told;
  };
  // So that the first look at what is here has not been when the second comes.
  Gate gate;
  for (int i = 0; i < 2; ++i) pool_.Run([&gate] { gate.Pass(); });
  flights_->Bring("far/a", tell);
  flights_->BringChecked("far/a", 0, tell);
  gate.Open();
  EXPECT_TRUE(net::Eventually([&] { return told == 2; }));
  EXPECT_EQ(Asked("a"), 1u);
}

// It is their trouble alone, if its origin cannot be asked; which is left alone as after any.
TEST_F(ComparesTest, WhoWantsItComparedAloneIsTold) {
  int number = 0;
  for (const char* words : {"revalidate=1h", "immutable", "revalidate=1h stale_if_error=1h"}) {
    SCOPED_TRACE(words);
    SetOrigins(words);
    const std::string name = absl::StrCat("a", ++number);
    const std::string uri = "far/" + name;
    Fetched(name, "content");
    Asked(name);
    origin_.Misbehave("base/" + name, 0, Fault::Error(400, "OutOfOrder"));
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(absl::StrContains(GetAged(uri, 0), "RESOURCE_EXHAUSTED"));
      EXPECT_EQ(Get(uri), "content");
      EXPECT_FALSE(IsStale(uri));
    }
    EXPECT_EQ(Asked(name), 1u);
    origin_.Misbehave("base/" + name, 0, Fault{});
    now_s_ += 60;
    EXPECT_EQ(GetAged(uri, 0), "content");
    EXPECT_EQ(Asked(name), 1u);
  }
}

// What is stale is not compared, and so is not handed out to who wants that.
TEST_F(ComparesTest, StaleIsNotCompared) {
  SetOrigins("stale_if_error=10m");
  Fetched("a", "content");
  now_s_ += 60;
  origin_.Misbehave("base/a", 0, Fault::Error(400, "OutOfOrder"));
  EXPECT_TRUE(absl::StrContains(GetAged("far/a", 0), "RESOURCE_EXHAUSTED"));
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_TRUE(IsStale("far/a"));
  EXPECT_EQ(flights_->ProvenanceOf("far/a", -1).due_s, now_s_);
}

// Neither this disk's own objects, nor those of no origin, nor what no object's name can be.
TEST_F(ComparesTest, WhatIsNotCompared) {
  scratch_.MakeDirectory("far");
  scratch_.Write("far/own", "of this disk");
  origin_.Put("base/own", "of the origin");
  EXPECT_EQ(GetAged("far/own", 0), "of this disk");
  EXPECT_EQ(GetAged("far/own", 0), "of this disk");
  EXPECT_EQ(Asked("own"), 0u);
  EXPECT_FALSE(flights_->ProvenanceOf("far/own", -1).remote);
  for (const char* uri : {"near/a", "far/../a"}) EXPECT_FALSE(flights_->MustCompare(uri, 0));
}

}  // namespace
}  // namespace objmapper::origin
