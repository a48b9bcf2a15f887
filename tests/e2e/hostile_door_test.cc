// What visitors of the operator's door may do wrong: it costs little, and /healthz and /readyz are
// answered all the same.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/matrix.h"
#include "tests/net/sanitized.h"
#include "tests/net/short_folder.h"

namespace objmapper::e2e {
namespace {

// As server/admin/http_server.h and protocol/http/head.h have them.
constexpr int kVisitorsMax = 64;
constexpr size_t kHeadBytesMax = 32 * 1024;

// Sanitizers keep much of what has been freed, and more beside it.
constexpr int64_t kResidentBytesMax = int64_t{net::kSanitized ? 512 : 64} << 20;

class HostileDoorTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { SharedTree().AddOnce("small", "small object"); }

  bool IsTcp() const { return std::string(GetParam()) == "tcp"; }
  ServerProcess Start(std::vector<std::string> flags = {}, rlim_t descriptors_max = 0) {
    // Few threads: on a machine of many cores their descriptors alone would be too many.
    if (descriptors_max != 0) {
      flags.insert(flags.end(), {"--pool_size=1", "--splice_pool_size=1", "--bulk_loops=1"});
    }
    flags.push_back(
        absl::StrCat("--admin_listen=", IsTcp() ? "127.0.0.1:0" : folder_.Path("admin")));
    return ServerProcess(SharedTree().root(),
                         {.flags = std::move(flags), .descriptors_max = descriptors_max});
  }
  Wire Visit(const ServerProcess& server) const {
    if (!IsTcp()) return Wire::ToUnix(folder_.Path("admin"));
    const std::string log = server.log();
    const std::string said = "status page and metrics on tcp://127.0.0.1:";
    const size_t at = log.find(said);
    int port = 0;
    if (at != log.npos) {
      const std::string digits =
          log.substr(at + said.size(), log.find('\n', at) - at - said.size());
      EXPECT_TRUE(absl::SimpleAtoi(digits, &port)) << digits;
    }
    return Wire::ToTcp(static_cast<uint16_t>(port));
  }
  // All that comes for `request`, until the server hangs up.
  std::string Ask(const ServerProcess& server, const std::string& request) const {
    Wire wire = Visit(server);
    wire.Send(request);
    return wire.ReadToEnd();
  }
  std::string Get(const ServerProcess& server, const std::string& page) const {
    return Ask(server, absl::StrCat("GET ", page,
                                    " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  }
  void ExpectAlive(const ServerProcess& server) const {
    EXPECT_TRUE(absl::EndsWith(Get(server, "/healthz"), "\r\n\r\nalive\n"));
    EXPECT_TRUE(absl::EndsWith(Get(server, "/readyz"), "\r\n\r\nready\n"));
  }
  static bool Has(const std::string& answer, int status) {
    return absl::StartsWith(answer, absl::StrCat("HTTP/1.1 ", status, " "));
  }
  // Sends `piece` until the server hangs up or `bytes` have gone.
  static size_t SendOnAndOn(Wire* wire, const std::string& piece, size_t bytes) {
    size_t sent = 0;
    while (sent < bytes && wire->Send(piece)) sent += piece.size();
    return sent;
  }

  const net::ShortFolder folder_;
};

// A head that does not end is refused when it has the most bytes that are taken; no more of it is
// kept, whatever comes.
TEST_P(HostileDoorTest, HeadsWithoutEnd) {
  ServerProcess server = Start();
  ExpectAlive(server);
  const int64_t before = server.resident_bytes();
  const std::string piece(65536, 'a');
  for (const char* start : {"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ", "GET /", "",
                            "GET / HTTP/1.1\r\n a", "\r\n"}) {
    Wire wire = Visit(server);
    wire.Send(start);
    EXPECT_LT(SendOnAndOn(&wire, piece, 64 << 20), size_t{64} << 20) << start;
  }
  // Headers without end, and empty lines.
  for (const std::string& line :
       {std::string("X: y\r\n"), std::string("\r\n"), std::string("\n")}) {
    std::string lines;
    while (lines.size() < 65536) lines += line;
    Wire wire = Visit(server);
    wire.Send("GET /metrics HTTP/1.1");
    SendOnAndOn(&wire, lines, 16 << 20);
  }
  EXPECT_LT(server.resident_bytes() - before, kResidentBytesMax);
  ExpectAlive(server);
}

struct Refused {
  std::string request;
  int status;
};

// Who speaks something else is told so at once: it does not wait for the end of a line that never
// comes.
TEST_P(HostileDoorTest, WhatIsNoHttpIsToldAtOnce) {
  ServerProcess server = Start();
  const std::string tls =
      Ask(server, std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_TRUE(Has(tls, 400)) << tls;
  EXPECT_TRUE(absl::StrContains(tls, "\r\n\r\nthis is TLS, but ")) << tls;
  EXPECT_TRUE(Has(Ask(server, std::string("OBJM\2\0\0\0\0", 9)), 400));
  ExpectAlive(server);
}

// A request whose rest came while the server was stopped is answered, although its time had gone
// by; and so is one that comes a moment later, since its sender may have been stopped, too.
TEST_P(HostileDoorTest, StoppedInTheMiddleOfARequest) {
  ServerProcess server = Start();
  const std::string request =
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  Wire early = Visit(server), late = Visit(server);
  early.Send(request.substr(0, 20));
  late.Send(request.substr(0, 20));
  ExpectAlive(server);  // it has seen both
  server.Signal(SIGSTOP);
  early.Send(request.substr(20));
  // a request has 5 s, and who slept for 1 s longer has been stopped
  absl::SleepFor(absl::Milliseconds(6500));
  server.Signal(SIGCONT);
  absl::SleepFor(absl::Milliseconds(100));
  late.Send(request.substr(20));
  for (Wire* wire : {&early, &late}) {
    const std::string answer = wire->ReadToEnd();
    EXPECT_TRUE(absl::EndsWith(answer, "\r\n\r\nalive\n")) << answer;
  }
}

// What is no request that this door answers is told why, and the connection is closed.
TEST_P(HostileDoorTest, RequestsThatMakeNoSense) {
  ServerProcess server = Start();
  std::string many = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 200; ++i) absl::StrAppend(&many, "X", i, ": y\r\n");
  const std::string host = "Host: localhost\r\n";
  const Refused cases[] = {
      {absl::StrCat("GET /metrics HTTP/1.1\r\n", host, "X: ", std::string(kHeadBytesMax, 'x'),
                    "\r\n\r\n"),
       431},
      {many + "\r\n", 431},
      {absl::StrCat("GET /", std::string(kHeadBytesMax, 'x'), " HTTP/1.1\r\n", host, "\r\n"), 414},
      {"POST /metrics HTTP/1.1\r\n" + host + "\r\n", 405},
      {"DELETE / HTTP/1.1\r\n" + host + "\r\n", 405},
      {"POST /cache/evict?uri=a HTTP/1.1\r\n" + host + "\r\n", 403},
      {"POST /healthz HTTP/1.1\r\n" + host + "Objmapper-Change: yes\r\n\r\n", 405},
      {"CONNECT localhost:22 HTTP/1.1\r\n" + host + "\r\n", 405},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551615\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413},
      {"GET http://elsewhere/metrics HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET * HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: localhost:x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", 400},
      {"GET / HTTP/1.1\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + " folded: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 505},
      {"GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"\x16\x03\x01\x02\x03\r\n\r\n", 400},
      {"hello\r\n\r\n", 400},
      {"GET /nothing HTTP/1.0\r\n" + host + "\r\n", 404},
      {"GET /../etc/passwd HTTP/1.0\r\n" + host + "\r\n", 404},
      {"GET /connz?n=100000000 HTTP/1.0\r\n" + host + "\r\n", 400},
  };
  for (const Refused& one : cases) {
    const std::string answer = Ask(server, one.request);
    EXPECT_TRUE(Has(answer, one.status))
        << one.request.substr(0, 80) << "\n-> " << answer.substr(0, 200);
  }
  ExpectAlive(server);
}

// What people and programs do send is answered.
TEST_P(HostileDoorTest, RequestsThatMakeSense) {
  ServerProcess server = Start();
  EXPECT_TRUE(absl::EndsWith(Ask(server, "GET /healthz HTTP/1.0\r\n\r\n"), "alive\n"));
  EXPECT_TRUE(absl::EndsWith(
      Ask(server, "\r\nGET /healthz?x=1 HTTP/1.1\r\nhOsT:localhost:1\r\nconnection: Close\r\n\r\n"),
      "alive\n"));
  const std::string head = Ask(server, "HEAD /healthz HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(Has(head, 200) && absl::StrContains(head, "Content-Length: 6\r\n")) << head;
  EXPECT_TRUE(absl::EndsWith(head, "\r\n\r\n")) << head;
  for (const char* page : {"/", "/metrics", "/stats", "/connz", "/connz?n=5", "/flagz"}) {
    EXPECT_TRUE(Has(Get(server, page), 200)) << page;
  }
  // Its side shut down right behind the question, as "nc -N" does.
  Wire wire = Visit(server);
  wire.Send("GET /stats HTTP/1.0\r\n\r\n");
  wire.HalfClose();
  EXPECT_TRUE(Has(wire.ReadToEnd(), 200));
}

// Requests in a row are answered in order, however many come at once, pages between quick ones.
TEST_P(HostileDoorTest, APipeline) {
  ServerProcess server = Start();
  constexpr int kRequests = 300;
  Wire wire = Visit(server);
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    absl::StrAppend(&requests, "GET ", i % 3 == 0 ? "/flagz" : "/healthz",
                    " HTTP/1.1\r\nHost: localhost\r\n",
                    i == kRequests - 1 ? "Connection: close\r\n" : "", "\r\n");
  }
  ASSERT_TRUE(wire.Send(requests));
  const std::string answers = wire.ReadToEnd();
  size_t at = 0;
  int found = 0;
  while ((at = answers.find("HTTP/1.1 200 OK", at)) != answers.npos) {
    const std::string body = answers.substr(answers.find("\r\n\r\n", at) + 4, 6);
    EXPECT_EQ(body == "alive\n", found % 3 != 0) << found;
    ++found;
    ++at;
  }
  EXPECT_EQ(found, kRequests);
}

// Visitors who say nothing, half of something, or read nothing, many more than there is room for:
// each costs a place at most, and who comes next is answered. The server's clients notice nothing.
TEST_P(HostileDoorTest, VisitorsWhoStay) {
  ServerProcess server = Start({}, /*descriptors_max=*/256);
  ExpectAlive(server);
  const int64_t before = server.resident_bytes();
  const int sockets = server.Descriptors()["socket"];
  for (const char* says :
       {"", "GET /metrics HT", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}) {
    SCOPED_TRACE(says);
    std::vector<Wire> visitors;
    for (int i = 0; i < 5 * kVisitorsMax; ++i) {
      visitors.push_back(Visit(server));
      visitors.back().Send(says);  // may have been closed in favour of another
      if (i % 50 == 0) ExpectAlive(server);
    }
    ExpectAlive(server);
    // Others' pages may be made first.
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    std::string metrics = Get(server, "/metrics");
    while (Has(metrics, 503) && absl::Now() < give_up) metrics = Get(server, "/metrics");
    EXPECT_TRUE(Has(metrics, 200)) << metrics.substr(0, 200);
    EXPECT_LE(server.Descriptors()["socket"], sockets + kVisitorsMax + 4);
    EXPECT_EQ(RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "small"}).body,
              "small object");
  }
  EXPECT_LT(server.resident_bytes() - before, kResidentBytesMax);
  EXPECT_TRUE(absl::StrContains(server.log(), "--admin_listen: there are 64 connections"));
}

// A byte now and then does not keep a place.
TEST_P(HostileDoorTest, ASlowVisitorIsNotWaitedFor) {
  ServerProcess server = Start();
  Wire wire = Visit(server);
  wire.Send("GET /metrics HTTP/1.1\r\nX: ");
  Wire empty_lines = Visit(server);
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  bool open = true, other_open = true;
  while ((open || other_open) && absl::Now() < give_up) {
    open = open && wire.Send("a");
    other_open = other_open && empty_lines.Send("\r\n");
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_FALSE(open);
  EXPECT_FALSE(other_open);
  ExpectAlive(server);
}

// Clients have used up all descriptors: those who ask whether the server is alive are still let in,
// one after the other.
TEST_P(HostileDoorTest, OutOfDescriptors) {
  constexpr rlim_t kDescriptors = 160;
  ServerProcess server = Start({}, kDescriptors);
  ExpectAlive(server);
  {
    std::vector<Wire> clients;
    for (rlim_t i = 0; i < kDescriptors; ++i) clients.push_back(server.Unix());
    ASSERT_TRUE(server.WaitForLog("out of descriptors (RLIMIT_NOFILE): refusing connections"));
    for (int i = 0; i < 3; ++i) ExpectAlive(server);
    std::vector<Wire> silent;
    for (int i = 0; i < 10; ++i) silent.push_back(Visit(server));
    ExpectAlive(server);
  }
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  while (server.LowestFreeDescriptor() > static_cast<int>(kDescriptors) / 2 &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "small"}).body, "small object");
  EXPECT_TRUE(Has(Get(server, "/metrics"), 200));
}

// The thread that makes pages hangs: /healthz and /readyz do not, pages that wait are told, and
// with it going on all is well.
TEST_P(HostileDoorTest, APageThatHangs) {
  ServerProcess server = Start();
  pid_t thread = 0;
  // A thread gets its name when it first runs.
  for (const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
       thread == 0 && absl::Now() < give_up;) {
    for (const auto& task :
         std::filesystem::directory_iterator(absl::StrCat("/proc/", server.pid(), "/task"))) {
      std::string name;
      std::getline(std::ifstream(task.path() / "comm"), name);
      if (name == "admin/pages") thread = static_cast<pid_t>(std::stoi(task.path().filename()));
    }
  }
  ASSERT_NE(thread, 0);
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0)
    GTEST_SKIP() << "ptrace(2) is not allowed here";
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr), 0);
  int status = 0;
  ASSERT_EQ(waitpid(thread, &status, __WALL), thread);
  std::vector<Wire> waiting;
  for (int i = 0; i < 2 * kVisitorsMax; ++i) {
    waiting.push_back(Visit(server));
    waiting.back().Send("GET /metrics HTTP/1.0\r\n\r\n");
  }
  ExpectAlive(server);
  EXPECT_TRUE(Has(Get(server, "/metrics"), 503));  // so many wait already
  ASSERT_EQ(ptrace(PTRACE_DETACH, thread, nullptr, nullptr), 0);
  EXPECT_TRUE(Has(waiting[0].ReadToEnd(), 200));
  EXPECT_TRUE(Has(Get(server, "/metrics"), 200));
}

// A browser that a stranger's page leads here by a name of the stranger's is not answered, on no
// page.
TEST_P(HostileDoorTest, NamesOfStrangers) {
  ServerProcess server = Start({"--admin_hosts=node1.example,[fd00::1]"});
  const auto with_host = [&](const std::string& host, const std::string& page) {
    return Ask(server, absl::StrCat("GET ", page, " HTTP/1.1\r\nHost: ", host,
                                    "\r\nConnection: close\r\n\r\n"));
  };
  for (const char* page : {"/", "/metrics", "/stats", "/connz", "/flagz", "/healthz", "/readyz",
                           "/nothing", "/origins", "/cache?uri=a", "/cache/evict?uri=a"}) {
    for (const char* host : {"evil.example", "evil.example:80", "localhost.evil.example",
                             "127.0.0.1.evil.example", "[::2]", "0.0.0.0", "node2.example"}) {
      const std::string answer = with_host(host, page);
      EXPECT_EQ(Has(answer, 421), IsTcp()) << host << page << "\n" << answer.substr(0, 200);
      if (IsTcp()) {
        EXPECT_TRUE(absl::StrContains(answer, "--admin_hosts")) << answer;
      }
    }
  }
  for (const char* host : {"localhost", "LocalHost:9", "127.0.0.1", "127.0.0.1:9100", "[::1]",
                           "[::1]:9100", "node1.example:443", "NODE1.example", "[fd00::1]:1"}) {
    EXPECT_TRUE(Has(with_host(host, "/healthz"), 200)) << host;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileDoorTest, testing::Values("unix", "tcp"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace objmapper::e2e
