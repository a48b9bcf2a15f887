// What rides on requests or follows them: descriptors, bodies, operations.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "session/intake.h"
#include "tests/session/intake_fixture.h"

namespace objmapper::session {
namespace {

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

// On a writable server an operation has its burst for itself: what comes before it is taken first,
// and what comes behind it after it is done. The body of a PUT is left to whoever stores it.
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

// The k-th descriptor is the k-th OP_PUT_FD's, wherever the reads that brought them began and
// ended; it goes to the caller when its request does, and is closed with a refusal.
TEST_F(IntakeTest, PutFdGetsItsDescriptor) {
  limits_.writable = true;
  const std::string put = V2({.mode = Mode::kPutFd, .uri = "x"});
  const std::string copy = V2({.mode = Mode::kCopy, .uri = "y"});
  const auto fds = [](int count) {
    std::vector<net::ForeignFd> some;
    for (int i = 0; i < count; ++i) some.emplace_back(net::UniqueFd(dup(0)));
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

}  // namespace
}  // namespace objmapper::session
