// Objects that clients store and delete at their origin (write=through): in every dialect, on every
// engine and in every model; the origin has them, and they are here without being fetched.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/writable.h"
#include "tests/net/eventually.h"
#include "tests/net/memfd.h"
#include "tests/origin/bad_origin.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Fault;

class OriginsWriteTest : public WritableTest {
 protected:
  void StartWriting(const std::string& words = "immutable") {
    server_ = std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = GetParam(),
                      .flags = {"--writable", "--durability=none", "--admin_listen=" + Admin(),
                                absl::StrCat("--origin=s3://base endpoint=http://127.0.0.1:",
                                             origin_.port(), " anonymous write=through ", words)},
                      .environment = {"AWS_EC2_METADATA_DISABLED=true"}});
  }
  std::string Admin() const { return tree_.outside() + "/admin"; }
  size_t Asked(const std::string& name) const { return origin_.asked("base/" + name).size(); }
  // It is there, and here by each door, and the origin is not asked for it.
  void ExpectStored(const std::string& name, const std::string& body) {
    ASSERT_TRUE(origin_.Get("base/" + name) == body);
    const size_t asked = Asked(name);
    EXPECT_TRUE(Client().Get({.mode = kCopy, .uri = name}).body == body);
    const Answer passed = Client().Get({.mode = kFdPass, .uri = name});
    ASSERT_TRUE(passed.ok());
    EXPECT_TRUE(Contents(passed.fd.get()) == body);
    HttpClient http(Connect(Server(), Transport::kTcp));
    EXPECT_TRUE(http.Get("/" + name).body == body);
    EXPECT_EQ(Asked(name), asked);
  }

  BadOrigin origin_;
};
INSTANTIATE_TEST_SUITE_P(Everything, OriginsWriteTest, testing::ValuesIn(kEverything), EngineName);

// By each way of storing, small and large, new and in place of another.
TEST_P(OriginsWriteTest, EveryDoor) {
  StartWriting();
  int number = 0;
  for (const size_t size : {size_t{0}, size_t{5}, size_t{700'000}, size_t{17 << 20}}) {
    SCOPED_TRACE(size);
    const std::string name = absl::StrCat("folder/of-", size);
    const std::string escaped = "/" + name;
    RawClient client = Client();
    std::string body = Pattern(++number, size);
    const Answer put = client.Get(Put(name, body));
    ASSERT_TRUE(put.ok()) << put.metadata.at(kErrorEntry);
    EXPECT_EQ(put.Number(kSizeEntry), size);
    ExpectStored(name, body);
    EXPECT_EQ(client.Get({.mode = kStat, .uri = name}).metadata, put.metadata);

    body = Pattern(++number, size);
    HttpClient http(Connect(Server(), Transport::kTcp));
    EXPECT_EQ(http.Put(escaped, body).status, 204);
    ExpectStored(name, body);

    body = Pattern(++number, size);
    const net::UniqueFd memory = net::Memfd(body, net::kSealed);
    std::vector<uint32_t> ids;
    client.wire().Send(client.Encode({{.mode = kPutFd, .uri = name}}, &ids), {memory.get()});
    ASSERT_TRUE(client.Next().ok());
    ExpectStored(name, body);

    if (size % 2 == 0) {
      EXPECT_TRUE(client.Get({.mode = kDelete, .uri = name}).ok());
    } else {
      EXPECT_EQ(http.Ask("DELETE", escaped).status, 204);
    }
    EXPECT_FALSE(origin_.Get("base/" + name).has_value());
    ExpectRefused(client.Get({.mode = kCopy, .uri = name}), Status::kNotFound);
  }
  EXPECT_EQ(origin_.uploads(), 0u);
  EXPECT_EQ(Metric(Admin(), "objmapper_origin_stored_total"), number);
  EXPECT_EQ(Metric(Admin(), "objmapper_origin_deleted_total"), 4);
}

// What an origin refuses is refused, with its words; what is not known is said, and is fetched.
TEST_P(OriginsWriteTest, Refused) {
  origin_.Put("base/a", "old");
  StartWriting();
  RawClient client = Client();
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a"}).body, "old");
  origin_.Misbehave("base/a", 1, Fault::Error(403, "AccessDenied"));
  ExpectRefused(client.Get(Put("a", "new")), Status::kPermissionDenied);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a"}).body, "old");
  origin_.Misbehave("base/b", 0, Fault::CutBeforeHead());
  const Answer unknown = client.Get(Put("b", "new"));
  ExpectRefused(unknown, Status::kUnavailable);
  EXPECT_TRUE(absl::StrContains(unknown.metadata.at(kErrorEntry), "unknown"))
      << unknown.metadata.at(kErrorEntry);
  origin_.Misbehave("base/b", 0, Fault());
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "b"}).body, "new");
  EXPECT_EQ(Metric(Admin(), "objmapper_origin_change_failed_total"), 2);
}

// Conditions are about what the origin has.
TEST_P(OriginsWriteTest, Conditions) {
  StartWriting();
  origin_.Put("base/a", "of the origin", "\"known\"");
  HttpClient http(Connect(Server(), Transport::kTcp));
  EXPECT_EQ(http.Put("/a", "new", "If-None-Match: *\n").status, 412);
  EXPECT_EQ(http.Put("/a", "new", "If-Match: \"other\"\n").status, 412);
  EXPECT_EQ(origin_.Get("base/a"), "of the origin");
  EXPECT_EQ(http.Put("/a", "new", "If-Match: \"known\"\n").status, 204);
  EXPECT_EQ(http.Put("/b", "new", "If-None-Match: *\n").status, 201);
  ExpectStored("a", "new");
  ExpectStored("b", "new");
}

// While an origin takes its time with what some clients store, others are answered.
TEST_P(OriginsWriteTest, NobodyElseWaits) {
  tree_.Add("here", "of this disk");
  StartWriting();
  std::promise<void> open;
  const std::shared_future<void> gate = open.get_future().share();
  Fault holds;
  holds.before_head = true;
  holds.run = [gate] { gate.wait(); };
  std::vector<RawClient> waiting;
  for (int i = 0; i < 8; ++i) {
    origin_.Misbehave(absl::StrCat("base/slow", i), 0, holds);
    waiting.push_back(Client());
    std::vector<uint32_t> ids;
    waiting.back().wire().Send(waiting.back().Encode({Put(absl::StrCat("slow", i), "x")}, &ids));
  }
  EXPECT_TRUE(net::Eventually([&] { return origin_.at_once() == 8; }));
  EXPECT_EQ(Client().Get({.mode = kCopy, .uri = "here"}).body, "of this disk");
  EXPECT_TRUE(Client().Get(Put("other", "x")).ok());
  open.set_value();
  for (RawClient& client : waiting) EXPECT_TRUE(client.Next().ok());
}

// A server behind another: what is stored at the first is stored at the second, too.
TEST_P(OriginsWriteTest, ThroughAnother) {
  ObjectTree rack_tree;
  ServerProcess rack(rack_tree.root(),
                     ServerOptions{.engine = GetParam(), .flags = {"--writable"}});
  server_ = std::make_unique<ServerProcess>(
      tree_.root(),
      ServerOptions{.engine = GetParam(),
                    .flags = {"--writable", absl::StrCat("--origin=http://127.0.0.1:",
                                                         rack.tcp_port(), " write=through")}});
  for (const size_t size : {size_t{0}, size_t{300'000}}) {
    const std::string body = Pattern(7, size);
    EXPECT_TRUE(Client().Get(Put("a", body)).ok());
    EXPECT_TRUE(RawClient::V2(Connect(rack, Transport::kUnix), kInOrder)
                    .Get({.mode = kCopy, .uri = "a"})
                    .body == body);
    EXPECT_TRUE(Client().Get({.mode = kCopy, .uri = "a"}).body == body);
  }
  EXPECT_TRUE(Client().Get({.mode = kDelete, .uri = "a"}).ok());
  ExpectRefused(Client().Get({.mode = kDelete, .uri = "a"}), Status::kNotFound);
  EXPECT_EQ(rack.Stop(SIGTERM), 0) << rack.log();
}

}  // namespace
}  // namespace objmapper::e2e
