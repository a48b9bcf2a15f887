// Where a burst ends, and which requests are refused for which reason.
#include "session/intake.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "session/access.h"
#include "session/rate_limit.h"
#include "tests/session/intake_fixture.h"

namespace objmapper::session {
namespace {

// ---- Where a burst ends ----

// All complete requests are taken, in the order of arrival; the beginning of another is left.
TEST_F(IntakeTest, TakesWhatIsComplete) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    auto session = Make(dialect);
    const std::string whole = RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "one"}) +
                              RequestBytes(dialect, {.mode = Mode::kSplice, .uri = "two"}) +
                              RequestBytes(dialect, {.mode = Mode::kStat, .uri = "three"});
    const std::string next = RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "four"});
    for (size_t begun = 0; begun < next.size(); ++begun) {
      const std::string input = whole + next.substr(0, begun);
      Take(session.get(), input);
      EXPECT_EQ(Uris(), (UriList{"one", "two", "three"}));
      EXPECT_EQ(Refusals(), (StatusList{Status::kOk, Status::kOk, Status::kOk}));
      EXPECT_EQ(burst_.end, End::kNeedMore);
      EXPECT_EQ(burst_.consumed, whole.size());
    }
  }
}

// Nothing in, nothing out: what an earlier call left in the burst is gone.
TEST_F(IntakeTest, EmptyInputIsAnEmptyBurst) {
  auto session = Make(Dialect::kV2);
  Take(session.get(), V2({.mode = Mode::kCopy, .uri = "a"}));
  ASSERT_EQ(burst_.requests.size(), 1u);
  Take(session.get(), "");
  EXPECT_TRUE(burst_.requests.empty());
  EXPECT_EQ(burst_.end, End::kNeedMore);
  EXPECT_EQ(burst_.consumed, 0u);
}

// The caller's budget ends a burst before the next request, which the next call takes.
TEST_F(IntakeTest, BudgetEndsTheBurst) {
  auto session = Make(Dialect::kV1);
  const std::string input = V1(Mode::kCopy, "a") + V1(Mode::kCopy, "b") + V1(Mode::kCopy, "c");
  TakeBurst(session.get(), input, LaneKind::kCopyPath, 0, /*requests_max=*/2, &burst_);
  EXPECT_EQ(Uris(), (UriList{"a", "b"}));
  EXPECT_EQ(burst_.end, End::kFull);
  const absl::string_view rest = absl::string_view(input).substr(burst_.consumed);
  EXPECT_EQ(rest, V1(Mode::kCopy, "c"));
  TakeBurst(session.get(), rest, LaneKind::kCopyPath, 0, /*requests_max=*/2, &burst_);
  EXPECT_EQ(Uris(), (UriList{"c"}));
  EXPECT_EQ(burst_.end, End::kNeedMore);
}

// A burst ends before the first request that another lane has to answer.
TEST_F(IntakeTest, EndsBeforeAnotherLanesRequest) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    auto session = Make(dialect);
    const std::string ours = RequestBytes(dialect, {.mode = Mode::kFdPass, .uri = "a"}) +
                             RequestBytes(dialect, {.mode = Mode::kStat, .uri = "b"});
    const std::string input = ours + RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "c"}) +
                              RequestBytes(dialect, {.mode = Mode::kFdPass, .uri = "d"});
    Take(session.get(), input, LaneKind::kFdPass);
    EXPECT_EQ(Uris(), (UriList{"a", "b"}));
    EXPECT_EQ(burst_.end, End::kOtherLane);
    EXPECT_EQ(burst_.consumed, ours.size());

    // The other lane goes on from there, and ends in turn.
    const absl::string_view rest = absl::string_view(input).substr(burst_.consumed);
    Take(session.get(), rest, LaneKind::kCopyPath);
    EXPECT_EQ(Uris(), (UriList{"c"}));
    EXPECT_EQ(burst_.end, End::kOtherLane);
  }
}

// The mode byte decides, before the rest of the request has come.
TEST_F(IntakeTest, TheModeByteIsEnoughToMove) {
  auto v1 = Make(Dialect::kV1);
  Take(v1.get(), V1(Mode::kFdPass, "a") + V1(Mode::kCopy, "b").substr(0, 1), LaneKind::kFdPass);
  EXPECT_EQ(burst_.end, End::kOtherLane);
  auto v2 = Make(Dialect::kV2);
  const std::string request = V2({.mode = Mode::kCopy, .uri = "b"});
  Take(v2.get(), request.substr(0, 6), LaneKind::kFdPass);
  EXPECT_EQ(burst_.end, End::kNeedMore);
  Take(v2.get(), request.substr(0, 7), LaneKind::kFdPass);
  EXPECT_EQ(burst_.end, End::kOtherLane);
  EXPECT_EQ(burst_.consumed, 0u);
}

// What will be refused whoever looks at it does not move a connection.
TEST_F(IntakeTest, ARefusableRequestStays) {
  auto session = Make(Dialect::kV2);
  Take(session.get(), V2({.mode = Mode::kCopy, .uri = "a", .flags = 0x80}), LaneKind::kFdPass);
  EXPECT_EQ(burst_.end, End::kNeedMore);
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidRequest}));
  // Descriptors cannot go over TCP, so the copypath says no itself.
  auto tcp = Make(Dialect::kV2, Transport::kTcp);
  Take(tcp.get(), V2({.mode = Mode::kFdPass, .uri = "a"}), LaneKind::kCopyPath);
  EXPECT_EQ(burst_.end, End::kNeedMore);
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidMode}));
}

// A model without lanes takes every mode.
TEST_F(IntakeTest, WithoutLanesNothingMoves) {
  auto session = Make(Dialect::kV1);
  const std::string input = V1(Mode::kFdPass, "a") + V1(Mode::kCopy, "b") + V1(Mode::kFdPass, "c");
  Take(session.get(), input, std::nullopt);
  EXPECT_EQ(Uris(), (UriList{"a", "b", "c"}));
  EXPECT_EQ(Refusals(), (StatusList{Status::kOk, Status::kOk, Status::kOk}));
  EXPECT_EQ(burst_.end, End::kNeedMore);
}

// CLOSE ends the burst; requests before it are served, what follows it is not read.
TEST_F(IntakeTest, CloseEndsTheBurst) {
  auto session = Make(Dialect::kV2);
  const std::string before = V2({.mode = Mode::kCopy, .uri = "a"}) + CloseBytes();
  const std::string input = before + V2({.mode = Mode::kCopy, .uri = "b"});
  Take(session.get(), input);
  EXPECT_EQ(Uris(), (UriList{"a"}));
  EXPECT_EQ(burst_.end, End::kClose);
  EXPECT_EQ(burst_.consumed, before.size());
}

// A message that cannot be understood ends the burst with what to answer; requests before it are
// served.
TEST_F(IntakeTest, FatalMessageEndsTheBurst) {
  auto session = Make(Dialect::kV2);
  const std::string input = V2({.mode = Mode::kCopy, .uri = "a"}) + "\x7f";
  Take(session.get(), input);
  EXPECT_EQ(Uris(), (UriList{"a"}));
  EXPECT_EQ(burst_.end, End::kFatal);
  EXPECT_EQ(burst_.fatal.status, Status::kProtocolError);
  EXPECT_STRNE(burst_.fatal.reason, "");

  auto long_uri = Make(Dialect::kV2);
  std::string request = V2({.mode = Mode::kCopy, .uri = "a", .id = 77});
  request[7] = '\x10';  // uri_length becomes 0x1001
  Take(long_uri.get(), request);
  EXPECT_TRUE(burst_.requests.empty());
  EXPECT_EQ(burst_.end, End::kFatal);
  EXPECT_EQ(burst_.fatal.status, Status::kUriTooLong);
  EXPECT_EQ(burst_.fatal.id, 77u);
}

// ---- What is refused ----

// Every mode on every transport: served, or refused with the status that says why.
TEST_F(IntakeTest, RefusalsByModeAndTransport) {
  const struct {
    Mode mode;
    Status on_unix;
    Status on_tcp;
  } cases[] = {
      {Mode::kFdPass, Status::kOk, Status::kInvalidMode},
      {Mode::kCopy, Status::kOk, Status::kOk},
      {Mode::kSplice, Status::kOk, Status::kOk},
      {Mode::kStat, Status::kOk, Status::kOk},
      {Mode::kPut, Status::kUnsupportedOp, Status::kUnsupportedOp},
      {Mode::kPutFd, Status::kUnsupportedOp, Status::kUnsupportedOp},
      {Mode::kDelete, Status::kUnsupportedOp, Status::kUnsupportedOp},
      {Mode::kList, Status::kOk, Status::kOk},
      {Mode{'?'}, Status::kInvalidMode, Status::kInvalidMode},
  };
  for (const auto& c : cases) {
    for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
      for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
        auto session = Make(dialect, transport);
        // A V1 connection may not open with a byte that is no mode.
        Take(session.get(), RequestBytes(dialect, {.mode = Mode::kStat, .uri = "first"}),
             std::nullopt);
        const std::string input = RequestBytes(dialect, {.mode = c.mode, .uri = "a"});
        Take(session.get(), input, std::nullopt);
        ASSERT_EQ(burst_.requests.size(), 1u);
        const Request& request = burst_.requests[0];
        Status expected = transport == Transport::kUnix ? c.on_unix : c.on_tcp;
        if (c.mode == Mode::kList && dialect == Dialect::kV1) expected = Status::kUnsupportedOp;
        EXPECT_EQ(request.refusal, expected) << protocol::ModeName(c.mode);
        // Whoever is refused learns why.
        EXPECT_EQ(request.refusal == Status::kOk, std::string(request.reason).empty());
      }
    }
  }
}

// The parser's refusals go before those that depend on the server.
TEST_F(IntakeTest, TheFirstReasonStands) {
  auto session = Make(Dialect::kV2);
  Take(session.get(), V2({.mode = Mode::kDelete, .uri = ""}));
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidRequest}));
}

// One request more than max_pipeline is refused, each that is; the ones before it are not. Refused
// ones are outstanding too, until they are answered.
TEST_F(IntakeTest, ExcessOverMaxPipelineIsRefused) {
  std::string input;
  for (int i = 0; i < 6; ++i) input += V2({.mode = Mode::kCopy, .uri = "a"});
  auto session = Make(Dialect::kV2, Transport::kUnix, protocol::kAllCapabilities, 4);
  Take(session.get(), input);
  constexpr Status kOk = Status::kOk, kNo = Status::kInvalidRequest;
  EXPECT_EQ(Refusals(), (StatusList{kOk, kOk, kOk, kOk, kNo, kNo}));

  // Those that are being answered count.
  TakeBurst(session.get(), input, LaneKind::kCopyPath, /*outstanding=*/3, kPlenty, &burst_);
  EXPECT_EQ(Refusals(), (StatusList{kOk, kNo, kNo, kNo, kNo, kNo}));
  TakeBurst(session.get(), input, LaneKind::kCopyPath, /*outstanding=*/9, kPlenty, &burst_);
  EXPECT_EQ(Refusals(), (StatusList{kNo, kNo, kNo, kNo, kNo, kNo}));
}

// Without PIPELINING there is no number to exceed: a client that sends early is served in order.
TEST_F(IntakeTest, WithoutPipeliningNothingIsExcess) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    auto session = Make(dialect, Transport::kUnix, protocol::kRange, 1);
    std::string input;
    for (int i = 0; i < 200; ++i) input += RequestBytes(dialect, {.mode = Mode::kCopy, .uri = "a"});
    Take(session.get(), input);
    EXPECT_EQ(Refusals(), StatusList(200, Status::kOk));
  }
}

// ---- KeepUnread ----

// What is left is kept, wherever the input lies: in a buffer of its own, in `unread` itself, or in
// the middle of it.
TEST_F(IntakeTest, KeepsTheRestOfAnyInput) {
  auto session = Make(Dialect::kV1);
  const std::string elsewhere = "0123456789";
  for (size_t consumed = 0; consumed <= elsewhere.size(); ++consumed) {
    const std::string rest = elsewhere.substr(consumed);
    session->unread = "something else";
    KeepUnread(session.get(), elsewhere, consumed);
    EXPECT_EQ(session->unread, rest);
    session->unread = elsewhere;
    KeepUnread(session.get(), session->unread, consumed);
    EXPECT_EQ(session->unread, rest);
    session->unread = "front" + elsewhere;
    KeepUnread(session.get(), absl::string_view(session->unread).substr(5), consumed);
    EXPECT_EQ(session->unread, rest);
  }
}

// An idle connection keeps no buffer, whatever it has read before.
TEST_F(IntakeTest, NothingUnreadKeepsNoBuffer) {
  auto session = Make(Dialect::kV1);
  session->unread.assign(100'000, 'x');
  KeepUnread(session.get(), session->unread, session->unread.size());
  EXPECT_EQ(session->unread, "");
  EXPECT_LT(session->unread.capacity(), 100u);
}

// ---- OrderForService ----

std::vector<uint32_t> Ordered(const Session& session, const std::vector<uint8_t>& flags) {
  std::vector<Request> requests;
  for (size_t i = 0; i < flags.size(); ++i) {
    Request request;
    request.id = static_cast<uint32_t>(i);
    request.flags = flags[i];
    requests.push_back(request);
  }
  OrderForService(session, &requests);
  std::vector<uint32_t> ids;
  for (const Request& request : requests) ids.push_back(request.id);
  return ids;
}

constexpr uint8_t kPlain = 0, kFirst = protocol::kFlagPriority, kInOrder = protocol::kFlagOrdered,
                  kBoth = kFirst | kInOrder;
using Ids = std::vector<uint32_t>;

// PRIORITY goes first where answers may come in any order; among equals the order stays.
TEST_F(IntakeTest, PriorityGoesFirst) {
  auto session = Make(Dialect::kV2);
  EXPECT_EQ(Ordered(*session, {kPlain, kFirst, kPlain, kFirst}), (Ids{1, 3, 0, 2}));
  EXPECT_EQ(Ordered(*session, {kPlain, kPlain, kPlain}), (Ids{0, 1, 2}));
  EXPECT_EQ(Ordered(*session, {kFirst}), (Ids{0}));
  EXPECT_EQ(Ordered(*session, {}), (Ids{}));
}

// An ORDERED answer comes after those of all earlier requests, so it does not move forward; those
// behind it may pass it.
TEST_F(IntakeTest, OrderedStaysBehindAllEarlierOnes) {
  auto session = Make(Dialect::kV2);
  EXPECT_EQ(Ordered(*session, {kPlain, kBoth, kPlain}), (Ids{0, 1, 2}));
  EXPECT_EQ(Ordered(*session, {kPlain, kInOrder, kFirst}), (Ids{2, 0, 1}));
}

// A client that wants its answers in order gets them so.
TEST_F(IntakeTest, WithoutOutOfOrderNothingMoves) {
  auto v2 = Make(Dialect::kV2, Transport::kUnix, protocol::kPipelining);
  EXPECT_EQ(Ordered(*v2, {kPlain, kFirst, kPlain, kFirst}), (Ids{0, 1, 2, 3}));
  auto v1 = Make(Dialect::kV1);
  EXPECT_EQ(Ordered(*v1, {kPlain, kFirst}), (Ids{0, 1}));
}

// ---- Limits and rules ----

// Over its rate a session's requests are put off, with the time to wait; refused ones count too.
TEST_F(IntakeTest, RateLimitPutsOff) {
  limits_.rate = RateLimit::Of(/*per_second=*/10, /*burst=*/2);
  auto session = Make(Dialect::kV2);
  session->received_ns = 1'000'000'000;
  const std::string three = V2({.mode = Mode::kCopy, .uri = "a", .flags = 0x80}) +
                            V2({.mode = Mode::kCopy, .uri = "b"}) +
                            V2({.mode = Mode::kCopy, .uri = "c"});
  Take(session.get(), three);
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidRequest, Status::kOk, Status::kUnavailable}));
  EXPECT_EQ(burst_.requests[2].retry_after_ms, 101u);  // 100 ms, and not a moment too early
  session->received_ns = 1'101'000'000;
  Take(session.get(), V2({.mode = Mode::kStat, .uri = "c"}));
  EXPECT_EQ(Refusals(), StatusList{Status::kOk});
}

// What the rules do not allow is refused; a right to read is none to write.
TEST_F(IntakeTest, RulesRefuse) {
  const Access access(*AccessRules::Parse("tcp /a read"));
  limits_.access = &access;
  auto session = Make(Dialect::kV2, Transport::kTcp);
  Take(session.get(),
       V2({.mode = Mode::kCopy, .uri = "a/b"}) + V2({.mode = Mode::kStat, .uri = "b"}));
  EXPECT_EQ(Refusals(), (StatusList{Status::kOk, Status::kPermissionDenied}));
  EXPECT_EQ(RightFor(Mode::kDelete), Right::kWrite);
  EXPECT_EQ(RightFor(Mode::kPut), Right::kWrite);
  EXPECT_EQ(RightFor(Mode::kPutFd), Right::kWrite);
  for (const Mode mode : {Mode::kFdPass, Mode::kCopy, Mode::kSplice, Mode::kStat, Mode::kList}) {
    EXPECT_EQ(RightFor(mode), Right::kRead);
  }
}

// A name is kept for the log where one is kept, and outlives the input.
TEST_F(IntakeTest, NamesForTheLog) {
  auto session = Make(Dialect::kV2);
  Take(session.get(), V2({.mode = Mode::kCopy, .uri = "a"}));
  EXPECT_EQ(burst_.requests[0].name, nullptr);
  limits_.slow_request_ns = 1;
  {
    const std::string input = V2({.mode = Mode::kCopy, .uri = "models/b"});
    Take(session.get(), input);
  }
  ASSERT_NE(burst_.requests[0].name, nullptr);
  EXPECT_EQ(*burst_.requests[0].name, "models/b");
}

}  // namespace
}  // namespace objmapper::session
