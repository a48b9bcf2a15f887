// Objects that come from an origin which does not always behave: each is here whole, of one
// version, once, or whoever waits is told why not.
#include "origin/flight/flights.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/shelf.h"
#include "tests/net/eventually.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

// Of any size, around the edges of parts; each byte leaves the origin once, and the mark tells
// where it came from.
TEST_F(FlightsTest, BringsAllOfIt) {
  for (const size_t size : {size_t{0}, size_t{1}, kPart - 1, kPart, kPart + 1, 5 * kPart + 17}) {
    SCOPED_TRACE(size);
    const std::string name = absl::StrCat("of_", size);
    const std::string content = Content(size);
    origin_.Put("base/" + name, content, absl::StrCat("\"v", size, "\""));
    const uint64_t before = origin_.bytes_sent();
    ExpectBrought(name, content);
    // An empty one is refused a range first, in some words.
    EXPECT_EQ(size == 0 ? 0 : origin_.bytes_sent() - before, size);
    const absl::StatusOr<storage::OpenedObject> object =
        tree_->OpenObject("far/" + name, Wait::kMayBlock);
    ASSERT_TRUE(object.ok());
    const std::optional<Mark> mark = ReadMark(object->fd.get());
    ASSERT_TRUE(mark.has_value());
    EXPECT_EQ(mark->uri, "far/" + name);
    EXPECT_EQ(mark->source, origin_.url("base/" + name));
    EXPECT_EQ(mark->etag, absl::StrCat("\"v", size, "\""));
    EXPECT_EQ(mark->fetched_s, now_s_);
  }
}

// However many ask, there is one flight, and all are told.
TEST_F(FlightsTest, OneFlightForAll) {
  const std::string content = Content(3 * kPart);
  origin_.Put("base/hot", content);
  Gate gate;
  origin_.Misbehave("base/hot", 2, Fault::Does(0, [&] { gate.Pass(); }));
  std::atomic<int> told{0};
  for (int i = 0; i < 500; ++i) {
    flights_->Bring("far/hot", [&told](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      ++told;
    });
  }
  EXPECT_EQ(told, 0);
  gate.Open();
  EXPECT_TRUE(net::Eventually([&] { return told == 500; }));
  EXPECT_EQ(origin_.bytes_sent(), content.size());
  EXPECT_EQ(flights_->Read().begun, 1u);
  EXPECT_EQ(flights_->Read().brought, 1u);
  EXPECT_TRUE(Here("far/hot") == content);
}

// By way of the tree: the third depth of asking.
TEST_F(FlightsTest, WhoMayWaitOpensIt) {
  origin_.Put("base/a", "content");
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("far/a", Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsUnavailable(tree_->OpenObject("far/a", Wait::kCachedOnly).status()));
  const auto object = tree_->OpenObject("far/a", Wait::kMayFetch);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(storage::ReadAll(object->fd.get()), "content");
  EXPECT_FALSE(flights_->MayHave("near/a"));
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("near/a", Wait::kMayFetch).status()));
}

// The rules for names are the same wherever an object is: no origin is asked for "..", nor for what
// the server keeps for itself, though to S3 they are keys like any.
TEST_F(FlightsTest, NamesAreJudgedAsEver) {
  Shelf shelf(&*tree_);
  Flights::Options options;
  options.cache = options_;
  options.cache.shelf = &shelf;
  options.fetcher = &*fetcher_.operator->();
  options.run = [this](std::function<void()> work) { pool_.Run(std::move(work)); };
  Flights flights(std::move(options));
  const absl::StatusOr<Origins> origins =
      Origins::Parse(absl::StrCat("/far s3://bucket endpoint=", origin_.url(""), "\n"));
  ASSERT_TRUE(origins.ok()) << origins.status();
  ASSERT_TRUE(flights.SetOrigins(*origins).ok());
  tree_->SetRemote(&flights);
  for (const std::string key : {"x/../y", "..", "x//../y", "x//.objmapper-y"}) {
    SCOPED_TRACE(key);
    origin_.Put("bucket/" + key, "content");
    const absl::Status status = tree_->OpenObject("far/" + key, Wait::kMayFetch).status();
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  }
  EXPECT_TRUE(origin_.asked().empty());
  // What is merely no path is asked for.
  origin_.Put("bucket/x//y", "content");
  EXPECT_TRUE(tree_->OpenObject("far/x//y", Wait::kMayFetch).ok());
  tree_->SetRemote(flights_.get());
}

// What is not there is remembered for a moment, and then asked for again.
TEST_F(FlightsTest, AbsenceIsRememberedForAMoment) {
  EXPECT_TRUE(absl::IsNotFound(Bring("far/none")));
  EXPECT_FALSE(flights_->MayHave("far/none"));
  EXPECT_TRUE(flights_->MayHave("far/other"));
  now_s_ += 2;
  EXPECT_TRUE(flights_->MayHave("far/none"));
  origin_.Put("base/none", "now it is");
  ExpectBrought("none", "now it is");
  EXPECT_EQ(flights_->Read().absent, 1u);
}

// Trouble is never absence, and is remembered for a moment only.
TEST_F(FlightsTest, TroubleIsNoAbsence) {
  const struct {
    const char* name;
    Fault fault;
    absl::StatusCode code;
  } kCases[] = {
      {"500", Fault::Error(500), absl::StatusCode::kResourceExhausted},
      {"503", Fault::Error(503, "SlowDown"), absl::StatusCode::kResourceExhausted},
      {"403", Fault::Error(403, "AccessDenied"), absl::StatusCode::kPermissionDenied},
      {"garbage", Fault::Raw("garbage\r\n\r\n"), absl::StatusCode::kResourceExhausted},
      {"no_length", Fault{.ignores_range = true, .chunked = true},
       absl::StatusCode::kResourceExhausted},
      {"reset", Fault::ResetBeforeHead(), absl::StatusCode::kResourceExhausted},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.name);
    const std::string key = absl::StrCat("base/", test.name);
    origin_.Put(key, "content");
    origin_.Misbehave(key, 0, test.fault);
    const absl::Status status = Bring(absl::StrCat("far/", test.name));
    EXPECT_EQ(status.code(), test.code) << status;
    EXPECT_FALSE(status.message().empty());
    EXPECT_TRUE(flights_->MayHave(absl::StrCat("far/", test.name)));
    origin_.Misbehave(key, 0, Fault{});
    now_s_ += 60;
    ExpectBrought(test.name, "content");
  }
}

// A version that is replaced while it is fetched is begun anew; what is here is all of one.
TEST_F(FlightsTest, NeverMixesVersions) {
  // One part at a time, so that some are asked for when the third has come.
  SetOrigins("", kSizes, /*parallel=*/1);
  const std::string old_one = Content(6 * kPart, 1), new_one = Content(5 * kPart + 3, 2);
  origin_.Put("base/a", old_one);
  origin_.Misbehave("base/a", 3, Fault::Does(100, [&] { origin_.Put("base/a", new_one); }));
  ExpectBrought("a", new_one);
  // Deleted in the midst of it.
  origin_.Put("base/b", old_one);
  origin_.Misbehave("base/b", 3, Fault::Does(100, [&] { origin_.Delete("base/b"); }));
  EXPECT_TRUE(absl::IsNotFound(Bring("far/b")));
  // One that never stays the same is given up.
  origin_.Put("base/c", old_one);
  for (int i = 1; i <= 60; ++i) {
    origin_.Misbehave("base/c", i,
                      Fault::Does(100, [&] { origin_.Put("base/c", Content(6 * kPart, 9)); }));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(Bring("far/c")));
}

// Versions that cannot be told apart are fetched in one piece; so is what knows no ranges.
TEST_F(FlightsTest, InOnePiece) {
  const std::string content = Content(4 * kPart);
  origin_.Put("base/weak", content, "W/\"v1\"");
  ExpectBrought("weak", content);
  origin_.Put("base/whole", content);
  origin_.Misbehave("base/whole", 0, Fault::IgnoresRange());
  ExpectBrought("whole", content);
  EXPECT_EQ(origin_.asked("base/whole").size(), 1u);
}

// What an earlier flight has left is not fetched again.
TEST_F(FlightsTest, GoesOnWithWhatIsHere) {
  SetOrigins("", kSizes, /*parallel=*/1);
  const std::string content = Content(8 * kPart);
  origin_.Put("base/a", content);
  for (int nth = 5; nth <= 40; ++nth) origin_.Misbehave("base/a", nth, Fault::Error(500));
  EXPECT_TRUE(absl::IsResourceExhausted(Bring("far/a")));
  const uint64_t sent = origin_.bytes_sent();
  EXPECT_GT(sent, 0u);
  for (int nth = 1; nth <= 60; ++nth) origin_.Misbehave("base/a", nth, Fault{});
  now_s_ += 60;
  ExpectBrought("a", content);
  EXPECT_EQ(origin_.bytes_sent() - sent, content.size() - 4 * kPart);
}

// An object of this disk's own is nobody's to replace.
TEST_F(FlightsTest, WhatIsHereWins) {
  ASSERT_EQ(mkdir(scratch_.PathOf("far").c_str(), 0755), 0);
  origin_.Put("base/a", Content(3 * kPart));
  origin_.Misbehave("base/a", 2, Fault::Does(100, [&] { scratch_.Write("far/a", "mine"); }));
  EXPECT_TRUE(Bring("far/a").ok());
  EXPECT_EQ(Here("far/a"), "mine");
}

// All flights end with a reason when the server stops, however silent the origin is.
TEST_F(FlightsTest, StopTellsEverybody) {
  for (int i = 0; i < 5; ++i) {
    const std::string key = absl::StrCat("base/", i);
    origin_.Put(key, "content");
    origin_.Misbehave(key, 0, Fault::SilentBeforeHead());
  }
  std::atomic<int> told{0};
  for (int i = 0; i < 10; ++i) {
    flights_->Bring(absl::StrCat("far/", i % 5), [&told](const absl::Status& status) {
      EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
      ++told;
    });
  }
  EXPECT_EQ(flights_->Read().waiting, 10u);
  flights_->Stop();
  EXPECT_EQ(told, 10);
  EXPECT_TRUE(absl::IsResourceExhausted(Bring("far/0")));
}

// Many at once share what may be under way.
TEST_F(FlightsTest, ManyAtOnce) {
  constexpr int kObjects = 20;
  for (int i = 0; i < kObjects; ++i)
    origin_.Put(absl::StrCat("base/", i), Content(4 * kPart + static_cast<size_t>(i), 100 + i));
  std::atomic<int> told{0};
  for (int i = 0; i < kObjects; ++i) {
    flights_->Bring(absl::StrCat("far/", i), [&told](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      ++told;
    });
  }
  EXPECT_TRUE(net::Eventually([&] { return told == kObjects; }));
  for (int i = 0; i < kObjects; ++i) {
    EXPECT_TRUE(Here(absl::StrCat("far/", i)) ==
                Content(4 * kPart + static_cast<size_t>(i), 100 + i));
  }
}

// What came of each origin is kept apart, and goes on where a line is read again as it was.
TEST_F(FlightsTest, TellsOfEachOrigin) {
  const auto set = [&](absl::string_view words) {
    const absl::StatusOr<Origins> origins = Origins::Parse(absl::StrCat(
        "/far ", origin_.url("base"), "\n/other ", origin_.url("other"), " ", words, "\n"));
    ASSERT_TRUE(origins.ok()) << origins.status();
    ASSERT_TRUE(flights_->SetOrigins(*origins).ok());
  };
  set("");
  origin_.Put("base/a", Content(1000));
  origin_.Put("other/b", Content(10));
  origin_.Misbehave("base/broken", 0, Fault::Error(403, "AccessDenied"));
  EXPECT_TRUE(Bring("far/a").ok());
  EXPECT_TRUE(absl::IsNotFound(Bring("far/nothing")));
  EXPECT_TRUE(Bring("other/b").ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Bring("far/broken")));
  std::vector<Flights::Report> reports = flights_->ReadOrigins();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].origin->prefix, "far");
  EXPECT_EQ(reports[0].keys, "");
  const Account::Counts far = reports[0].counts;
  EXPECT_EQ(far.requests, 3u);
  EXPECT_EQ(far.begun, 3u);
  EXPECT_EQ(far.brought, 1u);
  EXPECT_EQ(far.absent, 1u);
  EXPECT_EQ(far.failed, 1u);
  EXPECT_EQ(far.bytes, 1000u);
  EXPECT_TRUE(absl::StrContains(far.trouble, "403")) << far.trouble;
  EXPECT_EQ(absl::ToUnixSeconds(far.trouble_at), now_s_);
  EXPECT_FALSE(far.over);
  EXPECT_EQ(reports[1].counts.bytes, 10u);
  EXPECT_EQ(reports[1].counts.trouble, "");

  set("immutable");
  origin_.Put("base/new", "x");
  EXPECT_TRUE(Bring("far/new").ok());
  reports = flights_->ReadOrigins();
  EXPECT_EQ(reports[0].counts.requests, 4u);
  EXPECT_TRUE(reports[0].counts.over);
  EXPECT_NE(reports[0].counts.trouble, "") << "it is told when it was";
  EXPECT_EQ(reports[1].counts.requests, 0u) << "it is another origin now";
}

}  // namespace
}  // namespace objmapper::origin
