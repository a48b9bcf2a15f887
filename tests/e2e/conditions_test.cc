// Versions and conditions of docs/protocol.md: which version an answer is of, and requests that are
// served of one version alone; on every engine and in every model.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"

namespace objmapper::e2e {
namespace {

constexpr uint16_t kBoth = kInOrder | kTellsVersions | kConditions;
constexpr char kReads[] = {kCopy, kSplice, kStat, kFdPass};

Question With(std::string metadata, Question question) {
  question.flags |= kWithMetadata;
  question.metadata = std::move(metadata);
  return question;
}
std::string IfMatch(absl::string_view etag) { return Entry(kIfMatchEntry, etag); }
std::string IfAbsent() { return Entry(kIfAbsentEntry, ""); }
std::string IfNoneMatch(absl::string_view etag) { return Entry(kIfNoneMatchEntry, etag); }

std::string Text(const Answer& answer, uint8_t entry) {
  return answer.Has(entry) ? answer.metadata.at(entry) : "(none)";
}

// A refusal that names the object and what is there.
void ExpectFailed(const Answer& answer, absl::string_view uri, absl::string_view etag) {
  ExpectRefused(answer, Status::kPreconditionFailed);
  const std::string error = Text(answer, kErrorEntry);
  EXPECT_TRUE(absl::StrContains(error, uri)) << error;
  EXPECT_TRUE(absl::StrContains(error, etag)) << error;
}

class ConditionsTest : public WritableTest {
 protected:
  // What the answers to all requests that read say is what a STAT says, and is of what they bring.
  void ExpectVersion(RawClient* client, const std::string& uri, const std::string& body,
                     const std::string& mime) {
    const Answer stat = client->Get({.mode = kStat, .uri = uri});
    ASSERT_TRUE(stat.ok());
    for (const char mode : kReads) {
      SCOPED_TRACE(absl::StrCat(uri, " ", absl::string_view(&mode, 1)));
      const Answer answer = client->Get({.mode = mode, .uri = uri});
      ASSERT_TRUE(answer.ok());
      EXPECT_EQ(answer.Number(kSizeEntry), body.size());
      EXPECT_EQ(Text(answer, kEtagEntry), Text(stat, kEtagEntry));
      EXPECT_EQ(Text(answer, kMtimeEntry), Text(stat, kMtimeEntry));
      EXPECT_EQ(Text(answer, kExpiresEntry), Text(stat, kExpiresEntry));
      EXPECT_EQ(Text(answer, kMimeEntry), mime);
      if (mode == kFdPass) {
        EXPECT_TRUE(Contents(answer.fd.get()) == body);
      } else if (mode != kStat) {
        EXPECT_TRUE(answer.body == body);
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, ConditionsTest, testing::ValuesIn(kEverything), EngineName);

// Every answer of an object says which version it is: of small ones and large ones, of those that
// were stored and those that were there, whichever way a descriptor goes.
TEST_P(ConditionsTest, AnswersSayWhichVersionTheyAre) {
  tree_.Add("there.bin", Pattern(1, 300));
  tree_.Add("large.json", Pattern(2, 700'000));
  for (const uint16_t fds : {uint16_t{0}, kFdInHeader, kFdBatch}) {
    RawClient client = Client(Transport::kUnix, kBoth | fds);
    const Answer put = client.Get(With(TimeToLive(3000), Put("stored.html", "abc")));
    ASSERT_TRUE(put.ok());
    EXPECT_EQ(Text(put, kMimeEntry), "text/html; charset=utf-8");
    EXPECT_NEAR(static_cast<double>(put.Number(kExpiresEntry)),
                static_cast<double>(time(nullptr) + 3000), 60);
    ExpectVersion(&client, "there.bin", Pattern(1, 300), "application/octet-stream");
    ExpectVersion(&client, "large.json", Pattern(2, 700'000), "application/json");
    ExpectVersion(&client, "stored.html", "abc", "text/html; charset=utf-8");
    EXPECT_FALSE(client.Get({.mode = kCopy, .uri = "there.bin"}).Has(kExpiresEntry));
  }
}

// A range is of a version too, and its answer says both.
TEST_P(ConditionsTest, RangesSayWhichVersionTheyAre) {
  tree_.Add("large", Pattern(2, 700'000));
  RawClient client = Client(Transport::kUnix, kBoth);
  const std::string etag = Text(client.Get({.mode = kStat, .uri = "large"}), kEtagEntry);
  for (const char mode : {kCopy, kSplice, kFdPass}) {
    const Answer answer = client.Get(
        {.mode = mode, .uri = "large", .flags = kWithRange, .offset = 1000, .length = 70'000});
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(Text(answer, kEtagEntry), etag);
    EXPECT_TRUE(answer.Has(kRangeEntry));
    EXPECT_EQ(answer.Number(kSizeEntry), 700'000u);
  }
}

// Who has not negotiated VERSIONS gets what was always sent, and no more.
TEST_P(ConditionsTest, WhoDoesNotAskIsNotTold) {
  tree_.Add("a.json", "abc");
  RawClient client = Client(Transport::kUnix, kInOrder | kConditions);
  for (const char mode : {kCopy, kSplice, kFdPass}) {
    const Answer answer = client.Get({.mode = mode, .uri = "a.json"});
    EXPECT_EQ(answer.metadata.size(), mode == kFdPass ? 0u : 1u);
  }
  EXPECT_EQ(client.Get({.mode = kStat, .uri = "a.json"}).metadata.size(), 4u);
}

// An object in memory has a version, and an end, as others have.
TEST_P(ConditionsTest, ObjectsInMemory) {
  Start({"--memory_limit=64M"});
  RawClient client = Client(Transport::kUnix, kBoth | kFdInHeader);
  const net::UniqueFd memory(memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(write(memory.get(), "abc", 3), 3);
  ASSERT_EQ(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
  std::vector<uint32_t> ids;
  const int fd = memory.get();
  client.wire().Send(
      client.Encode({With(TimeToLive(3000), {.mode = kPutFd, .uri = "m.txt"})}, &ids),
      absl::MakeConstSpan(&fd, 1));
  const Answer put = client.Next();
  ASSERT_TRUE(put.ok());
  EXPECT_NEAR(static_cast<double>(put.Number(kExpiresEntry)),
              static_cast<double>(time(nullptr) + 3000), 60);
  ExpectVersion(&client, "m.txt", "abc", "text/plain; charset=utf-8");
  const std::string etag = Text(put, kEtagEntry);
  for (const char mode : kReads) {
    ExpectRefused(client.Get(With(IfNoneMatch(etag), {.mode = mode, .uri = "m.txt"})),
                  Status::kNotModified);
  }
  ExpectFailed(client.Get(With(IfMatch("other"), {.mode = kDelete, .uri = "m.txt"})), "m.txt",
               etag);
  EXPECT_TRUE(client.Get(With(IfMatch(etag), {.mode = kDelete, .uri = "m.txt"})).ok());
}

// What is asked for only if it is another version than the client has: it is told that it is not,
// or gets it; the connection goes on.
TEST_P(ConditionsTest, IfNoneMatch) {
  tree_.Add("small", "abc");
  tree_.Add("large", Pattern(2, 700'000));
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    RawClient client = Client(transport, kInOrder | kConditions);
    for (const std::string uri : {"small", "large"}) {
      const std::string etag = Text(client.Get({.mode = kStat, .uri = uri}), kEtagEntry);
      for (const char mode : kReads) {
        if (mode == kFdPass && transport != Transport::kUnix) continue;
        SCOPED_TRACE(absl::StrCat(uri, " ", absl::string_view(&mode, 1)));
        ExpectRefused(client.Get(With(IfNoneMatch(etag), {.mode = mode, .uri = uri})),
                      Status::kNotModified);
        Answer answer = client.Get(With(IfNoneMatch("other"), {.mode = mode, .uri = uri}));
        EXPECT_TRUE(answer.ok());
        if (mode != kStat && mode != kFdPass) {
          EXPECT_EQ(answer.body.size(), uri == "small" ? 3u : 700'000u);
        }
        Question range = With(IfNoneMatch("other"), {.mode = mode, .uri = uri});
        range.flags |= kWithRange;
        range.offset = 1;
        range.length = 2;
        EXPECT_TRUE(client.Get(range).ok());
        ExpectRefused(client.Get(With(IfNoneMatch(etag), {.mode = mode, .uri = "missing"})),
                      Status::kNotFound);
      }
    }
  }
}

// An object is created only where there is none, and replaced and removed only where it is the
// version that the client names; a refusal changes nothing, and the connection goes on behind the
// body.
TEST_P(ConditionsTest, ChangesOfOneVersion) {
  RawClient client = Client(Transport::kUnix, kBoth);
  const auto put = [&](std::string metadata, absl::string_view body) {
    return client.Get(With(std::move(metadata), Put("a/b.txt", std::string(body))));
  };
  ExpectFailed(put(IfMatch("nothing"), "0"), "a/b.txt", "there is no such object");
  const Answer first = put(IfAbsent(), "one");
  ASSERT_TRUE(first.ok());
  const std::string etag = Text(first, kEtagEntry);
  ExpectFailed(put(IfAbsent(), std::string(300'000, 'x')), "a/b.txt", etag);
  ExpectFailed(put(IfMatch("another"), std::string(300'000, 'x')), "a/b.txt", etag);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/b.txt"}).body, "one");
  const Answer second = put(IfMatch(etag), "two");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/b.txt"}).body, "two");
  ExpectFailed(client.Get(With(IfMatch(etag), {.mode = kDelete, .uri = "a/b.txt"})), "a/b.txt",
               Text(second, kEtagEntry));
  EXPECT_TRUE(
      client.Get(With(IfMatch(Text(second, kEtagEntry)), {.mode = kDelete, .uri = "a/b.txt"}))
          .ok());
  ExpectFailed(client.Get(With(IfMatch(etag), {.mode = kDelete, .uri = "a/b.txt"})), "a/b.txt",
               "there is no such object");
}

// The same of a descriptor that is stored.
TEST_P(ConditionsTest, DescriptorsOfOneVersion) {
  tree_.Add("source", "from a file");
  RawClient client = Client(Transport::kUnix, kBoth);
  const auto put = [&](std::string metadata) {
    const Answer source = client.Get({.mode = kFdPass, .uri = "source"});
    std::vector<uint32_t> ids;
    const int fd = source.fd.get();
    client.wire().Send(
        client.Encode({With(std::move(metadata), {.mode = kPutFd, .uri = "copy"})}, &ids),
        absl::MakeConstSpan(&fd, 1));
    return client.Next();
  };
  ExpectFailed(put(IfMatch("nothing")), "copy", "there is no such object");
  const Answer first = put(IfAbsent());
  ASSERT_TRUE(first.ok()) << Text(first, kErrorEntry);
  ExpectFailed(put(IfAbsent()), "copy", Text(first, kEtagEntry));
  EXPECT_TRUE(put(IfMatch(Text(first, kEtagEntry))).ok());
}

// Without CONDITIONS a condition is refused, never skipped: nothing is stored.
TEST_P(ConditionsTest, WhatWasNotNegotiated) {
  RawClient client = Client(Transport::kUnix, kInOrder | kMetadata);
  ExpectRefused(client.Get(With(IfAbsent(), Put("a", "abc"))), Status::kCapabilityError);
  ExpectRefused(client.Get({.mode = kCopy, .uri = "a", .flags = kWithMetadata}),
                Status::kInvalidRequest);
  ExpectRefused(client.Get({.mode = kCopy, .uri = "a"}), Status::kNotFound);
}

// Of many that create one object at a time exactly one does, and of many that replace one version.
TEST_P(ConditionsTest, OneOfManyWins) {
  constexpr int kWriters = 6;
  constexpr int kRounds = 10;
  Client();  // starts the server
  for (int round = 0; round < kRounds; ++round) {
    const std::string uri = absl::StrCat("race/", round);
    std::string condition = IfAbsent();
    for (int change = 0; change < 2; ++change) {
      std::vector<Answer> answers(kWriters);
      std::atomic<int> ready{0};
      std::vector<std::thread> writers;
      for (int writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back([&, writer] {
          RawClient client = Client(writer % 2 == 0 ? Transport::kUnix : Transport::kTcp, kBoth);
          ++ready;
          while (ready < kWriters) std::this_thread::yield();
          answers[writer] =
              client.Get(With(condition, Put(uri, absl::StrCat("of ", writer, " in ", change))));
        });
      }
      for (std::thread& writer : writers) writer.join();
      int winner = -1;
      for (int writer = 0; writer < kWriters; ++writer) {
        if (answers[writer].ok()) {
          EXPECT_EQ(winner, -1) << "two have won";
          winner = writer;
        } else {
          ExpectRefused(answers[writer], Status::kPreconditionFailed);
        }
      }
      ASSERT_NE(winner, -1);
      RawClient client = Client(Transport::kUnix, kBoth);
      const Answer now = client.Get({.mode = kCopy, .uri = uri});
      EXPECT_EQ(now.body, absl::StrCat("of ", winner, " in ", change));
      EXPECT_EQ(Text(now, kEtagEntry), Text(answers[winner], kEtagEntry));
      condition = IfMatch(Text(now, kEtagEntry));
    }
  }
}

// Whatever replaces an object while its descriptors are passed: the version that an answer names is
// the one that its descriptor is, since contents and etags of what is stored belong together.
TEST_P(ConditionsTest, ADescriptorIsTheVersionThatItsAnswerNames) {
  RawClient writer = Client(Transport::kUnix, kBoth);
  std::string etags[2];
  for (const int version : {0, 1})
    etags[version] =
        Text(writer.Get(Put("v", std::string(100 + version, 'a' + version))), kEtagEntry);
  std::atomic<bool> stop{false};
  std::thread changes([&] {
    for (int i = 0; !stop; ++i) writer.Get(Put("v", std::string(100 + i % 2, 'a' + i % 2)));
  });
  RawClient reader = Client(Transport::kUnix, kBoth | kFdInHeader);
  for (int i = 0; i < 300; ++i) {
    const Answer answer = reader.Get({.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = "v"});
    ASSERT_TRUE(answer.ok());
    const std::string body = i % 2 == 0 ? Contents(answer.fd.get()) : answer.body;
    const int version = body[0] - 'a';
    // In the moment in which it gets its name it may have the etag that files have of which the
    // content's is not known.
    const std::string etag = Text(answer, kEtagEntry);
    if (absl::StartsWith(etag, "xxh3-")) {
      EXPECT_EQ(etag, etags[version]) << body;
    }
    EXPECT_EQ(answer.Number(kSizeEntry), body.size());
  }
  stop = true;
  changes.join();
}

}  // namespace
}  // namespace objmapper::e2e
