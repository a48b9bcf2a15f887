// One server takes over from another: nobody is refused, nothing fails, whatever either of them does wrong.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/listener.h"
#include "server/handover/wire.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

using server::handover::Frame;
using server::handover::kHello;

class TakeOverTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    tree_.Add("small", kSmall);
    tree_.Add("large", large_);
  }
  // One of a row of servers on the same sockets.
  std::unique_ptr<ServerProcess> Start() {
    return std::make_unique<ServerProcess>(
        tree_.root(), ServerOptions{.engine = GetParam(),
                                    .flags = {"--take_over=" + door_, "--drain_timeout=60s"},
                                    .socket_path = path_});
  }
  static bool Get(RawClient* client, char mode, const std::string& uri, absl::string_view contents) {
    Answer answer = client->Get({.mode = mode, .uri = uri});
    if (mode == kStat) return answer.ok() && answer.Number(kSizeEntry) == contents.size();
    return answer.ok() && (mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == contents;
  }
  net::UniqueFd ConnectToDoor() const {
    net::Address address;
    address.path = door_;
    absl::StatusOr<net::UniqueFd> socket = net::Dial(address, absl::Seconds(30));
    EXPECT_TRUE(socket.ok()) << socket.status();
    return socket.ok() ? *std::move(socket) : net::UniqueFd();
  }
  bool Serves() const { return RawClient::V1(Wire::ToUnix(path_)).Get({.mode = kCopy, .uri = "small"}).body == kSmall; }

  static constexpr char kSmall[] = "bytes that anybody would recognize";
  const std::string large_ = Pattern(7, 300'000);
  ObjectTree tree_;
  TempDir directory_;
  const std::string path_ = directory_.path() + "/socket";
  const std::string door_ = directory_.path() + "/door";
};

// What a client did, and what it did not get.
struct Count {
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> refused{0};
};

// Servers follow each other while clients ask as fast as they can, on connections that they keep, of all kinds, and on
// new ones all the time. Every answer comes and is right; no connection is refused or closed.
TEST_P(TakeOverTest, UnderFullLoadNothingFails) {
  std::unique_ptr<ServerProcess> server = Start();
  const uint16_t port = server->tcp_port();
  std::atomic<bool> stop{false};
  Count count;
  std::vector<std::thread> clients;
  const auto keep = [&](RawClient client, std::vector<char> modes) {
    for (size_t i = 0; !stop; ++i) {
      const bool large = i % 7 == 0;
      const char mode = modes[i % modes.size()];
      const bool ok = Get(&client, mode, large ? "large" : "small", large ? absl::string_view(large_) : kSmall);
      ++(ok ? count.answered : count.failed);
      if (!ok) return;  // its connection is of no use any more
    }
  };
  const auto add = [&](RawClient client, std::vector<char> modes) {
    clients.emplace_back([&keep, client = std::make_shared<RawClient>(std::move(client)), modes] {
      keep(std::move(*client), modes);
    });
  };
  add(RawClient::V1(server->Unix()), {kFdPass});
  add(RawClient::V2(server->Unix(), kInOrder | kFdInHeader | kFdBatch), {kFdPass});
  add(RawClient::V2(server->Unix(), kInOrder), {kCopy, kSplice, kFdPass, kStat});
  add(RawClient::V1(server->Unix()), {kSplice});
  add(RawClient::V2(server->Tcp(), kInOrder), {kCopy, kSplice});
  // One that always has requests outstanding: there is no moment at which nothing has been asked.
  clients.emplace_back([&] {
    RawClient client = RawClient::V2(Wire::ToUnix(path_), kInOrder | kFdInHeader | kFdBatch);
    for (int i = 0; i < 16; ++i) client.Ask({.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = "small"});
    for (int i = 0; !stop; ++i) {
      Answer answer = client.Next();
      const bool ok = answer.ok() && (answer.mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == kSmall;
      ++(ok ? count.answered : count.failed);
      if (!ok) return;
      client.Ask({.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = "small"});
    }
  });
  clients.emplace_back([&] {
    for (size_t i = 0; !stop; ++i) {
      RawClient client = RawClient::V1(i % 2 == 0 ? Wire::ToUnix(path_) : Wire::ToTcp(port));
      const bool ok = Get(&client, kCopy, "small", kSmall);
      ++(ok ? count.answered : count.refused);
    }
  });
  // Connections that rest meanwhile: without a word, after a request, and in the middle of one.
  std::vector<RawClient> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(RawClient::V1(server->Unix()));
  for (int i = 0; i < 20; ++i) idle.push_back(RawClient::V2(server->Tcp(), kInOrder));
  for (int i = 0; i < 40; i += 2) EXPECT_TRUE(Get(&idle[i], kCopy, "small", kSmall));
  RawClient half = RawClient::V1(server->Unix());
  EXPECT_TRUE(Get(&half, kFdPass, "small", kSmall));
  const std::string request = V1Request(kFdPass, "small");
  half.wire().Send(request.substr(0, 5));

  for (int round = 0; round < 3; ++round) {
    const uint64_t before = count.answered;
    std::unique_ptr<ServerProcess> next = Start();
    EXPECT_EQ(server->WaitForExit(), 0);
    EXPECT_TRUE(server->WaitForLog("hand-over: handed over"));
    EXPECT_TRUE(next->WaitForLog("hand-over: took over"));
    EXPECT_EQ(next->tcp_port(), port);
    server = std::move(next);
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (count.answered < before + 500 && count.failed == 0 && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(count.failed, 0u);
  EXPECT_EQ(count.refused, 0u);
  EXPECT_GT(count.answered, 1000u);
  for (RawClient& client : idle) EXPECT_TRUE(Get(&client, kCopy, "small", kSmall));
  half.wire().Send(request.substr(5));
  std::string header = half.wire().Read(kV1HeaderBytes);
  EXPECT_EQ(header, std::string(kV1HeaderBytes, '\0'));
  EXPECT_EQ(server->Stop(SIGTERM), 0);
  struct stat status;
  EXPECT_NE(lstat(path_.c_str(), &status), 0) << "the last server leaves its socket file";
  EXPECT_NE(lstat(door_.c_str(), &status), 0);
}

// Who says hello and does not come to serve changes nothing; nor does who speaks another language.
TEST_P(TakeOverTest, ASuccessorThatDies) {
  const std::unique_ptr<ServerProcess> server = Start();
  {
    server::handover::Wire wire(ConnectToDoor());
    ASSERT_TRUE(wire.Send(kHello).ok());
    const absl::StatusOr<Frame> listeners = wire.Receive();
    ASSERT_TRUE(listeners.ok()) << listeners.status();
    EXPECT_TRUE(absl::StartsWith(listeners->text, absl::StrCat("listeners\nours unix:", path_))) << listeners->text;
    EXPECT_GE(listeners->fds.size(), 2u);
  }
  EXPECT_TRUE(server->WaitForLog("did not come to serve"));
  EXPECT_TRUE(Serves());
  {
    server::handover::Wire wire(ConnectToDoor());
    ASSERT_TRUE(wire.Send("objmapper hand-over 2").ok());
    const absl::StatusOr<Frame> answer = wire.Receive();
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->text, absl::StrCat("refused\nhere \"", kHello, "\" is spoken"));
    EXPECT_TRUE(answer->fds.empty());
  }
  EXPECT_TRUE(Serves());
  // Nobody was kept from taking over.
  const std::unique_ptr<ServerProcess> next = Start();
  EXPECT_EQ(server->WaitForExit(), 0);
  EXPECT_TRUE(Serves());
}

// A server that dies after its successor serves takes its connections with it, not its sockets.
TEST_P(TakeOverTest, APredecessorThatDies) {
  net::Address address;
  address.path = path_;
  absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
  ASSERT_TRUE(listener.ok());
  address.path = door_;
  absl::StatusOr<net::Listener> door = net::Listener::Open(address);
  ASSERT_TRUE(door.ok());
  std::thread predecessor([&] {
    fcntl(door->fd(), F_SETFL, 0);
    server::handover::Wire wire(net::UniqueFd(accept4(door->fd(), nullptr, nullptr, SOCK_CLOEXEC)));
    EXPECT_EQ(wire.Receive()->text, kHello);
    const int fd = listener->fd();
    EXPECT_TRUE(wire.Send(absl::StrCat("listeners\nours unix:", path_), absl::MakeSpan(&fd, 1)).ok());
    EXPECT_EQ(wire.Receive()->text, "serving");
    // As a process does that is killed: its sockets close, its files stay.
    listener->LeaveFile();
    door->LeaveFile();
    { const net::Listener gone = *std::move(door); }
  });
  const std::unique_ptr<ServerProcess> server = Start();
  predecessor.join();
  EXPECT_TRUE(absl::StrContains(server->log(), "hand-over: connections were lost"));
  EXPECT_TRUE(Serves());
  // The door that the dead one left is this one's.
  const std::unique_ptr<ServerProcess> next = Start();
  EXPECT_EQ(server->WaitForExit(), 0);
  EXPECT_TRUE(Serves());
}

// A server that was killed leaves its files; the next starts as if it were the first.
TEST_P(TakeOverTest, AStaleDoor) {
  {
    const std::unique_ptr<ServerProcess> server = Start();
    EXPECT_EQ(server->Stop(SIGKILL), 128 + SIGKILL);
  }
  const std::unique_ptr<ServerProcess> server = Start();
  EXPECT_TRUE(Serves());
}

// Only our own user and root get our sockets.
TEST_P(TakeOverTest, SomebodyElseIsRefused) {
  if (!ServerProcess::CanBecomeNobody()) GTEST_SKIP() << "needs root, and another user";
  const std::unique_ptr<ServerProcess> server = Start();
  struct stat status;
  ASSERT_EQ(stat(door_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(chmod(door_.c_str(), 0666), 0);
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
    server::handover::Wire wire(ConnectToDoor());
    const bool sent = wire.Send(kHello).ok();
    const absl::StatusOr<Frame> answer = wire.Receive();
    _exit(sent && answer.ok() && answer->text == "refused\nonly our own user and root may take over" &&
                  answer->fds.empty()
              ? 0
              : 2);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(Serves());
}

INSTANTIATE_TEST_SUITE_P(Engines, TakeOverTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
