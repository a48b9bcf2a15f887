// When keys are looked for again, and what is used until then: by a clock that the test moves.
#include "origin/credentials/provider.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "tests/net/eventually.h"
#include "tests/origin/credentials/fixture.h"

namespace objmapper::origin {
namespace {

class ProviderTest : public CredentialsFixture {
 protected:
  ProviderTest() { variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:1/"; }

  Provider Make(bool anonymous = false) {
    return Provider(
        {.chain = options(), .anonymous = anonymous, .random = [this] { return random_; }});
  }
  // The id of the keys, or the error.
  static std::string Get(Provider* provider) {
    const absl::StatusOr<std::shared_ptr<const Credentials>> got = provider->Get();
    EXPECT_FALSE(absl::StrContains(provider->Describe(), "secret")) << provider->Describe();
    EXPECT_FALSE(absl::StrContains(provider->Describe(), "token-of")) << provider->Describe();
    if (!got.ok()) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kUnavailable);
      return std::string(got.status().message());
    }
    return (*got)->keys.access_key_id;
  }
  void Answer(absl::string_view id, absl::Duration life) {
    answers_.push_back(HttpAnswer{200, Json(id, now_ + life)});
  }

  double random_ = 0;
};

// 15 minutes before they expire, and by chance up to a fifth of that earlier.
TEST_F(ProviderTest, RefreshedBeforeTheyExpire) {
  for (const double random : {0.0, 0.5, 0.999}) {
    random_ = random;
    asked_.clear();
    Provider provider = Make();
    Answer("A", absl::Hours(6));
    EXPECT_EQ(Get(&provider), "A");
    const absl::Time began = now_;
    now_ = began + absl::Hours(6) - absl::Minutes(15) * (1 + 0.2 * random) - absl::Seconds(1);
    EXPECT_EQ(Get(&provider), "A");
    EXPECT_EQ(asked_.size(), 1u);
    now_ += absl::Seconds(2);
    EXPECT_TRUE(provider.Peek().due);
    EXPECT_EQ(provider.Peek().credentials->keys.access_key_id, "A");
    Answer("B", absl::Hours(6));
    EXPECT_EQ(Get(&provider), "B");
    EXPECT_EQ(asked_.size(), 2u);
    EXPECT_FALSE(provider.Peek().due);
  }
}

// A life of less than half an hour is halved.
TEST_F(ProviderTest, ShortLives) {
  Provider provider = Make();
  Answer("A", absl::Minutes(10));
  EXPECT_EQ(Get(&provider), "A");
  now_ += absl::Minutes(5) - absl::Seconds(1);
  EXPECT_EQ(Get(&provider), "A");
  EXPECT_EQ(asked_.size(), 1u);
  now_ += absl::Seconds(1);
  Answer("B", absl::Minutes(10));
  EXPECT_EQ(Get(&provider), "B");
}

// Old ones are used while there are no others, until they expire; then it is an error that says
// why. Attempts become rarer: as many calls as there are, in an hour there are few.
TEST_F(ProviderTest, WhileRefreshingFails) {
  Provider provider = Make();
  Answer("A", absl::Hours(1));
  EXPECT_EQ(Get(&provider), "A");
  asked_.clear();
  now_ += absl::Minutes(46);
  for (int second = 0; second < 14 * 60 - 1; ++second) {
    ASSERT_EQ(Get(&provider), "A");
    now_ += absl::Seconds(1);
  }
  EXPECT_GT(asked_.size(), 10u);
  EXPECT_LT(asked_.size(), 40u);
  EXPECT_TRUE(absl::StrContains(provider.Describe(), "connection refused")) << provider.Describe();
  now_ += absl::Seconds(2);
  EXPECT_TRUE(absl::StrContains(Get(&provider), "keys from the container's agent at 127.0.0.1:1"));
  EXPECT_EQ(provider.Peek().credentials, nullptr);
  EXPECT_TRUE(absl::StrContains(provider.Describe(), "(expired)")) << provider.Describe();
  now_ += absl::Minutes(2);
  EXPECT_TRUE(provider.Peek().due);
  Answer("B", absl::Hours(1));
  EXPECT_EQ(Get(&provider), "B");
}

// With none from the beginning, an error is remembered for a moment too.
TEST_F(ProviderTest, ErrorsAreRemembered) {
  Provider provider = Make();
  EXPECT_EQ(provider.Peek().credentials, nullptr);
  EXPECT_TRUE(provider.Peek().due);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(absl::StrContains(Get(&provider), "connection refused"));
  EXPECT_EQ(asked_.size(), 1u);
  now_ += absl::Seconds(1);
  Answer("A", absl::Hours(1));
  EXPECT_EQ(Get(&provider), "A");
}

// Keys that the origin refuses are not the ones that are used on, if there are others.
TEST_F(ProviderTest, Refused) {
  Provider provider = Make();
  Answer("A", absl::Hours(6));
  const std::shared_ptr<const Credentials> first = *provider.Get();
  now_ += absl::Minutes(1);
  provider.Refuse(*first);
  EXPECT_TRUE(provider.Peek().due);
  Answer("B", absl::Hours(6));
  EXPECT_EQ(Get(&provider), "B");
  // Late news of the old ones is no news.
  provider.Refuse(*first);
  now_ += absl::Minutes(1);
  EXPECT_EQ(Get(&provider), "B");
  EXPECT_EQ(asked_.size(), 2u);
  // Where the same come again, looking for others is not repeated at once.
  const std::shared_ptr<const Credentials> second = *provider.Get();
  for (int i = 0; i < 100; ++i) {
    provider.Refuse(*second);
    Answer("B", absl::Hours(6));
    EXPECT_EQ(Get(&provider), "B");
    answers_.clear();
    now_ += absl::Milliseconds(100);
  }
  EXPECT_GE(asked_.size(), 3u);
  EXPECT_LE(asked_.size(), 5u);
}

// A file that has changed is read again, whatever time it is; one that is broken leaves the keys.
TEST_F(ProviderTest, FilesThatChange) {
  variables_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const auto write = [this](const std::string& id) {
    Write(".aws/new", absl::StrCat("[default]\naws_access_key_id = ", id,
                                   "\naws_secret_access_key = secret\n"));
    std::filesystem::rename(home_ + "/.aws/new", home_ + "/.aws/credentials");
  };
  write("A");
  Provider provider = Make();
  EXPECT_EQ(Get(&provider), "A");
  EXPECT_FALSE(provider.Peek().due);
  write("B");
  now_ += absl::Seconds(2);
  EXPECT_TRUE(provider.Peek().due);
  EXPECT_EQ(Get(&provider), "B");
  Write(".aws/credentials", "[default]\nnonsense");
  now_ += absl::Seconds(2);
  EXPECT_EQ(Get(&provider), "B");
  EXPECT_TRUE(absl::StrContains(provider.Describe(), "/.aws/credentials: line 2"))
      << provider.Describe();
  now_ += absl::Seconds(2);
  write("C");
  now_ += absl::Seconds(2);
  EXPECT_EQ(Get(&provider), "C");
  EXPECT_FALSE(absl::StrContains(provider.Describe(), "line 2")) << provider.Describe();
}

// Anonymous only where nothing is set up, and where there have never been keys; there may be some
// later.
TEST_F(ProviderTest, Anonymous) {
  variables_.erase("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  Provider strict = Make();
  EXPECT_TRUE(absl::StrContains(Get(&strict), "there are no keys")) << Get(&strict);
  Provider provider = Make(/*anonymous=*/true);
  EXPECT_EQ(Get(&provider), "");
  EXPECT_TRUE((*provider.Get())->keys.empty());
  const size_t asked = asked_.size();
  now_ += absl::Minutes(4);
  EXPECT_EQ(Get(&provider), "");
  EXPECT_EQ(asked_.size(), asked);
  now_ += absl::Minutes(2);
  Write(".aws/credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=secret\n");
  EXPECT_EQ(Get(&provider), "A");
  std::filesystem::remove(home_ + "/.aws/credentials");
  now_ += absl::Minutes(2);
  EXPECT_EQ(Get(&provider), "A");
  EXPECT_TRUE(absl::StrContains(provider.Describe(), "there are no keys")) << provider.Describe();

  variables_["AWS_PROFILE"] = "missing";
  Provider wrong = Make(/*anonymous=*/true);
  EXPECT_TRUE(absl::StrContains(Get(&wrong), "the profile \"missing\"")) << Get(&wrong);
}

// However many ask, one look is made, and all get what comes of it; nobody that has good keys
// waits.
TEST_F(ProviderTest, OneLookForAll) {
  std::atomic<int> calls = 0;
  std::atomic<bool> answer = false;
  std::atomic<int> minutes = 0;
  ChainOptions chain = options();
  chain.now = [&, began = now_] { return began + absl::Minutes(minutes.load()); };
  chain.http = [&](const HttpRequest&) -> absl::StatusOr<HttpAnswer> {
    const int call = ++calls;
    while (!answer) std::this_thread::yield();
    return HttpAnswer{200, Json(absl::StrCat("K", call), now_ + absl::Hours(call * 6))};
  };
  Provider provider({.chain = chain, .random = [] { return 0.0; }});
  std::atomic<int> got = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (Get(&provider) == "K1") ++got;
    });
  }
  ASSERT_TRUE(net::Eventually([&] { return calls == 1; }));
  EXPECT_EQ(got, 0);
  EXPECT_EQ(provider.Peek().credentials, nullptr);
  EXPECT_FALSE(provider.Peek().due);
  answer = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, 8);
  EXPECT_EQ(calls, 1);

  answer = false;
  minutes = 6 * 60 - 10;
  std::thread refreshing([&] { EXPECT_EQ(Get(&provider), "K2"); });
  ASSERT_TRUE(net::Eventually([&] { return calls == 2; }));
  EXPECT_EQ(Get(&provider), "K1");
  answer = true;
  refreshing.join();
  EXPECT_EQ(Get(&provider), "K2");
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace objmapper::origin
