// Each errno has the code that the header promises.
#include "net/errno_status.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <string>

namespace objmapper::net {
namespace {

struct Case {
  int error;
  absl::StatusCode code;
};

class ErrnoStatusTest : public testing::TestWithParam<Case> {};

// Each errno becomes the code that its header promises.
TEST_P(ErrnoStatusTest, HasItsCode) {
  EXPECT_EQ(ErrnoToStatus(GetParam().error, "x").code(), GetParam().code);
}

INSTANTIATE_TEST_SUITE_P(All, ErrnoStatusTest,
                         testing::Values(Case{ENOENT, absl::StatusCode::kNotFound},
                                         Case{ENOTDIR, absl::StatusCode::kNotFound},
                                         Case{EACCES, absl::StatusCode::kPermissionDenied},
                                         Case{EPERM, absl::StatusCode::kPermissionDenied},
                                         Case{ELOOP, absl::StatusCode::kPermissionDenied},
                                         Case{EXDEV, absl::StatusCode::kPermissionDenied},
                                         Case{ENXIO, absl::StatusCode::kPermissionDenied},
                                         Case{EROFS, absl::StatusCode::kPermissionDenied},
                                         Case{ENOKEY, absl::StatusCode::kPermissionDenied},
                                         Case{EBUSY, absl::StatusCode::kFailedPrecondition},
                                         Case{ETXTBSY, absl::StatusCode::kFailedPrecondition},
                                         Case{EISDIR, absl::StatusCode::kFailedPrecondition},
                                         Case{ENOLCK, absl::StatusCode::kResourceExhausted},
                                         Case{EILSEQ, absl::StatusCode::kInvalidArgument},
                                         Case{EBADMSG, absl::StatusCode::kDataLoss},
                                         Case{EMFILE, absl::StatusCode::kResourceExhausted},
                                         Case{ENFILE, absl::StatusCode::kResourceExhausted},
                                         Case{ENOMEM, absl::StatusCode::kResourceExhausted},
                                         Case{ENOBUFS, absl::StatusCode::kResourceExhausted},
                                         Case{ETOOMANYREFS, absl::StatusCode::kResourceExhausted},
                                         Case{EAGAIN, absl::StatusCode::kResourceExhausted},
                                         Case{EPIPE, absl::StatusCode::kUnavailable},
                                         Case{ECONNRESET, absl::StatusCode::kUnavailable},
                                         Case{ENOTCONN, absl::StatusCode::kUnavailable},
                                         Case{ECONNREFUSED, absl::StatusCode::kUnavailable},
                                         Case{EINVAL, absl::StatusCode::kInvalidArgument},
                                         Case{ENAMETOOLONG, absl::StatusCode::kInvalidArgument},
                                         Case{ETIMEDOUT, absl::StatusCode::kDeadlineExceeded},
                                         Case{EEXIST, absl::StatusCode::kAlreadyExists},
                                         Case{EADDRINUSE, absl::StatusCode::kAlreadyExists},
                                         Case{EIO, absl::StatusCode::kDataLoss},
                                         Case{EUCLEAN, absl::StatusCode::kDataLoss},
                                         Case{ESTALE, absl::StatusCode::kDataLoss},
                                         Case{EFAULT, absl::StatusCode::kDataLoss},
                                         Case{ENOSYS, absl::StatusCode::kUnimplemented},
                                         Case{EOPNOTSUPP, absl::StatusCode::kUnimplemented},
                                         Case{ENOTTY, absl::StatusCode::kInternal}));

// The message names the object, says what happened and gives the errno's name.
TEST(ErrnoToStatusTest, MessageNamesObjectTextAndErrno) {
  EXPECT_EQ(std::string(ErrnoToStatus(EMFILE, "open /srv/a").message()),
            "open /srv/a: Too many open files (EMFILE)");
}

// A number that no errno has still makes a message.
TEST(ErrnoToStatusTest, UnknownNumberIsInternal) {
  const absl::Status status = ErrnoToStatus(4095, "frobnicate /x");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_NE(status.message().find("frobnicate /x: "), absl::string_view::npos);
  EXPECT_NE(status.message().find("(?)"), absl::string_view::npos);
}

}  // namespace
}  // namespace objmapper::net
