#include "tools/bench/load/load.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "net/listener.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/server_process.h"

namespace objmapper::bench {
namespace {

constexpr size_t kBytes = 20000;

struct Case {
  std::string name;
  Transport transport = Transport::kUnix;
  LoadOptions options;
  Wire wire = Wire::kObjmapper;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

Case Make(const std::string& name, Transport transport, Ask ask, int depth) {
  Case c;
  c.name = name;
  c.transport = transport;
  c.options.first = ask;
  c.options.first_names = {"a", "b"};
  c.options.second_names = {"b"};
  c.options.connections = 8;
  c.options.client_threads = 2;
  c.options.depth = depth;
  return c;
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const int depth : {1, 16}) {
    const std::string suffix = "_depth" + std::to_string(depth);
    cases.push_back(Make("fdpass" + suffix, Transport::kUnix, Ask::kFdPass, depth));
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      const std::string end = (transport == Transport::kUnix ? "_unix" : "_tcp") + suffix;
      cases.push_back(Make("copy" + end, transport, Ask::kCopy, depth));
      cases.push_back(Make("splice" + end, transport, Ask::kSplice, depth));
    }
    cases.push_back(Make("v1" + suffix, Transport::kUnix, Ask::kFdPass, depth));
    cases.back().options.v1 = true;
  }
  for (const auto& [name, ask] : {std::pair("get", Ask::kCopy), std::pair("head", Ask::kHead),
                                  std::pair("revalidate", Ask::kRevalidate)}) {
    cases.push_back(Make(absl::StrCat(name, "_unix"), Transport::kUnix, ask, 1));
    cases.push_back(Make(absl::StrCat(name, "_tcp"), Transport::kTcp, ask, 4));
    for (size_t i = cases.size() - 2; i < cases.size(); ++i) cases[i].wire = Wire::kHttp;
  }
  cases.push_back(Make("batch", Transport::kUnix, Ask::kFdPass, 64));
  cases.back().options.batch = true;
  cases.push_back(Make("mix", Transport::kUnix, Ask::kFdPass, 4));
  cases.back().options.mix_ratio = 0.8;
  cases.push_back(Make("mix_per_connection", Transport::kUnix, Ask::kFdPass, 1));
  cases.back().options.mix_ratio = 0.5;
  cases.back().options.mix_per_connection = true;
  cases.push_back(Make("open_loop", Transport::kUnix, Ask::kFdPass, 4));
  cases.back().options.rate = 2000;
  cases.push_back(Make("reconnect_unix", Transport::kUnix, Ask::kFdPass, 4));
  cases.back().options.requests_per_conn = 10;
  cases.push_back(Make("reconnect_tcp", Transport::kTcp, Ask::kCopy, 1));
  cases.back().options.requests_per_conn = 10;
  cases.push_back(Make("poll", Transport::kUnix, Ask::kFdPass, 1));
  cases.back().options.poll = true;
  cases.back().options.client_threads = 1;
  return cases;
}

class LoadTest : public testing::TestWithParam<Case> {
 protected:
  static uint64_t BodyBytes(Ask ask) {
    return ask == Ask::kCopy || ask == Ask::kSplice ? kBytes : 0;
  }
};

// Whatever is asked, however: no errors, every answer has the object's length, both sides of a mix
// are answered, and a second run works as the first did.
TEST_P(LoadTest, CountsWhatTheServerSent) {
  e2e::ObjectTree tree;
  tree.Add("a", e2e::Pattern(1, kBytes));
  tree.Add("b", e2e::Pattern(2, kBytes));
  e2e::ServerProcess server(tree.root(), {});
  const Case& c = GetParam();
  const Endpoint endpoint = {c.wire, c.transport, server.socket_path(), server.tcp_port()};
  absl::StatusOr<std::unique_ptr<Load>> load = Load::Connect(endpoint, c.options);
  ASSERT_TRUE(load.ok()) << load.status();
  for (int run = 0; run < 2; ++run) {
    const absl::StatusOr<LoadResult> result = (*load)->Run(absl::Milliseconds(200));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->errors, 0u) << result->first_error;
    EXPECT_GT(result->first.requests, 0u);
    EXPECT_EQ(result->first.bytes, result->first.requests * BodyBytes(c.options.first));
    EXPECT_EQ(result->first.latency.count(), result->first.requests);
    EXPECT_EQ(result->second.requests > 0, c.options.mix_ratio < 1);
    EXPECT_EQ(result->second.bytes, result->second.requests * BodyBytes(c.options.second));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, LoadTest, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

// How many threads of this process may run on `core` alone (proc(5), /proc/[pid]/status).
int ThreadsKeptTo(int core) {
  int count = 0;
  std::error_code error;  // a thread may end while we look
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);)
      count += line == absl::StrCat("Cpus_allowed_list:\t", core);
  }
  return count;
}

TEST(LoadCoreTest, ThreadsKeepToTheCore) {
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  if (CPU_COUNT(&all) < 2) GTEST_SKIP() << "with one core nothing shows";
  int core = CPU_SETSIZE - 1;
  while (!CPU_ISSET(core, &all)) --core;
  e2e::ObjectTree tree;
  tree.Add("a", "x");
  e2e::ServerProcess server(tree.root(), {});
  LoadOptions options;
  options.first_names = {"a"};
  options.client_threads = 2;
  absl::StatusOr<std::unique_ptr<Load>> load =
      Load::Connect({.path = server.socket_path()}, options);
  ASSERT_TRUE(load.ok()) << load.status();
  const auto most_kept = [&] {
    std::atomic<bool> done{false};
    std::thread run([&] {
      const absl::StatusOr<LoadResult> result = (*load)->Run(absl::Milliseconds(300));
      EXPECT_TRUE(result.ok()) << result.status();
      done = true;
    });
    int most = 0;
    while (!done) most = std::max(most, ThreadsKeptTo(core));
    run.join();
    return most;
  };
  EXPECT_EQ(most_kept(), 0);
  (*load)->KeepTo(core);
  EXPECT_EQ(most_kept(), 2);
  (*load)->KeepTo(-1);
  EXPECT_EQ(most_kept(), 0);
}

// What the server refuses is counted, in its words.
TEST(LoadErrorTest, RefusalsAreErrors) {
  e2e::ObjectTree tree;
  tree.Add("a", "x");
  e2e::ServerProcess server(tree.root(), {});
  LoadOptions options;
  options.first_names = {"a", "absent"};
  options.connections = 1;
  absl::StatusOr<std::unique_ptr<Load>> load =
      Load::Connect({.path = server.socket_path()}, options);
  ASSERT_TRUE(load.ok()) << load.status();
  const absl::StatusOr<LoadResult> result = (*load)->Run(absl::Milliseconds(100));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->errors, 0u);
  EXPECT_NE(result->first_error.find("not OK"), std::string::npos) << result->first_error;
}

// Only the latter may be worth another try.
TEST(LoadErrorTest, NothingButRefusalsIsNotSilence) {
  e2e::ObjectTree tree;
  tree.Add("a", "x");
  e2e::ServerProcess server(tree.root(), {});
  LoadOptions options;
  options.first = Ask::kCopy;
  options.first_names = {"absent"};
  auto load = Load::Connect({.path = server.socket_path()}, options);
  ASSERT_TRUE(load.ok()) << load.status();
  EXPECT_EQ((*load)->Run(absl::Milliseconds(100)).status().code(), absl::StatusCode::kUnavailable);

  net::Address address;
  address.kind = net::Address::Kind::kUnix;
  address.path = tree.root() + "/silent.sock";
  const absl::StatusOr<net::Listener> silent = net::Listener::Open(address);
  ASSERT_TRUE(silent.ok()) << silent.status();
  load = Load::Connect({.wire = Wire::kHttp, .path = address.path}, options);
  ASSERT_TRUE(load.ok()) << load.status();
  const absl::Status status = (*load)->Run(absl::Milliseconds(100)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(std::string(status.message()).find("silent.sock: nothing was answered"),
            std::string::npos)
      << status;
}

// Before a version can be asked after, it has to be known.
TEST(LoadErrorTest, RevalidatesOnlyWhatIsThere) {
  e2e::ObjectTree tree;
  tree.Add("a", "x");
  e2e::ServerProcess server(tree.root(), {});
  LoadOptions options;
  options.first = Ask::kRevalidate;
  options.first_names = {"a", "absent"};
  const absl::Status status =
      Load::Connect({.wire = Wire::kHttp, .path = server.socket_path()}, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(status.message()).find("absent: a HEAD was answered: HTTP/1.1 404"),
            std::string::npos)
      << status;
}

// An endpoint's depth wins over that of the options: one that V2 cannot have is refused.
TEST(LoadErrorTest, DepthOfTheEndpoint) {
  e2e::ObjectTree tree;
  tree.Add("a", "x");
  e2e::ServerProcess server(tree.root(), {});
  LoadOptions options;
  options.first = Ask::kCopy;
  options.first_names = {"a"};
  options.connections = 1;
  Endpoint endpoint = {.path = server.socket_path()};
  endpoint.depth = UINT16_MAX + 1;  // more than V2 has
  EXPECT_EQ(Load::Connect(endpoint, options).status().code(), absl::StatusCode::kInvalidArgument);
  endpoint.depth = 16;
  EXPECT_TRUE(Load::Connect(endpoint, options).ok());
}

// A socket that nobody listens on is named.
TEST(LoadErrorTest, NobodyListens) {
  LoadOptions options;
  options.first_names = {"a"};
  const absl::Status status = Load::Connect({.path = "/nonexistent/socket"}, options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find("/nonexistent/socket"), std::string::npos) << status;
}

}  // namespace
}  // namespace objmapper::bench
