// How long what has been fetched is handed out, and what happens then: the origin is asked once,
// for as little as can be, and what it says counts. When it says nothing, that is said.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/retry_after.h"
#include "origin/cache/shelf.h"
#include "tests/net/eventually.h"
#include "tests/origin/flight/checks_fixture.h"

namespace objmapper::origin {
namespace {

// Until then nobody is asked; then for one byte, which does not come; and it is good for as long
// again.
TEST_F(ChecksTest, UnchangedIsGoodForAsLongAgain) {
  Fetched("a", "content", "\"v1\"");
  EXPECT_EQ(Asked("a"), 1u);
  for (int round = 0; round < 3; ++round) {
    now_s_ += 59;
    EXPECT_EQ(Get("far/a"), "content");
    EXPECT_EQ(Asked("a"), 0u);
    now_s_ += 1;
    EXPECT_TRUE(absl::IsUnavailable(tree_->OpenObject("far/a", Wait::kCachedOnly).status()));
    EXPECT_EQ(Asked("a"), 0u);
    EXPECT_EQ(Get("far/a"), "content");
    EXPECT_EQ(Asked("a"), 1u);
    const BadOrigin::Asked check = LastAsked("a");
    EXPECT_EQ(check.Header("if-none-match"), "\"v1\"");
    EXPECT_EQ(check.Header("range"), "bytes=0-0");
    EXPECT_EQ(check.status, 304);
    EXPECT_EQ(check.bytes, 0u);
    EXPECT_TRUE(tree_->OpenObject("far/a", Wait::kCachedOnly).ok());
  }
  EXPECT_EQ(flights_->Read().checked, 3u);
  EXPECT_EQ(flights_->Read().unchanged, 3u);
  EXPECT_EQ(flights_->Read().begun, 1u);
}

// However many ask meanwhile.
TEST_F(ChecksTest, OneCheckForAll) {
  Fetched("a", "content");
  now_s_ += 60;
  Asked("a");
  Gate gate;
  origin_.Misbehave("base/a", 1, gate.BeforeHead());
  std::atomic<int> told{0};
  for (int i = 0; i < 300; ++i) {
    flights_->Bring("far/a", [&told](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      ++told;
    });
  }
  EXPECT_EQ(flights_->Read().waiting, 300u);
  gate.Open();
  EXPECT_TRUE(net::Eventually([&] { return told == 300; }));
  EXPECT_EQ(Asked("a"), 1u);
}

// revalidate=0: each time; immutable: never.
TEST_F(ChecksTest, AlwaysAndNever) {
  SetOrigins("revalidate=0");
  Fetched("a", "content");
  Asked("a");
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(Get("far/a"), "content");
    EXPECT_EQ(Asked("a"), 1u);
  }
  SetOrigins("immutable");
  origin_.Put("base/a", "another");
  now_s_ += 100'000'000;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(Asked("a"), 0u);
}

// Another version takes the place of the old one, which stays whole for who has it open.
TEST_F(ChecksTest, ChangedIsFetched) {
  const std::string old_one = Content(3 * kPart, 1), new_one = Content(2 * kPart + 1, 2);
  Fetched("a", old_one);
  const auto open = tree_->OpenObject("far/a", Wait::kMayFetch);
  ASSERT_TRUE(open.ok());
  origin_.Put("base/a", new_one, "\"new\"");
  EXPECT_TRUE(Get("far/a") == old_one);
  now_s_ += 60;
  EXPECT_TRUE(Get("far/a") == new_one);
  EXPECT_TRUE(storage::ReadAll(open->fd.get()) == old_one);
  EXPECT_EQ(MarkOf("far/a")->etag, "\"new\"");
  EXPECT_EQ(MarkOf("far/a")->checked_s, now_s_);
  Asked("a");
  now_s_ += 59;
  EXPECT_TRUE(Get("far/a") == new_one);
  EXPECT_EQ(Asked("a"), 0u);
}

// What is there no more is here no more, and that is remembered for a moment.
TEST_F(ChecksTest, GoneIsRemoved) {
  for (const int status : {404, 410}) {
    SCOPED_TRACE(status);
    const std::string name = absl::StrCat(status), uri = "far/" + name;
    Fetched(name, "content");
    const auto open = tree_->OpenObject(uri, Wait::kMayFetch);
    ASSERT_TRUE(open.ok());
    now_s_ += 60;
    origin_.Misbehave("base/" + name, 0, Fault::Error(status, "NoSuchKey"));
    Asked(name);
    EXPECT_TRUE(absl::IsNotFound(StatusOf(uri)));
    EXPECT_FALSE(IsHere(uri));
    EXPECT_TRUE(absl::IsNotFound(StatusOf(uri)));
    EXPECT_EQ(Asked(name), 1u);
    EXPECT_EQ(storage::ReadAll(open->fd.get()), "content");
    origin_.Misbehave("base/" + name, 0, Fault{});
    now_s_ += 2;
    EXPECT_EQ(Get(uri), "content");
  }
  EXPECT_EQ(flights_->Read().removed, 2u);
}

// Trouble is told, with when to come again, and is never absence; what is here stays, and is not
// handed out. Until then nobody is asked about that name, and others are asked about as ever.
TEST_F(ChecksTest, TroubleIsTold) {
  Fetched("a", "content");
  Fetched("b", "content");
  now_s_ += 60;
  origin_.Misbehave("base/a", 0, Fault::Error(400, "OutOfOrder"));
  Asked("a");
  const absl::Status trouble = StatusOf("far/a");
  EXPECT_TRUE(absl::IsResourceExhausted(trouble)) << trouble;
  EXPECT_TRUE(absl::StrContains(trouble.message(), "OutOfOrder")) << trouble;
  EXPECT_GT(net::RetryAfterMs(trouble), 0u);
  EXPECT_LE(net::RetryAfterMs(trouble), 1000u);
  EXPECT_EQ(Asked("a"), 1u);
  for (int i = 0; i < 5; ++i) {
    const absl::Status again = StatusOf("far/a");
    EXPECT_TRUE(absl::StrContains(again.message(), "OutOfOrder")) << again;
    EXPECT_GT(net::RetryAfterMs(again), 0u);
  }
  EXPECT_EQ(Asked("a"), 0u);
  EXPECT_EQ(Get("far/b"), "content");
  EXPECT_TRUE(IsHere("far/a"));
  // The next one lasts longer.
  now_s_ += 1;
  EXPECT_FALSE(StatusOf("far/a").ok());
  EXPECT_EQ(Asked("a"), 1u);
  EXPECT_EQ(flights_->Read().failed, 2u);
  origin_.Misbehave("base/a", 0, Fault{});
  now_s_ += 2;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(flights_->Read().held_off, 5u);
}

// The same of what is not here.
TEST_F(ChecksTest, TroubleWithWhatIsNotHere) {
  origin_.Put("base/a", "content");
  Fault says_when = Fault::Error(400, "OutOfOrder");
  says_when.headers = {{"Retry-After", "7"}};
  origin_.Misbehave("base/a", 1, says_when);
  EXPECT_EQ(net::RetryAfterMs(StatusOf("far/a")), 7000u);
  EXPECT_EQ(Asked("a"), 1u);
  now_s_ += 6;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(net::RetryAfterMs(StatusOf("far/a")), 1000u);
  EXPECT_EQ(Asked("a"), 0u);
  now_s_ += 1;
  EXPECT_EQ(Get("far/a"), "content");
}

// stale_if_error: for so long what is here is good enough, and is said to be stale; the origin is
// not asked for each.
TEST_F(ChecksTest, StaleIfError) {
  SetOrigins("stale_if_error=10m");
  Fetched("a", "content");
  const int64_t fetched_s = now_s_;
  now_s_ += 60;
  origin_.Misbehave("base/a", 0, Fault::Error(400, "OutOfOrder"));
  Asked("a");
  EXPECT_FALSE(IsStale("far/a"));
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_TRUE(IsStale("far/a"));
  EXPECT_EQ(Asked("a"), 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Get("far/a"), "content");
  EXPECT_TRUE(tree_->OpenObject("far/a", Wait::kCachedOnly).ok());
  EXPECT_EQ(Asked("a"), 0u);
  now_s_ += 2;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(Asked("a"), 1u);
  EXPECT_EQ(flights_->Read().stale, 2u);
  // So long, and no longer.
  now_s_ = fetched_s + 60 + 599;
  EXPECT_EQ(Get("far/a"), "content");
  now_s_ = fetched_s + 60 + 600;
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf("far/a")));
  now_s_ += 60;
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf("far/a")));
  origin_.Misbehave("base/a", 0, Fault{});
  now_s_ += 60;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_FALSE(IsStale("far/a"));
}

// The same where there is another version that cannot be had.
TEST_F(ChecksTest, StaleIfTheNewOneCannotBeHad) {
  SetOrigins("stale_if_error=10m");
  Fetched("a", "content");
  origin_.Put("base/a", "another");
  now_s_ += 60;
  origin_.Misbehave("base/a", 2, Fault::Error(400, "OutOfOrder"));
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_TRUE(IsStale("far/a"));
  now_s_ += 2;
  EXPECT_EQ(Get("far/a"), "another");
  EXPECT_FALSE(IsStale("far/a"));
}

// A refusal is no trouble: what may not be seen any more is not handed out.
TEST_F(ChecksTest, ForbiddenIsForbidden) {
  SetOrigins("stale_if_error=10m");
  Fetched("a", "content");
  now_s_ += 60;
  origin_.Misbehave("base/a", 0, Fault::Error(403, "AccessDenied"));
  Asked("a");
  EXPECT_TRUE(absl::IsPermissionDenied(StatusOf("far/a")));
  EXPECT_TRUE(absl::IsPermissionDenied(StatusOf("far/a")));
  EXPECT_EQ(Asked("a"), 1u);
}

// An object of this disk's own is never compared with another one, though one of that name was
// fetched before.
TEST_F(ChecksTest, OwnObjectsAreNeverDue) {
  SetOrigins("revalidate=0");
  Fetched("a", "content");
  ASSERT_EQ(unlink(scratch_.PathOf("far/a").c_str()), 0);
  scratch_.Write("far/a", "mine");
  scratch_.Write("far/b", "mine too");
  origin_.Put("base/b", "theirs");
  Asked("a");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Get("far/a"), "mine");
    EXPECT_EQ(Get("far/b"), "mine too");
    now_s_ += 3600;
  }
  EXPECT_EQ(Asked("a") + Asked("b"), 0u);
}

// What somebody has written into is no version of the origin's: it is fetched anew, and while it
// cannot be, it is not handed out.
TEST_F(ChecksTest, DamagedIsFetchedAnew) {
  SetOrigins("stale_if_error=10m");
  Fetched("a", "content");
  now_s_ += 60;
  {
    const int file = open(scratch_.PathOf("far/a").c_str(), O_WRONLY);
    ASSERT_EQ(pwrite(file, "C", 1, 0), 1);
    // The kernel's clock for files stands still for milliseconds.
    const timespec times[] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = 1, .tv_nsec = 0}};
    ASSERT_EQ(futimens(file, times), 0);
    close(file);
  }
  origin_.Misbehave("base/a", 1, Fault::Error(400, "OutOfOrder"));
  EXPECT_TRUE(absl::IsResourceExhausted(StatusOf("far/a")));
  now_s_ += 2;
  EXPECT_EQ(Get("far/a"), "content");
}

// A server that starts goes by what is on the disk: what is fresh by its mark is, and what is due
// is asked for.
TEST_F(ChecksTest, AStartLosesNothing) {
  Fetched("a", "content");
  scratch_.Write("far/own", "mine");
  Asked("a");
  now_s_ += 30;
  Begin();
  SetOrigins("");
  EXPECT_TRUE(flights_->MustCheck("far/a"));
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(Get("far/own"), "mine");
  EXPECT_FALSE(flights_->MustCheck("far/a"));
  EXPECT_FALSE(flights_->MustCheck("far/own"));
  EXPECT_EQ(Asked("a"), 0u);
  now_s_ += 30;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(Asked("a"), 1u);
  EXPECT_EQ(Asked("own"), 0u);
}

// So does one beside which another one fetches, as in a hot restart.
TEST_F(ChecksTest, WhatAnotherProcessHasFetchedIsSeen) {
  Fetched("a", "content");
  Begin();
  SetOrigins("");
  ASSERT_EQ(Get("far/a"), "content");
  now_s_ += 60;
  origin_.Put("base/a", "another");
  const std::unique_ptr<Flights> ours = std::move(flights_);
  Begin();
  SetOrigins("");
  ASSERT_EQ(Get("far/a"), "another");
  Asked("a");
  const absl::Status brought = storage::BringNow(ours.get(), "far/a");
  EXPECT_TRUE(brought.ok()) << brought;
  EXPECT_FALSE(ours->MustCheck("far/a"));
  EXPECT_EQ(Asked("a"), 0u);
  ours->Stop();
}

// When it was checked is written where that has grown old, and not each time.
TEST_F(ChecksTest, ChecksAreWrittenNowAndThen) {
  Fetched("a", "content");
  const int64_t fetched_s = now_s_;
  now_s_ += 60;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(MarkOf("far/a")->checked_s, fetched_s);
  now_s_ += 3600;
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(MarkOf("far/a")->checked_s, now_s_);
  EXPECT_EQ(MarkOf("far/a")->fetched_s, fetched_s);
  Asked("a");
  Begin();
  SetOrigins("");
  EXPECT_EQ(Get("far/a"), "content");
  EXPECT_EQ(Asked("a"), 0u);
}

// Without an ETag the date has to do, and where there is none either, all of it comes again.
TEST_F(ChecksTest, ByDateOrNotAtAll) {
  const std::string date = "Sun, 06 Nov 1994 08:49:37 GMT";
  origin_.Put("base/dated", "content");
  origin_.SetLastModified("base/dated", date);
  origin_.Put("base/neither", "content");
  for (const char* key : {"base/dated", "base/neither"})
    origin_.Misbehave(key, 0, Fault::Says("ETag", ""));
  ASSERT_EQ(Get("far/dated"), "content");
  ASSERT_EQ(Get("far/neither"), "content");
  now_s_ += 60;
  EXPECT_EQ(Get("far/dated"), "content");
  EXPECT_EQ(LastAsked("dated").Header("if-modified-since"), date);
  EXPECT_EQ(LastAsked("dated").status, 304);
  Asked("neither");
  const uint64_t begun = flights_->Read().begun;
  EXPECT_EQ(Get("far/neither"), "content");
  EXPECT_EQ(flights_->Read().begun, begun + 1);
  EXPECT_EQ(Asked("neither"), 1u);
  // And when it has changed.
  origin_.Put("base/dated", "another");
  origin_.SetLastModified("base/dated", "Sun, 06 Nov 1994 08:50:00 GMT");
  now_s_ += 60;
  EXPECT_EQ(Get("far/dated"), "another");
}

// A server that knows no conditions says which version it has, and nothing more of it is taken.
TEST_F(ChecksTest, WithoutConditions) {
  Fetched("part", "content", "\"v1\"");
  Fetched("whole", "content", "\"v1\"");
  origin_.Misbehave("base/part", 0,
                    Fault::Raw("HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nContent-Range: bytes 0-0/7\r\n"
                               "Content-Length: 1\r\n\r\nc"));
  origin_.Misbehave("base/whole", 0,
                    Fault::Raw("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 7\r\n\r\n"));
  Asked("part");
  Asked("whole");
  now_s_ += 60;
  EXPECT_EQ(Get("far/part"), "content");
  EXPECT_EQ(Get("far/whole"), "content");
  EXPECT_EQ(Asked("part") + Asked("whole"), 2u);
  EXPECT_EQ(flights_->Read().unchanged, 2u);
  EXPECT_EQ(flights_->Read().begun, 2u);
}

// An empty object, before it is one and after.
TEST_F(ChecksTest, Empty) {
  Fetched("a", "", "\"empty\"");
  Asked("a");
  now_s_ += 60;
  EXPECT_EQ(Get("far/a"), "");
  EXPECT_EQ(Asked("a"), 1u);
  origin_.Put("base/a", "content");
  now_s_ += 60;
  EXPECT_EQ(Get("far/a"), "content");
  origin_.Put("base/a", "");
  now_s_ += 60;
  EXPECT_EQ(Get("far/a"), "");
}

// That there was none is forgotten when somebody stores one, and when that is gone again, the
// origin is asked.
TEST_F(ChecksTest, AbsenceIsForgottenWhenOneIsStored) {
  SetOrigins("negative=1h");
  EXPECT_TRUE(absl::IsNotFound(StatusOf("far/a")));
  EXPECT_EQ(Asked("a"), 1u);
  absl::StatusOr<std::unique_ptr<storage::NewObject>> object = store_->Begin("far/a", 4, {});
  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_TRUE((*object)->WriteWhole("mine").ok());
  ASSERT_TRUE((*object)->Commit().ok());
  EXPECT_EQ(Get("far/a"), "mine");
  EXPECT_EQ(Asked("a"), 0u);
  ASSERT_TRUE(store_->Delete("far/a").ok());
  origin_.Put("base/a", "theirs");
  EXPECT_EQ(Get("far/a"), "theirs");
}

// What has come from elsewhere says nothing of what is here now; the same lines once more change
// nothing.
TEST_F(ChecksTest, OtherOrigins) {
  Fetched("a", "content", "\"v1\"");
  Asked("a");
  SetOrigins("");
  EXPECT_FALSE(flights_->MustCheck("far/a"));
  origin_.Put("other/a", "another", "\"v1\"");
  const absl::StatusOr<Origins> origins =
      Origins::Parse(absl::StrCat("/far ", origin_.url("other"), " part=64K block=64K"));
  ASSERT_TRUE(origins.ok()) << origins.status();
  ASSERT_TRUE(flights_->SetOrigins(*origins).ok());
  EXPECT_EQ(Get("far/a"), "another");
  EXPECT_EQ(Asked("a"), 0u);
}

// What is kept under an encoded name, since a folder has its own.
TEST_F(ChecksTest, UnderAnEncodedName) {
  Shelf shelf(&*tree_);
  options_.shelf = &shelf;
  Begin();
  SetOrigins("");
  Fetched("a/b", "below");
  origin_.Put("base/a", "content", "\"v1\"");
  const auto get = [&]() -> std::string {
    if (absl::Status brought = Bring("far/a"); !brought.ok()) return brought.ToString();
    const absl::StatusOr<storage::OpenedObject> object = shelf.OpenWhole("far/a");
    return object.ok() ? storage::ReadAll(object->fd.get()) : object.status().ToString();
  };
  EXPECT_EQ(get(), "content");
  now_s_ += 60;
  Asked("a");
  EXPECT_EQ(get(), "content");
  EXPECT_EQ(LastAsked("a").status, 304);
  EXPECT_EQ(get(), "content");
  EXPECT_EQ(Asked("a"), 1u);
  origin_.Put("base/a", "another");
  now_s_ += 60;
  EXPECT_EQ(get(), "another");
  origin_.Delete("base/a");
  now_s_ += 60;
  EXPECT_TRUE(absl::IsNotFound(Bring("far/a")));
  EXPECT_TRUE(absl::IsNotFound(shelf.OpenWhole("far/a").status()));
  EXPECT_EQ(Get("far/a/b"), "below");
}

// A server that stops waits for nobody's answer.
TEST_F(ChecksTest, StopEndsChecks) {
  Fetched("a", "content");
  now_s_ += 60;
  origin_.Misbehave("base/a", 0, Fault::SilentBeforeHead());
  std::atomic<bool> told{false};
  flights_->Bring("far/a", [&told](const absl::Status& status) {
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    told = true;
  });
  Asked("a");
  flights_->Stop();
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace objmapper::origin
