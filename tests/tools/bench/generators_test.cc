// What wrk and h2load print, as both print it, and what they cannot be asked to do.
#include "tools/bench/generators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;

constexpr char kWrk[] = R"(Running 1s test @ http://127.0.0.1:39871/a
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   144.12us  163.39us   3.47ms   93.95%
    Req/Sec   118.88k    15.51k  134.57k    70.00%
  120000 requests in 1.20s, 1.64GB read
)";
constexpr char kWrkEnd[] = "Requests/sec: 100000.00\nTransfer/sec:      1.64GB\n";

constexpr char kH2load[] = R"(starting benchmark...
progress: 100% of clients started

finished in 399.67ms, 150000.00 req/s, 636.56MB/s
requests: 45000 total, 45016 started, 45000 done, 44990 succeeded, 10 failed, 3 errored, 0 timeout
status codes: 44990 2xx, 0 3xx, 7 4xx, 0 5xx
traffic: 190.97MB (200245500) total, 7.21MB (7560846) headers (space savings 0.00%)
                     min         max         mean         sd        +/- sd
req/s           :    9215.41     9327.65     9273.63       28.65    68.75%
)";

// The time is that of the rate: what is printed as time is rounded, or holds more than was counted.
TEST(GeneratorsTest, ReadsWrk) {
  const auto result = ReadWrk(std::string(kWrk) + kWrkEnd);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->requests(), 120000u);
  EXPECT_DOUBLE_EQ(result->seconds, 1.2);
  EXPECT_EQ(result->errors, 0u);
}

TEST(GeneratorsTest, CountsWhatWrkCallsWrong) {
  const auto result = ReadWrk(std::string(kWrk) +
                              "  Socket errors: connect 1, read 20, write 300, timeout 4000\n"
                              "  Non-2xx or 3xx responses: 50000\n" +
                              kWrkEnd);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->requests(), 70000u);
  EXPECT_EQ(result->errors, 54321u);
}

TEST(GeneratorsTest, ReadsH2load) {
  const auto result = ReadH2load(kH2load);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->requests(), 44990u);
  EXPECT_DOUBLE_EQ(result->seconds, 0.3);
  EXPECT_EQ(result->errors, 10u);
}

// Nothing answered is no nonsense; what is neither is quoted.
TEST(GeneratorsTest, NothingAndNonsense) {
  const auto nothing = ReadH2load(
      "\nfinished in 1.00s, 0.00 req/s, 0B/s\nrequests: 0 total, 0 started, 0 done, 0 succeeded, 0 "
      "failed, 0 errored, 0 timeout\n");
  ASSERT_TRUE(nothing.ok()) << nothing.status();
  EXPECT_EQ(nothing->requests(), 0u);
  for (const auto& status :
       {ReadH2load("unable to connect").status(), ReadWrk("unable to connect").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(status.message(), HasSubstr("unable to connect"));
  }
}

// A program asks in one way alone; another question is not asked in that way instead.
TEST(GeneratorsTest, RefusesWhatAProgramCannotDo) {
  LoadOptions options;
  options.first = Ask::kHead;
  options.first_names = {"a"};
  const Endpoint endpoint = {.wire = Wire::kHttp, .transport = Transport::kTcp, .port = 1};
  const auto code = [](const Endpoint& where, const LoadOptions& what) {
    return ConnectBy(Generator::kWrk, where, what).status().code();
  };
  EXPECT_EQ(code(endpoint, options), absl::StatusCode::kInvalidArgument);
  options.first = Ask::kCopy;
  EXPECT_NE(code(endpoint, options), absl::StatusCode::kInvalidArgument);  // may be not installed
  EXPECT_EQ(code({.wire = Wire::kHttp, .path = "/x"}, options), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.transport = Transport::kTcp}, options), absl::StatusCode::kInvalidArgument);
  options.depth = 2;
  EXPECT_EQ(code(endpoint, options), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace objmapper::bench
