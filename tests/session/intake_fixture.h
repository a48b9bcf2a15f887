// Sessions, bytes, and the bursts that are taken from them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/unique_fd.h"
#include "protocol/objm/encode.h"
#include "session/intake.h"
#include "tests/session/client_end.h"

namespace objmapper::session {

using protocol::Dialect;
using protocol::Mode;
using protocol::Request;
using protocol::RequestToSend;
using protocol::Status;
using End = Burst::End;

inline constexpr size_t kPlenty = 1000;  // requests

inline std::string V1(Mode mode, absl::string_view uri) {
  return RequestBytes(Dialect::kV1, {.mode = mode, .uri = uri});
}
inline std::string V2(const RequestToSend& request) { return RequestBytes(Dialect::kV2, request); }
inline std::string CloseBytes() {
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
  // The same for a caller that answers `answered` in place; asked_ are those that it was asked
  // about.
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

}  // namespace objmapper::session
