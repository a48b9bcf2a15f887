// Flights from an origin that does not always behave, into a root with a store, by a clock that
// stands still.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "copypath/blocking_pool.h"
#include "origin/flight/flights.h"
#include "tests/net/eventually.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/cache/partial_fixture.h"
#include "tests/origin/fetch/fetching.h"
#include "tests/origin/gate.h"

namespace objmapper::origin {

using storage::Wait;
using testing::BadOrigin;
using testing::Fault;
using testing::Gate;

inline constexpr size_t kPart = 64 * 1024;

class FlightsTest : public PartialTest {
 protected:
  void SetUp() override {
    PartialTest::SetUp();
    if (IsSkipped()) return;
    Begin();
    SetOrigins("");
  }
  // As a server that starts: nothing is remembered but what is on the disk.
  void Begin() {
    if (flights_ != nullptr) flights_->Stop();
    Flights::Options options;
    options.cache = options_;
    options.fetcher = &*fetcher_.operator->();
    options.run = [this](std::function<void()> work) { pool_.Run(std::move(work)); };
    options.now = [this] { return absl::UnixEpoch() + absl::Seconds(now_s_.load()); };
    options.uncached_max = uncached_max_;
    flights_ = std::make_unique<Flights>(std::move(options));
    tree_->SetRemote(flights_.get());
  }
  // The same with the origins of before.
  void Restart() {
    Begin();
    SetOrigins("");
  }
  void TearDown() override {
    if (flights_ != nullptr) flights_->Stop();
    pool_.Stop();
  }
  static constexpr absl::string_view kSizes = "part=64K block=64K";
  // words: of the line, beside the others.
  void SetOrigins(absl::string_view words, absl::string_view sizes = kSizes, int parallel = 4) {
    const absl::StatusOr<Origins> origins = Origins::Parse(absl::StrCat(
        "/far ", origin_.url("base"), " parallel=", parallel, " ", sizes, " ", words, "\n"));
    ASSERT_TRUE(origins.ok()) << origins.status();
    ASSERT_TRUE(flights_->SetOrigins(*origins).ok());
  }
  // Has it brought, and waits.
  absl::Status Bring(absl::string_view uri) { return storage::BringNow(flights_.get(), uri); }
  std::string Here(absl::string_view uri) {
    const absl::StatusOr<storage::OpenedObject> object = tree_->OpenObject(uri, Wait::kMayBlock);
    return object.ok() ? storage::ReadAll(object->fd.get()) : object.status().ToString();
  }
  // Puts it there, and expects it to be here.
  void ExpectBrought(const std::string& name, const std::string& content) {
    const absl::Status brought = Bring("far/" + name);
    ASSERT_TRUE(brought.ok()) << brought;
    EXPECT_TRUE(Here("far/" + name) == content);
  }

  BadOrigin origin_;
  std::atomic<int64_t> now_s_{1'700'000'000};
  uint64_t uncached_max_ = Flights::Options().uncached_max;  // of those that begin from now on
  fetch::RunningFetcher fetcher_;
  copypath::BlockingPool pool_{2};
  std::unique_ptr<Flights> flights_;
};

}  // namespace objmapper::origin
