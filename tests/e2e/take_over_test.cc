// One server takes over from another: nobody is refused, nothing fails, whatever either of them
// does wrong.
#include <errno.h>
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
#include <utility>
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
  static bool Get(RawClient* client, char mode, const std::string& uri,
                  absl::string_view contents) {
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
  bool Serves() const {
    return RawClient::V1(Wire::ToUnix(path_)).Get({.mode = kCopy, .uri = "small"}).body == kSmall;
  }

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

// Servers follow each other while clients ask as fast as they can, on connections that they keep,
// of all kinds, and on new ones all the time. Every answer comes and is right; no connection is
// refused or closed.
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
      const bool ok =
          Get(&client, mode, large ? "large" : "small", large ? absl::string_view(large_) : kSmall);
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
      const bool ok = answer.ok() &&
                      (answer.mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == kSmall;
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
    EXPECT_TRUE(absl::StartsWith(listeners->text, absl::StrCat("listeners\nours unix:", path_)))
        << listeners->text;
    EXPECT_GE(listeners->fds.size(), 2u);
  }
  EXPECT_TRUE(server->WaitForLog("did not start to serve"));
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

// Nor does one that dies later keep its predecessor from its end: when it has just said that it
// serves, or with half of the connections. Whose connection nobody takes is told nothing but its
// end.
TEST_P(TakeOverTest, ASuccessorThatDiesLater) {
  for (const int words : {0, 1, 2}) {
    SCOPED_TRACE(words);
    const std::unique_ptr<ServerProcess> server = Start();
    std::vector<RawClient> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(RawClient::V2(server->Unix(), kInOrder));
      EXPECT_TRUE(Get(&clients.back(), kCopy, "small", kSmall));
    }
    {
      server::handover::Wire wire(ConnectToDoor());
      ASSERT_TRUE(wire.Send(kHello).ok());
      ASSERT_TRUE(wire.Receive().ok());
      ASSERT_TRUE(wire.Send("serving").ok());
      for (int i = 0; i < words; ++i) EXPECT_TRUE(wire.Receive().ok());
    }
    EXPECT_EQ(server->WaitForExit(), 0);
    for (RawClient& client : clients) EXPECT_EQ(client.wire().ReadToEnd(), "");
    EXPECT_TRUE(server->WaitForLog("hand-over: "));
    unlink(path_.c_str());  // the successor's to remove
  }
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
    EXPECT_TRUE(
        wire.Send(absl::StrCat("listeners\nours unix:", path_), absl::MakeSpan(&fd, 1)).ok());
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
    // It may be refused, and the door shut, before it has said anything.
    wire.Send(kHello).IgnoreError();
    const absl::StatusOr<Frame> answer = wire.Receive();
    _exit(answer.ok() &&
                  answer->text == "refused\nonly the server's own user and root may take over" &&
                  answer->fds.empty()
              ? 0
              : 2);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(Serves());
}

// Plays a server of ours at the door: answers what `says` are, one after each word of the
// successor's, and is gone.
class Imposter {
 public:
  Imposter(const std::string& door, std::vector<std::pair<std::string, std::vector<int>>> says) {
    net::Address address;
    address.path = door;
    absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
    EXPECT_TRUE(listener.ok()) << listener.status();
    thread_ = std::thread(
        [listener = std::make_shared<net::Listener>(*std::move(listener)), says = std::move(says)] {
          fcntl(listener->fd(), F_SETFL, 0);
          server::handover::Wire wire(
              net::UniqueFd(accept4(listener->fd(), nullptr, nullptr, SOCK_CLOEXEC)));
          for (const auto& [text, fds] : says) {
            if (!wire.Receive().ok()) return;
            wire.Send(text, fds).IgnoreError();
          }
        });
  }
  ~Imposter() { thread_.join(); }

 private:
  std::thread thread_;
};

// What is at the door and does not say what it should is no reason to start, or to crash.
TEST_P(TakeOverTest, NonsenseAtTheDoor) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const net::UniqueFd one(ends[0]), other(ends[1]);
  const std::pair<std::string, std::vector<int>> cases[] = {
      {"", {}},
      {"listeners\n", {}},
      {"listeners\nours unix:/x", {}},
      {"listeners\nours unix:/x", {one.get()}},
      {"listeners\nours unix:/x\nours unix:/y", {one.get()}},
      {"listeners\nours unix:/x", {one.get(), other.get()}},
      {std::string(100'000, 'x'), {one.get()}},
      {std::string((1 << 20) + 1, 'x'), {}},
      {"refused\nnot today", {}},
  };
  for (const auto& [text, fds] : cases) {
    SCOPED_TRACE(text.substr(0, 40));
    const Imposter imposter(door_, {{text, fds}});
    const ServerProcess::Refusal refusal = ServerProcess::StartRefused(
        tree_.root(),
        {.engine = GetParam(), .flags = {"--take_over=" + door_}, .socket_path = path_});
    EXPECT_EQ(refusal.exit_status, 1) << refusal.log;
    EXPECT_TRUE(absl::StrContains(refusal.log, "--take_over=" + door_)) << refusal.log;
  }
}

// A predecessor's word alone has no file removed: only what our own flags name is ours.
TEST_P(TakeOverTest, FilesThatNoFlagNames) {
  const std::string elsewhere = directory_.path() + "/elsewhere";
  net::Address address;
  address.path = elsewhere;
  absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
  ASSERT_TRUE(listener.ok());
  address.path = path_;
  absl::StatusOr<net::Listener> asked_for = net::Listener::Open(address);
  ASSERT_TRUE(asked_for.ok());
  asked_for->LeaveFile();
  {
    const Imposter imposter(
        door_, {{absl::StrCat("listeners\nours unix:", elsewhere, "\nours unix:", path_),
                 {listener->fd(), asked_for->fd()}},
                {"go", {}}});
    const std::unique_ptr<ServerProcess> server = Start();
    EXPECT_TRUE(Serves());
    EXPECT_TRUE(server->WaitForLog("no flag names unix:" + elsewhere));
    EXPECT_EQ(server->Stop(SIGTERM), 0);
  }
  struct stat status;
  EXPECT_EQ(lstat(elsewhere.c_str(), &status), 0);
  EXPECT_NE(lstat(path_.c_str(), &status), 0);
}

// A predecessor that tells nonsense of its connections costs those, nothing else; neither does one
// that does not go on.
TEST_P(TakeOverTest, NonsenseAboutConnections) {
  net::Address address;
  address.path = path_;
  absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
  ASSERT_TRUE(listener.ok());
  listener->LeaveFile();
  address.path = door_;
  absl::StatusOr<net::Listener> door = net::Listener::Open(address);
  ASSERT_TRUE(door.ok());
  door->LeaveFile();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const net::UniqueFd one(pair[0]), other(pair[1]);
  std::unique_ptr<server::handover::Wire> wire;
  std::thread predecessor([&] {
    fcntl(door->fd(), F_SETFL, 0);
    wire = std::make_unique<server::handover::Wire>(
        net::UniqueFd(accept4(door->fd(), nullptr, nullptr, SOCK_CLOEXEC)));
    EXPECT_EQ(wire->Receive()->text, kHello);
    const int fd = listener->fd();
    EXPECT_TRUE(
        wire->Send(absl::StrCat("listeners\nours unix:", path_), absl::MakeSpan(&fd, 1)).ok());
    EXPECT_EQ(wire->Receive()->text, "serving");
    { const net::Listener gone = *std::move(door); }
    EXPECT_TRUE(wire->Send("go").ok());
    const int connection = one.get();
    for (const char* text : {"", "connection", "connection unix\n",
                             "connection tcp a b c d e f g\n", "connection unix 9 9 9 9 9 9 9\n",
                             "connection unix 1 0 64 0 0 0 -1 1 0 0 5\n", "nonsense"}) {
      EXPECT_TRUE(wire->Send(text, absl::MakeSpan(&connection, 1)).ok());
    }
    EXPECT_TRUE(wire->Send("connection unix 1 0 64 0 0 0 -1\n").ok());  // without its socket
  });
  const std::unique_ptr<ServerProcess> server = Start();
  predecessor.join();
  EXPECT_TRUE(server->WaitForLog("a connection was lost"));
  EXPECT_TRUE(Serves());
  EXPECT_TRUE(server->Running());
  // It never says "end": that keeps the server from nothing.
  EXPECT_EQ(server->Stop(SIGTERM), 0);
}

// Somebody else who sits where our door would be is not believed, whatever they say.
TEST_P(TakeOverTest, SomebodyElseAtTheDoor) {
  if (!ServerProcess::CanBecomeNobody()) GTEST_SKIP() << "needs root, and another user";
  ASSERT_EQ(chmod(directory_.path().c_str(), 01777), 0);  // as /tmp
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const net::UniqueFd told(ready[0]);
  net::UniqueFd tell(ready[1]);
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
    net::Address address;
    address.path = door_;
    const absl::StatusOr<net::Listener> door = net::Listener::Open(address);
    if (!door.ok() || write(tell.get(), "x", 1) != 1) _exit(2);
    pause();
  }
  tell.Reset();
  char byte;
  ASSERT_EQ(read(told.get(), &byte, 1), 1);
  const ServerProcess::Refusal refusal = ServerProcess::StartRefused(
      tree_.root(),
      {.engine = GetParam(), .flags = {"--take_over=" + door_}, .socket_path = path_});
  EXPECT_EQ(refusal.exit_status, 1) << refusal.log;
  EXPECT_TRUE(absl::StrContains(refusal.log, "uid 65534")) << refusal.log;
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  // Nor is a door where others could put theirs.
  for (const bool theirs : {false, true}) {
    ASSERT_EQ(unlink(door_.c_str()) == 0 || errno == ENOENT, true);
    ASSERT_EQ(chmod(directory_.path().c_str(), theirs ? 0755 : 0777), 0);
    if (theirs) {
      ASSERT_EQ(chown(directory_.path().c_str(), 65534, 65534), 0);
    }
    const ServerProcess::Refusal unsafe = ServerProcess::StartRefused(
        tree_.root(),
        {.engine = GetParam(), .flags = {"--take_over=" + door_}, .socket_path = path_});
    EXPECT_EQ(unsafe.exit_status, 1) << unsafe.log;
    EXPECT_TRUE(absl::StrContains(unsafe.log, directory_.path())) << unsafe.log;
  }
}

// Old connections are judged by the new server's flags as new ones are: whom it does not admit is
// told so, and closed.
TEST_P(TakeOverTest, NewFlagsForOldConnections) {
  const auto start = [&](const std::vector<std::string>& more) {
    std::vector<std::string> flags = {"--root=" + tree_.root(), "--listen_unix=" + path_,
                                      "--take_over=" + door_};
    flags.insert(flags.end(), more.begin(), more.end());
    return std::make_unique<ServerProcess>(
        tree_.root(), ServerOptions{.flags = flags, .only_flags = true, .socket_path = path_});
  };
  const std::string uid = absl::StrCat(geteuid());
  const std::string stranger = absl::StrCat(geteuid() + 1);
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--allow_uids=" + stranger}, "is not among the users that the server serves"},
      {{"--allow_gids=" + absl::StrCat(getegid() + 1)},
       "is not among the users that the server serves"},
      {{"--max_connections_per_uid=1"}, "has reached its limit of 1 connections"},
      {{"--max_connections=1"}, "has reached its limit of 1 connections"},
  };
  for (const auto& [flags, why] : cases) {
    SCOPED_TRACE(flags[0]);
    std::unique_ptr<ServerProcess> old = start({"--listen_tcp=127.0.0.1:0"});
    std::vector<RawClient> clients;
    clients.push_back(RawClient::V1(old->Unix()));  // which says nothing
    clients.push_back(RawClient::V1(old->Unix()));
    clients.push_back(RawClient::V2(old->Unix(), kInOrder));
    clients.push_back(RawClient::V2(old->Unix(), kInOrder | kFdInHeader | kFdBatch));
    const bool tcp = absl::StrContains(flags[0], "allow");
    if (tcp) clients.push_back(RawClient::V2(old->Tcp(), kInOrder));
    for (size_t i = 1; i < clients.size(); ++i)
      EXPECT_TRUE(Get(&clients[i], kCopy, "small", kSmall));
    EXPECT_TRUE(Get(&clients[3], kFdPass, "small", kSmall));
    const std::unique_ptr<ServerProcess> next = start(flags);
    EXPECT_EQ(old->WaitForExit(), 0);
    EXPECT_TRUE(next->WaitForLog("hand-over: took over"));
    size_t kept = 0;
    for (size_t i = 0; i < clients.size(); ++i) {
      // Whoever is kept is answered; the others have an end, with the reason before it.
      clients[i].Ask({.mode = kCopy, .uri = "small"});
      clients[i].wire().HalfClose();
      const std::string said = clients[i].wire().ReadToEnd();
      const bool refused =
          absl::StrContains(said, why) || (i == 4 && absl::StrContains(said, "for TCP"));
      if (!refused) ++kept;
      EXPECT_EQ(!refused, absl::StrContains(said, kSmall)) << i << ": " << said;
    }
    EXPECT_EQ(kept, tcp ? 0u : 1u);
    EXPECT_TRUE(absl::StrContains(next->log(), "hand-over: refused")) << next->log();
    EXPECT_EQ(next->Stop(SIGTERM), 0);
  }
  // And who is admitted stays.
  std::unique_ptr<ServerProcess> old = start({});
  RawClient client = RawClient::V2(old->Unix(), kInOrder);
  EXPECT_TRUE(Get(&client, kCopy, "small", kSmall));
  const std::unique_ptr<ServerProcess> next = start({"--allow_uids=" + uid});
  EXPECT_EQ(old->WaitForExit(), 0);
  EXPECT_TRUE(next->WaitForLog("hand-over: took over 1 connections"));
  EXPECT_TRUE(Get(&client, kCopy, "small", kSmall));
}

INSTANTIATE_TEST_SUITE_P(Engines, TakeOverTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
