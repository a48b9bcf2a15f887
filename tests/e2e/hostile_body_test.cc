// Bodies of objects as an enemy sends them: longer than announced, announced and not sent, or sent
// a byte at a time. Nobody's memory is written over, nothing is taken for what has only been
// announced, and others have their room.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "net/address.h"
#include "net/listener.h"
#include "net/unique_fd.h"
#include "server/handover/wire.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"
#include "tests/storage/small_disk.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kMiB = 1 << 20;

// A PUT that announces a body, without it: 17 bytes and the URI.
std::string Announce(const std::string& uri, uint64_t body_bytes) {
  std::string request = V2Request(1, Put(uri, ""));
  for (int i = 0; i < 8; ++i) request[9 + i] = static_cast<char>(body_bytes >> (56 - 8 * i));
  return request;
}
std::string Said(const Answer& answer) {
  return answer.Has(kErrorEntry) ? answer.metadata.at(kErrorEntry) : "";
}

class HostileBodyTest : public WritableTest {
 protected:
  // Whoever may write, may below "scratch" alone.
  std::string Rules() {
    const std::string rules = tree_.outside() + "/rules";
    std::ofstream(rules) << "any /scratch read,write\nany / read\n";
    return "--rules_file=" + rules;
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, HostileBodyTest, testing::ValuesIn(kEverything), EngineName);

// What comes behind a body, however much and whatever it is, is parsed and nothing else: it goes
// into no buffer that is smaller than it.
TEST_P(HostileBodyTest, AFloodBehindTheBody) {
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const size_t body : {size_t{1}, size_t{65'576}, size_t{262'144}, size_t{300'000}}) {
      const std::string uri = absl::StrCat("flood/", static_cast<int>(transport), "/", body);
      RawClient enemy = Client(transport, kObjectOps);
      enemy.wire().Send(V2Request(1, Put(uri, std::string(body, 'b'))) +
                        std::string(250 * 1024, 'A'));
      enemy.wire().ReadToEnd();
      // The same with requests in place of nonsense: each of them is answered.
      RawClient client = Client(transport, kObjectOps);
      std::vector<Question> questions = {Put(uri, std::string(body, 'c'))};
      for (int i = 0; i < 250; ++i)
        questions.push_back({.mode = kStat, .uri = absl::StrCat(i, std::string(1000, 'n'))});
      questions.push_back({.mode = kCopy, .uri = uri});
      std::vector<uint32_t> ids;
      const std::string requests = client.Encode(questions, &ids);
      std::thread asker([&] { client.wire().Send(requests); });
      EXPECT_TRUE(client.Next().ok());
      int refused = 0;
      // no file has so long a name
      while (refused < 250 && client.Next().status == Status::kUriTooLong) ++refused;
      EXPECT_EQ(refused, 250);
      EXPECT_TRUE(client.Next().body == std::string(body, 'c'));
      asker.join();
    }
  }
}

// A predecessor hands over what is unread of a connection, any number of bytes, in one piece or in
// several, and whatever is left of a body to be dropped. What it says of one connection that cannot
// be understood costs no other.
TEST_P(HostileBodyTest, AHandOverOfMuchThatIsUnread) {
  tree_.Add("x", "contents");
  const TempDir directory;
  net::Address address;
  address.path = directory.path() + "/socket";
  absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
  ASSERT_TRUE(listener.ok());
  address.path = directory.path() + "/door";
  absl::StatusOr<net::Listener> door = net::Listener::Open(address);
  ASSERT_TRUE(door.ok());

  constexpr int kStats = 200;
  std::string stats;
  for (int i = 0; i < kStats; ++i)
    stats += V2Request(i, {.mode = kStat, .uri = absl::StrCat("n", std::string(1000, 'n'))});
  const std::string last = V2Request(kStats, {.mode = kCopy, .uri = "x"});
  std::string many;
  for (int i = 0; i < 10; ++i) many += stats;
  const std::string head = absl::StrCat("unix 2 ", kObjectOps, " 64 ");
  struct Given {
    std::vector<std::string> frames;
    int answers;  // that are no OK; then "x" comes, if `whole`
    bool whole;
    net::UniqueFd client, server;
  };
  std::vector<Given> given;
  given.push_back({{absl::StrCat("connection ", head, "0 0 0 -1\n", stats, last)}, kStats, true});
  given.push_back({{absl::StrCat("unread\n", many.substr(0, many.size() / 3)),
                    absl::StrCat("unread\n", many.substr(many.size() / 3, many.size() / 2)),
                    absl::StrCat("connection-in-parts ", head, "0 0 0 -1\n",
                                 many.substr(many.size() / 3 + many.size() / 2), last)},
                   10 * kStats,
                   true});
  given.push_back(
      {{absl::StrCat("connection ", head, "0 0 0 -1\n", std::string(250'000, 'A'))}, 1, false});
  given.push_back({{absl::StrCat("connection ", head, "9223372036854775813 0 0 -1\n",
                                 std::string(100'000, 'A'))},
                   0,
                   false});
  given.push_back({{absl::StrCat("connection ", head, "100000 0 0 -1\n", std::string(100'000, 'A'),
                                 stats, last)},
                   kStats,
                   true});
  given.push_back({{"connection nonsense"}, -1, false});
  given.push_back({{std::string((20 << 20), 'L')}, -1, false});
  given.push_back({{absl::StrCat("connection ", head, "0 0 0 -1\n", last)}, 0, true});
  for (Given& one : given) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    one.client.Reset(ends[0]);
    one.server.Reset(ends[1]);
  }
  std::thread predecessor([&] {
    fcntl(door->fd(), F_SETFL, 0);
    server::handover::Wire wire(net::UniqueFd(accept4(door->fd(), nullptr, nullptr, SOCK_CLOEXEC)));
    EXPECT_EQ(wire.Receive()->text, server::handover::kHello);
    const int fd = listener->fd();
    EXPECT_TRUE(wire.Send(absl::StrCat("listeners\ntheirs unix:", directory.path(), "/socket"),
                          absl::MakeSpan(&fd, 1))
                    .ok());
    EXPECT_EQ(wire.Receive()->text, "serving");
    EXPECT_TRUE(wire.Send("go").ok());
    for (Given& one : given) {
      for (size_t i = 0; i < one.frames.size(); ++i) {
        const int socket = one.server.get();
        const bool with_socket = i + 1 == one.frames.size();
        EXPECT_TRUE(wire.Send(one.frames[i], with_socket ? absl::MakeConstSpan(&socket, 1)
                                                         : absl::Span<const int>())
                        .ok());
      }
      one.server.Reset();
    }
    EXPECT_TRUE(wire.Send(absl::StrCat("end ", given.size())).ok());
    const absl::StatusOr<server::handover::Frame> taken = wire.Receive();
    EXPECT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken.ok() ? taken->text : "", absl::StrCat("taken ", given.size() - 2));
  });
  ServerProcess server(tree_.root(),
                       {.engine = GetParam(),
                        .flags = {"--writable", "--take_over=" + directory.path() + "/door"},
                        .socket_path = directory.path() + "/socket"});
  predecessor.join();
  for (size_t i = 0; i < given.size(); ++i) {
    SCOPED_TRACE(i);
    Wire wire = Wire::Adopt(std::move(given[i].client));
    wire.HalfClose();
    const std::string all = wire.ReadToEnd();
    if (given[i].answers < 0) {
      EXPECT_EQ(all, "");
      continue;
    }
    EXPECT_EQ(absl::StrContains(all, "contents"), given[i].whole);
    int refusals = 0;
    for (size_t at = 0; at + kV2HeaderBytes <= all.size() && all[at] == all[0];) {
      refusals += all[at + 5] != 0 ? 1 : 0;
      at += kV2HeaderBytes + BigEndian(absl::string_view(all).substr(at + 6, 8)) +
            BigEndian(absl::string_view(all).substr(at + 14, 2));
    }
    // And where something was half said, that.
    EXPECT_EQ(refusals, given[i].answers + (i == 3 ? 1 : 0));
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// The same from a real server, on rings, which reads far ahead: what had been asked behind a body
// when the successor came is answered by that one, all of it.
TEST_P(HostileBodyTest, ATakeOverBehindABody) {
  tree_.Add("x", "contents");
  const TempDir directory;
  const auto start = [&](const std::string& engine) {
    return std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = engine,
                      .flags = {"--writable", "--durability=none",
                                "--take_over=" + directory.path() + "/door", "--drain_timeout=60s"},
                      .socket_path = directory.path() + "/socket"});
  };
  std::unique_ptr<ServerProcess> old = start(WhyNotEngine("uring").empty() ? "uring" : "epoll");
  RawClient client = RawClient::V2(old->Unix(), kObjectOps);
  std::vector<Question> questions = {Put("w", Pattern(1, 400'000))};
  for (int i = 0; i < 300; ++i)
    questions.push_back({.mode = kStat, .uri = absl::StrCat(i, std::string(1000, 'n'))});
  questions.push_back({.mode = kCopy, .uri = "x"});
  std::vector<uint32_t> ids;
  const std::string requests = client.Encode(questions, &ids);
  client.wire().Send(requests.substr(0, 100'000));
  EXPECT_TRUE(RawClient::V2(old->Unix(), kInOrder).Get({.mode = kCopy, .uri = "x"}).ok());
  const std::unique_ptr<ServerProcess> next = start(GetParam());
  std::thread asker([&] { client.wire().Send(absl::string_view(requests).substr(100'000)); });
  EXPECT_TRUE(client.Next().ok());
  int refused = 0;
  while (refused < 300 && client.Next().status == Status::kUriTooLong) ++refused;
  EXPECT_EQ(refused, 300);
  EXPECT_EQ(client.Next().body, "contents");
  asker.join();
  EXPECT_EQ(old->WaitForExit(), 0);
}

// Who may write below one folder makes nothing go elsewhere by announcing objects that do not come;
// and what is announced takes no room from those who do send.
TEST_P(HostileBodyTest, WhatIsAnnouncedEvictsNothing) {
  std::filesystem::create_directory(tree_.root());
  const storage::SmallDisk disk(tree_.root(), "32m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  std::filesystem::create_directory(tree_.Path("models"));
  for (int i = 0; i < 10; ++i)
    std::ofstream(tree_.Path(absl::StrCat("models/", i))) << std::string(kMiB, 'm');
  for (const std::string level : {"60%", "18M"}) {
    SCOPED_TRACE(level);
    Start({Rules(), "--disk_evict_at=" + level, "--request_timeout=1h"});
    EXPECT_TRUE(Client().Get(Put("scratch/warm", "x")).ok());
    std::vector<RawClient> enemies;
    // No more than the models with a thread for each have.
    for (const uint64_t bytes : {15 * kMiB, 18 * kMiB, 19 * kMiB}) {
      enemies.push_back(Client());
      enemies.back().wire().Send(Announce("scratch/x", bytes));
    }
    for (const uint64_t bytes :
         {uint64_t{1} << 40, uint64_t{1} << 63, ~uint64_t{0}, uint64_t{25 * kMiB}}) {
      RawClient refused = Client();
      refused.wire().Send(Announce("scratch/y", bytes));
      ExpectRefused(refused.Next(), Status::kUnavailable);
    }
    // Nor by a size that is all hole, which takes nothing.
    const net::UniqueFd hollow(memfd_create("hollow", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(hollow.get(), 12 * kMiB), 0);
    if (level == "18M") {
      RawClient giver = Client();
      std::vector<uint32_t> ids;
      giver.wire().Send(giver.Encode({{.mode = kPutFd, .uri = "scratch/hollow"}}, &ids),
                        {hollow.get()});
      EXPECT_TRUE(giver.Next().ok());
    }
    // Several looks at the disk.
    absl::SleepFor(absl::Seconds(1));
    for (RawClient& enemy : enemies) enemy.wire().Reset();
    for (int i = 0; i < 10; ++i)
      EXPECT_TRUE(std::filesystem::exists(tree_.Path(absl::StrCat("models/", i)))) << i;
    EXPECT_EQ(Server().Stop(SIGTERM), 0);
    server_.reset();
  }
}

// One announcement keeps no room from others: they fill the disk.
TEST_P(HostileBodyTest, WhatIsAnnouncedTakesNoRoom) {
  std::filesystem::create_directory(tree_.root());
  const storage::SmallDisk disk(tree_.root(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{}, {"--disk_refuse_at=90%"}, {"--disk_refuse_at=14M"}}) {
    Start(flags);
    RawClient enemy = Client(Transport::kTcp);
    enemy.wire().Send(Announce("enemy", 12 * kMiB) + "x");
    for (const std::string uri : {"a", "b", "c"}) {
      const Answer stored = Client().Get(Put(uri, std::string(4 * kMiB, 'x')));
      EXPECT_TRUE(stored.ok()) << uri << " " << Said(stored);
    }
    enemy.wire().Reset();
    for (const std::string uri : {"a", "b", "c"})
      EXPECT_TRUE(Client().Get({.mode = kDelete, .uri = uri}).ok());
    EXPECT_EQ(Server().Stop(SIGTERM), 0);
    server_.reset();
  }
}

// What one peer has sent and does not finish leaves room to others, who are other users or come
// from elsewhere.
TEST_P(HostileBodyTest, OnePeerLeavesRoomToOthers) {
  std::filesystem::create_directory(tree_.root());
  const storage::SmallDisk disk(tree_.root(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  Start({"--put_room_per_peer=50"});
  RawClient hoarder = Client();
  const std::string body(6 * kMiB, 'h');
  std::vector<uint32_t> ids;
  const std::string request = hoarder.Encode({Put("hoard", body)}, &ids);
  hoarder.wire().Send(request.substr(0, request.size() - 1));
  const Answer refused = Client().Get(Put("more", std::string(3 * kMiB, 'm')));
  ExpectRefused(refused, Status::kUnavailable);
  EXPECT_TRUE(absl::StrContains(Said(refused), "--put_room_per_peer") &&
              absl::StrContains(Said(refused), absl::StrCat("uid ", getuid())))
      << Said(refused);
  const Answer stored = Client(Transport::kTcp).Get(Put("other", std::string(2 * kMiB, 'o')));
  EXPECT_TRUE(stored.ok()) << Said(stored);
  hoarder.wire().Send(request.substr(request.size() - 1));
  EXPECT_TRUE(hoarder.Next().ok());
  // What is stored is nobody's any more.
  EXPECT_TRUE(Client().Get(Put("more", std::string(2 * kMiB, 'm'))).ok());
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  server_.reset();
}

// A body that comes a byte at a time, from its beginning or after much of it came at once, is ended
// with a word that names the flag, and leaves nothing; one over a slow line is taken.
TEST_P(HostileBodyTest, AByteNowAndThenIsNotEnough) {
  constexpr absl::Duration kTimeout = absl::Seconds(1);
  Start({"--request_timeout=1s"});
  for (const size_t at_once : {size_t{0}, size_t{400'000}}) {
    RawClient slow = Client(Transport::kTcp), line = Client();
    std::vector<uint32_t> ids;
    const std::string body = Pattern(1, 500'000),
                      request = slow.Encode({Put("made/slowly", body)}, &ids);
    size_t at = request.size() - body.size() + at_once;
    slow.wire().Send(request.substr(0, at));
    const std::string honest = Pattern(2, 24 * 200),
                      sent = line.Encode({Put("line", honest)}, &ids);
    line.wire().Send(sent.substr(0, sent.size() - honest.size()));
    // For three times as long as one may be silent: 1,600 bytes a second, and eight.
    for (int step = 0; step < 24; ++step) {
      absl::SleepFor(kTimeout / 8);
      line.wire().Send(sent.substr(sent.size() - honest.size() + step * 200, 200));
      // Once it has been let go nobody reads it.
      static_cast<void>(send(slow.wire().fd(), request.data() + at++, 1, MSG_NOSIGNAL));
    }
    const Answer stored = line.Next();
    EXPECT_TRUE(stored.ok()) << Said(stored);
    const Answer ended = slow.Next();
    EXPECT_EQ(ended.status, Status::kTimeout);
    EXPECT_TRUE(absl::StrContains(Said(ended), "--put_rate_min") &&
                absl::StrContains(Said(ended), "made/slowly"))
        << Said(ended);
    EXPECT_FALSE(std::filesystem::exists(tree_.Path("made/slowly")));
  }
}

// Who allows any pace has it.
TEST_P(HostileBodyTest, AnyPaceWhereItIsAllowed) {
  Start({"--request_timeout=1s", "--put_rate_min=0"});
  RawClient slow = Client();
  std::vector<uint32_t> ids;
  const std::string request = slow.Encode({Put("x", std::string(16, 's'))}, &ids);
  slow.wire().Send(request.substr(0, request.size() - 16));
  for (int step = 0; step < 16; ++step) {
    absl::SleepFor(absl::Milliseconds(125));
    slow.wire().Send("s");
  }
  EXPECT_TRUE(slow.Next().ok());
}

// A memfd of nothing but a hole makes no object in memory go, and neither does another user, of
// whatever it gives, beyond its share.
TEST_P(HostileBodyTest, NobodyEmptiesTheMemoryTier) {
  constexpr int kPages = 64, kPage = 4096;
  chmod(tree_.outside().c_str(), 0755);
  Start({absl::StrCat("--memory_limit=", kPages * kPage), "--listen_unix_mode=0666",
         "--fd_cache_entries=0", "--index_entries=0"});
  const auto give = [](RawClient* client, const std::string& uri, int fd) {
    std::vector<uint32_t> ids;
    client->wire().Send(client->Encode({{.mode = kPutFd, .uri = uri}}, &ids), {fd});
    return client->Next();
  };
  RawClient client = Client();
  for (int i = 0; i < kPages; ++i)
    ASSERT_TRUE(give(&client, absl::StrCat("mine/", i), net::Memfd("mine").get()).ok());
  const auto left = [&] {
    int there = 0;
    for (int i = 0; i < kPages; ++i)
      there += client.Get({.mode = kStat, .uri = absl::StrCat("mine/", i)}).ok() ? 1 : 0;
    return there;
  };
  ASSERT_EQ(left(), kPages);
  const net::UniqueFd hollow(memfd_create("hollow", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(hollow.get(), kPages * kPage), 0);
  ASSERT_EQ(fcntl(hollow.get(), F_ADD_SEALS, net::kSealed), 0);
  const Answer stored = give(&client, "hollow", hollow.get());
  EXPECT_TRUE(stored.ok()) << Said(stored);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "hollow"}).body.size(), size_t{kPages * kPage});
  EXPECT_EQ(left(), kPages);
  if (!ServerProcess::CanBecomeNobody()) GTEST_SKIP() << "needs root, and another user";
  const std::string path = Server().socket_path();
  std::filesystem::permissions(std::filesystem::path(path).parent_path(),
                               std::filesystem::perms(0755));
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
    RawClient enemy = RawClient::V2(Wire::ToUnix(path), kInOrder);
    bool ok = give(&enemy, "theirs/large", net::Memfd(std::string(kPages * kPage, 'e')).get()).ok();
    for (int i = 0; i < 2 * kPages; ++i)
      ok = ok && give(&enemy, absl::StrCat("theirs/", i), net::Memfd("enemy").get()).ok();
    _exit(ok ? 0 : 2);
  }
  int result = 0;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(left(), kPages / 2);
}

}  // namespace
}  // namespace objmapper::e2e
