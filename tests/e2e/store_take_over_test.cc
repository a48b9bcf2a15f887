// Storing while one server takes over from another on the same root: an object under way is
// finished by the server that began it, what is asked afterwards is the successor's, and nothing is
// stored by halves.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"
#include "tests/storage/names_below.h"

namespace objmapper::e2e {
namespace {

class StoreTakeOverTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(GetParam() == "model_uring" ? "uring" : GetParam());
    if (!why.empty()) GTEST_SKIP() << why;
  }
  // One of a row of servers on the same sockets and the same root.
  std::unique_ptr<ServerProcess> Start(const std::string& drain_timeout = "60s") {
    return std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = GetParam(),
                      .flags = {"--writable", "--durability=none", "--memory_limit=16M",
                                "--take_over=" + directory_.path() + "/door",
                                "--drain_timeout=" + drain_timeout},
                      .socket_path = directory_.path() + "/socket"});
  }
  RawClient Client(const ServerProcess& server, Transport transport = Transport::kUnix) {
    return RawClient::V2(Connect(server, transport), kInOrder);
  }
  std::set<std::string> Files() const {
    return storage::NamesBelow(tree_.root(), storage::Which::kFiles);
  }
  // Whether the other server comes to serve this: what it knew of the name before it believes for
  // --fd_cache_valid_ms.
  static bool ComesToServe(RawClient* client, const std::string& uri, const std::string& contents) {
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    while (client->Get({.mode = kCopy, .uri = uri}).body != contents) {
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return Contents(client->Get({.mode = kFdPass, .uri = uri}).fd.get()) == contents;
  }

  ObjectTree tree_;
  const TempDir directory_;
};
INSTANTIATE_TEST_SUITE_P(Everything, StoreTakeOverTest, testing::ValuesIn(kEverything), EngineName);

// A connection that rests goes over with its capabilities: it stores and removes by the new server
// what it could by the old one. Objects on the disk are there; those in memory went with the old
// server, and who holds one open keeps it.
TEST_P(StoreTakeOverTest, AnOldConnectionStoresByTheNewServer) {
  std::unique_ptr<ServerProcess> old = Start();
  RawClient unix_client = Client(*old), tcp_client = Client(*old, Transport::kTcp);
  ASSERT_TRUE(unix_client.Get(Put("a/disk", "by the old one")).ok());
  std::vector<uint32_t> ids;
  const net::UniqueFd memfd = net::Memfd("in memory");
  unix_client.wire().Send(unix_client.Encode({{.mode = kPutFd, .uri = "a/memory"}}, &ids),
                          {memfd.get()});
  ASSERT_TRUE(unix_client.Next().ok());
  const net::UniqueFd held = unix_client.Get({.mode = kFdPass, .uri = "a/memory"}).fd;
  const net::UniqueFd held_on_disk = unix_client.Get({.mode = kFdPass, .uri = "a/disk"}).fd;
  EXPECT_TRUE(tcp_client.Get({.mode = kCopy, .uri = "a/memory"}).ok());

  const std::unique_ptr<ServerProcess> next = Start();
  EXPECT_EQ(old->WaitForExit(), 0);
  for (RawClient* client : {&unix_client, &tcp_client}) {
    ExpectRefused(client->Get({.mode = kCopy, .uri = "a/memory"}), Status::kNotFound);
    EXPECT_EQ(client->Get({.mode = kCopy, .uri = "a/disk"}).body.substr(0, 3), "by ");
    const std::string body = Pattern(client == &unix_client, 400'000);
    ASSERT_TRUE(client->Get(Put("a/disk", "by the new one")).ok());
    ASSERT_TRUE(client->Get(Put("b", body)).ok());
    EXPECT_TRUE(tcp_client.Get({.mode = kCopy, .uri = "b"}).body == body);
    EXPECT_TRUE(Contents(unix_client.Get({.mode = kFdPass, .uri = "b"}).fd.get()) == body);
    ASSERT_TRUE(client->Get({.mode = kDelete, .uri = "b"}).ok());
  }
  // The new one has a tier of its own, and takes descriptors from a connection that is not.
  unix_client.wire().Send(unix_client.Encode({{.mode = kPutFd, .uri = "a/memory"}}, &ids),
                          {memfd.get()});
  EXPECT_TRUE(unix_client.Next().ok());
  EXPECT_EQ(tcp_client.Get({.mode = kCopy, .uri = "a/memory"}).body, "in memory");
  EXPECT_EQ(Contents(held.get()), "in memory");
  EXPECT_EQ(Contents(held_on_disk.get()), "by the old one");
  EXPECT_EQ(Files(), std::set<std::string>{"a/disk"});
}

// A body that is on its way when the successor comes is taken by the old server, which waits for
// it; the object appears whole, for the new server's clients too. Then the connection is the new
// server's.
TEST_P(StoreTakeOverTest, AnObjectUnderWayIsFinished) {
  tree_.Add("replaced", "as it was");
  std::unique_ptr<ServerProcess> old = Start();
  const std::string body = Pattern(1, 1'000'000);
  const std::string uris[] = {"replaced", "made/anew", "replaced-too"};
  tree_.Add("replaced-too", "as it was");
  std::vector<RawClient> clients;
  std::vector<std::string> requests;
  std::vector<uint32_t> ids;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(Client(*old, i == 2 ? Transport::kTcp : Transport::kUnix));
    // With a request behind it, which is answered too, by whichever.
    requests.push_back(
        clients.back().Encode({Put(uris[i], body), {.mode = kCopy, .uri = uris[i]}}, &ids));
    clients.back().wire().Send(requests.back().substr(0, 600'000));
  }
  // Once this is answered on a connection made later, the others have been taken by the old one.
  EXPECT_TRUE(Client(*old).Get({.mode = kCopy, .uri = "replaced"}).ok());
  const std::unique_ptr<ServerProcess> next = Start();
  RawClient reader = Client(*next);
  EXPECT_TRUE(old->Running());
  // Its walk of the tree, in which it removes what killed servers have left, takes nothing away
  // from the old one.
  EXPECT_TRUE(next->WaitForLog("catalog: complete"));
  EXPECT_EQ(reader.Get({.mode = kCopy, .uri = "replaced"}).body, "as it was");
  ExpectRefused(reader.Get({.mode = kCopy, .uri = "made/anew"}), Status::kNotFound);
  for (int i = 0; i < 3; ++i) {
    clients[i].wire().Send(absl::string_view(requests[i]).substr(600'000));
    const Answer stored = clients[i].Next();
    EXPECT_TRUE(stored.ok()) << uris[i] << " " << stored.status;
    // A server asks the disk for what it has never served; what it has, it may believe for a
    // moment.
    EXPECT_TRUE(ComesToServe(&reader, uris[i], body)) << uris[i];
    EXPECT_TRUE(clients[i].Next().body == body) << uris[i];
  }
  EXPECT_EQ(old->WaitForExit(), 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(clients[i].Get(Put(uris[i], "by the new one")).ok());
    EXPECT_TRUE(reader.Get({.mode = kCopy, .uri = uris[i]}).body == "by the new one");
  }
  EXPECT_EQ(Files(), (std::set<std::string>{"made/anew", "replaced", "replaced-too"}));
}

// A descriptor whose request has not come to its end goes over with the connection, and is stored
// by the new server.
TEST_P(StoreTakeOverTest, ADescriptorGoesOverWithItsRequest) {
  std::unique_ptr<ServerProcess> old = Start();
  RawClient client = Client(*old);
  EXPECT_EQ(client.Get({.mode = kStat, .uri = "x"}).status, Status::kNotFound);
  std::vector<uint32_t> ids;
  const net::UniqueFd fd = net::Memfd("contents", /*seals=*/0);
  const std::string request =
      client.Encode({{.mode = kPutFd, .uri = "x"}, {.mode = kCopy, .uri = "x"}}, &ids);
  client.wire().Send(request.substr(0, 5), {fd.get()});
  const std::unique_ptr<ServerProcess> next = Start();
  EXPECT_EQ(old->WaitForExit(), 0);
  client.wire().Send(request.substr(5));
  const Answer stored = client.Next();
  EXPECT_TRUE(stored.ok()) << stored.status;
  EXPECT_EQ(client.Next().body, "contents");
}

// A client whose body does not come holds the old server no longer than --drain_timeout. It is cut
// off, nothing of its object stays, and the new server is not harmed.
TEST_P(StoreTakeOverTest, ABodyThatDoesNotComeHoldsNobody) {
  tree_.Add("replaced", "as it was");
  std::unique_ptr<ServerProcess> old = Start("500ms");
  std::vector<RawClient> clients;
  for (const std::string uri : {"replaced", "made/anew"}) {
    clients.push_back(Client(*old));
    std::vector<uint32_t> ids;
    clients.back().wire().Send(
        clients.back().Encode({Put(uri, Pattern(1, 1'000'000))}, &ids).substr(0, 600'000));
  }
  EXPECT_TRUE(Client(*old).Get({.mode = kCopy, .uri = "replaced"}).ok());
  const std::unique_ptr<ServerProcess> next = Start();
  EXPECT_TRUE(old->WaitForExit().has_value());
  for (RawClient& client : clients) {
    // The end, with or without a word; OK never.
    const Answer answer = client.Next();
    EXPECT_FALSE(answer.ok());
    if (answer.kind != Answer::Kind::kEnd) client.wire().ReadToEnd();
  }
  RawClient reader = Client(*next);
  EXPECT_EQ(reader.Get({.mode = kCopy, .uri = "replaced"}).body, "as it was");
  ExpectRefused(reader.Get({.mode = kCopy, .uri = "made/anew"}), Status::kNotFound);
  EXPECT_EQ(Files(), std::set<std::string>{"replaced"});
  EXPECT_TRUE(reader.Get(Put("made/anew", "by the new one")).ok());
}

}  // namespace
}  // namespace objmapper::e2e
