// Requests that go well, and what a request is on the wire.
#include "origin/fetch/fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/net/eventually.h"
#include "tests/net/memfd.h"
#include "tests/net/open_fds.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fetch/fetching.h"
#include "text/version.h"

namespace objmapper::origin::fetch {
namespace {

using testing::BadOrigin;
using ::testing::ElementsAre;
using testing::Fault;
using ::testing::HasSubstr;
using ::testing::Not;

class FetcherTest : public ::testing::Test {
 protected:
  FetcherTest() { origin_.Put("a", bytes_, "\"one\""); }

  const std::string bytes_ = Bytes(300'000);
  BadOrigin origin_;
  RunningFetcher fetcher_;
};

TEST_F(FetcherTest, AWholeObject) {
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(sink->outcome.cause, Cause::kNone);
  EXPECT_EQ(sink->outcome.reason, "");
  EXPECT_EQ(sink->outcome.status, 200);
  EXPECT_EQ(sink->outcome.attempts, 1);
  EXPECT_EQ(sink->outcome.bytes, 300'000u);
  EXPECT_GT(sink->outcome.first_byte, absl::ZeroDuration());
  EXPECT_GE(sink->outcome.total, sink->outcome.first_byte);
  EXPECT_EQ(sink->bytes, bytes_);
  ASSERT_EQ(sink->heads.size(), 1u);
  EXPECT_EQ(sink->heads[0].etag, "\"one\"");
  EXPECT_EQ(sink->heads[0].object_bytes, 300'000u);
  EXPECT_EQ(fetcher_->running(), 0u);
}

TEST_F(FetcherTest, ARange) {
  const auto sink = fetcher_.Run(GetRange(origin_.url("a"), 1000, 1999));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, bytes_.substr(1000, 1000));
  EXPECT_EQ(sink->heads[0].first, 1000u);
  EXPECT_EQ(sink->heads[0].content_length, 1000u);
  EXPECT_EQ(sink->heads[0].object_bytes, 300'000u);
  // The object's end is a range's end.
  EXPECT_EQ(fetcher_.Run(GetRange(origin_.url("a"), 299'000, 400'000))->bytes,
            bytes_.substr(299'000));
}

// An empty object has no first byte, so a range of it is none; what it is, is said.
TEST_F(FetcherTest, ARangeOfAnEmptyObject) {
  origin_.Put("empty", "");
  const auto sink = fetcher_.Run(GetRange(origin_.url("empty"), 0, 99));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kBadRange);
  EXPECT_EQ(sink->outcome.object_bytes, 0u);
  const auto whole = fetcher_.Run(Get(origin_.url("empty")));
  EXPECT_EQ(whole->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(whole->heads.size(), 1u);
}

TEST_F(FetcherTest, WhatIsSent) {
  Request request = GetRange(origin_.url("a"), 0, 9);
  request.if_match = "\"one\"";
  request.prepare = [](const Attempt& attempt) {
    return Headers{{"X-Url", attempt.url}, {"x-empty", ""}, {"Accept", ""}};
  };
  fetcher_.Run(request);
  const BadOrigin::Asked asked = origin_.asked()[0];
  EXPECT_EQ(asked.method, "GET");
  EXPECT_EQ(asked.target, "/a");
  EXPECT_EQ(asked.Header("host"), absl::StrCat("127.0.0.1:", origin_.port()));
  EXPECT_EQ(asked.Header("user-agent"), absl::StrCat("objmapper/", text::kVersion));
  EXPECT_EQ(asked.Header("x-url"), origin_.url("a"));
  EXPECT_EQ(asked.Header("range"), "bytes=0-9");
  EXPECT_EQ(asked.Header("if-match"), "\"one\"");
  int empty = 0;
  for (const auto& [name, value] : asked.headers) empty += name == "x-empty" && value.empty();
  EXPECT_EQ(empty, 1);
}

// A signed path must arrive as it was signed.
TEST_F(FetcherTest, PathsAreSentAsTheyAre) {
  for (const char* path : {"a/../b", "./a", "a//b", "x/%2F%2f", "%2E%2e/c", "a+b", "!$&'()*,;=:@",
                           "%E2%82%AC", "a/", "a/.", "a/.."}) {
    fetcher_.Run(Get(origin_.url(path)));
    EXPECT_EQ(origin_.asked().back().target, absl::StrCat("/", path));
  }
  fetcher_.Run(Get(origin_.url("a?list-type=2&prefix=x%2Fy&marker=")));
  EXPECT_EQ(origin_.asked().back().target, "/a?list-type=2&prefix=x%2Fy&marker=");
}

TEST_F(FetcherTest, Head) {
  Request request;
  request.method = Method::kHead;
  request.url = origin_.url("a");
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->heads[0].content_length, 300'000u);
  EXPECT_EQ(sink->heads[0].etag, "\"one\"");
  EXPECT_EQ(sink->bytes, "");
  request.url = origin_.url("none");
  request.s3 = true;
  EXPECT_EQ(fetcher_.Run(request)->outcome.verdict, Verdict::kNotFound);
}

// Without an "Expect", which costs a round trip or a second; and again from the start.
TEST_F(FetcherTest, Put) {
  const std::string body = Bytes(3'000'000);
  Request request;
  request.method = Method::kPut;
  request.url = origin_.url("new");
  request.body = BodyOf(body);
  request.if_none_match = "*";
  origin_.Misbehave("new", 1, Fault::Error(503, "SlowDown"));
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(origin_.Get("new"), body);
  EXPECT_NE(sink->heads[0].etag, "");
  ASSERT_EQ(origin_.asked().size(), 2u);
  for (const BadOrigin::Asked& asked : origin_.asked()) {
    EXPECT_EQ(asked.Header("expect"), "");
    EXPECT_EQ(asked.Header("content-length"), "3000000");
    EXPECT_EQ(asked.Header("transfer-encoding"), "");
    EXPECT_EQ(asked.Header("if-none-match"), "*");
  }
}

TEST_F(FetcherTest, PutOfNothing) {
  Request request;
  request.method = Method::kPut;
  request.url = origin_.url("new");
  EXPECT_EQ(fetcher_.Run(request)->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(origin_.Get("new"), "");
  EXPECT_EQ(origin_.asked()[0].Header("content-length"), "0");
}

TEST_F(FetcherTest, ABodyThatCannotBeRead) {
  class Broken : public BodySource {
   public:
    uint64_t size() const override { return 1000; }
    absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> to) override {
      if (offset > 0) return absl::DataLossError("the disk is broken");
      to[0] = 'x';
      return 1;
    }
  };
  Request request;
  request.method = Method::kPut;
  request.url = origin_.url("new");
  request.body = std::make_shared<Broken>();
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kOurs);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("/new: its body: the disk is broken"));
  EXPECT_EQ(sink->outcome.attempts, 1);
}

TEST_F(FetcherTest, PostAndDelete) {
  Request post = Get(origin_.url("a?uploads"));
  post.method = Method::kPost;
  post.body = BodyOf("<Complete/>");
  const auto sink = fetcher_.Run(post);
  EXPECT_EQ(sink->bytes, "<Complete/>");
  EXPECT_EQ(origin_.asked()[0].method, "POST");
  EXPECT_EQ(origin_.asked()[0].Header("content-type"), "");

  Request remove;
  remove.method = Method::kDelete;
  remove.url = origin_.url("a");
  EXPECT_EQ(fetcher_.Run(remove)->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(origin_.Get("a"), std::nullopt);
}

TEST_F(FetcherTest, NotModified) {
  Request request = Get(origin_.url("a"));
  request.if_none_match = "\"one\"";
  EXPECT_EQ(fetcher_.Run(request)->outcome.verdict, Verdict::kNotModified);
  origin_.Put("a", "new", "\"two\"");
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(sink->bytes, "new");
  // A body that breaks off is gone on with, not compared again.
  origin_.Misbehave("a", 1, Fault::CutAt(1));
  EXPECT_EQ(fetcher_.Run(request)->bytes, "new");
  EXPECT_EQ(origin_.asked().back().Header("if-none-match"), "");
}

TEST_F(FetcherTest, WhatIsNotFoundAndWhatIsTrouble) {
  struct Row {
    bool s3;
    int status;
    const char* code;
    Verdict verdict;
  };
  for (const Row& row :
       std::initializer_list<Row>{{true, 404, "NoSuchKey", Verdict::kNotFound},
                                  {true, 404, "NoSuchBucket", Verdict::kTrouble},
                                  {true, 404, "", Verdict::kTrouble},
                                  {true, 410, "", Verdict::kNotFound},
                                  {false, 404, "", Verdict::kNotFound},
                                  {false, 404, "NoSuchBucket", Verdict::kTrouble},
                                  {false, 410, "", Verdict::kNotFound},
                                  {true, 403, "AccessDenied", Verdict::kPermissionDenied},
                                  {false, 401, "", Verdict::kPermissionDenied},
                                  {true, 403, "SignatureDoesNotMatch", Verdict::kTrouble},
                                  {true, 403, "InvalidAccessKeyId", Verdict::kTrouble},
                                  {true, 403, "ExpiredToken", Verdict::kTrouble},
                                  {true, 412, "PreconditionFailed", Verdict::kPreconditionFailed},
                                  {false, 304, "", Verdict::kTrouble},  // nobody asked whether
                                  {false, 300, "", Verdict::kTrouble},
                                  {false, 418, "", Verdict::kTrouble}}) {
    const size_t before = origin_.asked().size();
    origin_.Misbehave("a", 1, Fault::Error(row.status, row.code));
    Request request = Get(origin_.url("a"));
    request.s3 = row.s3;
    const auto sink = fetcher_.Run(request);
    EXPECT_EQ(sink->outcome.verdict, row.verdict) << row.status << row.code;
    EXPECT_EQ(sink->outcome.status, row.status);
    EXPECT_EQ(sink->outcome.code, row.code);
    EXPECT_THAT(sink->outcome.reason, HasSubstr(absl::StrCat(row.status)));
    EXPECT_TRUE(sink->heads.empty());
    EXPECT_EQ(origin_.asked().size(), before + 1);
  }
}

TEST_F(FetcherTest, ASinkThatDoesNotWantIt) {
  auto head = std::make_shared<KeptSink>();
  head->on_head = [](const Head&) { return absl::ResourceExhaustedError("the disk is full"); };
  ASSERT_TRUE(fetcher_->Fetch(Get(origin_.url("a")), head).ok());
  EXPECT_EQ(head->Wait().verdict, Verdict::kRefusedBySink);
  EXPECT_THAT(head->outcome.reason, HasSubstr("the disk is full"));
  EXPECT_EQ(head->bytes, "");

  auto bytes = std::make_shared<KeptSink>();
  bytes->on_bytes = [](absl::Span<const char>) { return absl::DataLossError("no space left"); };
  ASSERT_TRUE(fetcher_->Fetch(Get(origin_.url("a")), bytes).ok());
  EXPECT_EQ(bytes->Wait().verdict, Verdict::kRefusedBySink);
  EXPECT_EQ(bytes->outcome.attempts, 1);
}

TEST_F(FetcherTest, RequestsThatCannotBeMade) {
  const auto refused = [&](Request request) {
    auto sink = std::make_shared<KeptSink>();
    const absl::Status status = fetcher_->Fetch(std::move(request), sink).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(sink->dones, 0);
    return std::string(status.message());
  };
  EXPECT_THAT(refused(Get("ftp://host/a")), HasSubstr("neither http nor https"));
  EXPECT_THAT(refused(Get("http://me:secret@host/a")), Not(HasSubstr("secret")));
  EXPECT_THAT(refused(GetRange(origin_.url("a"), 5, 4)), HasSubstr("range 5-4 ends before"));
  Request etag = Get(origin_.url("a"));
  etag.if_match = "\"x\"\r\nX-Y: z";
  EXPECT_THAT(refused(etag), HasSubstr("is no ETag"));
}

TEST_F(FetcherTest, HeadersThatCannotBeSent) {
  for (const Header& header : std::initializer_list<Header>{
           {"X-A", "b\r\nX-C: d"}, {"X-A", std::string("\0", 1)}, {"", "b"}, {"X A", "b"}}) {
    Request request = Get(origin_.url("a"));
    request.prepare = [&](const Attempt&) { return Headers{header}; };
    const auto sink = fetcher_.Run(request);
    EXPECT_EQ(sink->outcome.cause, Cause::kOurs);
    EXPECT_THAT(sink->outcome.reason, HasSubstr("cannot be sent"));
  }
  Request request = Get(origin_.url("a"));
  request.prepare = [](const Attempt&) { return absl::UnavailableError("no credentials"); };
  EXPECT_THAT(fetcher_.Run(request)->outcome.reason, HasSubstr("/a: no credentials"));
  EXPECT_TRUE(origin_.asked().empty());
}

// Each attempt is signed anew, and none of what signs it is ever shown.
TEST_F(FetcherTest, EachAttemptIsPreparedAnewAndNoSecretIsShown) {
  origin_.Misbehave("a", 0, Fault::Error(503, "SlowDown"));
  std::vector<int> numbers;
  Request request = Get(origin_.url("a?X-Amz-Signature=secret"));
  request.prepare = [&](const Attempt& attempt) {
    EXPECT_TRUE(attempt.credentials);
    numbers.push_back(attempt.number);
    return Headers{{"Authorization", absl::StrCat("secret ", attempt.number)}};
  };
  const auto sink = fetcher_.Run(request);
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3));
  EXPECT_EQ(origin_.asked()[2].Header("authorization"), "secret 3");
  EXPECT_THAT(sink->outcome.reason, Not(HasSubstr("secret")));
}

// What strangers say is shown as a stranger's words.
TEST_F(FetcherTest, ReasonsAreOneLine) {
  Fault odd = Fault::Error(400);
  odd.body = "<Error><Code>Odd\x1b[2J</Code><Message>line\nline " + std::string(5000, 'x') +
             "</Message></Error>";
  origin_.Misbehave("a", 0, odd);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_THAT(sink->outcome.reason, HasSubstr("400 Odd\\x1b[2J: line\\x0aline"));
  EXPECT_LT(sink->outcome.reason.size(), 600u);
}

// One connection serves what comes one after the other.
TEST_F(FetcherTest, ConnectionsAreKept) {
  for (int i = 0; i < 5; ++i) fetcher_.Run(GetRange(origin_.url("a"), 0, 9));
  fetcher_.Run(Get(origin_.url("none")));  // an error's body is read to its end
  fetcher_.Run(GetRange(origin_.url("a"), 0, 9));
  for (const BadOrigin::Asked& asked : origin_.asked()) EXPECT_EQ(asked.connection, 1);
}

// One that the origin closes as it is used again is replaced, and nobody hears of it.
TEST_F(FetcherTest, AKeptConnectionThatHasDied) {
  origin_.CloseKeptConnections(true);
  for (int i = 0; i < 3; ++i) {
    const auto sink = fetcher_.Run(GetRange(origin_.url("a"), 0, 9));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
    EXPECT_EQ(sink->outcome.attempts, 1);
    EXPECT_TRUE(sink->outcome.retried.empty());
  }
  EXPECT_EQ(origin_.asked().size(), 5u);  // each but the first one twice

  Request put;
  put.method = Method::kPut;
  put.url = origin_.url("new");
  put.body = BodyOf(bytes_);
  EXPECT_EQ(fetcher_.Run(put)->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(origin_.Get("new"), bytes_);
  EXPECT_EQ(origin_.asked("new").size(), 2u);
}

// What must not be done twice gets a connection that nobody has had, and one attempt.
TEST_F(FetcherTest, WhatMayBeDoneOnce) {
  fetcher_.Run(GetRange(origin_.url("a"), 0, 9));
  origin_.CloseKeptConnections(true);
  Request request = Get(origin_.url("a?uploads"));
  request.method = Method::kPost;
  request.idempotent = false;
  EXPECT_EQ(fetcher_.Run(request)->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(origin_.asked().size(), 2u);

  for (const Fault& fault : {Fault::CutBeforeHead(), Fault::Error(500, "InternalError")}) {
    const size_t before = origin_.asked().size();
    origin_.Misbehave("a", 0, fault);
    const auto sink = fetcher_.Run(request);
    EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
    EXPECT_TRUE(sink->outcome.may_be_done);
    EXPECT_EQ(origin_.asked().size(), before + 1);
  }
  // What the origin says that it has not done is done again.
  const size_t before = origin_.asked().size();
  origin_.Misbehave("a", 0, Fault::Error(503, "SlowDown"));
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_FALSE(sink->outcome.may_be_done);
  EXPECT_EQ(origin_.asked().size(), before + 3);
}

// Whether a change may have been made: not when nothing has left, nor when the origin refuses it;
// and whatever becomes of a later attempt, an earlier one may have been the one.
TEST_F(FetcherTest, WhatMayBeDone) {
  Request request = Get(origin_.refused_url("b"));
  request.method = Method::kPut;
  request.body = BodyOf("bytes");
  EXPECT_FALSE(fetcher_.Run(request)->outcome.may_be_done);
  request.url = origin_.url("b");
  EXPECT_FALSE(fetcher_.Run(request)->outcome.may_be_done);  // it is
  origin_.Misbehave("b", 1, Fault::Error(403));
  EXPECT_FALSE(fetcher_.Run(request)->outcome.may_be_done);
  origin_.Misbehave("b", 1, Fault::CutBeforeHead());
  EXPECT_EQ(fetcher_.Run(request)->outcome.verdict, Verdict::kFound);
  // The first on a connection that was used before is sent anew by libcurl.
  origin_.Misbehave("b", 1, Fault::CutBeforeHead());
  origin_.Misbehave("b", 2, Fault::CutBeforeHead());
  origin_.Misbehave("b", 3, Fault::Error(403));
  EXPECT_TRUE(fetcher_.Run(request)->outcome.may_be_done);
}

// From a file, of which it is a part.
TEST_F(FetcherTest, PutOfAFile) {
  const auto file = std::make_shared<const net::UniqueFd>(net::Memfd("0123456789", 0));
  Request request = Get(origin_.url("new"));
  request.method = Method::kPut;
  request.body = BodyOf(file, 2, 5);
  EXPECT_EQ(fetcher_.Run(request)->outcome.verdict, Verdict::kFound);
  EXPECT_EQ(origin_.Get("new"), "23456");
  request.body = BodyOf(file, 8, 5);
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(origin_.Get("new"), "23456");
}

// So that no request meets a connection that the origin is about to close.
TEST_F(FetcherTest, OldConnectionsAreNotUsed) {
  Options options = PatientOptions();
  options.idle_max = absl::Seconds(1);
  RunningFetcher fetcher(options);
  fetcher.Run(Get(origin_.url("a")));
  absl::SleepFor(absl::Milliseconds(2100));
  fetcher.Run(Get(origin_.url("a")));
  EXPECT_EQ(origin_.asked()[1].connection, 2);
}

// Nor do they stay open: the origin closes its ends, and ours would be kept until the next request.
TEST_F(FetcherTest, UnusedConnectionsAreClosed) {
  Options options = PatientOptions();
  options.idle_max = absl::Seconds(1);
  RunningFetcher fetcher(options);
  const ptrdiff_t before = net::OpenFds();
  for (int time = 1; time <= 2; ++time) {
    EXPECT_EQ(fetcher.Run(Get(origin_.url("a")))->bytes, bytes_);
    EXPECT_GT(net::OpenFds(), before);
    EXPECT_TRUE(net::Eventually([&] { return net::OpenFds() == before; })) << net::OpenFds();
  }
}

}  // namespace
}  // namespace objmapper::origin::fetch
