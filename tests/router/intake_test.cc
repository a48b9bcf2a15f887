#include "router/intake.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "protocol/encode.h"
#include "router/access.h"
#include "router/rate_limit.h"
#include "tests/router/client_end.h"

namespace objmapper::router {
namespace {

using protocol::Dialect;
using protocol::Mode;
using protocol::Request;
using protocol::RequestToSend;
using protocol::Status;
using End = Burst::End;

constexpr size_t kPlenty = 1000;  // requests

std::string V1(Mode mode, absl::string_view uri) {
  return RequestBytes(Dialect::kV1, {.mode = mode, .uri = uri});
}
std::string V2(const RequestToSend& request) { return RequestBytes(Dialect::kV2, request); }
std::string CloseBytes() {
  char bytes[protocol::kCloseBytes];
  return std::string(bytes, protocol::EncodeClose(protocol::CloseReason::kNormal, bytes));
}

class IntakeTest : public testing::Test {
 protected:
  std::unique_ptr<Session> Make(Dialect dialect, Transport transport = Transport::kUnix,
                                uint16_t capabilities = protocol::kAllCapabilities,
                                uint16_t max_pipeline = 0) {
    return MakeSession(net::UniqueFd(), transport, &limits_, &counters_, dialect, capabilities,
                       max_pipeline);
  }
  // A lane's call, with nothing outstanding and budget enough.
  void Take(Session* session, absl::string_view input,
            std::optional<LaneKind> lane = LaneKind::kCopyPath) {
    TakeBurst(session, input, lane, /*outstanding=*/0, kPlenty, &burst_);
  }
  // The same for a caller that answers `answered` in place; asked_ are those that it was asked about.
  void TakeInPlace(Session* session, absl::string_view input, LaneKind lane,
                   const std::vector<std::string>& answered) {
    asked_.clear();
    const auto ask = [&](const Request& request) {
      asked_.emplace_back(request.uri);
      return std::count(answered.begin(), answered.end(), asked_.back()) > 0;
    };
    const InPlace in_place(ask);
    TakeBurst(session, input, lane, /*outstanding=*/0, kPlenty, &burst_, &in_place);
  }
  std::vector<std::string> Uris() const {
    std::vector<std::string> uris;
    for (const Request& request : burst_.requests) uris.emplace_back(request.uri);
    return uris;
  }
  std::vector<Status> Refusals() const {
    std::vector<Status> refusals;
    for (const Request& request : burst_.requests) refusals.push_back(request.refusal);
    return refusals;
  }

  SessionLimits limits_;
  ConnectionCounters counters_;
  Burst burst_;
  std::vector<std::string> asked_;
};

using UriList = std::vector<std::string>;
using StatusList = std::vector<Status>;

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
        Take(session.get(), RequestBytes(dialect, {.mode = Mode::kStat, .uri = "first"}), std::nullopt);
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

// ---- Descriptors where none belong ----

// The request that holds the last byte of the read that brought descriptors is refused; those
// before and behind it are not.
TEST_F(IntakeTest, DescriptorsAreBlamedOnTheirRequest) {
  const std::string a = V1(Mode::kFdPass, "a"), b = V1(Mode::kFdPass, "b"),
                    c = V1(Mode::kFdPass, "c");
  // Wherever in its request the read ended.
  for (size_t last = a.size(); last < a.size() + b.size(); ++last) {
    auto session = Make(Dialect::kV1);
    session->fds_at = last;
    Take(session.get(), a + b + c, LaneKind::kFdPass);
    EXPECT_EQ(Refusals(), (StatusList{Status::kOk, Status::kInvalidRequest, Status::kOk}));
  }
}

// The mark stays with its byte while the bytes before it are taken, over any number of calls.
TEST_F(IntakeTest, TheMarkFollowsItsByte) {
  const std::string a = V2({.mode = Mode::kCopy, .uri = "a"}),
                    b = V2({.mode = Mode::kCopy, .uri = "b"}),
                    c = V2({.mode = Mode::kCopy, .uri = "c"});
  // A read brings `a` and the beginning of `b`, with descriptors.
  for (size_t begun = 1; begun < b.size(); ++begun) {
    auto session = Make(Dialect::kV2);
    const std::string first = a + b.substr(0, begun);
    session->fds_at = first.size() - 1;
    Take(session.get(), first);
    EXPECT_EQ(Refusals(), (StatusList{Status::kOk}));
    KeepUnread(session.get(), first, burst_.consumed);
    ASSERT_EQ(session->fds_at, begun - 1);
    // The next read brings the rest of it, and another.
    session->unread += b.substr(begun) + c;
    Take(session.get(), session->unread);
    EXPECT_EQ(Uris(), (UriList{"b", "c"}));
    EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidRequest, Status::kOk}));
    KeepUnread(session.get(), session->unread, burst_.consumed);
    EXPECT_EQ(session->fds_at, std::nullopt);
  }
}

// A burst that ends before the marked request leaves the mark to the one that takes it.
TEST_F(IntakeTest, TheMarkOutlivesAFullBurst) {
  auto session = Make(Dialect::kV1);
  const std::string a = V1(Mode::kCopy, "a"), b = V1(Mode::kCopy, "b");
  const std::string input = a + b;
  session->fds_at = input.size() - 1;
  TakeBurst(session.get(), input, LaneKind::kCopyPath, 0, /*requests_max=*/1, &burst_);
  EXPECT_EQ(Refusals(), (StatusList{Status::kOk}));
  KeepUnread(session.get(), input, burst_.consumed);
  Take(session.get(), session->unread);
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidRequest}));
}

// PUT_FD is the request that brings one: it is refused for what it is.
TEST_F(IntakeTest, PutFdMayBringADescriptor) {
  auto session = Make(Dialect::kV2);
  session->fds_at = 0;
  Take(session.get(), V2({.mode = Mode::kPutFd, .uri = "a"}));
  EXPECT_EQ(Refusals(), (StatusList{Status::kUnsupportedOp}));
}

// ---- Bodies ----

// The body of a PUT that is refused is skipped, and the requests behind it are read.
TEST_F(IntakeTest, PutBodyIsSkipped) {
  auto session = Make(Dialect::kV2);
  const std::string body = V2({.mode = Mode::kCopy, .uri = "not a request"});
  const std::string input = V2({.mode = Mode::kPut, .uri = "a", .body_length = body.size()}) +
                            body + V2({.mode = Mode::kCopy, .uri = "b"});
  Take(session.get(), input);
  EXPECT_EQ(Uris(), (UriList{"a", "b"}));
  EXPECT_EQ(Refusals(), (StatusList{Status::kUnsupportedOp, Status::kOk}));
  EXPECT_EQ(burst_.consumed, input.size());
}

// However the body is cut into reads.
TEST_F(IntakeTest, PutBodyIsSkippedAcrossCalls) {
  const std::string put = V2({.mode = Mode::kPut, .uri = "a", .body_length = 100});
  const std::string all = put + std::string(100, '\x01') + V2({.mode = Mode::kCopy, .uri = "b"});
  for (size_t step = 1; step < 60; step += 7) {
    auto session = Make(Dialect::kV2);
    std::vector<std::string> uris;
    for (size_t at = 0; at < all.size(); at += step) {
      session->unread += all.substr(at, step);
      Take(session.get(), session->unread);
      for (const std::string& uri : Uris()) uris.push_back(uri);
      EXPECT_EQ(burst_.end, End::kNeedMore);
      KeepUnread(session.get(), session->unread, burst_.consumed);
      // A body is never hoarded.
      EXPECT_TRUE(!session->parser.skipping() || session->unread.empty());
    }
    EXPECT_EQ(uris, (UriList{"a", "b"}));
    EXPECT_EQ(session->unread, "");
  }
}

// Descriptors that came with a body are not blamed on the request behind it.
TEST_F(IntakeTest, DescriptorsOnABodyAreNotTheNextRequests) {
  auto session = Make(Dialect::kV2);
  const std::string put = V2({.mode = Mode::kPut, .uri = "a", .body_length = 10});
  const std::string body(10, 'x');
  session->fds_at = put.size() + body.size() - 1;
  const std::string input = put + body + V2({.mode = Mode::kCopy, .uri = "b"});
  Take(session.get(), input);
  EXPECT_EQ(Uris(), (UriList{"a", "b"}));
  EXPECT_EQ(Refusals()[1], Status::kOk);
}

// A request for another lane behind a body is seen through it, and the body is not forgotten when
// the connection moves.
TEST_F(IntakeTest, ConnectionsMoveWithABodyToSkip) {
  auto session = Make(Dialect::kV2);
  const std::string input = V2({.mode = Mode::kPut, .uri = "a", .body_length = 10}) +
                            std::string(10, 'x') + V2({.mode = Mode::kCopy, .uri = "b"});
  Take(session.get(), input, LaneKind::kFdPass);
  EXPECT_EQ(Uris(), (UriList{"a"}));
  EXPECT_EQ(burst_.end, End::kOtherLane);
  KeepUnread(session.get(), input, burst_.consumed);
  Take(session.get(), session->unread, LaneKind::kCopyPath);
  EXPECT_EQ(Uris(), (UriList{"b"}));
  EXPECT_EQ(burst_.end, End::kNeedMore);
}

// ---- Operations ----

// On a writable server an operation has its burst for itself: what comes before it is taken first, and what comes behind
// it after it is done. The body of a PUT is left to whoever stores it.
TEST_F(IntakeTest, AnOperationHasItsBurstForItself) {
  limits_.writable = true;
  auto session = Make(Dialect::kV2, Transport::kTcp);
  const std::string before = V2({.mode = Mode::kStat, .uri = "before"});
  const std::string behind = V2({.mode = Mode::kStat, .uri = "behind"});
  for (const Mode mode : {Mode::kPut, Mode::kDelete, Mode::kList}) {
    const std::string operation = V2({.mode = mode, .uri = "x", .body_length = 10});
    const std::string input = before + operation + behind;
    Take(session.get(), input);
    EXPECT_EQ(Uris(), (UriList{"before"}));
    EXPECT_EQ(burst_.end, End::kFull);
    const std::string rest = input.substr(before.size());
    Take(session.get(), rest);
    EXPECT_EQ(Uris(), (UriList{"x"}));
    EXPECT_EQ(Refusals(), (StatusList{Status::kOk}));
    EXPECT_EQ(burst_.end, End::kOperation);
    EXPECT_EQ(burst_.consumed, operation.size());
    EXPECT_FALSE(session->parser.skipping());
    Take(session.get(), operation, LaneKind::kFdPass);
    EXPECT_EQ(burst_.end, End::kOtherLane);
    TakeInPlace(session.get(), operation, LaneKind::kFdPass, {});
    EXPECT_EQ(burst_.end, End::kOtherLane);
    EXPECT_EQ(burst_.consumed, 0u);
  }
}

// The k-th descriptor is the k-th OP_PUT_FD's, wherever the reads that brought them began and ended; it goes to the
// caller when its request does, and is closed with a refusal.
TEST_F(IntakeTest, PutFdGetsItsDescriptor) {
  limits_.writable = true;
  const std::string put = V2({.mode = Mode::kPutFd, .uri = "x"});
  const std::string copy = V2({.mode = Mode::kCopy, .uri = "y"});
  const auto fds = [](int count) {
    std::vector<net::UniqueFd> some;
    for (int i = 0; i < count; ++i) some.push_back(net::UniqueFd(dup(0)));
    return some;
  };
  for (size_t last = 0; last < put.size(); ++last) {
    auto session = Make(Dialect::kV2);
    session->NoteArrival({0, copy.size() + last, fds(1), false});
    const int number = session->arrivals[0].fds[0].get();
    const std::string input = copy + put + copy;
    Take(session.get(), input);
    EXPECT_EQ(Refusals(), (StatusList{Status::kOk}));
    KeepUnread(session.get(), input, burst_.consumed);
    Take(session.get(), session->unread);
    EXPECT_EQ(Refusals(), (StatusList{Status::kOk}));
    EXPECT_EQ(burst_.end, End::kOperation);
    EXPECT_EQ(burst_.fd.get(), number);
    KeepUnread(session.get(), session->unread, burst_.consumed);
    EXPECT_TRUE(session->arrivals.empty());
    Take(session.get(), session->unread);
    EXPECT_EQ(Refusals(), (StatusList{Status::kOk}));
    EXPECT_FALSE(burst_.fd.valid());
  }
  const struct {
    int count;
    bool lost;
    std::string input;
    Status refusal;
  } cases[] = {{0, false, put, Status::kInvalidRequest}, {2, false, put, Status::kInvalidRequest},
               {2, true, put, Status::kInvalidRequest},  {0, true, put, Status::kUnavailable},
               {1, true, put, Status::kUnavailable},     {1, false, copy, Status::kInvalidRequest},
               {0, true, copy, Status::kInvalidRequest}};
  for (const auto& c : cases) {
    auto session = Make(Dialect::kV2);
    if (c.count > 0 || c.lost) session->NoteArrival({0, c.input.size() - 1, fds(c.count), c.lost});
    Take(session.get(), c.input);
    EXPECT_EQ(Refusals(), (StatusList{c.refusal})) << c.count << c.lost;
    EXPECT_FALSE(burst_.fd.valid());
    EXPECT_TRUE(session->arrivals.empty() || session->arrivals[0].fds.empty());
    EXPECT_NE(burst_.end, End::kOperation);
  }
}

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
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidRequest, Status::kInvalidRequest,
                                    Status::kUnsupportedOp}));
  EXPECT_EQ(burst_.end, End::kNeedMore);
  auto tcp = Make(Dialect::kV2, Transport::kTcp);
  TakeInPlace(tcp.get(), V2({.mode = Mode::kFdPass, .uri = "a"}), LaneKind::kCopyPath, {"a"});
  EXPECT_EQ(asked_, UriList());
  EXPECT_EQ(Refusals(), (StatusList{Status::kInvalidMode}));
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
                            V2({.mode = Mode::kCopy, .uri = "b"}) + V2({.mode = Mode::kCopy, .uri = "c"});
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
  Take(session.get(), V2({.mode = Mode::kCopy, .uri = "a/b"}) + V2({.mode = Mode::kStat, .uri = "b"}));
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
}  // namespace objmapper::router
