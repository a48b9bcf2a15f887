// What is counted of an origin: who found what here, and how its requests of HTTP went.
#include "origin/flight/account.h"

#include <glog/logging.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "origin/cache/shelf.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

using fetch::Cause;
using fetch::Outcome;
using fetch::Verdict;

// Bounds double; what is between two is of the upper one.
TEST(DelaysTest, AreCountedByTheirBounds) {
  Account::Delays delays;
  EXPECT_EQ(delays.Quantile(0.5), absl::ZeroDuration());
  for (const int64_t us : {0, 1000, 1001, 3000}) delays.Add(absl::Microseconds(us));
  EXPECT_EQ(delays.counts[0], 2u);
  EXPECT_EQ(delays.counts[1], 1u);
  EXPECT_EQ(delays.counts[2], 1u);
  EXPECT_EQ(delays.Quantile(0.5), absl::Milliseconds(1));
  EXPECT_EQ(delays.Quantile(1), absl::Milliseconds(4));
  delays.Add(absl::Hours(1));
  EXPECT_EQ(delays.Quantile(1), absl::InfiniteDuration());
  EXPECT_EQ(delays.count(), 5u);
  EXPECT_DOUBLE_EQ(delays.sum_s, 3600.005001);
}

// The lines that were logged while it lives.
class Log : public google::LogSink {
 public:
  Log() { google::AddLogSink(this); }
  ~Log() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity, const char*, const char*, int, const google::LogMessageTime&,
            const char* message, size_t length) override {
    lines.emplace_back(message, length);
  }
  std::vector<std::string> lines;
};

class NoSink : public fetch::Sink {
  absl::Status OnHead(const fetch::Head&) override { return absl::OkStatus(); }
  absl::Status OnBytes(absl::Span<const char>) override { return absl::OkStatus(); }
  void OnDone(const Outcome&) override { ended = true; }

 public:
  bool ended = false;
};

// A request that the origin begins to answer late is logged: what, how late, why it was tried how
// often. One a second; the next says how many there were besides.
TEST(AccountTest, SlowRequestsAreLogged) {
  const auto account = std::make_shared<Account>("/far", absl::Seconds(2));
  const Log log;
  const auto end = [&account](const Outcome& outcome) {
    const auto sink = std::make_shared<NoSink>();
    account->Watching(sink, "http://origin/a")->OnDone(outcome);
    EXPECT_TRUE(sink->ended);
  };
  Outcome outcome;
  outcome.verdict = Verdict::kFound;
  outcome.status = 206;
  outcome.attempts = 1;
  outcome.answer = absl::Milliseconds(1999);
  end(outcome);
  EXPECT_EQ(log.lines.size(), 0u);
  outcome.attempts = 3;
  outcome.retried = {Cause::kServerError, Cause::kStall};
  outcome.answer = absl::Milliseconds(2500);
  outcome.total = absl::Seconds(3);
  outcome.bytes = 77;
  end(outcome);
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0],
            "slow origin /far: http://origin/a: its answer began after 2.5s; 77 bytes in 3s, 3 "
            "attempts (server_error, stall)");
  for (int i = 0; i < 5; ++i) end(outcome);
  EXPECT_EQ(log.lines.size(), 1u);
  const Account::Counts counts = account->Read();
  EXPECT_EQ(counts.attempts, 1u + 3 * 6);
  EXPECT_EQ(counts.retries[static_cast<size_t>(Cause::kStall)], 6u);
  EXPECT_EQ(counts.delays.count(), 7u);
  // What was cancelled here says nothing of the origin.
  outcome.verdict = Verdict::kCancelled;
  outcome.status = 0;
  end(outcome);
  EXPECT_EQ(account->Read().delays.count(), 7u);
}

class FiguresTest : public FlightsTest {
 protected:
  Account::Counts Counts() { return flights_->ReadOrigins().at(0).counts; }
  // As a client's request does.
  absl::Status Ask(const std::string& uri, const storage::Wanted& wanted = {}) {
    flights_->LookedUp(uri);
    const bool must = tree_->MustCheck(uri);
    if (!must && tree_->OpenObject(uri, Wait::kMayBlock).ok()) return absl::OkStatus();
    if (!must && !flights_->MayHave(uri)) return absl::NotFoundError(uri);
    std::promise<absl::Status> done;
    flights_->Follow(uri, wanted, [&done](auto filling) { done.set_value(filling.status()); });
    const absl::Status status = done.get_future().get();
    EXPECT_TRUE(net::Eventually([this] { return flights_->Read().under_way == 0; }));
    return status;
  }
};

// Each request is one of: a hit, a part hit, a miss, one that had to be compared, or one that its
// origin was spared.
TEST_F(FiguresTest, WhatWasHere) {
  Shelf shelf(&*tree_);
  options_.shelf = &shelf;
  Begin();
  SetOrigins("revalidate=60s negative=2s slow=0");
  const std::string content = Content(4 * kPart);
  origin_.Put("base/a", content);
  EXPECT_TRUE(Ask("far/a", {0, 1}).ok());
  EXPECT_EQ(Counts().nothing, 1u);
  EXPECT_EQ(Counts().hits(), 0u);
  EXPECT_TRUE(Ask("far/a").ok());
  EXPECT_EQ(Counts().part, 1u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Ask("/far/a").ok());
  EXPECT_EQ(Counts().hits(), 3u);
  now_s_ += 61;
  EXPECT_TRUE(Ask("far/a").ok());
  EXPECT_EQ(Counts().whole, 1u);
  EXPECT_EQ(Counts().hits(), 3u);

  for (int i = 0; i < 3; ++i) EXPECT_TRUE(absl::IsNotFound(Ask("far/none")));
  EXPECT_EQ(Counts().nothing, 2u);
  EXPECT_EQ(Counts().known_absent, 2u);
  EXPECT_EQ(Counts().hits(), 3u);

  // Another origin's, and nobody's.
  flights_->LookedUp("near/a");
  EXPECT_EQ(Counts().hits(), 3u);
  // What is this disk's own needs none.
  scratch_.Write("far/own", "mine");
  EXPECT_TRUE(Ask("far/own").ok());
  EXPECT_EQ(Counts().hits(), 4u);

  flights_->Evicted("far/a", 100);
  flights_->Evicted("near/a", 100);
  EXPECT_EQ(Counts().evicted, 1u);
  EXPECT_EQ(Counts().evicted_bytes, 100u);
}

// Trouble is told by its cause, and who is refused without a request is no hit.
TEST_F(FiguresTest, Trouble) {
  origin_.Misbehave("base/a", 0, Fault::Error(503, "SlowDown"));
  EXPECT_TRUE(absl::IsResourceExhausted(Ask("far/a")));
  const Account::Counts counts = Counts();
  EXPECT_EQ(counts.attempts, origin_.asked("base/a").size());
  EXPECT_EQ(counts.retries[static_cast<size_t>(Cause::kThrottled)], counts.attempts - 1);
  EXPECT_GT(counts.attempts, 1u);
  EXPECT_EQ(counts.delays.count(), 1u);
  EXPECT_EQ(counts.failed, 1u);
  EXPECT_TRUE(absl::IsResourceExhausted(Ask("far/a")));
  EXPECT_EQ(Counts().held_off, 1u);
  EXPECT_EQ(Counts().hits(), 0u);
}

}  // namespace
}  // namespace objmapper::origin
