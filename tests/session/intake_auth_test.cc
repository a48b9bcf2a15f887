// AUTH in a burst: whose the requests around it are (session/intake.h, session/caller.h).
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protocol/limits.h"
#include "session/access.h"
#include "session/caller.h"
#include "tests/session/intake_fixture.h"

namespace objmapper::session {
namespace {

constexpr char kTokens[] = "alice secret-of-alice-0\nbob secret-of-bob-xyz\n";
constexpr char kRules[] = "name alice /alice read,write\nname bob /bob read\nany /open read\n";
constexpr Status kOk = Status::kOk;
constexpr Status kDenied = Status::kPermissionDenied;

std::string Auth(absl::string_view token) {
  std::string bytes;
  protocol::AppendAuth(token, &bytes);
  return bytes;
}
std::string Copy(absl::string_view uri) { return V2({.mode = Mode::kCopy, .uri = uri}); }

class IntakeAuthTest : public IntakeTest {
 protected:
  IntakeAuthTest() { limits_.access = &access_; }
  std::vector<std::string> Callers() const {
    std::vector<std::string> callers;
    for (const Request& request : burst_.requests) callers.emplace_back(CallerOf(request));
    return callers;
  }
  Access access_{*AccessRules::Parse(kRules), *Tokens::Parse(kTokens)};
};

// A token holds for the requests behind it, until the next; an empty one takes the name away.
// In one piece, and byte by byte.
TEST_F(IntakeAuthTest, HoldsForWhatFollows) {
  const std::string input = Copy("alice/a") + Auth("secret-of-alice-0") + Copy("alice/a") +
                            Copy("open/a") + Copy("bob/a") + Auth("secret-of-bob-xyz") +
                            Copy("bob/a") + Copy("alice/a") + Auth("") + Copy("bob/a") +
                            Copy("open/a");
  const StatusList statuses = {kDenied, kOk, kOk, kDenied, kOk, kDenied, kDenied, kOk};
  const UriList callers = {"", "alice", "alice", "alice", "bob", "bob", "", ""};
  auto session = Make(Dialect::kV2);
  Take(session.get(), input);
  EXPECT_EQ(Refusals(), statuses);
  EXPECT_EQ(Callers(), callers);
  EXPECT_EQ(burst_.consumed, input.size());
  EXPECT_EQ(burst_.end, End::kNeedMore);

  session = Make(Dialect::kV2);
  StatusList got;
  for (const char byte : input) {
    session->unread.push_back(byte);
    Take(session.get(), session->unread);
    for (const Status refusal : Refusals()) got.push_back(refusal);
    KeepUnread(session.get(), session->unread, burst_.consumed);
  }
  EXPECT_EQ(got, statuses);
}

// Behind a token that is nobody's nothing is served, not even what anybody may have, and the
// refusal says nothing of it. The connection goes on, and the next token counts.
TEST_F(IntakeAuthTest, NobodysToken) {
  auto session = Make(Dialect::kV2);
  for (const std::string& wrong : {std::string("secret-of-nobody"), std::string("secret-of-alice-"),
                                   std::string("secret-of-alice-00"), std::string(1, '\0')}) {
    Take(session.get(), Auth(wrong) + Copy("open/a") + V2({.mode = Mode::kStat, .uri = "none"}) +
                            V2({.mode = Mode::kFdPass, .uri = "open/a"}));
    EXPECT_EQ(Refusals(), (StatusList{kDenied, kDenied})) << wrong;
    EXPECT_EQ(burst_.end, End::kOtherLane);
    for (const Request& request : burst_.requests) {
      EXPECT_FALSE(absl::StrContains(request.reason, "secret")) << request.reason;
      EXPECT_TRUE(absl::StrContains(request.reason, "token")) << request.reason;
    }
    // Of a LIST, whose entries are judged one by one, nothing is judged.
    Take(session.get(), V2({.mode = Mode::kList, .uri = "open"}));
    EXPECT_EQ(Refusals(), (StatusList{kDenied})) << wrong;
    Take(session.get(), Auth("secret-of-alice-0") + Copy("alice/a"));
    EXPECT_EQ(Refusals(), (StatusList{kOk}));
  }
}

// A name's rights to write are asked for by the same name; the body of a PUT that is refused for
// its token is passed over.
TEST_F(IntakeAuthTest, Writing) {
  limits_.writable = true;
  auto session = Make(Dialect::kV2);
  const std::string put = V2({.mode = Mode::kPut, .uri = "alice/a", .body_length = 3}) + "abc";
  Take(session.get(),
       Auth("secret-of-bob-xyz") + put + Auth("secret-of-alice-0") + Copy("alice/a"));
  EXPECT_EQ(Refusals(), (StatusList{kDenied, kOk}));
  const std::string allowed = Auth("secret-of-alice-0") + put;
  Take(session.get(), allowed);
  EXPECT_EQ(Refusals(), (StatusList{kOk}));
  EXPECT_EQ(Callers(), (UriList{"alice"}));
  EXPECT_EQ(burst_.end, End::kOperation);
  EXPECT_EQ(burst_.consumed, allowed.size() - 3);
}

// An AUTH is no request: it takes nothing of the caller's budget nor of max_pipeline, and an
// operation behind it is the first of its burst.
TEST_F(IntakeAuthTest, IsNoRequest) {
  auto session = Make(Dialect::kV2, Transport::kUnix, protocol::kAllCapabilities, 1);
  std::string input;
  for (int i = 0; i < 100; ++i) input += Auth("secret-of-alice-0");
  input += V2({.mode = Mode::kList, .uri = "alice"});
  TakeBurst(session.get(), input, LaneKind::kCopyPath, 0, /*requests_max=*/1, &burst_);
  EXPECT_EQ(Refusals(), (StatusList{kOk}));
  EXPECT_EQ(burst_.end, End::kOperation);
}

// Where the next request is another lane's, the token that stands before it is not lost; nor is it
// where the burst ends behind it.
TEST_F(IntakeAuthTest, MovesWithTheSession) {
  auto session = Make(Dialect::kV2);
  const std::string auth = Auth("secret-of-alice-0");
  const std::string input = auth + V2({.mode = Mode::kFdPass, .uri = "alice/a"});
  Take(session.get(), input);
  EXPECT_EQ(burst_.end, End::kOtherLane);
  EXPECT_EQ(burst_.consumed, auth.size());
  Take(session.get(), absl::string_view(input).substr(burst_.consumed), LaneKind::kFdPass);
  EXPECT_EQ(Callers(), (UriList{"alice"}));
  EXPECT_EQ(Refusals(), (StatusList{kOk}));

  Take(session.get(), Auth("secret-of-bob-xyz"), LaneKind::kFdPass);
  EXPECT_EQ(burst_.end, End::kNeedMore);
  Take(session.get(), Copy("bob/a"));
  EXPECT_EQ(Callers(), (UriList{"bob"}));
}

// Nobody looks in place for what is not the asker's, whatever the reason.
TEST_F(IntakeAuthTest, InPlace) {
  auto session = Make(Dialect::kV2);
  const std::string asked = V2({.mode = Mode::kFdPass, .uri = "alice/a"});
  TakeInPlace(session.get(), Auth("secret-of-nobody") + asked, LaneKind::kCopyPath, {});
  EXPECT_EQ(asked_, UriList{});
  EXPECT_EQ(Refusals(), (StatusList{kDenied}));
  TakeInPlace(session.get(), Auth("secret-of-bob-xyz") + asked, LaneKind::kCopyPath, {});
  EXPECT_EQ(asked_, UriList{});
  EXPECT_EQ(Refusals(), (StatusList{kDenied}));
  TakeInPlace(session.get(), Auth("secret-of-alice-0") + asked, LaneKind::kCopyPath, {"alice/a"});
  EXPECT_EQ(asked_, (UriList{"alice/a"}));
  EXPECT_EQ(Refusals(), (StatusList{kOk}));
}

// What a token means is asked of those in force, on connections that said it long ago too.
TEST_F(IntakeAuthTest, TokensAreReplaced) {
  auto session = Make(Dialect::kV2);
  Take(session.get(), Auth("secret-of-alice-0") + Copy("alice/a"));
  EXPECT_EQ(Refusals(), (StatusList{kOk}));
  access_.Replace(*AccessRules::Parse(kRules), *Tokens::Parse("alice another-secret-0\n"));
  Take(session.get(), Copy("alice/a") + Copy("open/a"));
  EXPECT_EQ(Refusals(), (StatusList{kDenied, kDenied}));
  access_.Replace(*AccessRules::Parse(kRules), *Tokens::Parse("bob secret-of-alice-0\n"));
  Take(session.get(), Copy("alice/a") + Copy("bob/a"));
  EXPECT_EQ(Refusals(), (StatusList{kDenied, kOk}));
  EXPECT_EQ(Callers(), (UriList{"bob", "bob"}));
  access_.Replace(*AccessRules::Parse(kRules), *Tokens::Parse(kTokens));
  Take(session.get(), Copy("alice/a"));
  EXPECT_EQ(Refusals(), (StatusList{kOk}));
}

// A server without tokens that a connection was handed over to takes no notice of them.
TEST_F(IntakeAuthTest, WithoutTokens) {
  const Access rules_alone(*AccessRules::Parse(kRules));
  for (const Access* access : {static_cast<const Access*>(nullptr), &rules_alone}) {
    limits_.access = &access_;
    auto session = Make(Dialect::kV2);
    limits_.access = access;
    Take(session.get(), Auth("secret-of-nobody") + Copy("open/a") + Copy("alice/a"));
    EXPECT_EQ(Refusals(), (StatusList{kOk, access == nullptr ? kOk : kDenied}));
    EXPECT_EQ(Callers(), (UriList{"", ""}));
  }
}

// A ping stays one, whoever sends it: what is wrong with it is its URI.
TEST_F(IntakeAuthTest, APing) {
  auto session = Make(Dialect::kV2);
  Take(session.get(),
       Auth("secret-of-nobody") + V2({.mode = Mode::kStat, .uri = absl::string_view("\0", 1)}));
  ASSERT_EQ(burst_.requests.size(), 1u);
  EXPECT_EQ(burst_.requests[0].reason, protocol::kPing);
}

}  // namespace
}  // namespace objmapper::session
