// How a connection ends, from how its burst ended and what else is so.
#include "session/ending.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "session/answers.h"
#include "tests/session/intake_fixture.h"

namespace objmapper::session {
namespace {

using Next = Ending::Next;

class EndingTest : public IntakeTest {
 protected:
  Ending Of(Session* session, absl::string_view input, bool draining = false,
            bool departing = false) {
    Take(session, input);
    KeepUnread(session, input, burst_.consumed);
    return EndingOf(*session, burst_.end, burst_.fatal, draining, departing);
  }
  static std::string Close(protocol::CloseReason reason) {
    std::string bytes;
    AppendClose(Dialect::kV2, reason, &bytes);
    return bytes;
  }
  const std::string copy_ = V2({.mode = Mode::kCopy, .uri = "a"});
};

// Nothing is said to a connection that simply goes on, nor to one that moves.
TEST_F(EndingTest, GoesOnOrMovesWithoutAWord) {
  const auto session = Make(Dialect::kV2);
  EXPECT_EQ(Of(session.get(), copy_).next, Next::kGoOn);
  const Ending moves = Of(session.get(), V2({.mode = Mode::kFdPass, .uri = "a"}));
  EXPECT_EQ(moves.next, Next::kRoute);
  EXPECT_EQ(moves.farewell, "");
}

// Where more may be complete, another burst is taken before anything is decided but departure.
TEST_F(EndingTest, AFullBurstIsFollowedByAnother) {
  const auto session = Make(Dialect::kV2);
  EXPECT_EQ(EndingAtRest(*session, End::kFull, /*draining=*/true, /*departing=*/false).next,
            Next::kAgain);
  EXPECT_EQ(EndingAtRest(*session, End::kOperation, true, false).next, Next::kAgain);
  EXPECT_EQ(EndingAtRest(*session, End::kFull, true, /*departing=*/true).next, Next::kRoute);
}

// CLOSE is acknowledged, and what cannot be parsed is answered and closed.
TEST_F(EndingTest, TheClientsOwnEndsHaveTheirWords) {
  auto session = Make(Dialect::kV2);
  std::string ack;
  AppendCloseAck(Dialect::kV2, &ack);
  Ending ending = Of(session.get(), CloseBytes());
  EXPECT_EQ(ending.next, Next::kRetire);
  EXPECT_EQ(ending.farewell, ack);

  session = Make(Dialect::kV2);
  ending = Of(session.get(), "\xff\xff\xff\xff");
  EXPECT_EQ(ending.next, Next::kRetire);
  EXPECT_TRUE(absl::EndsWith(ending.farewell, Close(protocol::CloseReason::kProtocolError)));
}

// A connection that has had all its answers is closed, whatever its burst ended with.
TEST_F(EndingTest, AnExhaustedConnectionIsClosed) {
  limits_.requests_max = 1;
  const auto session = Make(Dialect::kV2);
  session->answered.Add();
  for (const End end : {End::kNeedMore, End::kFull, End::kOtherLane}) {
    const Ending ending = EndingAtRest(*session, end, false, false);
    EXPECT_EQ(ending.next, Next::kRetire);
    EXPECT_EQ(ending.farewell, Close(protocol::CloseReason::kNormal));
  }
}

// The peer's end of file: silence between requests, a protocol error within one.
TEST_F(EndingTest, EndOfFileWithinARequestIsAnError) {
  const auto session = Make(Dialect::kV2);
  session->peer_done = true;
  Ending ending = Of(session.get(), copy_);
  EXPECT_EQ(ending.next, Next::kRetire);
  EXPECT_EQ(ending.farewell, "");
  ending = Of(session.get(), copy_.substr(0, 3));
  EXPECT_EQ(ending.next, Next::kRetire);
  EXPECT_NE(ending.farewell.find("in the middle of a request"), std::string::npos);
}

// A server that drains says so; one that is taken over hands the connection on, but for one that
// its peer has ended.
TEST_F(EndingTest, DrainingIsSaidAndDepartingIsSilent) {
  const auto session = Make(Dialect::kV2);
  EXPECT_EQ(Of(session.get(), copy_, /*draining=*/true).farewell,
            Close(protocol::CloseReason::kShuttingDown));
  EXPECT_EQ(Of(session.get(), copy_, true, /*departing=*/true).next, Next::kRoute);
  session->peer_done = true;
  EXPECT_EQ(Of(session.get(), copy_, true, true).next, Next::kRetire);
}

// V1 has no words for an end.
TEST_F(EndingTest, V1EndsWithoutWords) {
  const auto session = Make(Dialect::kV1);
  EXPECT_EQ(EndingAtRest(*session, End::kNeedMore, true, false).farewell, "");
  EXPECT_EQ(LateFarewell(*session, /*half_said=*/false), "");
}

// An idle connection is closed; one that is late with the rest of a request is told what was
// missed.
TEST_F(EndingTest, LatenessIsNamed) {
  const auto session = Make(Dialect::kV2);
  EXPECT_EQ(LateFarewell(*session, false), Close(protocol::CloseReason::kIdleTimeout));
  EXPECT_NE(LateFarewell(*session, true).find("did not arrive in time"), std::string::npos);
  EXPECT_NE(LateFarewell(*session, true, "too slow by half").find("too slow by half"),
            std::string::npos);
}

}  // namespace
}  // namespace objmapper::session
