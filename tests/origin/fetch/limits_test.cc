// How many at once, who waits, who is cancelled, and the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "origin/fetch/fetcher.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fetch/fetching.h"

namespace objmapper::origin::fetch {
namespace {

using testing::BadOrigin;
using testing::Fault;
using ::testing::HasSubstr;

// A door that answers wait behind.
class Gate {
 public:
  void Pass() {
    mutex_.lock();
    while (!open_) opened_.wait(mutex_);
    mutex_.unlock();
  }
  void Open() {
    net::MutexLock lock(&mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  net::Mutex mutex_;
  std::condition_variable_any opened_;
  bool open_ = false;
};

class LimitsTest : public ::testing::Test {
 protected:
  LimitsTest() {
    options_.running_max = 3;
    options_.running_per_origin = 2;
    options_.waiting_max = 5;
    for (BadOrigin* origin : {&origin_, &other_}) {
      Fault waits;
      waits.before_head = true;
      waits.run = [this] { gate_.Pass(); };
      origin->Put("a", "bytes");
      origin->Misbehave("a", 0, waits);
      origin->Put("b", "bytes");
    }
  }
  ~LimitsTest() override { gate_.Open(); }

  std::shared_ptr<KeptSink> Begin(RunningFetcher& fetcher, std::string url,
                                  uint64_t* id = nullptr) {
    auto sink = std::make_shared<KeptSink>();
    const absl::StatusOr<uint64_t> begun = fetcher->Fetch(Get(std::move(url)), sink);
    EXPECT_TRUE(begun.ok()) << begun.status();
    if (id != nullptr) *id = begun.value_or(0);
    return sink;
  }

  Options options_ = PatientOptions();
  Gate gate_;
  BadOrigin origin_, other_;
};

TEST_F(LimitsTest, OfAllAndOfEachOrigin) {
  RunningFetcher fetcher(options_);
  std::vector<std::shared_ptr<KeptSink>> sinks;
  for (int i = 0; i < 5; ++i) sinks.push_back(Begin(fetcher, origin_.url("a")));
  ASSERT_TRUE(net::Eventually([&] { return origin_.at_once() == 2; }));
  EXPECT_EQ(fetcher->running(), 2u);
  EXPECT_EQ(fetcher->waiting(), 3u);
  // The other origin is asked all the same, though its request came last; then all is full.
  sinks.push_back(Begin(fetcher, other_.url("a")));
  sinks.push_back(Begin(fetcher, other_.url("a")));
  ASSERT_TRUE(net::Eventually([&] { return other_.at_once() == 1; }));
  EXPECT_EQ(fetcher->running(), 3u);
  sinks.push_back(Begin(fetcher, other_.url("b")));
  auto late = std::make_shared<KeptSink>();
  const absl::Status full = fetcher->Fetch(Get(origin_.url("b?x=secret")), late).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(full.message(),
            absl::StrCat(origin_.url("b"), "?...: 5 requests to origins wait already"));
  gate_.Open();
  for (const auto& sink : sinks) EXPECT_EQ(sink->Wait().verdict, Verdict::kFound);
  EXPECT_EQ(origin_.most_at_once(), 2);
  EXPECT_EQ(late->dones, 0);
  EXPECT_EQ(fetcher.Run(Get(origin_.url("b")))->bytes, "bytes");
}

// At any moment, also while libcurl is connecting, and others go on.
TEST_F(LimitsTest, CancelledAsSoonAsItBegins) {
  options_.running_max = 100;
  options_.running_per_origin = 100;
  options_.waiting_max = 1000;
  gate_.Open();
  RunningFetcher fetcher(options_);
  std::vector<std::shared_ptr<KeptSink>> sinks;
  for (int i = 0; i < 200; ++i) {
    uint64_t id = 0;
    sinks.push_back(Begin(fetcher, origin_.url("b"), &id));
    if (i % 10 != 0) fetcher->Cancel(id);
  }
  for (size_t i = 0; i < sinks.size(); ++i) {
    const Outcome& outcome = sinks[i]->Wait();
    EXPECT_EQ(sinks[i]->dones, 1);
    if (i % 10 == 0) {
      EXPECT_EQ(outcome.verdict, Verdict::kFound) << outcome.reason;
    }
  }
}

// While it waits for its next attempt a request keeps no place.
TEST_F(LimitsTest, ADelayIsNobodysPlace) {
  options_.running_max = 1;
  RunningFetcher fetcher(options_, [] { return 1.0; });  // a second
  origin_.Misbehave("b", 1, Fault::Error(503));
  auto order = std::make_shared<std::vector<std::string>>();
  auto slow = std::make_shared<KeptSink>(), quick = std::make_shared<KeptSink>();
  slow->on_done = [order](const Outcome&) { order->push_back("slow"); };
  quick->on_done = [order](const Outcome&) { order->push_back("quick"); };
  ASSERT_TRUE(fetcher->Fetch(Get(origin_.url("b")), slow).ok());
  ASSERT_TRUE(fetcher->Fetch(Get(origin_.url("none")), quick).ok());
  EXPECT_EQ(slow->Wait().verdict, Verdict::kFound);
  EXPECT_THAT(*order, ::testing::ElementsAre("quick", "slow"));
}

TEST_F(LimitsTest, Cancelled) {
  RunningFetcher fetcher(options_, [] { return 1.0; });
  origin_.Misbehave("b", 0, Fault::Error(503));
  uint64_t runs, queued, delayed;
  const auto delayed_sink = Begin(fetcher, origin_.url("b"), &delayed);
  ASSERT_TRUE(net::Eventually([&] { return !origin_.asked("b").empty(); }));
  const auto sink = Begin(fetcher, origin_.url("a"), &runs);
  const auto second = Begin(fetcher, origin_.url("a"));
  const auto queued_sink = Begin(fetcher, origin_.url("a"), &queued);
  ASSERT_TRUE(net::Eventually([&] { return origin_.at_once() == 2; }));
  for (const uint64_t id : {runs, queued, delayed}) fetcher->Cancel(id);
  for (const auto& cancelled : {sink, queued_sink, delayed_sink}) {
    EXPECT_EQ(cancelled->Wait().verdict, Verdict::kCancelled);
    EXPECT_THAT(cancelled->outcome.reason, HasSubstr(": cancelled"));
    EXPECT_EQ(cancelled->dones, 1);
  }
  gate_.Open();
  EXPECT_EQ(second->Wait().verdict, Verdict::kFound);
  fetcher->Cancel(runs);  // over: no effect
  fetcher->Cancel(12345);
  EXPECT_EQ(fetcher.Run(Get(other_.url("b")))->bytes, "bytes");
  EXPECT_EQ(sink->dones, 1);
}

// A sink may cancel its own request, and begin another, from inside its calls.
TEST_F(LimitsTest, FromInsideASink) {
  RunningFetcher fetcher(options_);
  origin_.Put("large", std::string(1 << 20, 'x'));
  origin_.Misbehave("large", 0, Fault::SilentAt(1000));
  auto sink = std::make_shared<KeptSink>(), next = std::make_shared<KeptSink>();
  Gate known;
  uint64_t id = 0;
  sink->on_head = [&](const Head&) {
    known.Pass();
    fetcher->Cancel(id);
    return absl::OkStatus();
  };
  sink->on_done = [&](const Outcome&) {
    EXPECT_TRUE(fetcher->Fetch(Get(origin_.url("b")), next).ok());
  };
  id = fetcher->Fetch(Get(origin_.url("large")), sink).value();
  known.Open();
  EXPECT_EQ(sink->Wait().verdict, Verdict::kCancelled);
  EXPECT_EQ(next->Wait().verdict, Verdict::kFound);
}

// The end ends all, wherever they are; nothing is left behind.
TEST_F(LimitsTest, Stopped) {
  origin_.Misbehave("b", 0, Fault::Error(503));
  other_.Misbehave("b", 0, Fault::Error(403, "ExpiredToken"));
  std::vector<std::shared_ptr<KeptSink>> sinks;
  std::function<void()> refreshed;
  const ptrdiff_t before = net::OpenFds();
  {
    Fetcher fetcher(options_, [] { return 1.0; });
    fetcher.Start();
    const auto begin = [&](Request request) {
      sinks.push_back(std::make_shared<KeptSink>());
      ASSERT_TRUE(fetcher.Fetch(std::move(request), sinks.back()).ok());
    };
    begin(Get(origin_.url("b")));
    Request expired = Get(other_.url("b"));
    Gate asked;
    expired.refresh = [&](std::function<void()> done) {
      refreshed = std::move(done);
      asked.Open();
    };
    begin(expired);
    asked.Pass();
    for (int i = 0; i < 4; ++i) begin(Get(origin_.url("a")));
    ASSERT_TRUE(net::Eventually([&] { return origin_.at_once() == 2; }));
    fetcher.Stop();
    for (const auto& sink : sinks) {
      EXPECT_EQ(sink->dones, 1);
      EXPECT_EQ(sink->outcome.verdict, Verdict::kCancelled);
      EXPECT_THAT(sink->outcome.reason, HasSubstr("the server stops"));
    }
    auto late = std::make_shared<KeptSink>();
    EXPECT_EQ(fetcher.Fetch(Get(origin_.url("b")), late).status().code(),
              absl::StatusCode::kUnavailable);
    fetcher.Cancel(1);
    refreshed();
  }
  refreshed();  // credentials that come after everything
  gate_.Open();
  // The origin's ends of the connections are closed by its threads.
  EXPECT_TRUE(net::Eventually([&] { return net::OpenFds() == before; }));
}

TEST_F(LimitsTest, APulse) {
  RunningFetcher fetcher(options_);
  fetcher->AskPulse();
  EXPECT_TRUE(net::Eventually([&] { return fetcher->HasPulse(); }));
}

// Many callers, many ends, nothing lost and nothing twice.
TEST_F(LimitsTest, ManyThreads) {
  options_.running_max = 8;
  options_.running_per_origin = 8;
  options_.waiting_max = 1000;
  RunningFetcher fetcher(options_);
  origin_.Put("c", Bytes(10'000));
  std::vector<std::shared_ptr<KeptSink>> sinks(200);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < sinks.size(); i += 4) {
        uint64_t id;
        sinks[i] = Begin(fetcher, origin_.url("c"), &id);
        if (i % 3 == 0) fetcher->Cancel(id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < sinks.size(); ++i) {
    sinks[i]->Wait();
    EXPECT_EQ(sinks[i]->dones, 1);
    if (i % 3 == 0) continue;
    EXPECT_EQ(sinks[i]->bytes, Bytes(10'000)) << sinks[i]->outcome.reason;
  }
  EXPECT_LE(origin_.most_at_once(), 8 + 200 / 3);  // cancelled ones may still be answered
}

}  // namespace
}  // namespace objmapper::origin::fetch
