// OP_PUT: what is stored is there, whole, for everybody, from its answer on; and nothing else ever
// is.
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/e2e/writable.h"
#include "tests/storage/names_below.h"

namespace objmapper::e2e {
namespace {

class PutTest : public WritableTest {
 protected:
  // Everything below the root, temporary names included.
  std::set<std::string> Files() const {
    return storage::NamesBelow(tree_.root(), storage::Which::kFiles);
  }
  // Waits until these are all there is.
  void ExpectFiles(const std::set<std::string>& wanted) const {
    const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
    while (Files() != wanted && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_EQ(Files(), wanted);
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, PutTest, testing::ValuesIn(kEverything), EngineName);

// Objects of every size come back as they were stored, in every mode, over every transport, and the
// answer tells what STAT tells. A second one in place of the first is seen at once.
TEST_P(PutTest, WhatIsStoredComesBack) {
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    RawClient client = Client(transport);
    RawClient other = Client(transport);
    uint64_t seed = 0;
    for (const size_t bytes : {0, 1, 5000, 16384, 16385, 300'000, 3'000'000}) {
      const std::string uri = absl::StrCat("made/here/", bytes);
      for (int version = 0; version < 2; ++version) {
        const std::string body = Pattern(++seed, bytes);
        const Answer stored = client.Get(Put(uri, body));
        ASSERT_TRUE(stored.ok()) << uri << " " << stored.status;
        EXPECT_EQ(stored.content_length, 0u);
        EXPECT_EQ(stored.Number(kSizeEntry), bytes);
        for (RawClient* reader : {&client, &other}) {
          const Answer stat = reader->Get({.mode = kStat, .uri = uri});
          ASSERT_TRUE(stat.ok());
          EXPECT_EQ(stat.metadata, stored.metadata);
          EXPECT_EQ(reader->Get({.mode = kCopy, .uri = uri}).body, body);
          EXPECT_EQ(reader->Get({.mode = kSplice, .uri = uri}).body, body);
          if (transport == Transport::kUnix) {
            EXPECT_EQ(Contents(reader->Get({.mode = kFdPass, .uri = uri}).fd.get()), body);
          }
        }
      }
    }
  }
}

// On one connection each request sees what those before it did and nothing of those behind it,
// however they arrive.
TEST_P(PutTest, OneConnectionIsInOrder) {
  for (const uint16_t capabilities :
       {kInOrder, static_cast<uint16_t>(kInOrder | kFdBatch | kFdInHeader)}) {
    RawClient client = Client(Transport::kUnix, capabilities);
    const std::string one = Pattern(1, 40'000), two = Pattern(2, 100);
    std::vector<Question> questions = {{.mode = kCopy, .uri = "x"},
                                       Put("x", one),
                                       {.mode = kFdPass, .uri = "x"},
                                       {.mode = kCopy, .uri = "x"},
                                       Put("x", two),
                                       {.mode = kFdPass, .uri = "x"},
                                       {.mode = kSplice, .uri = "x"},
                                       {.mode = kDelete, .uri = "x"},
                                       {.mode = kStat, .uri = "x"}};
    for (int round = 0; round < 3; ++round) {
      client.AskAll(questions);
      ExpectRefused(client.Next(), Status::kNotFound);
      EXPECT_TRUE(client.Next().ok());
      EXPECT_EQ(Contents(client.Next().fd.get()), one);
      EXPECT_EQ(client.Next().body, one);
      EXPECT_TRUE(client.Next().ok());
      EXPECT_EQ(Contents(client.Next().fd.get()), two);
      EXPECT_EQ(client.Next().body, two);
      EXPECT_TRUE(client.Next().ok());
      ExpectRefused(client.Next(), Status::kNotFound);
    }
    // And byte by byte: the body is no request, whatever it looks like.
    std::vector<uint32_t> ids;
    const std::string body = V2Request(7, {.mode = kDelete, .uri = "x"});
    client.wire().SendByteByByte(
        client.Encode({Put("x", body), {.mode = kCopy, .uri = "x"}}, &ids));
    EXPECT_TRUE(client.Next().ok());
    EXPECT_EQ(client.Next().body, body);
    EXPECT_TRUE(client.Get({.mode = kDelete, .uri = "x"}).ok());
  }
}

// Whoever asks after the answer gets that version, on whatever connection, in whatever mode: no
// cache remembers longer.
TEST_P(PutTest, NobodySeesThePastAfterTheAnswer) {
  RawClient writer = Client(Transport::kTcp);
  RawClient copier = Client(Transport::kTcp);
  RawClient passer = Client(Transport::kUnix);
  for (int i = 0; i < 400; ++i) {
    const std::string uri = absl::StrCat("n", i % 7);
    const std::string body = absl::StrCat("version ", i, " ", std::string(i % 3 * 10'000, 'v'));
    const Answer stored = writer.Get(Put(uri, body));
    ASSERT_TRUE(stored.ok());
    ASSERT_EQ(copier.Get({.mode = kCopy, .uri = uri}).body, body) << i;
    ASSERT_EQ(passer.Get({.mode = kCopy, .uri = uri}).body, body) << i;
    ASSERT_EQ(Contents(passer.Get({.mode = kFdPass, .uri = uri}).fd.get()), body) << i;
    ASSERT_EQ(copier.Get({.mode = kStat, .uri = uri}).metadata, stored.metadata) << i;
    ASSERT_EQ(passer.Get({.mode = kStat, .uri = uri}).metadata, stored.metadata) << i;
    if (i % 5 != 0) continue;
    ASSERT_TRUE(writer.Get({.mode = kDelete, .uri = uri}).ok());
    ExpectRefused(copier.Get({.mode = kCopy, .uri = uri}), Status::kNotFound);
    ExpectRefused(passer.Get({.mode = kFdPass, .uri = uri}), Status::kNotFound);
    ExpectRefused(passer.Get({.mode = kStat, .uri = uri}), Status::kNotFound);
  }
}

// What cannot be stored is refused, its body is skipped, and the connection goes on.
TEST_P(PutTest, RefusalsSkipTheBody) {
  tree_.AddOnce("folder/object", "there");
  RawClient client = Client();
  const std::string body = Pattern(1, 70'000);
  ExpectRefused(client.Get(Put("../escaped", body)), Status::kPermissionDenied);
  ExpectRefused(client.Get(Put("", body)), Status::kInvalidRequest);
  ExpectRefused(client.Get(Put("folder", body)), kConflict);
  ExpectRefused(client.Get(Put("folder/object/below", body)), kConflict);
  ExpectRefused(client.Get(Put(".objmapper-mine", body)), Status::kPermissionDenied);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "folder/object"}).body, "there");
  ExpectFiles({"folder/object"});
}

// A client that ends in the middle of a body has stored nothing, and what was there stays.
TEST_P(PutTest, HalfABodyLeavesNothing) {
  tree_.AddOnce("old", "as it was");
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    const std::string request = V2Request(1, Put("old", Pattern(1, 1'000'000)));
    for (const size_t sent : {size_t{30}, size_t{5'000}, size_t{700'000}}) {
      RawClient gone = Client(transport);
      gone.wire().Send(request.substr(0, sent));
      gone.wire().Reset();
      RawClient half = Client(transport);
      half.wire().Send(request.substr(0, sent));
      half.wire().HalfClose();
      const Answer answer = half.Next();
      EXPECT_EQ(answer.status, Status::kProtocolError);
      EXPECT_EQ(half.Next().reason, kCloseProtocolError);
      EXPECT_TRUE(half.wire().AtEnd());
    }
  }
  ExpectFiles({"old"});
  EXPECT_EQ(Client().Get({.mode = kCopy, .uri = "old"}).body, "as it was");
}

// A body that stops coming ends the connection after --request_timeout, and leaves nothing.
TEST_P(PutTest, ABodyThatStopsComing) {
  Start({"--request_timeout=300ms"});
  RawClient client = Client();
  client.wire().Send(V2Request(1, Put("x", Pattern(1, 300'000))).substr(0, 20'000));
  EXPECT_EQ(client.Next().status, Status::kTimeout);
  EXPECT_EQ(client.Next().reason, kCloseProtocolError);
  EXPECT_TRUE(client.wire().AtEnd());
  ExpectFiles({});
}

// A server that stops finishes what it is storing.
TEST_P(PutTest, ADrainWaitsForTheBody) {
  RawClient client = Client();
  const std::string body = Pattern(1, 200'000);
  std::vector<uint32_t> ids;
  const std::string request = client.Encode({Put("x", body)}, &ids);
  client.wire().Send(request.substr(0, 100'000));
  RawClient other = Client();  // once it is answered, the first has been taken
  ExpectRefused(other.Get({.mode = kCopy, .uri = "x"}), Status::kNotFound);
  Server().Signal(SIGTERM);
  EXPECT_TRUE(Server().WaitForLog("drain"));
  client.wire().Send(request.substr(100'000));
  EXPECT_EQ(client.Next().status, Status::kOk);
  EXPECT_EQ(Server().WaitForExit(), 0);
  server_.reset();
  std::ifstream stored(tree_.Path("x"), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stored), {}), body);
}

// What the rules do not let a client write it does not write; what they let it read it reads.
TEST_P(PutTest, GoesByTheRules) {
  tree_.AddOnce("r/x", "there");
  const std::string rules = tree_.outside() + "/rules";
  std::ofstream(rules) << "any /r read\nany /w read,write\n";
  Start({"--rules_file=" + rules});
  RawClient client = Client();
  ExpectRefused(client.Get(Put("r/x", "new")), Status::kPermissionDenied);
  ExpectRefused(client.Get({.mode = kDelete, .uri = "r/x"}), Status::kPermissionDenied);
  EXPECT_TRUE(client.Get(Put("w/x", "new")).ok());
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "w/x"}).body, "new");
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "r/x"}).body, "there");
}

// Without OBJECT_OPS there are no operations; V1 has none at all.
TEST_P(PutTest, NeedsTheCapability) {
  RawClient client = Client(Transport::kUnix, kPipelining);
  ExpectRefused(client.Get(Put("x", "body")), Status::kCapabilityError);
  ExpectRefused(client.Get({.mode = kDelete, .uri = "x"}), Status::kCapabilityError);
  ExpectRefused(client.Get({.mode = kList, .uri = "x"}), Status::kCapabilityError);
  EXPECT_EQ(client.Get({.mode = kStat, .uri = "x"}).status, Status::kNotFound);
  RawClient v1 = RawClient::V1(Server().Unix());
  for (const char mode : {kPut, kPutFd, kDelete, kList}) {
    ExpectRefused(v1.Get({.mode = mode, .uri = "x"}), Status::kUnsupportedOp);
  }
}

// A full disk is UNAVAILABLE, now; the body is skipped, nothing stays, and what fits is stored.
TEST_P(PutTest, AFullDisk) {
  const std::string root = tree_.outside() + "/small";
  ASSERT_EQ(mkdir(root.c_str(), 0755), 0);
  if (geteuid() != 0 || mount("tmpfs", root.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "no file system of one's own can be had here";
  }
  Start({}, root);
  RawClient client = Client();
  const Answer refused = client.Get(Put("large", Pattern(1, 3'000'000)));
  ExpectRefused(refused, Status::kUnavailable);
  EXPECT_TRUE(refused.Has(kRetryAfterEntry));
  EXPECT_TRUE(client.Get(Put("small", Pattern(2, 500'000))).ok());
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "small"}).body, Pattern(2, 500'000));
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  server_.reset();
  umount2(root.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace objmapper::e2e
