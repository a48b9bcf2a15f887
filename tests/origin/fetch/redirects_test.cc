// Where an answer leads, who decides, and what goes along.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "origin/fetch/fetcher.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fetch/fetching.h"

namespace objmapper::origin::fetch {
namespace {

using testing::BadOrigin;
using ::testing::ElementsAre;
using testing::Fault;
using ::testing::HasSubstr;

class RedirectsTest : public ::testing::Test {
 protected:
  RedirectsTest() {
    origin_.Put("b", "here");
    other_.Put("b", "there");
  }

  // A GET with credentials that goes wherever it is led.
  Request Led(const std::string& key) {
    Request request = Get(origin_.url(key));
    request.prepare = [this](const Attempt& attempt) {
      prepared_.push_back(attempt);
      return Headers{{"Authorization", "secret"},
                     {"X-Amz-Security-Token", "secret"},
                     {"Cookie", "secret"},
                     {"x-amz-server-side-encryption-customer-key-MD5", "secret"},
                     {"X-Plain", "plain"}};
    };
    request.redirected = [this](const Redirect& redirect) {
      seen_.push_back(redirect);
      return std::optional<RedirectTarget>({redirect.to_url, same_origin_});
    };
    return request;
  }

  BadOrigin origin_, other_;
  std::vector<Attempt> prepared_;
  std::vector<Redirect> seen_;
  bool same_origin_ = false;
  RunningFetcher fetcher_;
};

TEST_F(RedirectsTest, NobodyFollowsByDefault) {
  origin_.Misbehave("a", 0, Fault::Redirects(302, "/b?sig=secret"));
  const auto sink = fetcher_.Run(Get(origin_.url("a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kRedirect);
  EXPECT_THAT(sink->outcome.reason, HasSubstr(absl::StrCat("302 leads to ", origin_.url("b"),
                                                           "?..., which is not followed")));
  EXPECT_EQ(origin_.asked().size(), 1u);
}

TEST_F(RedirectsTest, WithinTheOrigin) {
  for (const int status : {301, 302, 303, 307, 308}) {
    origin_.Misbehave("a", 0, Fault::Redirects(status, "/b"));
    const auto sink = fetcher_.Run(Led("a"));
    EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
    EXPECT_EQ(sink->bytes, "here");
    EXPECT_EQ(sink->outcome.attempts, 2);
    EXPECT_TRUE(sink->outcome.retried.empty());
    EXPECT_EQ(origin_.asked().back().Header("authorization"), "secret");
    EXPECT_EQ(prepared_.back().url, origin_.url("b"));
    EXPECT_EQ(seen_.back().status, status);
    EXPECT_EQ(seen_.back().from_url, origin_.url("a"));
  }
}

// The other port of the same machine is somebody else.
TEST_F(RedirectsTest, NoCredentialsForOthers) {
  origin_.Misbehave("a", 0, Fault::Redirects(302, other_.url("b")));
  const auto sink = fetcher_.Run(Led("a"));
  EXPECT_EQ(sink->bytes, "there");
  EXPECT_FALSE(prepared_.back().credentials);
  const BadOrigin::Asked asked = other_.asked()[0];
  for (const auto& [name, value] : asked.headers) EXPECT_NE(value, "secret") << name;
  EXPECT_EQ(asked.Header("x-plain"), "plain");
}

// S3's endpoint in another region is the same origin, and only its caller can know it.
TEST_F(RedirectsTest, TheCallerKnowsItsOwn) {
  Fault moved = Fault::Error(301);
  moved.body = "<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.example</Endpoint></Error>";
  moved.headers = {{"x-amz-bucket-region", "eu-west-1"}};
  origin_.Misbehave("a", 0, moved);
  Request request = Led("a");
  request.s3 = true;
  EXPECT_THAT(fetcher_.Run(Get(origin_.url("a")))->outcome.reason,
              HasSubstr("301 PermanentRedirect leads to region eu-west-1, which is not followed"));

  request.redirected = [&](const Redirect& redirect) {
    EXPECT_EQ(redirect.region, "eu-west-1");
    EXPECT_EQ(redirect.code, "PermanentRedirect");
    EXPECT_EQ(redirect.endpoint, "b.s3.example");
    EXPECT_EQ(redirect.to_url, "");
    return std::optional<RedirectTarget>({other_.url("b"), /*same_origin=*/true});
  };
  const auto sink = fetcher_.Run(request);
  EXPECT_EQ(sink->bytes, "there");
  EXPECT_TRUE(prepared_.back().credentials);
  EXPECT_EQ(other_.asked()[0].Header("authorization"), "secret");
}

TEST_F(RedirectsTest, AWrongRegion) {
  Fault wrong = Fault::Error(400);
  wrong.body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
  origin_.Misbehave("b", 1, wrong);
  Request request = Led("b");
  std::string region = "us-east-1";
  request.redirected = [&](const Redirect& redirect) {
    region = redirect.region;
    return std::optional<RedirectTarget>({redirect.from_url, true});
  };
  EXPECT_EQ(fetcher_.Run(request)->bytes, "here");
  EXPECT_EQ(region, "eu-west-1");

  origin_.Misbehave("b", 1, wrong);
  const auto sink = fetcher_.Run(Get(origin_.url("b")));
  EXPECT_EQ(sink->outcome.cause, Cause::kCredentials);
}

TEST_F(RedirectsTest, ALoopEnds) {
  origin_.Misbehave("a", 0, Fault::Redirects(302, "/c"));
  origin_.Misbehave("c", 0, Fault::Redirects(307, "/a"));
  const auto sink = fetcher_.Run(Led("a"));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kRedirect);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("after 5 others: a loop?"));
  EXPECT_EQ(origin_.asked().size(), 6u);
}

TEST_F(RedirectsTest, WhereNobodyGoes) {
  for (const char* location : {"ftp://host/a", "file:///etc/passwd", "http://me:secret@host/"}) {
    origin_.Misbehave("a", 0, Fault::Redirects(302, location));
    const auto sink = fetcher_.Run(Led("a"));
    EXPECT_EQ(sink->outcome.cause, Cause::kRedirect);
    EXPECT_EQ(sink->outcome.reason.find("secret"), std::string::npos) << sink->outcome.reason;
    EXPECT_EQ(sink->outcome.attempts, 1);
  }
}

// Two places that the caller knows are its own: both get credentials, whichever comes last.
TEST_F(RedirectsTest, BothOfTheCallersOwn) {
  origin_.Misbehave("a", 0, Fault::Redirects(307, other_.url("b")));
  other_.Misbehave("b", 1, Fault::Error(503));
  same_origin_ = true;
  EXPECT_EQ(fetcher_.Run(Led("a"))->bytes, "there");
  for (const BadOrigin* origin : {&origin_, &other_}) {
    ASSERT_EQ(origin->asked().size(), 2u);
    EXPECT_EQ(origin->asked()[1].Header("authorization"), "secret");
  }
}

// What is moved for good stays there for the next attempt; what is elsewhere for now is asked for
// again where it was.
TEST_F(RedirectsTest, WhereARetryBegins) {
  for (const int status : {302, 301}) {
    BadOrigin origin;
    origin.Put("b", "here");
    origin.Misbehave("a", 0, Fault::Redirects(status, "/b"));
    origin.Misbehave("b", 1, Fault::Error(503));
    Request request = Led("a");
    request.url = origin.url("a");
    EXPECT_EQ(fetcher_.Run(request)->bytes, "here");
    EXPECT_EQ(origin.asked("a").size(), status == 302 ? 2u : 1u);
    EXPECT_EQ(origin.asked("b").size(), 2u);
  }
}

}  // namespace
}  // namespace objmapper::origin::fetch
