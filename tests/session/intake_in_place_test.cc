// What one lane answers for the other.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "session/intake.h"
#include "tests/session/intake_fixture.h"

namespace objmapper::session {
namespace {

// ---- Answered in place ----

// The caller is asked about other lanes' requests alone, once each; what it answers keeps its place
// in the burst.
TEST_F(IntakeTest, InPlaceStaysInTheBurst) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    auto session = Make(dialect);
    std::string input;
    for (const auto& [mode, uri] : {std::pair(Mode::kFdPass, "own"), std::pair(Mode::kCopy, "a"),
                                    std::pair(Mode::kStat, "any"), std::pair(Mode::kSplice, "b"),
                                    std::pair(Mode::kFdPass, "own too")}) {
      input += RequestBytes(dialect, {.mode = mode, .uri = uri});
    }
    TakeInPlace(session.get(), input, LaneKind::kFdPass, {"a", "b"});
    EXPECT_EQ(asked_, (UriList{"a", "b"}));
    EXPECT_EQ(Uris(), (UriList{"own", "a", "any", "b", "own too"}));
    EXPECT_EQ(Refusals(), StatusList(5, Status::kOk));
    EXPECT_EQ(burst_.end, End::kNeedMore);
    EXPECT_EQ(burst_.consumed, input.size());
  }
}

// What the caller does not answer is left whole, behind the requests before it, and the other lane
// takes it from there.
TEST_F(IntakeTest, NotInPlaceIsLeftUnread) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    for (const bool first : {true, false}) {
      auto session = Make(dialect);
      const std::string before =
          first ? ""
                : RequestBytes(dialect, {.mode = Mode::kFdPass, .uri = "own"}) +
                      RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "yes"});
      const std::string rest = RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "no"}) +
                               RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "yes"});
      const std::string input = before + rest;
      TakeInPlace(session.get(), input, LaneKind::kFdPass, {"yes"});
      EXPECT_EQ(asked_, first ? (UriList{"no"}) : (UriList{"yes", "no"}));
      EXPECT_EQ(Uris(), first ? UriList() : (UriList{"own", "yes"}));
      EXPECT_EQ(burst_.end, End::kOtherLane);
      EXPECT_EQ(burst_.consumed, before.size());
      KeepUnread(session.get(), input, burst_.consumed);
      EXPECT_EQ(session->unread, rest);
      Take(session.get(), session->unread, LaneKind::kCopyPath);
      EXPECT_EQ(Uris(), (UriList{"no", "yes"}));
      EXPECT_EQ(burst_.end, End::kNeedMore);
    }
  }
}

// A body that was skipped before such a request is not skipped again, wherever the read ended.
TEST_F(IntakeTest, NotInPlaceBehindASkippedBody) {
  const std::string put = V2({.mode = Mode::kPut, .uri = "put", .body_length = 10});
  const std::string copy = V2({.mode = Mode::kCopy, .uri = "no"});
  const std::string input = put + std::string(10, 'x') + copy;
  for (size_t split = put.size(); split <= put.size() + 10; ++split) {
    auto session = Make(Dialect::kV2);
    const std::string head = input.substr(0, split);
    TakeInPlace(session.get(), head, LaneKind::kFdPass, {});
    EXPECT_EQ(Uris(), (UriList{"put"}));
    KeepUnread(session.get(), head, burst_.consumed);
    session->unread += input.substr(split);
    TakeInPlace(session.get(), session->unread, LaneKind::kFdPass, {});
    EXPECT_EQ(asked_, (UriList{"no"}));
    EXPECT_EQ(burst_.end, End::kOtherLane);
    KeepUnread(session.get(), session->unread, burst_.consumed);
    EXPECT_EQ(session->unread, copy);
    Take(session.get(), session->unread, LaneKind::kCopyPath);
    EXPECT_EQ(Uris(), (UriList{"no"}));
    EXPECT_EQ(burst_.consumed, copy.size());
  }
}

// The caller judges whole requests: one that has only begun waits for the rest.
TEST_F(IntakeTest, InPlaceWaitsForTheWholeRequest) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    const std::string request = RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "object"});
    for (size_t begun = 1; begun < request.size(); ++begun) {
      auto session = Make(dialect);
      TakeInPlace(session.get(), request.substr(0, begun), LaneKind::kFdPass, {"object"});
      EXPECT_EQ(asked_, UriList());
      EXPECT_EQ(burst_.end, End::kNeedMore);
      EXPECT_EQ(burst_.consumed, 0u);
      TakeInPlace(session.get(), request, LaneKind::kFdPass, {"object"});
      EXPECT_EQ(asked_, (UriList{"object"}));
      EXPECT_EQ(Uris(), (UriList{"object"}));
    }
  }
}

// What is refused is refused here, and nobody is asked to open it first.
TEST_F(IntakeTest, RefusedIsNotAskedAbout) {
  auto session = Make(Dialect::kV2);
  const std::string input = V2({.mode = Mode::kCopy, .uri = "flags", .flags = 0x80}) +
                            V2({.mode = Mode::kCopy, .uri = ""}) +
                            V2({.mode = Mode::kDelete, .uri = "delete"});
  TakeInPlace(session.get(), input, LaneKind::kFdPass, {});
  EXPECT_EQ(asked_, UriList());
  EXPECT_EQ(Refusals(),
            (StatusList{Status::kInvalidRequest, Status::kInvalidRequest, Status::kUnsupportedOp}));
  EXPECT_EQ(burst_.end, End::kNeedMore);
  auto tcp = Make(Dialect::kV2, Transport::kTcp);
  TakeInPlace(tcp.get(), V2({.mode = Mode::kFdPass, .uri = "a"}), LaneKind::kCopyPath, {"a"});
  EXPECT_EQ(asked_, UriList());
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidMode}));
}

// Nor about what the rules deny, which may be there or not: it is refused here, and the connection
// stays.
TEST_F(IntakeTest, DeniedIsNotAskedAbout) {
  const Access access(*AccessRules::Parse("any /open read"));
  limits_.access = &access;
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    for (const LaneKind lane : {LaneKind::kFdPass, LaneKind::kCopyPath}) {
      const Mode others = lane == LaneKind::kFdPass ? Mode::kCopy : Mode::kFdPass;
      auto session = Make(dialect);
      std::string input;
      for (const char* uri :
           {"closed/there", "closed/none", "open/a", "closed//there", "./closed/there"}) {
        input += RequestBytes(dialect, {.mode = others, .uri = uri});
      }
      TakeInPlace(session.get(), input, lane, {"closed/there", "open/a"});
      EXPECT_EQ(asked_, (UriList{"open/a"}));
      EXPECT_EQ(Refusals(),
                (StatusList{Status::kPermissionDenied, Status::kPermissionDenied, Status::kOk,
                            Status::kPermissionDenied, Status::kPermissionDenied}));
      EXPECT_EQ(burst_.end, End::kNeedMore);
    }
  }
  limits_.access = nullptr;
}

}  // namespace
}  // namespace objmapper::session
