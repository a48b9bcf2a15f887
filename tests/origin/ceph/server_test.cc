// The real server over a real S3: an object that is not here comes from the bucket, in every mode
// and dialect, on both engines; and each byte leaves the bucket once, however many ask and through
// however many servers.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/writable.h"
#include "tests/origin/ceph/radosgw.h"
#include "tests/origin/ceph/s3_client.h"

namespace objmapper::e2e {
namespace {

using origin::testing::NeedRadosGw;
using origin::testing::RadosGw;
using origin::testing::S3Client;

constexpr size_t kMiB = 1 << 20;

class CephServerTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    NeedRadosGw();
    if (IsSkipped() || HasFatalFailure()) return;
    if (const std::string why = WhyNotEngine(GetParam()); !why.empty()) GTEST_SKIP() << why;
    // "AllModes/uring", in a bucket's letters.
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    bucket_ = std::make_unique<S3Client>(
        RadosGw::Shared(), RadosGw::Admin(),
        absl::AsciiStrToLower(absl::StrReplaceAll(test.name(), {{"/", "-"}})));
    bucket_->Create();
  }

  // A server whose objects come from there.
  static std::unique_ptr<ServerProcess> Serve(const ObjectTree& tree, const std::string& origin) {
    const origin::s3::Keys keys = RadosGw::Admin();
    return std::make_unique<ServerProcess>(
        tree.root(),
        ServerOptions{
            .engine = GetParam(),
            .flags = {absl::StrCat("--origin=", origin)},
            .environment = {absl::StrCat("AWS_ACCESS_KEY_ID=", keys.access_key_id),
                            absl::StrCat("AWS_SECRET_ACCESS_KEY=", keys.secret_access_key)}});
  }
  std::string S3Origin(absl::string_view words = "") const {
    return absl::StrCat("s3://", bucket_->bucket().name(), " endpoint=", RadosGw::Shared().url(),
                        " ", words);
  }
  uint64_t SentOf(absl::string_view key) const {
    return RadosGw::Shared().bytes_sent(bucket_->PathOf(key));
  }

  std::unique_ptr<S3Client> bucket_;
};

// Cold and warm, in V1 and V2, by COPY, SPLICE and FDPASS, and by HTTP: the same bytes, of which
// each has left the bucket once.
TEST_P(CephServerTest, AllModes) {
  const ObjectTree tree;
  const auto server = Serve(tree, S3Origin("part=1M block=1M"));
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100'000}, 5 * kMiB + 3}) {
    const std::string content = Pattern(size + 1, size);
    for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
      for (const char mode : {kCopy, kSplice, kFdPass}) {
        const std::string key =
            absl::StrCat(size, "/", static_cast<int>(dialect), "/", std::string(1, mode));
        SCOPED_TRACE(key);
        bucket_->Put(key, content);
        RawClient client = Open(*server, Transport::kUnix, dialect);
        for (int time = 0; time < 2; ++time) {
          const Answer answer = client.Get({.mode = mode, .uri = key});
          ASSERT_TRUE(answer.ok()) << answer.status;
          EXPECT_TRUE((mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == content);
        }
        EXPECT_EQ(SentOf(key), size);
      }
    }
    const std::string key = absl::StrCat(size, "/http");
    SCOPED_TRACE(key);
    bucket_->Put(key, content);
    HttpClient client(server->Tcp());
    for (int time = 0; time < 2; ++time) {
      const Reply reply = client.Get("/" + key);
      EXPECT_EQ(reply.status, 200);
      EXPECT_TRUE(reply.body == content);
    }
    EXPECT_EQ(SentOf(key), size);
  }
}

// Awkward keys, as URIs of V2 and as paths of HTTP.
TEST_P(CephServerTest, AwkwardKeys) {
  const ObjectTree tree;
  const auto server = Serve(tree, S3Origin());
  const std::vector<std::string> keys = {"a",
                                         "a/b",
                                         "x//y",
                                         "x/y",
                                         "a+b",
                                         "a b",
                                         "a=b",
                                         "%41",
                                         "%2F",
                                         "'()!*",
                                         "na\u00efve",
                                         "q?x#y&z",
                                         "\x01\x1f",
                                         std::string(300, 'l'),
                                         std::string(1024, 'k')};
  RawClient client = Open(*server, Transport::kUnix, Dialect::kV2);
  HttpClient http(server->Tcp());
  for (const std::string& key : keys) bucket_->Put(key, absl::StrCat("content of ", key));
  for (const std::string& key : keys) {
    SCOPED_TRACE(key);
    for (const char mode : {kCopy, kFdPass}) {
      const Answer answer = client.Get({.mode = mode, .uri = key});
      ASSERT_TRUE(answer.ok()) << answer.status;
      EXPECT_EQ(mode == kFdPass ? Contents(answer.fd.get()) : answer.body,
                absl::StrCat("content of ", key));
    }
    const Reply reply = http.Get(absl::StrCat("/", origin::s3::EncodeKey(key)));
    EXPECT_EQ(reply.status, 200) << reply.head;
    EXPECT_EQ(reply.body, absl::StrCat("content of ", key));
    EXPECT_EQ(SentOf(key), absl::StrCat("content of ", key).size());
  }
  // To S3 it is a key.
  bucket_->Put("x/../y", "content");
  for (const char mode : {kCopy, kFdPass})
    EXPECT_EQ(client.Get({.mode = mode, .uri = "x/../y"}).status, Status::kPermissionDenied);
  EXPECT_EQ(SentOf("x/../y"), 0u);
}

// A list that goes through has the bucket's keys, whatever they are and however many, and none that
// cannot be had; before anything was fetched and afterwards.
TEST_P(CephServerTest, ListThrough) {
  const ObjectTree tree;
  const auto server = Serve(tree, S3Origin());
  std::set<std::string> names = {"a",
                                 "a/",
                                 "a/b",
                                 "x//y",
                                 "x/y",
                                 "a+b",
                                 "a b",
                                 "a=b",
                                 "%41",
                                 "%2F",
                                 "'()!*",
                                 "q?x#y&z<>",
                                 "na\u00efve",
                                 "\u00e9/z",
                                 "\U0001f600",
                                 "\x01\x1f",
                                 std::string(300, 'l'),
                                 std::string(1024, 'k')};
  for (int i = 0; i < 1203; ++i) names.insert(absl::StrCat("many/", i, "/x"));
  std::vector<std::pair<std::string, std::string>> objects;
  for (const std::string& name : names) objects.emplace_back(name, "content");
  bucket_->PutAll(objects);
  bucket_->PutAll({{"x/../y", "hidden"}, {"/front", "has no URI"}});
  RawClient client = RawClient::V2(Connect(*server, Transport::kUnix), kInOrder | kListsThrough);
  const auto list = [&client](const std::string& prefix) {
    std::vector<std::string> uris;
    std::string asked = prefix;
    while (!asked.empty() || uris.empty()) {
      const Answer page = client.Get({.mode = kList, .uri = asked, .flags = kThrough});
      EXPECT_TRUE(page.ok()) << page.status;
      absl::string_view body = page.body;
      while (body.size() >= 2) {
        const size_t bytes = BigEndian(body.substr(0, 2));
        if (body.size() < 2 + bytes + 16) break;
        uris.emplace_back(body.substr(2, bytes));
        EXPECT_EQ(BigEndian(body.substr(2 + bytes, 8)), 7u) << uris.back();
        body.remove_prefix(2 + bytes + 16);
      }
      EXPECT_EQ(body, "");
      if (!page.Has(kCursorEntry)) break;
      asked = absl::StrCat(prefix, absl::string_view("\0", 1), page.metadata.at(kCursorEntry));
    }
    return uris;
  };
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(list(""), std::vector<std::string>(names.begin(), names.end()));
    EXPECT_EQ(list("x/"), (std::vector<std::string>{"x//y", "x/y"}));
    EXPECT_EQ(list("a"), (std::vector<std::string>{"a", "a b", "a+b", "a/", "a/b", "a=b"}));
    EXPECT_EQ(list("many/1/"), std::vector<std::string>{"many/1/x"});
    for (const char* name : {"a", "x//y", "a/b", "many/7/x"})
      EXPECT_EQ(client.Get({.mode = kCopy, .uri = name}).body, "content") << name;
  }
}

// What is not there, what may not be had, and what is set up wrong are three things.
TEST_P(CephServerTest, AbsenceAndTrouble) {
  const ObjectTree tree;
  bucket_->Put("a", "content");
  {
    const auto server = Serve(tree, S3Origin());
    for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
      RawClient client = Open(*server, Transport::kUnix, dialect);
      for (const char mode : {kCopy, kSplice, kFdPass})
        EXPECT_EQ(client.Get({.mode = mode, .uri = "none"}).status, Status::kNotFound);
    }
    EXPECT_EQ(HttpClient(server->Tcp()).Get("/none").status, 404);
  }
  const auto server =
      Serve(tree, absl::StrCat("s3://no-such-bucket endpoint=", RadosGw::Shared().url()));
  RawClient client = Open(*server, Transport::kUnix, Dialect::kV2);
  for (const char mode : {kCopy, kSplice, kFdPass})
    EXPECT_EQ(client.Get({.mode = mode, .uri = "a"}).status, Status::kUnavailable);
  RawClient lister = RawClient::V2(Connect(*server, Transport::kUnix), kInOrder | kListsThrough);
  EXPECT_EQ(lister.Get({.mode = kList, .uri = "", .flags = kThrough}).status, Status::kUnavailable);
  EXPECT_EQ(HttpClient(server->Tcp()).Get("/a").status, 503);
}

// Three nodes ask one server of their rack, which asks the bucket: ten clients of each node, all at
// once, and each byte leaves the bucket once.
TEST_P(CephServerTest, ChainOfServers) {
  const std::string content = Pattern(5, 24 * kMiB + 5);
  bucket_->Put("model", content);
  const ObjectTree rack_tree;
  const auto rack = Serve(rack_tree, S3Origin("part=2M block=2M"));
  const ObjectTree trees[3];
  std::vector<std::unique_ptr<ServerProcess>> nodes;
  for (const ObjectTree& tree : trees) {
    nodes.push_back(
        Serve(tree, absl::StrCat("http://127.0.0.1:", rack->tcp_port(), " part=2M block=2M")));
  }
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 30; ++i) {
    readers.emplace_back([&, i] {
      RawClient client = Open(*nodes[i % 3], Transport::kUnix, Dialect::kV2);
      const char mode = i % 2 == 0 ? kFdPass : kCopy;
      const Answer answer = client.Get({.mode = mode, .uri = "model"});
      if (answer.ok() && (mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == content)
        ++right;
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 30);
  // Where the nodes' parts come one after the other, the version of what is here already is
  // confirmed by a byte.
  EXPECT_GE(SentOf("model"), content.size());
  EXPECT_LE(SentOf("model"), content.size() + 100);
}

INSTANTIATE_TEST_SUITE_P(Engines, CephServerTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
