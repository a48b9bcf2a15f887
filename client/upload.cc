// Sends a request with a body, and looks for an early answer meanwhile. The rest of a refused body
// is sent if it is short; otherwise the connection is closed.
#include "client/upload.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/exchange.h"

namespace objmapper::client {
namespace {

// A body up to this size leaves together with its request, in one message.
constexpr uint64_t kChunkBytes = 256 * 1024;

class Sender {
 public:
  Sender(Channel& channel, const UploadBody& body, uint64_t length)
      : channel_(channel), body_(body), length_(length) {}

  // Puts the next piece of the body behind what is queued.
  absl::Status QueueChunk() {
    const absl::Span<char> room = channel_.QueueBody(std::min(kChunkBytes, length_ - queued_));
    for (size_t have = 0; have < room.size();) {
      const absl::StatusOr<size_t> got = body_.read(queued_ + have, room.subspan(have));
      if (!got.ok()) return got.status();
      if (*got == 0 || *got > room.size() - have) {
        return absl::DataLossError(
            absl::StrCat("the body ended after ", queued_ + have, " of ", length_, " bytes"));
      }
      have += *got;
    }
    queued_ += room.size();
    return absl::OkStatus();
  }

  // Sends until all has gone or the server says something.
  absl::Status SendOrHear() {
    if (body_.file >= 0 && length_ > kChunkBytes) {
      const absl::StatusOr<uint64_t> sent = channel_.SendFile(body_.file, length_, body_.progress);
      if (!sent.ok()) return sent.status();
      queued_ = *sent;
      if (channel_.HasAnswer()) return absl::OkStatus();
    }
    while (queued_ < length_) {
      if (absl::Status status = QueueChunk(); !status.ok()) return status;
      if (absl::Status status = channel_.FlushOrAwaitInput(); !status.ok()) return status;
      if (body_.progress)
        body_.progress(queued_ - std::min<uint64_t>(channel_.unsent(), queued_), length_);
      if (queued_ < length_ && channel_.HasAnswer()) return absl::OkStatus();
    }
    return channel_.FlushOrAwaitInput();
  }

  // After an answer: sends what it did not wait for.
  absl::Status SendRest() {
    if (absl::Status status = channel_.Flush(); !status.ok()) return status;
    while (queued_ < length_) {
      if (absl::Status status = QueueChunk(); !status.ok()) return status;
      if (absl::Status status = channel_.Flush(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  uint64_t left() const { return length_ - queued_ + channel_.unsent(); }

 private:
  Channel& channel_;
  const UploadBody& body_;
  const uint64_t length_;
  uint64_t queued_ = 0;  // bytes of the body that are sent, or at least in the channel's buffer
};

}  // namespace

absl::StatusOr<Answer> Upload(Channel& channel, const protocol::RequestToSend& request,
                              const UploadBody& body) {
  if (absl::Status status = channel.Check(request); !status.ok()) return status;
  const std::string what = WhatWasAsked(request.mode, request.uri);
  const absl::StatusOr<uint32_t> id = channel.Queue(request);
  if (!id.ok()) return About(what, id.status());
  Sender sender(channel, body, request.body_length);
  absl::Status sent = sender.SendOrHear();
  if (!sent.ok()) {
    // The server waits for bytes that will never come.
    channel.Abandon(absl::StrCat(what, ": ", sent.message()));
    return About(what, sent);
  }
  absl::StatusOr<Answer> answer = AwaitAnswer(channel, *id, what);
  const uint64_t left = sender.left();
  if (left == 0 || !channel.broken().ok()) return answer;
  if (answer.ok()) {
    return channel.Break(absl::InternalError(
        absl::StrCat(what, ": the server answered OK before it had the last ", left, " bytes")));
  }
  if (left > kSentAfterRefusalMax) {
    channel.Abandon(absl::StrCat(what, " was refused with ", left, " bytes left to send"));
  } else if (sent = sender.SendRest(); !sent.ok()) {
    channel.Abandon(
        absl::StrCat(what, " was refused, and the rest of it not sent: ", sent.message()));
  }
  return answer;
}

}  // namespace objmapper::client
