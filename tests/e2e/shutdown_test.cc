// The end of a server: what was asked is finished, everybody is told, nothing is left behind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kBig = 100 * 1024 * 1024;

class ShutdownTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    if (IsSkipped()) return;
    SharedTree().AddOnce("small", "small object");
    SharedTree().AddOnce("big", Big());
  }

  TempDir server_door_;

  static const std::string& Big() {
    static const std::string contents = Pattern(100, kBig);
    return contents;
  }
  ServerProcess With(std::vector<std::string> flags) {
    return ServerProcess(SharedTree().root(), {.engine = GetParam(), .flags = std::move(flags)});
  }

  // True once the server takes no more connections.
  static bool StopsListening(const ServerProcess& server) {
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    while (absl::Now() < give_up) {
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      strncpy(address.sun_path, server.socket_path().c_str(), sizeof(address.sun_path) - 1);
      net::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        return true;
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
};

TEST_P(ShutdownTest, IdleServerExitsAndRemovesItsSocket) {
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGXCPU}) {
    ServerProcess server = With({});
    EXPECT_TRUE(std::filesystem::exists(server.socket_path()));
    EXPECT_EQ(server.Stop(signal), 0);
    EXPECT_FALSE(std::filesystem::exists(server.socket_path()));
  }
}

// No signal but those that ask for it ends the server, or holds it up: docs/operations.md has the
// table.
TEST_P(ShutdownTest, OtherSignalsEndNothing) {
  ServerProcess server = With({absl::StrCat("--take_over=", server_door_.path(), "/door")});
  RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
  const auto serves = [&] {
    return client.Get({.mode = kCopy, .uri = "small"}).body == "small object" &&
           client.Get({.mode = kFdPass, .uri = "small"}).ok();
  };
  std::vector<int> signals = {SIGHUP,  SIGUSR1,  SIGUSR2, SIGPIPE,   SIGALRM, SIGVTALRM,
                              SIGPROF, SIGIO,    SIGPWR,  SIGSTKFLT, SIGXFSZ, SIGTTIN,
                              SIGTTOU, SIGWINCH, SIGURG,  SIGCHLD,   SIGCONT};
  // The first two are glibc's own.
  for (int number = 32; number <= SIGRTMAX; ++number) signals.push_back(number);
  for (const int number : signals) {
    SCOPED_TRACE(number);
    for (int i = 0; i < 3; ++i) server.Signal(number);
    EXPECT_TRUE(serves());
    ASSERT_TRUE(server.Running());
  }
  EXPECT_TRUE(server.WaitForLog("SIGUSR1: the log goes to standard error"));
  EXPECT_TRUE(server.WaitForLog("SIGHUP: "));
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Before it has threads of its own, too: glibc has not looked at its signals by then.
TEST_P(ShutdownTest, SignalsDuringTheStart) {
  for (int i = 0; i < 5; ++i) {
    ServerProcess server = With({});
    for (const int number : {32, 33, SIGUSR1, SIGUSR2, SIGALRM}) server.Signal(number);
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
}

// SIGUSR1 is what whoever rotates logs sends: the file that has been renamed is let go of, and one
// of its name made.
TEST_P(ShutdownTest, LogFilesAreRotated) {
  ServerProcess server =
      With({"--logtostderr=false", "--alsologtostderr", "--timestamp_in_logfile_name=false",
            "--logbuflevel=-1", absl::StrCat("--log_dir=", server_door_.path())});
  const auto files = [&] {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(server_door_.path())) {
      if (!file.is_symlink()) names.push_back(file.path().filename().string());
    }
    return names;
  };
  const std::vector<std::string> before = files();
  ASSERT_FALSE(before.empty());
  for (const std::string& name : before) {
    std::filesystem::rename(server_door_.path() + "/" + name,
                            server_door_.path() + "/rotated." + name);
  }
  server.Signal(SIGUSR1);
  EXPECT_TRUE(server.WaitForLog("SIGUSR1: the log's files have been closed"));
  server.Signal(SIGHUP);
  EXPECT_TRUE(server.WaitForLog("SIGHUP: "));
  const std::vector<std::string> after = files();
  EXPECT_EQ(std::count_if(after.begin(), after.end(),
                          [](const std::string& name) { return !name.starts_with("rotated."); }),
            1)
      << "it has one of its level's name again";
  for (const auto& [name, count] : server.Descriptors()) {
    EXPECT_EQ(name.find("/rotated."), std::string::npos) << name;
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Everybody who is connected and waits for nothing is told (V2) and let go, at once.
TEST_P(ShutdownTest, IdleClientsAreTold) {
  ServerProcess server = With({"--drain_timeout=1h"});
  std::vector<RawClient> v1, v2;
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const char mode : {kCopy, kSplice, kStat}) {
      v1.push_back(Open(server, transport, Dialect::kV1));
      EXPECT_TRUE(v1.back().Get({.mode = mode, .uri = "small"}).ok());
      v2.push_back(Open(server, transport, Dialect::kV2));
      EXPECT_TRUE(v2.back().Get({.mode = mode, .uri = "small"}).ok());
    }
    v1.push_back(Open(server, transport, Dialect::kV1));  // has not said a word
    v2.push_back(Open(server, transport, Dialect::kV2));  // has said HELLO
  }
  v2.push_back(Open(server, Transport::kUnix, Dialect::kV2FdBatch));
  EXPECT_TRUE(v2.back().Get({.mode = kFdPass, .uri = "small"}).ok());

  server.Signal(SIGTERM);
  for (RawClient& client : v1) EXPECT_TRUE(client.wire().AtEnd());
  for (RawClient& client : v2) {
    const Answer close = client.Next();
    EXPECT_EQ(close.kind, Answer::Kind::kClose);
    EXPECT_EQ(close.reason, kCloseShuttingDown);
    EXPECT_TRUE(client.wire().AtEnd());
  }
  EXPECT_EQ(server.WaitForExit(), 0);
}

// A body under way, and what was asked behind it, come to their end; meanwhile nobody new comes.
TEST_P(ShutdownTest, WhatWasAskedIsFinished) {
  ServerProcess server = With({"--drain_timeout=1h"});
  struct Reader {
    RawClient client;
    Answer answer;
    bool v2;
  };
  std::vector<Reader> readers;
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
      for (const char mode : {kCopy, kSplice}) {
        readers.push_back({Open(server, transport, dialect), {}, dialect == Dialect::kV2});
        RawClient& client = readers.back().client;
        client.AskAll({{.mode = mode, .uri = "big"}, {.mode = kStat, .uri = "small"}});
        readers.back().answer = client.NextHead();
        client.ReadBody(&readers.back().answer, 100000);
      }
    }
  }
  server.Signal(SIGTERM);
  EXPECT_TRUE(StopsListening(server));
  for (Reader& reader : readers) {
    reader.client.ReadBody(&reader.answer, kBig - reader.answer.body.size());
    EXPECT_TRUE(reader.answer.ok());
    EXPECT_TRUE(reader.answer.body == Big());
    reader.answer.body.clear();
    reader.answer.body.shrink_to_fit();
    EXPECT_TRUE(reader.client.Next().ok());
    if (reader.v2) {
      const Answer close = reader.client.Next();
      EXPECT_EQ(close.kind, Answer::Kind::kClose);
      EXPECT_EQ(close.reason, kCloseShuttingDown);
    }
    EXPECT_TRUE(reader.client.wire().AtEnd());
  }
  EXPECT_EQ(server.WaitForExit(), 0);
  EXPECT_FALSE(std::filesystem::exists(server.socket_path()));
}

// A client that never reads does not keep the server from ending: --drain_timeout does.
TEST_P(ShutdownTest, DrainTimeoutEndsTheWait) {
  ServerProcess server = With({"--drain_timeout=300ms"});
  std::vector<RawClient> stuck;
  for (const char mode : {kCopy, kSplice}) {
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      stuck.push_back(Open(server, transport, Dialect::kV2));
      stuck.back().Ask({.mode = mode, .uri = "big"});
      EXPECT_TRUE(stuck.back().NextHead().ok());
    }
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0);
  EXPECT_FALSE(std::filesystem::exists(server.socket_path()));
}

// timeout(1) sends its signal to its child and to the group that both are in, and so does who
// presses Ctrl-C on a script: two, or more, within a moment are one. Without a second signal the
// server would wait for this client for an hour.
TEST_P(ShutdownTest, SignalsWithinAMomentAreOne) {
  ServerProcess server = With({"--drain_timeout=1h", "--request_timeout=1h"});
  RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
  client.Ask({.mode = kCopy, .uri = "big"});
  Answer answer = client.NextHead();
  for (const int number : {SIGTERM, SIGTERM, SIGINT, SIGTERM}) server.Signal(number);
  EXPECT_TRUE(StopsListening(server));
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) server.Signal(number);
  EXPECT_TRUE(server.WaitForLog("and ignored"));
  client.ReadBody(&answer, kBig);
  EXPECT_TRUE(answer.body == Big());
  EXPECT_EQ(server.WaitForExit(), 0);
}

// A second signal, a second or more after the first, is meant.
TEST_P(ShutdownTest, SecondSignalStopsAtOnce) {
  for (const int second : {SIGTERM, SIGINT}) {
    ServerProcess server = With({"--drain_timeout=1h", "--request_timeout=1h"});
    RawClient stuck = Open(server, Transport::kUnix, Dialect::kV2);
    stuck.Ask({.mode = kCopy, .uri = "big"});
    EXPECT_TRUE(stuck.NextHead().ok());
    server.Signal(SIGTERM);
    EXPECT_TRUE(StopsListening(server));
    absl::SleepFor(absl::Milliseconds(1200));
    EXPECT_TRUE(server.Running());
    EXPECT_EQ(server.Stop(second), 130);
    EXPECT_FALSE(std::filesystem::exists(server.socket_path()));
  }
}

// A server that hands over is ending already: the first signal is no second one.
TEST_P(ShutdownTest, ASignalWhileItHandsOver) {
  const std::string door = absl::StrCat("--take_over=", server_door_.path(), "/door");
  ServerProcess old = With({door, "--drain_timeout=1h", "--request_timeout=1h"});
  RawClient stuck = Open(old, Transport::kUnix, Dialect::kV2);
  stuck.Ask({.mode = kCopy, .uri = "big"});
  Answer answer = stuck.NextHead();
  EXPECT_TRUE(answer.ok());
  ServerProcess next(SharedTree().root(),
                     {.engine = GetParam(), .flags = {door}, .socket_path = old.socket_path()});
  old.Signal(SIGTERM);
  old.Signal(SIGINT);
  EXPECT_TRUE(old.WaitForLog("already stopping"));
  EXPECT_TRUE(old.Running());
  stuck.ReadBody(&answer, kBig);
  EXPECT_TRUE(answer.body == Big());
  EXPECT_EQ(old.WaitForExit(), 0);
  EXPECT_EQ(next.Stop(SIGTERM), 0);
}

// A new server may take the place at once: on the same socket, while the old one still finishes.
TEST_P(ShutdownTest, SuccessorMayStartWhileTheOldOneDrains) {
  ServerProcess old = With({"--drain_timeout=1h"});
  RawClient client = Open(old, Transport::kUnix, Dialect::kV1);
  client.Ask({.mode = kCopy, .uri = "big"});
  Answer answer = client.NextHead();
  old.Signal(SIGTERM);
  EXPECT_TRUE(StopsListening(old));
  ServerProcess next(SharedTree().root(), {.engine = GetParam(), .socket_path = old.socket_path()});
  client.ReadBody(&answer, kBig);
  EXPECT_TRUE(answer.body == Big());
  EXPECT_EQ(old.WaitForExit(), 0);
  // The old one has not taken the new one's socket along.
  EXPECT_TRUE(RawClient::V1(next.Unix()).Get({.mode = kCopy, .uri = "small"}).ok());
}

INSTANTIATE_TEST_SUITE_P(All, ShutdownTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
