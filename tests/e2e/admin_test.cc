// The operator's door, on the real server: what it shows is what happened.
#include "tools/cli/admin.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <regex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/net/short_folder.h"

namespace objmapper::e2e {
namespace {

constexpr absl::Duration kFetchTimeout = absl::Seconds(20);

class AdminTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    SharedTree().AddOnce("small", std::string(1000, 's'));
    SharedTree().AddOnce("large", std::string(300'000, 'l'));
  }

  ServerProcess Start(std::vector<std::string> flags = {}) {
    flags.push_back(absl::StrCat("--admin_listen=", path()));
    return ServerProcess(SharedTree().root(), {.engine = GetParam(), .flags = std::move(flags)});
  }
  std::string path() const { return folder_.Path("admin"); }
  absl::StatusOr<std::string> Fetch(const std::string& page) const {
    return tools::FetchFromAdmin("unix:" + path(), page, kFetchTimeout);
  }
  std::string Text(const std::string& page) const {
    absl::StatusOr<std::string> text = Fetch(page);
    EXPECT_TRUE(text.ok()) << text.status();
    return text.value_or("");
  }
  double Metric(const std::string& name) const { return e2e::Metric(path(), name); }
  ::testing::AssertionResult Becomes(const std::string& name, double wanted) const {
    return MetricBecomes(path(), name, wanted);
  }

  const net::ShortFolder folder_;
};

TEST_P(AdminTest, CountsWhatWasAnswered) {
  ServerProcess server = Start();
  RawClient client = RawClient::V1(server.Unix());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "small"}).ok());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "small"}).ok());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "large"}).ok());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(client.Get({.mode = kSplice, .uri = "large"}).ok());
  EXPECT_TRUE(client.Get({.mode = kStat, .uri = "small"}).ok());
  EXPECT_FALSE(client.Get({.mode = kFdPass, .uri = "missing"}).ok());
  EXPECT_FALSE(client.Get({.mode = kCopy, .uri = "missing"}).ok());
  const std::string requests = "objmapper_requests_total{mode=";
  EXPECT_TRUE(Becomes(requests + "\"fdpass\",status=\"ok\"}", 5));
  EXPECT_TRUE(Becomes(requests + "\"copy\",status=\"ok\"}", 7));
  EXPECT_TRUE(Becomes(requests + "\"splice\",status=\"ok\"}", 2));
  EXPECT_TRUE(Becomes(requests + "\"other\",status=\"ok\"}", 1));
  EXPECT_TRUE(Becomes(requests + "\"fdpass\",status=\"not_found\"}", 1));
  EXPECT_TRUE(Becomes(requests + "\"copy\",status=\"not_found\"}", 1));
  const std::string metrics = Text("/metrics");
  EXPECT_EQ(MetricIn(metrics, "objmapper_object_bytes_total{mode=\"fdpass\"}"), 5000);
  EXPECT_EQ(MetricIn(metrics, "objmapper_object_bytes_total{mode=\"copy\"}"), 904'000);
  EXPECT_EQ(MetricIn(metrics, "objmapper_object_bytes_total{mode=\"splice\"}"), 600'000);
  EXPECT_EQ(MetricIn(metrics, "objmapper_service_seconds_count{mode=\"copy\"}"), 8);
  EXPECT_GT(MetricIn(metrics, "objmapper_service_seconds_sum{mode=\"copy\"}"), 0);
  EXPECT_EQ(MetricIn(metrics, "objmapper_connections_open"), 1);
  EXPECT_EQ(MetricIn(metrics, "objmapper_connections_accepted_total"), 1);
  EXPECT_GT(MetricIn(metrics, "process_resident_memory_bytes"), 0);
}

// A ping is a request for what no object is called: that it is refused is what it is for, and
// counts as no error.
TEST_P(AdminTest, APingIsNoError) {
  ServerProcess server = Start();
  RawClient client = RawClient::V1(server.Unix());
  const std::string nobody(1, '\0');
  ExpectRefused(client.Get({.mode = kStat, .uri = nobody}), Status::kInvalidRequest);
  ExpectRefused(client.Get({.mode = kCopy, .uri = nobody}), Status::kInvalidRequest);
  ExpectRefused(client.Get({.mode = kStat, .uri = nobody}), Status::kInvalidRequest);
  EXPECT_TRUE(Becomes("objmapper_requests_total{mode=\"copy\",status=\"invalid_request\"}", 1));
  EXPECT_TRUE(Becomes("objmapper_requests_total{mode=\"other\",status=\"ok\"}", 2));
  EXPECT_LE(MetricIn(Text("/metrics"),
                     "objmapper_requests_total{mode=\"other\",status=\"invalid_request\"}"),
            0);
}

TEST_P(AdminTest, ConnectionsAreListedWhileTheyAreOpen) {
  ServerProcess server = Start();
  int asked = 0;
  {
    RawClient client = RawClient::V1(server.Unix());
    // Hot is who has asked within a second: on a busy machine it may have cooled down before we
    // look.
    std::string connections;
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    do {
      EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "small"}).ok());
      ++asked;
      connections = Text("/connz");
    } while (!(absl::StartsWith(connections, "1 open, 1 of them hot\n") &&
               absl::StrContains(connections, "OP_FDPASS")) &&
             absl::Now() < give_up);
    EXPECT_TRUE(absl::StartsWith(connections, "1 open, 1 of them hot\n")) << connections;
    EXPECT_TRUE(absl::StrContains(connections, absl::StrCat(" ", getpid(), " "))) << connections;
    EXPECT_TRUE(absl::StrContains(connections, "OP_FDPASS")) << connections;
    EXPECT_TRUE(absl::StrContains(Text("/connz?n=0"), "and 1 more"));
    EXPECT_FALSE(Fetch("/connz?n=many").ok());
  }
  EXPECT_TRUE(Becomes("objmapper_connections_open", 0));
  EXPECT_TRUE(Becomes("objmapper_requests_per_connection_sum", asked));
}

TEST_P(AdminTest, HealthAndReadiness) {
  ServerProcess server = Start({"--drain_timeout=1m"});
  EXPECT_EQ(Text("/healthz"), "alive\n");
  EXPECT_EQ(Text("/readyz"), "ready\n");
  // A client that does not read keeps the server draining.
  SharedTree().AddSparseOnce("huge", 64 << 20);
  RawClient stuck = RawClient::V1(server.Unix());
  stuck.Ask({.mode = kCopy, .uri = "huge"});
  EXPECT_TRUE(stuck.NextHead().ok());
  server.Signal(SIGTERM);
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  absl::StatusOr<std::string> ready = Fetch("/readyz");
  while (ready.ok() && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(5));
    ready = Fetch("/readyz");
  }
  EXPECT_TRUE(absl::StrContains(ready.status().message(), "503: draining")) << ready.status();
  EXPECT_EQ(Text("/healthz"), "alive\n");
  EXPECT_TRUE(absl::StrContains(Text("/stats"), "\"state\":\"draining\""));
  absl::SleepFor(absl::Milliseconds(1200));  // what comes sooner is the same word
  server.Signal(SIGTERM);                    // enough
  server.WaitForExit();
}

// A reload that fails is seen by who only looks at figures, until one goes well.
TEST_P(AdminTest, ReloadsAreCounted) {
  const std::string rules = folder_.Path("rules");
  const auto write = [&](const char* text) { std::ofstream(rules) << text; };
  write("any / read\nany /a write\n");
  ServerProcess server = Start({"--rules_file=" + rules});
  const std::string metrics = Text("/metrics");
  EXPECT_EQ(MetricIn(metrics, "objmapper_rules"), 2);
  EXPECT_EQ(MetricIn(metrics, "objmapper_rules_last_reload_successful"), 1);
  EXPECT_EQ(MetricIn(metrics, "objmapper_rules_reloads_total{result=\"failed\"}"), 0);
  write("any / read\nnobody knows what this is\n");
  server.Signal(SIGHUP);
  EXPECT_TRUE(Becomes("objmapper_rules_last_reload_successful", 0));
  EXPECT_EQ(Metric("objmapper_rules"), 2);
  EXPECT_EQ(Metric("objmapper_rules_reloads_total{result=\"failed\"}"), 1);
  EXPECT_TRUE(absl::StrContains(Text("/stats"), "line 2")) << "the sentence";
  ASSERT_EQ(unlink(rules.c_str()), 0);
  server.Signal(SIGHUP);
  EXPECT_TRUE(Becomes("objmapper_rules_reloads_total{result=\"failed\"}", 2));
  write("any / read\n");
  server.Signal(SIGHUP);
  EXPECT_TRUE(Becomes("objmapper_rules_last_reload_successful", 1));
  EXPECT_EQ(Metric("objmapper_rules"), 1);
  EXPECT_EQ(Metric("objmapper_rules_reloads_total{result=\"ok\"}"), 1);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  // Without rules there is nothing that could fail.
  ServerProcess without = Start();
  without.Signal(SIGHUP);
  EXPECT_TRUE(without.WaitForLog("SIGHUP: "));
  EXPECT_FALSE(absl::StrContains(Text("/metrics"), "objmapper_rules"));
}

// What is not there is a miss: an answer, and no error.
TEST_P(AdminTest, MissesAreNoErrors) {
  ServerProcess server = Start();
  RawClient client = RawClient::V1(server.Unix());
  std::string stats;
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  const auto nonzero = [&](const char* name) {
    for (size_t at = stats.find(name); at != stats.npos; at = stats.find(name, at + 1)) {
      if (stats[at + strlen(name)] != '0') return true;
    }
    return false;
  };
  do {
    EXPECT_FALSE(client.Get({.mode = kCopy, .uri = "missing"}).ok());
    absl::SleepFor(absl::Milliseconds(10));
    stats = Text("/stats");
  } while (!nonzero("\"misses_per_s\":") && absl::Now() < give_up);
  EXPECT_TRUE(nonzero("\"misses_per_s\":")) << stats;
  EXPECT_FALSE(nonzero("\"errors_per_s\":")) << stats;
}

// Who looks at a page or a scrape is told what it is that he looks at.
TEST_P(AdminTest, WhatItIs) {
  ServerProcess server = Start({"--writable"});
  EXPECT_TRUE(Becomes("objmapper_writable", 1));
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (!absl::StrContains(Text("/metrics"), "objmapper_root_available_bytes") &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_GT(Metric("objmapper_root_size_bytes"), Metric("objmapper_root_available_bytes"));
  const std::string stats = Text("/stats");
  for (const std::string& word :
       {std::string("\"version\":\""), std::string("\"host\":\""),
        "\"root\":\"" + SharedTree().root() + "\"", std::string("\"writable\":true"),
        std::string("\"rules\":null")}) {
    EXPECT_TRUE(absl::StrContains(stats, word)) << word << " in " << stats;
  }
}

TEST_P(AdminTest, FlagsAndPage) {
  ServerProcess server = Start({"--idle_timeout=77s"});
  EXPECT_TRUE(absl::StrContains(Text("/flagz"), "--idle_timeout=77s  (default: 5m)\n"));
  const std::string page = Text("/");
  EXPECT_TRUE(absl::StartsWith(page, "<!doctype html>"));
  EXPECT_TRUE(absl::StrContains(page, "Chart.js v3"));
  EXPECT_FALSE(Fetch("/etc/passwd").ok());
}

// What the command line makes of it.
TEST_P(AdminTest, StatsAreForPeopleToo) {
  ServerProcess server = Start();
  RawClient client = RawClient::V1(server.Unix());
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "small"}).ok());
  EXPECT_TRUE(Becomes("objmapper_requests_total{mode=\"fdpass\",status=\"ok\"}", 1));
  client.Get({.mode = kCopy, .uri = "missing"});
  EXPECT_TRUE(Becomes("objmapper_requests_total{mode=\"copy\",status=\"not_found\"}", 1));
  const absl::StatusOr<std::string> totals = tools::TotalsText(Text("/stats"));
  ASSERT_TRUE(totals.ok()) << totals.status();
  // What is not there is a miss, and no error.
  EXPECT_TRUE(std::regex_search(*totals, std::regex("copy +1 +1 +0 "))) << *totals;
  EXPECT_TRUE(absl::StartsWith(*totals, "serving: serving ")) << *totals;
  EXPECT_TRUE(absl::StrContains(*totals, "connections 1 open (")) << *totals;
  EXPECT_TRUE(tools::TopText(Text("/stats")).ok());
  EXPECT_FALSE(tools::TopText("{}").ok());
  EXPECT_FALSE(tools::TopText("no JSON").ok());
  // Another door's words may be nested as deep as they like.
  const std::string deep =
      absl::StrCat("{\"totals\":", std::string(1000000, '['), std::string(1000000, ']'), "}");
  EXPECT_FALSE(tools::StatsLine(deep).ok());
  EXPECT_EQ(tools::StatsLine(Text("/stats"))->find("\"history\""), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(All, AdminTest,
                         testing::Values("uring", "epoll", "model_thread_pool",
                                         "model_thread_per_request", "model_seda", "model_epoll"),
                         [](const auto& info) { return std::string(info.param); });

// A second server does not take the first one's door away.
TEST(AdminStartTest, ADoorThatIsTakenIsSaid) {
  const net::ShortFolder folder;
  const std::string flag = absl::StrCat("--admin_listen=", folder.Path("admin"));
  ServerProcess first(SharedTree().root(), {.flags = {flag}});
  const ServerProcess::Refusal refusal =
      ServerProcess::StartRefused(SharedTree().root(), {.flags = {flag}});
  EXPECT_EQ(refusal.exit_status, 1);
  EXPECT_TRUE(absl::StrContains(refusal.log, "--admin_listen")) << refusal.log;
}

}  // namespace
}  // namespace objmapper::e2e
