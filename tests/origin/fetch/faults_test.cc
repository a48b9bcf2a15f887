// What the origin does wrong, a row each: what the sink sees, what the origin is asked, what is
// said to people. Times are small where something is waited for in vain, and long where not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/listener.h"
#include "origin/fetch/fetcher.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fetch/fetching.h"

namespace objmapper::origin::fetch {
namespace {

using testing::BadOrigin;
using ::testing::ElementsAre;
using testing::Fault;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class FaultsTest : public ::testing::Test {
 protected:
  FaultsTest() { origin_.Put("a", bytes_, "\"one\""); }

  // Times in which nothing comes.
  static Timeouts Impatient(absl::Duration time = absl::Milliseconds(500)) {
    return {absl::Seconds(60), time, {1000, time}};
  }
  // Those in which what is good comes all the same, however busy the machine is.
  static Timeouts Fair() { return Impatient(absl::Seconds(2)); }

  const std::string bytes_ = Bytes(300'000);
  BadOrigin origin_;
  RunningFetcher fetcher_;
};

// Nobody listens: three attempts, and who was asked is said.
TEST_F(FaultsTest, Refused) {
  const auto sink = fetcher_.Run(Get(origin_.refused_url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kRefused);
  EXPECT_EQ(sink->outcome.attempts, 3);
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kRefused, Cause::kRefused));
  EXPECT_THAT(
      sink->outcome.reason,
      MatchesRegex("GET http://127\\.0\\.0\\.1:[0-9]+/a: .*connect to 127.* \\(3 attempts\\)"));
  EXPECT_TRUE(sink->heads.empty());
  EXPECT_EQ(sink->dones, 1);
}

// A name that no name server can know: its label is too long for DNS.
TEST_F(FaultsTest, UnknownHost) {
  const std::string host(70, 'x');
  const auto sink = fetcher_.Run(Get(absl::StrCat("http://", host, ".invalid/a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kUnknownHost) << sink->outcome.reason;
  EXPECT_THAT(sink->outcome.reason, HasSubstr("not resolve host: xxx"));
  EXPECT_EQ(sink->outcome.attempts, 3);
}

TEST_F(FaultsTest, SilenceBeforeTheHeadOnce) {
  origin_.Misbehave("a", 1, Fault::SilentBeforeHead());
  Request request = Get(origin_.url("a"));
  request.timeouts = Fair();
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kSilence));
  EXPECT_EQ(sink->bytes, bytes_);
  EXPECT_EQ(origin_.asked().size(), 2u);
}

TEST_F(FaultsTest, SilenceBeforeTheHead) {
  origin_.Misbehave("a", 0, Fault::SilentBeforeHead());
  Request request = Get(origin_.url("a"));
  request.timeouts = Impatient();
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kSilence);
  EXPECT_THAT(sink->outcome.reason, HasSubstr(": no answer within 500ms (3 attempts)"));
  EXPECT_EQ(origin_.asked().size(), 3u);
}

// The head has been seen; what follows is asked for of that version, and the sink sees one body.
TEST_F(FaultsTest, SilenceBetweenHeadAndBody) {
  origin_.Misbehave("a", 1, Fault::SilentAt(0));
  Request request = Get(origin_.url("a"));
  request.timeouts = Fair();
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kStall));
  EXPECT_EQ(sink->bytes, bytes_);
  EXPECT_EQ(sink->heads.size(), 1u);
  ASSERT_EQ(origin_.asked().size(), 2u);
  EXPECT_EQ(origin_.asked()[1].Header("if-match"), "\"one\"");
  EXPECT_EQ(origin_.asked()[1].Header("range"), "bytes=0-299999");
}

TEST_F(FaultsTest, SilenceInMidBody) {
  origin_.Misbehave("a", 1, Fault::SilentAt(100'000));
  Request request = GetRange(origin_.url("a"), 50'000, 249'999);
  request.timeouts = Fair();
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, bytes_.substr(50'000, 200'000));
  EXPECT_EQ(sink->outcome.bytes, 200'000u);
  ASSERT_EQ(origin_.asked().size(), 2u);
  // What has come is not fetched twice.
  EXPECT_EQ(origin_.asked()[1].Header("range"), "bytes=150000-249999");
  EXPECT_EQ(origin_.asked()[1].Header("if-match"), "\"one\"");
  EXPECT_EQ(origin_.bytes_sent(), 200'000u);
}

// A hundred bytes a second are not none, and still too few.
TEST_F(FaultsTest, Drip) {
  origin_.Misbehave("a", 0, Fault::DripFrom(0));
  Request request = Get(origin_.url("a"));
  request.timeouts = Impatient();
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kStall);
  EXPECT_THAT(sink->outcome.reason,
              MatchesRegex(".*: stalled: [0-9]+ bytes in 500ms \\(at least 1000 are wanted\\) "
                           "\\(3 attempts\\)"));
  EXPECT_GT(sink->bytes.size(), 0u);
  EXPECT_EQ(sink->bytes, bytes_.substr(0, sink->bytes.size()));
}

// A peer that takes what its kernel takes, and reads nothing of it.
TEST_F(FaultsTest, APeerThatReadsNothing) {
  absl::StatusOr<net::Listener> deaf =
      net::Listener::Open({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(deaf.ok()) << deaf.status();
  Request request;
  request.method = Method::kPut;
  request.url = absl::StrCat("http://127.0.0.1:", deaf->address().port, "/a");
  request.body = BodyOf(std::string(32 << 20, 'x'));
  request.timeouts = Impatient();
  request.attempts_max = 1;
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kStall);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("stalled: "));
}

TEST_F(FaultsTest, CutBeforeTheHead) {
  origin_.Misbehave("a", 1, Fault::CutBeforeHead());
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kBroken));
}

TEST_F(FaultsTest, CutAtByteN) {
  origin_.Misbehave("a", 1, Fault::CutAt(1));
  origin_.Misbehave("a", 2, Fault::CutAt(99'999));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, bytes_);
  EXPECT_EQ(sink->heads.size(), 1u);
  ASSERT_EQ(origin_.asked().size(), 3u);
  EXPECT_EQ(origin_.asked()[1].Header("range"), "bytes=1-299999");
  EXPECT_EQ(origin_.asked()[2].Header("range"), "bytes=100000-299999");
}

TEST_F(FaultsTest, CutAlways) {
  origin_.Misbehave("a", 0, Fault::CutAt(10));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kBroken);
  EXPECT_EQ(sink->bytes, bytes_.substr(0, 30));
  EXPECT_EQ(sink->outcome.bytes, 30u);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("bytes remaining to read (3 attempts)"));
}

// Without a strong ETag nobody knows whether what follows is of the same version.
TEST_F(FaultsTest, CutWithoutAnEtag) {
  for (const std::string etag : {"", "W/\"one\""}) {
    BadOrigin origin;
    origin.Put("a", bytes_);
    Fault cut = Fault::CutAt(1000);
    cut.headers = {{"ETag", etag}};
    origin.Misbehave("a", 0, cut);
    const auto sink = fetcher_.Run(Get(origin.url("a")));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
    EXPECT_THAT(sink->outcome.reason, HasSubstr("after 1000 bytes; there is no strong ETag"));
    EXPECT_EQ(origin.asked().size(), 1u);
  }
}

// But before the first byte there is nothing to mix.
TEST_F(FaultsTest, CutBetweenHeadAndBodyWithoutAnEtag) {
  Fault cut = Fault::CutAt(0);
  cut.headers = {{"ETag", ""}};
  origin_.Misbehave("a", 1, cut);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, bytes_);
  EXPECT_EQ(sink->heads.size(), 2u);
}

TEST_F(FaultsTest, ResetBeforeTheHead) {
  origin_.Misbehave("a", 1, Fault::ResetBeforeHead());
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kBroken));
}

TEST_F(FaultsTest, ResetInMidBody) {
  origin_.Misbehave("a", 1, Fault::ResetAt(100'000));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, bytes_);
  EXPECT_EQ(origin_.asked().size(), 2u);
}

// A burst of errors that is shorter than the attempts.
TEST_F(FaultsTest, BurstOfErrors) {
  for (const int status : {500, 502, 503, 504, 408, 429}) {
    BadOrigin origin;
    origin.Put("a", bytes_);
    origin.Misbehave("a", 1, Fault::Error(status));
    origin.Misbehave("a", 2, Fault::Error(status, "InternalError"));
    const auto sink = fetcher_.Run(Get(origin.url("a")));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
    EXPECT_EQ(sink->bytes, bytes_);
    EXPECT_EQ(sink->outcome.attempts, 3);
    EXPECT_EQ(sink->heads.size(), 1u);
  }
}

TEST_F(FaultsTest, ErrorsThatStay) {
  origin_.Misbehave("a", 0, Fault::Error(500, "InternalError"));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kServerError);
  EXPECT_EQ(sink->outcome.status, 500);
  EXPECT_EQ(sink->outcome.code, "InternalError");
  EXPECT_THAT(sink->outcome.reason,
              HasSubstr(": 500 InternalError: the origin says InternalError (3 attempts)"));
  EXPECT_EQ(origin_.asked().size(), 3u);
  EXPECT_TRUE(sink->bytes.empty());
}

// 501 and 505 will be said as often as one asks.
TEST_F(FaultsTest, ErrorsThatAreNotTriedAgain) {
  for (const int status : {400, 405, 409, 501, 505}) {
    origin_.Misbehave("a", 0, Fault::Error(status));
    const size_t before = origin_.asked().size();
    const auto sink = fetcher_.Run(Get(origin_.url("a")));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
    EXPECT_EQ(sink->outcome.status, status);
    EXPECT_EQ(origin_.asked().size(), before + 1);
  }
}

TEST_F(FaultsTest, SlowDown) {
  origin_.Misbehave("a", 1, Fault::Error(503, "SlowDown"));
  Fault slow = Fault::Error(400, "RequestTimeout");
  origin_.Misbehave("a", 2, slow);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kThrottled, Cause::kServerError));
}

// An origin that asks for more patience than there is, is left alone, and the caller told.
TEST_F(FaultsTest, RetryAfterBeyondTheBound) {
  Fault slow = Fault::Error(503);
  slow.headers = {{"Retry-After", "120"}};
  origin_.Misbehave("a", 0, slow);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.retry_after, absl::Minutes(2));
  EXPECT_THAT(sink->outcome.reason, HasSubstr("503 (asks to be left alone for 2m)"));
  EXPECT_EQ(origin_.asked().size(), 1u);
}

TEST_F(FaultsTest, RetryAfterWithinTheBound) {
  Fault slow = Fault::Error(503);
  slow.headers = {{"Retry-After", "1"}};
  origin_.Misbehave("a", 1, slow);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound);
  EXPECT_GE(sink->outcome.total, absl::Seconds(1));  // random() is 0: all of it is Retry-After
}

// A length that is too long looks like a cut; one that is too short makes a shorter body, which the
// size in Content-Range gives away.
TEST_F(FaultsTest, WrongContentLength) {
  origin_.Misbehave("a", 1, Fault::Says("Content-Length", "300001"));
  const auto long_sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(long_sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(long_sink->outcome.cause, Cause::kMalformed);
  EXPECT_THAT(long_sink->outcome.reason,
              HasSubstr("416 to bytes behind the first 300000 of a body of 300001"));
  EXPECT_EQ(long_sink->bytes, bytes_);

  origin_.Misbehave("a", 1, Fault::Says("Content-Length", "99"));
  const auto sink = fetcher_.Run(GetRange(origin_.url("a"), 100, 199));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kMalformed);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("206 with a Content-Length of 99 for bytes 100-199"));
  EXPECT_TRUE(sink->heads.empty());
}

TEST_F(FaultsTest, ChunksThatEndEarlyOrLate) {
  Fault chunks;
  chunks.chunked = true;
  origin_.Misbehave("a", 0, chunks);
  EXPECT_EQ(fetcher_.Run(Get(origin_.url("a")))->bytes, bytes_);
  EXPECT_EQ(fetcher_.Run(GetRange(origin_.url("a"), 10, 19))->bytes, bytes_.substr(10, 10));

  // A range's length is known; so a body of another one is no success, however it ends.
  chunks.headers = {{"Content-Range", "bytes 0-399999/400000"}};
  origin_.Misbehave("a", 0, chunks);
  const auto early = fetcher_.Run(GetRange(origin_.url("a"), 0, 399'999));
  EXPECT_EQ(early->outcome.verdict, Verdict::kTrouble);
  chunks.headers = {{"Content-Range", "bytes 0-9/10"}};
  origin_.Misbehave("a", 0, chunks);
  const auto late = fetcher_.Run(GetRange(origin_.url("a"), 0, 399'999));
  EXPECT_EQ(late->outcome.verdict, Verdict::kTrouble);
  EXPECT_THAT(late->outcome.reason, HasSubstr("more than the 10 bytes that were announced"));
  EXPECT_TRUE(late->bytes.empty());

  chunks.headers.clear();
  chunks.no_final_chunk = true;
  origin_.Misbehave("a", 0, chunks);
  const auto cut = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(cut->outcome.verdict, Verdict::kTrouble);
  EXPECT_NE(cut->outcome.reason, "");
}

// All bytes are there, and what says so does not come: the range's length has said it already.
TEST_F(FaultsTest, SilenceBeforeTheLastChunk) {
  for (Fault fault : {Fault::SilentAt(100), Fault::CutAt(100), Fault::ResetAt(100)}) {
    fault.chunked = true;
    origin_.Misbehave("a", 1, fault);
    Request request = GetRange(origin_.url("a"), 0, 99);
    request.timeouts = Fair();
    const auto sink = fetcher_.Run(request);
    EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
    EXPECT_EQ(sink->bytes, bytes_.substr(0, 100));
    EXPECT_EQ(sink->outcome.attempts, 1);
  }
}

// An origin that does not know If-Match: the ETag of part k tells.
TEST_F(FaultsTest, AnotherEtag) {
  origin_.Misbehave("a", 1, Fault::Says("ETag", "\"two\""));
  Request request = GetRange(origin_.url("a"), 100'000, 199'999);
  request.if_match = "\"one\"";
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kPreconditionFailed);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("of version \"\\\"two\\\"\" where"));
  EXPECT_TRUE(sink->heads.empty());
  EXPECT_EQ(origin_.asked()[0].Header("if-match"), "\"one\"");

  origin_.Misbehave("a", 1, Fault::Says("ETag", ""));
  EXPECT_THAT(fetcher_.Run(request)->outcome.reason, HasSubstr("If-Match without an ETag"));
}

// The object is replaced while its body is on its way: no byte of the new one is given out.
TEST_F(FaultsTest, ReplacedInMidFetch) {
  Fault replaced = Fault::CutAt(100'000);
  replaced.run = [&] { origin_.Put("a", std::string(300'000, 'n'), "\"two\""); };
  origin_.Misbehave("a", 1, replaced);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kPreconditionFailed);
  EXPECT_EQ(sink->outcome.status, 412);
  EXPECT_EQ(sink->bytes, bytes_.substr(0, 100'000));
  EXPECT_EQ(sink->outcome.bytes, 100'000u);
  EXPECT_EQ(origin_.asked().size(), 2u);
}

TEST_F(FaultsTest, DeletedInMidFetch) {
  Fault deleted = Fault::CutAt(100'000);
  deleted.run = [&] { origin_.Delete("a"); };
  origin_.Misbehave("a", 1, deleted);
  Request request = Get(origin_.url("a"));
  request.s3 = true;
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kNotFound);
  EXPECT_EQ(sink->outcome.code, "NoSuchKey");
  EXPECT_EQ(sink->bytes, bytes_.substr(0, 100'000));
}

TEST_F(FaultsTest, WholeObjectForARange) {
  origin_.Misbehave("a", 0, Fault::IgnoresRange());
  const auto sink = fetcher_.Run(GetRange(origin_.url("a"), 0, 99'999));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kMalformed);
  EXPECT_THAT(sink->outcome.reason,
              HasSubstr("200 (the whole object) where bytes 0-99999 were asked for"));
  EXPECT_TRUE(sink->heads.empty());

  // Who takes the whole gets the whole, also when it breaks off in between.
  Fault cut = Fault::CutAt(1234);
  cut.ignores_range = true;
  origin_.Misbehave("a", 1, cut);
  Request request = GetRange(origin_.url("a"), 0, 99'999);
  request.accept_whole = true;
  const auto whole = fetcher_.Run(request);
  EXPECT_EQ(whole->outcome.verdict, Verdict::kFound) << whole->outcome.reason;
  EXPECT_EQ(whole->bytes, bytes_);
  ASSERT_EQ(whole->heads.size(), 1u);
  EXPECT_EQ(whole->heads[0].first, 0u);
  EXPECT_EQ(whole->heads[0].object_bytes, 300'000u);
}

TEST_F(FaultsTest, WrongContentRange) {
  struct Row {
    const char* says;
    const char* reason;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"bytes 101-200/300000", "206 with bytes 101-200 where 100-199 were asked for"},
           {"bytes 0-99/300000", "206 with bytes 0-99 where"},
           {"bytes 100-198/300000", "206 with bytes 100-198 where"},
           {"bytes 100-200/300000", "206 with bytes 100-200 where"},
           {"bytes 100-199/150", "a Content-Range that is none"},
           {"bytes 199-100/300000", "a Content-Range that is none"},
           {"bytes -1-199/300000", "a Content-Range that is none"},
           {"bytes 100-199", "a Content-Range that is none"},
           {"pages 100-199/300000", "a Content-Range that is none"},
           {"", "206 without a Content-Range"}}) {
    origin_.Misbehave("a", 1, Fault::Says("Content-Range", row.says));
    const auto sink = fetcher_.Run(GetRange(origin_.url("a"), 100, 199));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble) << row.says;
    EXPECT_EQ(sink->outcome.cause, Cause::kMalformed) << row.says;
    EXPECT_THAT(sink->outcome.reason, HasSubstr(row.reason));
    EXPECT_TRUE(sink->heads.empty());
    EXPECT_EQ(sink->outcome.attempts, 1);
  }
  // A part that nobody has asked for.
  Fault part = Fault::Says("Content-Range", "bytes 0-299999/300000");
  part.status = 206;
  origin_.Misbehave("a", 1, part);
  EXPECT_THAT(fetcher_.Run(Get(origin_.url("a")))->outcome.reason,
              HasSubstr("206 to a request without a range"));
}

TEST_F(FaultsTest, Garbage) {
  for (const std::string& garbage :
       {std::string("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), std::string("\0\1\2\3 no HTTP\n\n", 12),
        std::string("HTTP/1.1 banana\r\n\r\n"), std::string("HTTP/1.1 999 What\r\n\r\n"),
        std::string("HTTP/1.1 206 Partial\r\nContent-Range: bytes x\r\n\r\n")}) {
    origin_.Misbehave("a", 0, Fault::Raw(garbage));
    const auto sink = fetcher_.Run(Get(origin_.url("a")));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble) << garbage;
    EXPECT_EQ(sink->outcome.cause, Cause::kMalformed) << garbage << sink->outcome.reason;
    EXPECT_NE(sink->outcome.reason, "");
    EXPECT_TRUE(sink->bytes.empty());
    EXPECT_EQ(sink->outcome.attempts, 1);
  }
  // A head without an end.
  origin_.Misbehave("a", 0, Fault::Raw("HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x')));
  const auto line = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(line->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(line->outcome.cause, Cause::kMalformed);
  EXPECT_THAT(line->outcome.reason, HasSubstr("a line of more than 100 KiB"));
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&many, "X-", i, ": y\r\n");
  origin_.Misbehave("a", 0, Fault::Raw(many));
  EXPECT_THAT(fetcher_.Run(Get(origin_.url("a")))->outcome.reason,
              HasSubstr("the answer has a head of more than 128 KiB"));
}

// 10 GB where 10 MB were said: what is announced is not read, what is not announced is cut off.
TEST_F(FaultsTest, TooLarge) {
  constexpr uint64_t kTenGb = 10'000'000'000;
  origin_.Misbehave("a", 1, Fault::Endless(kTenGb));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kTooLarge);
  EXPECT_THAT(sink->outcome.reason,
              HasSubstr("a body of 10000000000 bytes where at most 1048576 were expected"));
  EXPECT_TRUE(sink->heads.empty());
  EXPECT_EQ(sink->outcome.attempts, 1);

  Fault endless = Fault::Endless(0);
  endless.chunked = true;
  origin_.Misbehave("a", 1, endless);
  const auto chunked = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(chunked->outcome.cause, Cause::kTooLarge);
  EXPECT_THAT(chunked->outcome.reason, HasSubstr("a body of more than 1048576 bytes"));
  EXPECT_LE(chunked->bytes.size(), 1u << 20);

  // An error that goes on for ever is the error that it is.
  Fault error = Fault::Error(404, "NoSuchKey");
  error.endless = kTenGb;
  origin_.Misbehave("a", 1, error);
  EXPECT_EQ(fetcher_.Run(Get(origin_.url("a")))->outcome.status, 404);
}

// Credentials that expire in mid-run: one refresh, and the next attempt is signed anew.
TEST_F(FaultsTest, ExpiredToken) {
  origin_.Misbehave("a", 1, Fault::Error(403, "ExpiredToken"));
  std::string token = "old";
  std::vector<std::string> signed_with;
  Request request = Get(origin_.url("a"));
  request.prepare = [&](const Attempt&) {
    signed_with.push_back(token);
    return Headers{{"Authorization", token}};
  };
  request.refresh = [&](std::function<void()> done) {
    token = "new";
    std::thread(done).join();
  };
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, bytes_);
  EXPECT_THAT(signed_with, ElementsAre("old", "new"));
  EXPECT_THAT(sink->outcome.retried, ElementsAre(Cause::kExpired));
  EXPECT_EQ(origin_.asked()[1].Header("authorization"), "new");

  // Once.
  origin_.Misbehave("a", 0, Fault::Error(400, "ExpiredToken"));
  const auto twice = fetcher_.Run(request);
  EXPECT_EQ(twice->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(twice->outcome.cause, Cause::kExpired);
  EXPECT_EQ(twice->outcome.attempts, 2);
}

TEST_F(FaultsTest, CredentialsThatDoNotCome) {
  Options options = PatientOptions();
  options.refresh_max = absl::Milliseconds(50);
  RunningFetcher fetcher(options);
  origin_.Misbehave("a", 0, Fault::Error(403, "ExpiredToken"));
  Request request = Get(origin_.url("a"));
  std::function<void()> late;
  request.refresh = [&](std::function<void()> done) { late = std::move(done); };
  const auto sink = fetcher.Run(request);
  EXPECT_EQ(sink->outcome.cause, Cause::kExpired);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("no others came within 50ms"));
  late();
  EXPECT_EQ(sink->dones, 1);
}

TEST_F(FaultsTest, ForbiddenInMidRun) {
  origin_.Misbehave("a", 1, Fault::CutAt(1000));
  origin_.Misbehave("a", 2, Fault::Error(403, "AccessDenied"));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kPermissionDenied);
  EXPECT_EQ(sink->bytes.size(), 1000u);
  EXPECT_EQ(sink->outcome.attempts, 2);
}

// The clocks differ: no retry helps, and by how much is said.
TEST_F(FaultsTest, ClockSkew) {
  Fault skewed = Fault::Error(403, "RequestTimeTooSkewed");
  skewed.headers = {{"Date", "Thu, 01 Jan 1970 00:00:00 GMT"}};
  origin_.Misbehave("a", 0, skewed);
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kCredentials);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("403 RequestTimeTooSkewed"));
  EXPECT_THAT(sink->outcome.reason, HasSubstr("s behind this machine's)"));
  EXPECT_EQ(origin_.asked().size(), 1u);
}

TEST_F(FaultsTest, OneOfManyFails) {
  std::vector<std::shared_ptr<KeptSink>> sinks;
  for (int i = 0; i < 200; ++i) {
    const std::string key = absl::StrCat("many/", i);
    origin_.Put(key, bytes_);
    if (i % 3 == 0) origin_.Misbehave(key, 1, Fault::ResetAt(static_cast<uint64_t>(i)));
    sinks.push_back(std::make_shared<KeptSink>());
    ASSERT_TRUE(fetcher_->Fetch(Get(origin_.url(key)), sinks.back()).ok());
  }
  for (const auto& sink : sinks) {
    EXPECT_EQ(sink->Wait().verdict, Verdict::kFound) << sink->outcome.reason;
    EXPECT_EQ(sink->bytes, bytes_);
  }
}

}  // namespace
}  // namespace objmapper::origin::fetch
