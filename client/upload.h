// A PUT's way out: the request, its body, and an ear for the server meanwhile.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/channel.h"
#include "client/put.h"
#include "protocol/objm/encode.h"

namespace objmapper::client {

// When a server refuses a PUT it says so at once, and skips the body as it comes. What is left of
// it is sent all the same, since only then both sides know their place in the stream, unless it is
// more than this: then the connection is closed, which costs less, and a new one must be made.
inline constexpr uint64_t kSentAfterRefusalMax = 1024 * 1024;

// What is to be sent.
struct UploadBody {
  // Any way to the bytes; never asked for more than request.body_length in all.
  PutSource read;
  // A regular file that has the same bytes from its start, borrowed; -1: there is none. Large
  // bodies go by sendfile(2) from it.
  int file = -1;
  ProgressCallback progress;
};

// Sends `request`, a PUT, and its request.body_length bytes, with nothing else outstanding; waits
// for the answer. In memory are at most a few hundred KB of the body.
//
// Errors: as Ask(); those of body.read, DATA_LOSS when it ends early: after these and after a
// refusal with much left to send the channel is broken.
absl::StatusOr<Answer> Upload(Channel& channel, const protocol::RequestToSend& request,
                              const UploadBody& body);

}  // namespace objmapper::client
