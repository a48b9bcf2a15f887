// What clients store and delete at an origin (write=through): it has it first, then it is here; and
// whatever goes wrong, what is here is never taken for something that it is not.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "net/unique_fd.h"
#include "storage/tree/attributes.h"
#include "tests/net/eventually.h"
#include "tests/origin/flight/flights_fixture.h"
#include "tests/origin/flight/putting.h"

namespace objmapper::origin {
namespace {

using Condition = Putter::Condition;

// As an HTTP server, and as S3, which asks for no signature here.
class ChangesTest : public FlightsTest, public ::testing::WithParamInterface<Origin::Kind> {
 protected:
  void SetUp() override {
    FlightsTest::SetUp();
    if (IsSkipped()) return;
    SetWritable();
  }
  // port: instead of the origin's.
  void SetWritable(absl::string_view words = "write=through", int port = 0) {
    if (port == 0) port = origin_.port();
    const std::string url =
        absl::StrCat(GetParam() == Origin::Kind::kS3 ? "s3://base endpoint=" : "",
                     "http://127.0.0.1:", port, GetParam() == Origin::Kind::kS3 ? "" : "/base");
    const absl::StatusOr<Origins> origins = Origins::Parse(
        absl::StrCat("/far ", url, absl::StrContains(words, "parallel") ? "" : " parallel=3",
                     " part=64K block=64K ", words, "\n"));
    ASSERT_TRUE(origins.ok()) << origins.status();
    ASSERT_TRUE(flights_->SetOrigins(*origins).ok());
  }
  using Putting = Putter::Putting;
  Putter putter() { return Putter(flights_.get(), &*store_); }
  std::unique_ptr<Putting> BeginPut(const std::string& name, const std::string& content) {
    return putter().Begin("far/" + name, content);
  }
  absl::Status Put(const std::string& name, const std::string& content,
                   Condition condition = nullptr) {
    return putter().Put("far/" + name, content, std::move(condition));
  }
  absl::Status Delete(const std::string& name, Condition condition = nullptr) {
    return putter().Delete("far/" + name, std::move(condition));
  }
  std::string Get(const std::string& name) {
    const absl::StatusOr<storage::OpenedObject> object =
        tree_->OpenObject("far/" + name, Wait::kMayFetch);
    return object.ok() ? storage::ReadAll(object->fd.get()) : object.status().ToString();
  }
  bool IsHere(const std::string& name) {
    return tree_->OpenObject("far/" + name, Wait::kMayBlock).ok();
  }
  std::optional<Mark> MarkOf(const std::string& name) {
    const absl::StatusOr<storage::OpenedObject> object =
        tree_->OpenObject("far/" + name, Wait::kMayBlock);
    return object.ok() ? ReadMark(object->fd.get()) : std::nullopt;
  }
  size_t Asked(const std::string& name) { return origin_.asked("base/" + name).size(); }
  // Has it fetched in its first version.
  void Fetched(const std::string& name, const std::string& content) {
    origin_.Put("base/" + name, content);
    ASSERT_EQ(Get(name), content);
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, ChangesTest,
                         ::testing::Values(Origin::Kind::kHttp, Origin::Kind::kS3),
                         [](const auto& info) {
                           return info.param == Origin::Kind::kS3 ? "s3" : "http";
                         });

// What has been stored is there, and is here as the origin's: the next who asks for it gets it
// without a request, and clients are told the origin's etag.
TEST_P(ChangesTest, StoresThereThenHere) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{300'000}}) {
    const std::string name = absl::StrCat("folder/", size);
    const std::string content = Content(size);
    const absl::Status put = Put(name, content);
    ASSERT_TRUE(put.ok()) << put;
    EXPECT_EQ(origin_.Get("base/" + name), content);
    EXPECT_EQ(Asked(name), 1u);
    EXPECT_EQ(Get(name), content);
    EXPECT_EQ(Asked(name), 1u);
    const std::optional<Mark> mark = MarkOf(name);
    ASSERT_TRUE(mark.has_value());
    EXPECT_EQ(mark->etag, origin_.EtagOf("base/" + name));
    EXPECT_EQ(mark->size, size);
    EXPECT_TRUE(absl::EndsWith(mark->source, "/base/" + name)) << mark->source;
    const auto told = tree_->Describe("far/" + name, Wait::kMayBlock);
    ASSERT_TRUE(told.ok());
    EXPECT_EQ(told->etag, ClientEtag(*mark));
  }
  EXPECT_EQ(flights_->Read().stored, 3u);
}

// It is good for as long as anything that was fetched, and then compared.
TEST_P(ChangesTest, IsRevalidated) {
  ASSERT_TRUE(Put("a", "first").ok());
  now_s_ += 61;
  EXPECT_EQ(Get("a"), "first");
  EXPECT_EQ(origin_.asked("base/a").back().status, 304);
  origin_.Put("base/a", "of somebody else");
  now_s_ += 61;
  EXPECT_EQ(Get("a"), "of somebody else");
}

// It takes the place of what was fetched, also of what is never asked for again.
TEST_P(ChangesTest, Replaces) {
  SetWritable("write=through immutable");
  Fetched("a", "old");
  const std::unique_ptr<Putting> putting = BeginPut("a", "new");
  ASSERT_TRUE(putting->Wait().ok());
  EXPECT_TRUE(putting->replaced);
  EXPECT_EQ(Get("a"), "new");
  EXPECT_EQ(origin_.Get("base/a"), "new");
}

// What was not there a moment ago is.
TEST_P(ChangesTest, AbsenceIsForgotten) {
  EXPECT_TRUE(absl::IsNotFound(Bring("far/a")));
  EXPECT_FALSE(flights_->MayHave("far/a"));
  ASSERT_TRUE(Put("a", "new").ok());
  EXPECT_EQ(Get("a"), "new");
}

// Deleted there and here; and it is known at once that there is none.
TEST_P(ChangesTest, Deletes) {
  SetWritable("write=through immutable");
  Fetched("a", "old");
  ASSERT_TRUE(Delete("a").ok());
  EXPECT_FALSE(origin_.Get("base/a").has_value());
  EXPECT_FALSE(IsHere("a"));
  const size_t asked = Asked("a");
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("far/a", Wait::kMayFetch).status()));
  EXPECT_EQ(Asked("a"), asked);
  EXPECT_EQ(flights_->Read().deleted, 1u);
}

// An origin that says 404 has none either; if there was none here, that is said.
TEST_P(ChangesTest, DeletesWhatIsNotThere) {
  Fetched("here", "old");
  origin_.Misbehave("base/here", 0, Fault::Error(404, "NoSuchKey"));
  EXPECT_TRUE(Delete("here").ok());
  EXPECT_FALSE(IsHere("here"));
  origin_.Misbehave("base/nowhere", 0, Fault::Error(404, "NoSuchKey"));
  EXPECT_TRUE(absl::IsNotFound(Delete("nowhere")));
}

// What this disk has of its own is replaced by what a client stores, and goes when he deletes it.
TEST_P(ChangesTest, ThisDisksOwn) {
  const auto own = [&](const std::string& content) {
    auto object = store_->Begin("far/a", content.size(), {});
    ASSERT_TRUE(object.ok() && (*object)->WriteWhole(content).ok() && (*object)->Commit().ok());
  };
  own("of this disk");
  origin_.Misbehave("base/a", 1, Fault::Error(403, "AccessDenied"));
  EXPECT_TRUE(absl::IsPermissionDenied(Put("a", "new")));
  EXPECT_EQ(Get("a"), "of this disk");
  ASSERT_TRUE(Put("a", "new").ok());
  EXPECT_EQ(Get("a"), "new");
  own("of this disk again");
  ASSERT_TRUE(Delete("a").ok());
  EXPECT_FALSE(IsHere("a"));
}

// Who has asked that an object be kept, has asked for the name.
TEST_P(ChangesTest, StaysPinned) {
  Fetched("a", "old");
  const auto pinned = [&] {
    return storage::IsPinned(tree_->OpenObject("far/a", Wait::kMayBlock)->fd.get());
  };
  ASSERT_TRUE(storage::SetPinned(tree_->OpenObject("far/a", Wait::kMayBlock)->fd.get(), true).ok());
  ASSERT_TRUE(Put("a", "new").ok());
  EXPECT_TRUE(pinned());
}

// A failure, and what is said of it: whether nobody knows what the origin has now.
struct FaultRow {
  const char* name;
  Fault fault;
  absl::StatusCode code;
  bool unknown;
};
std::vector<FaultRow> FaultRows() {
  using Code = absl::StatusCode;
  return {
      {"forbidden", Fault::Error(403, "AccessDenied"), Code::kPermissionDenied, false},
      {"broken", Fault::Error(500, "InternalError"), Code::kResourceExhausted, true},
      {"gateway", Fault::Error(504), Code::kResourceExhausted, true},
      {"slow down", Fault::Error(503, "SlowDown"), Code::kResourceExhausted, false},
      {"no bucket", Fault::Error(404, "NoSuchBucket"), Code::kResourceExhausted, false},
      {"cut", Fault::CutBeforeHead(), Code::kResourceExhausted, true},
      {"reset", Fault::ResetBeforeHead(), Code::kResourceExhausted, true},
      {"silent", Fault::SilentBeforeHead(), Code::kResourceExhausted, true},
      {"garbage", Fault::Raw("what?\r\n\r\n"), Code::kResourceExhausted, true},
  };
}

// Whatever the origin answers, nothing is here afterwards that it did not say it has, though the
// old version was `immutable`; and the next who asks gets what it has.
TEST_P(ChangesTest, Faults) {
  SetWritable("write=through immutable");
  for (const FaultRow& row : FaultRows()) {
    // Its time limit is not a test's: the flights are stopped instead, in the next test.
    if (row.fault.then == Fault::Then::kStay) continue;
    SCOPED_TRACE(row.name);
    const std::string name = absl::StrReplaceAll(row.name, {{" ", "-"}});
    Fetched(name, "old");
    origin_.Misbehave("base/" + name, 0, row.fault);
    const absl::Status put = Put(name, "new");
    EXPECT_EQ(put.code(), row.code) << put;
    EXPECT_EQ(absl::StrContains(put.message(), "unknown"), row.unknown) << put;
    EXPECT_FALSE(IsHere(name));
    origin_.Misbehave("base/" + name, 0, Fault());
    EXPECT_EQ(Get(name), *origin_.Get("base/" + name));
    // The same of a DELETE.
    origin_.Misbehave("base/" + name, 0, row.fault);
    const absl::Status deleted = Delete(name);
    EXPECT_EQ(deleted.code(), row.code) << deleted;
    EXPECT_EQ(absl::StrContains(deleted.message(), "unknown"), row.unknown) << deleted;
    EXPECT_FALSE(IsHere(name));
  }
}

// Takes some of a body from each who connects, and then goes away, or takes no more.
class HalfReader {
 public:
  explicit HalfReader(bool stays) : stays_(stays), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.get(), at, length), 0);
    EXPECT_EQ(listen(listener_.get(), 16), 0);
    EXPECT_EQ(getsockname(listener_.get(), at, &length), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      std::vector<net::UniqueFd> kept;
      while (true) {
        net::UniqueFd peer(accept(listener_.get(), nullptr, nullptr));
        if (!peer.valid()) return;  // shut down
        std::string some(100'000, '\0');
        EXPECT_EQ(recv(peer.get(), some.data(), some.size(), MSG_WAITALL),
                  static_cast<ssize_t>(some.size()));
        if (stays_) kept.push_back(std::move(peer));
      }
    });
  }
  ~HalfReader() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  int port() const { return port_; }

 private:
  const bool stays_;
  const net::UniqueFd listener_;
  int port_ = 0;
  std::thread thread_;
};

// Cut, or stalled, in the middle of a body that is more than sockets hold; and nobody there.
TEST_P(ChangesTest, InMidBody) {
  const std::string content = Content(15 << 20);
  for (const bool stays : {false, true}) {
    SCOPED_TRACE(stays);
    const HalfReader reader(stays);
    SetWritable("write=through stall=1K/1s", reader.port());
    const absl::Status put = Put("a", content);
    EXPECT_TRUE(absl::IsResourceExhausted(put)) << put;
    EXPECT_TRUE(absl::StrContains(put.message(), "unknown")) << put;
    EXPECT_EQ(absl::StrContains(put.message(), "stalled"), stays) << put;
    EXPECT_FALSE(IsHere("a"));
  }
  const std::string refusing = origin_.refused_url("");
  SetWritable("write=through", atoi(refusing.c_str() + refusing.rfind(':') + 1));
  const absl::Status put = Put("a", content);
  EXPECT_TRUE(absl::IsResourceExhausted(put)) << put;
  EXPECT_FALSE(absl::StrContains(put.message(), "unknown")) << put;
}

// A server that ends while nobody knows whether the origin has the new object leaves nothing of
// the old one.
TEST_P(ChangesTest, EndsInBetween) {
  SetWritable("write=through immutable");
  Fetched("a", "old");
  origin_.Misbehave("base/a", 1, Fault::SilentBeforeHead());
  const std::unique_ptr<Putting> putting = BeginPut("a", "new");
  ASSERT_TRUE(net::Eventually([&] { return origin_.Get("base/a") == "new"; }));
  EXPECT_FALSE(IsHere("a"));
  Begin();
  EXPECT_TRUE(absl::IsResourceExhausted(putting->Wait()));
  SetWritable("write=through immutable");
  EXPECT_EQ(Get("a"), "new");
}

// Who asks for an object while it is being stored waits, and gets the new one.
TEST_P(ChangesTest, ReadersWait) {
  Fetched("a", "old");
  Gate gate;
  Fault holds;
  holds.before_head = true;
  holds.run = [&] { gate.Pass(); };
  origin_.Misbehave("base/a", 1, holds);
  const std::unique_ptr<Putting> putting = BeginPut("a", "new");
  ASSERT_TRUE(net::Eventually([&] { return origin_.Get("base/a") == "new"; }));
  std::future<std::string> got = std::async(std::launch::async, [&] { return Get("a"); });
  EXPECT_TRUE(net::Eventually([&] { return flights_->Read().waiting == 1; }));
  gate.Open();
  EXPECT_TRUE(putting->Wait().ok());
  EXPECT_EQ(got.get(), "new");
}

// A flight of an older version never publishes over a later one, and who has waited for it gets
// that.
TEST_P(ChangesTest, EndsAnOlderFlight) {
  origin_.Put("base/a", Content(300'000));
  origin_.Misbehave("base/a", 1, Fault::SilentAt(1000));
  std::future<std::string> got = std::async(std::launch::async, [&] { return Get("a"); });
  ASSERT_TRUE(net::Eventually([&] { return Asked("a") >= 1; }));
  ASSERT_TRUE(Put("a", "new").ok());
  EXPECT_EQ(got.get(), "new");
  EXPECT_EQ(Get("a"), "new");
}

// Changes of one name follow each other: the last one is what is there and here.
TEST_P(ChangesTest, FollowEachOther) {
  std::vector<std::unique_ptr<Putting>> puts;
  for (int i = 0; i < 8; ++i) puts.push_back(BeginPut("a", absl::StrCat("version ", i)));
  for (const auto& put : puts) EXPECT_TRUE(put->Wait().ok());
  EXPECT_EQ(origin_.Get("base/a"), "version 7");
  EXPECT_EQ(Get("a"), "version 7");
  EXPECT_EQ(origin_.most_at_once(), 1);
}

// A condition is judged of what the origin has, not of what is here.
TEST_P(ChangesTest, Conditions) {
  const Condition if_absent = [](const storage::Description* there) {
    return there == nullptr ? absl::OkStatus() : absl::AbortedError("there is one");
  };
  EXPECT_TRUE(Put("a", "first", if_absent).ok());
  EXPECT_TRUE(absl::IsAborted(Put("a", "second", if_absent)));
  EXPECT_EQ(Get("a"), "first");
  origin_.Put("base/empty", "");
  EXPECT_TRUE(absl::IsAborted(Put("empty", "second", if_absent)));
  const auto if_match = [](std::string etag) {
    return [etag](const storage::Description* there) {
      return there != nullptr && there->etag == etag ? absl::OkStatus()
                                                     : absl::AbortedError("another version");
    };
  };
  const std::string etag = ClientEtag(*MarkOf("a"));
  origin_.Put("base/a", "of somebody else");
  EXPECT_TRUE(absl::IsAborted(Put("a", "second", if_match(etag))));
  EXPECT_TRUE(absl::IsAborted(Delete("a", if_match(etag))));
  EXPECT_EQ(origin_.Get("base/a"), "of somebody else");
  origin_.Put("base/a", "again", "\"known\"");
  EXPECT_TRUE(Put("a", "second", if_match("known")).ok());
  EXPECT_EQ(origin_.Get("base/a"), "second");
}

// What comes in between is the origin's to refuse, which holds the condition itself.
TEST_P(ChangesTest, NothingComesInBetween) {
  const Condition always = [](const storage::Description*) { return absl::OkStatus(); };
  origin_.Put("base/there", "old");
  Fault changes;
  changes.before_head = true;
  changes.run = [&] { origin_.Put("base/there", "of another"); };
  origin_.Misbehave("base/there", 1, changes);
  EXPECT_TRUE(absl::IsAborted(Put("there", "new", always)));
  EXPECT_EQ(origin_.Get("base/there"), "of another");
  Fault appears = Fault::Error(404, "NoSuchKey");
  appears.before_head = true;
  appears.run = [&] { origin_.Put("base/absent", "of another"); };
  origin_.Misbehave("base/absent", 1, appears);
  EXPECT_TRUE(absl::IsAborted(Put("absent", "new", always)));
  EXPECT_EQ(origin_.Get("base/absent"), "of another");
}

// An origin that does not say what it calls the object has it, and it is fetched when it is wanted.
TEST_P(ChangesTest, WithoutAnEtag) {
  origin_.Misbehave("base/a", 1, Fault::Says("ETag", ""));
  ASSERT_TRUE(Put("a", "new").ok());
  EXPECT_FALSE(IsHere("a"));
  EXPECT_EQ(Get("a"), "new");
}

// Without the word, and where the name is no path, objects are only read.
TEST_P(ChangesTest, WhatMayBeChanged) {
  EXPECT_TRUE(flights_->MayChange("far/a").ok());
  EXPECT_TRUE(flights_->ChangesAfar("/far/a"));
  EXPECT_TRUE(flights_->MayChange("near/a").ok());
  EXPECT_FALSE(flights_->ChangesAfar("near/a"));
  for (const char* uri : {"far/a//b", "far/a/"}) {
    EXPECT_TRUE(absl::IsUnimplemented(flights_->MayChange(uri))) << uri;
    EXPECT_FALSE(flights_->ChangesAfar(uri)) << uri;
  }
  SetWritable("");
  EXPECT_TRUE(absl::IsUnimplemented(flights_->MayChange("far/a")));
  EXPECT_FALSE(flights_->ChangesAfar("far/a"));
  EXPECT_TRUE(absl::IsUnimplemented(Put("a", "new")));
}

class InPartsTest : public ChangesTest {
 protected:
  void SetUp() override {
    ChangesTest::SetUp();
    if (!IsSkipped()) SetWritable("write=through immutable");
  }
  const std::string content_ = Content(Change::kInPartsMin + 12'345);
};
INSTANTIATE_TEST_SUITE_P(S3, InPartsTest, ::testing::Values(Origin::Kind::kS3),
                         [](const auto&) { return "s3"; });

// What is large goes in parts, none of which is smaller than S3 allows, some at once.
TEST_P(InPartsTest, Completes) {
  ASSERT_TRUE(Put("a", content_).ok());
  EXPECT_TRUE(origin_.Get("base/a") == content_);
  EXPECT_EQ(origin_.uploads(), 0u);
  EXPECT_TRUE(Get("a") == content_);
  EXPECT_EQ(Asked("a"), 2 + 4u);  // begun, of 5 MiB each, and completed
  EXPECT_EQ(MarkOf("a")->etag, origin_.EtagOf("base/a"));
}

// Of any of its requests: nothing is left there that nobody sees, and the old version stays. Only
// of an upload whose very begin is not answered, nobody knows the name.
TEST_P(InPartsTest, Faults) {
  SetWritable("write=through immutable parallel=1");
  constexpr int kBegun = 1, kCompleted = 6;
  size_t lost = 0;
  for (const int nth : {kBegun, 2, 5, kCompleted}) {
    for (const FaultRow& row : FaultRows()) {
      if (row.fault.then == Fault::Then::kStay) continue;
      SCOPED_TRACE(absl::StrCat(row.name, " to request ", nth));
      const std::string name = absl::StrCat(nth, absl::StrReplaceAll(row.name, {{" ", "-"}}));
      Fetched(name, "old");
      // A part is sent three times; what begins and what completes once, but where the origin says
      // that it has not been done. How often a part is sent anew on connections that die depends on
      // how many are kept.
      const bool is_part = nth != kBegun && nth != kCompleted;
      if (is_part && row.fault.before_head) continue;
      const bool again = row.fault.status == 503 || (is_part && row.fault.status >= 500);
      const int tries = again ? 3 : 1;
      for (int i = 0; i < tries; ++i) origin_.Misbehave("base/" + name, nth + i, row.fault);
      const absl::Status put = Put(name, content_);
      EXPECT_EQ(put.code(), row.code) << put;
      EXPECT_EQ(absl::StrContains(put.message(), "unknown"), row.unknown && nth == kCompleted)
          << put;
      EXPECT_FALSE(IsHere(name));
      if (nth == kBegun && row.unknown && row.fault.status == 0) ++lost;
      EXPECT_EQ(origin_.uploads(), lost);
      EXPECT_TRUE(Get(name) == *origin_.Get("base/" + name));
    }
  }
}

// S3 may say that it has failed when it has already said 200.
TEST_P(InPartsTest, An200WithAnError) {
  Fetched("a", "old");
  Fault fails = Fault::Error(200);
  fails.body =
      "\n \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>no</Message></Error>";
  origin_.Misbehave("base/a", 6, fails);
  const absl::Status put = Put("a", content_);
  EXPECT_TRUE(absl::IsResourceExhausted(put)) << put;
  EXPECT_TRUE(absl::StrContains(put.message(), "InternalError")) << put;
  EXPECT_FALSE(absl::StrContains(put.message(), "unknown")) << put;
  EXPECT_EQ(origin_.uploads(), 0u);
  EXPECT_EQ(Get("a"), "old");
  // What is none of both may be either.
  fails.body = "<html>I am a proxy</html>";
  origin_.Misbehave("base/b", 6, fails);
  const absl::Status other = Put("b", content_);
  EXPECT_TRUE(absl::StrContains(other.message(), "unknown")) << other;
  EXPECT_EQ(origin_.uploads(), 0u);
}

// A server that ends in the middle leaves nothing behind, there or here.
TEST_P(InPartsTest, EndsInBetween) {
  Fetched("a", "old");
  origin_.Misbehave("base/a", 3, Fault::SilentBeforeHead());
  const std::unique_ptr<Putting> putting = BeginPut("a", content_);
  ASSERT_TRUE(net::Eventually([&] { return origin_.uploads() == 1; }));
  Begin();
  EXPECT_TRUE(absl::IsResourceExhausted(putting->Wait()));
  EXPECT_EQ(origin_.uploads(), 0u);
  EXPECT_FALSE(IsHere("a"));
}

// S3 has at most 10,000 parts, of at least 5 MiB, whatever the line says.
TEST(PartBytesTest, IsWhatS3Allows) {
  EXPECT_EQ(Multipart::PartBytes(16 << 20, 64 << 10), 5u << 20);
  EXPECT_EQ(Multipart::PartBytes(16 << 20, 8 << 20), 8u << 20);
  const uint64_t most = uint64_t{5} << 40;  // S3's largest object
  EXPECT_LE((most + Multipart::PartBytes(most, 8 << 20) - 1) / Multipart::PartBytes(most, 8 << 20),
            Multipart::kPartsMax);
}

}  // namespace
}  // namespace objmapper::origin
