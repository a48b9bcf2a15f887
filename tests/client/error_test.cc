// Every status of the wire has its code, and can be found again in the absl::Status.
#include "client/error.h"

#include <gtest/gtest.h>

#include <string>

namespace objmapper::client {
namespace {

protocol::Metadata WithError(absl::string_view text) {
  protocol::Metadata metadata;
  metadata.error = std::string(text);
  return metadata;
}

// Every status of the wire has its code, and is found again in the absl::Status.
TEST(ServerErrorTest, CodesAreAsTheHeaderSays) {
  const struct {
    protocol::Status wire;
    absl::StatusCode code;
  } cases[] = {
      {protocol::Status::kNotFound, absl::StatusCode::kNotFound},
      {protocol::Status::kInvalidRequest, absl::StatusCode::kInvalidArgument},
      {protocol::Status::kInvalidMode, absl::StatusCode::kInvalidArgument},
      {protocol::Status::kUriTooLong, absl::StatusCode::kInvalidArgument},
      {protocol::Status::kUnsupportedOp, absl::StatusCode::kUnimplemented},
      {protocol::Status::kPermissionDenied, absl::StatusCode::kPermissionDenied},
      {protocol::Status::kRangeNotSatisfiable, absl::StatusCode::kOutOfRange},
      {protocol::Status::kTooLarge, absl::StatusCode::kFailedPrecondition},
      {protocol::Status::kConflict, absl::StatusCode::kAborted},
      {protocol::Status::kInternalError, absl::StatusCode::kInternal},
      {protocol::Status::kStorageError, absl::StatusCode::kDataLoss},
      {protocol::Status::kOutOfMemory, absl::StatusCode::kResourceExhausted},
      {protocol::Status::kTimeout, absl::StatusCode::kDeadlineExceeded},
      {protocol::Status::kUnavailable, absl::StatusCode::kUnavailable},
      {protocol::Status::kProtocolError, absl::StatusCode::kInternal},
      {protocol::Status::kVersionMismatch, absl::StatusCode::kFailedPrecondition},
      {protocol::Status::kCapabilityError, absl::StatusCode::kFailedPrecondition},
      {static_cast<protocol::Status>(0x7E), absl::StatusCode::kUnknown},
  };
  for (const auto& c : cases) {
    const absl::Status status = ServerError(c.wire, "OP_STAT \"a\"", WithError("text"));
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_EQ(WireStatusOf(status), c.wire);
    EXPECT_EQ(SourceOf(status), ErrorSource::kServer);
    EXPECT_FALSE(RetryAfter(status).has_value());
  }
}

// A server's text cannot drive the terminal that shows it.
TEST(ServerErrorTest, ControlBytesAreEscaped) {
  const absl::Status status =
      ServerError(protocol::Status::kNotFound, "x", WithError("\x1b[2J caf\xc3\xa9\n"));
  EXPECT_EQ(status.message(), "x: NOT_FOUND: \\x1b[2J caf\xc3\xa9\\x0a");
}

// A server that says nothing still has its status named.
TEST(ServerErrorTest, WithoutText) {
  EXPECT_EQ(ServerError(protocol::Status::kTimeout, "x", {}).message(), "x: TIMEOUT");
}

// The facts survive a longer message.
TEST(AboutTest, KeepsPayloads) {
  protocol::Metadata metadata = WithError("full");
  metadata.retry_after_ms = 4000000000;
  const absl::Status status =
      About("batch", ServerError(protocol::Status::kUnavailable, "x", metadata));
  EXPECT_EQ(status.message(), "batch: x: UNAVAILABLE: full");
  EXPECT_EQ(WireStatusOf(status), protocol::Status::kUnavailable);
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(4000000000));
  EXPECT_EQ(SourceOf(About("x", ConnectionError(absl::UnavailableError("gone")))),
            ErrorSource::kConnection);
}

// A status from elsewhere is this side's.
TEST(SourceOfTest, OthersAreLocal) {
  EXPECT_EQ(SourceOf(absl::NotFoundError("x")), ErrorSource::kLocal);
  EXPECT_EQ(SourceOf(absl::OkStatus()), ErrorSource::kLocal);
  EXPECT_FALSE(WireStatusOf(absl::NotFoundError("x")).has_value());
  EXPECT_TRUE(ConnectionError(absl::OkStatus()).ok());
}

// A URI in a message is one readable line, however long or odd.
TEST(WhatWasAskedTest, IsOneLine) {
  EXPECT_EQ(WhatWasAsked(protocol::Mode::kFdPass, "a b"), "OP_FDPASS \"a b\"");
  EXPECT_EQ(WhatWasAsked(protocol::Mode::kCopy, absl::string_view("a\0\n", 3)),
            "OP_COPY \"a\\x00\\x0a\"");
  EXPECT_EQ(WhatWasAsked(protocol::Mode::kStat, std::string(257, 'u')),
            "OP_STAT \"" + std::string(256, 'u') + "...\"");
}

}  // namespace
}  // namespace objmapper::client
