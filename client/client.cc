// Calls that are one request and one answer, and the bodies that they open. Longer ones are in
// list.cc, put.cc and batch.cc.
#include "client/client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/exchange.h"

namespace objmapper::client {
namespace {

// No object's name holds a NUL, so a server answers without looking for one.
constexpr absl::string_view kNobodysUri("\0", 1);

// Asks for an object; `take` takes what follows the answer off the channel.
template <typename Take>
auto Get(Channel& channel, protocol::Mode mode, absl::string_view uri,
         const std::optional<Range>& range, absl::string_view if_none_match, Take take)
    -> decltype(take(channel, Answer(), range, uri)) {
  absl::StatusOr<Answer> answer = Ask(channel, mode, uri, range, if_none_match);
  if (!answer.ok()) return answer.status();
  return take(channel, *answer, range, WhatWasAsked(mode, uri));
}

}  // namespace

// A body that is destroyed before its end leaves bytes unread, so the connection is closed.
Body::~Body() {
  if (left_ == 0) return;
  channel_->Abandon(absl::StrCat(what_, ": ", left_, " of its bytes were left unread"));
}

absl::StatusOr<size_t> Body::Read(absl::Span<char> out) {
  if (left_ == 0) return 0;
  absl::StatusOr<size_t> got =
      channel_->ReadBody(out.subspan(0, std::min<uint64_t>(out.size(), left_)));
  if (!got.ok()) {
    return About(
        absl::StrCat(what_, ", after ", info_.length - left_, " of ", info_.length, " bytes"),
        got.status());
  }
  left_ -= *got;
  return *got;
}

absl::Status Client::CheckBodyMode(protocol::Mode mode) {
  if (mode == protocol::Mode::kCopy || mode == protocol::Mode::kSplice) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "bytes are requested with OP_COPY or OP_SPLICE, not with ", protocol::ModeName(mode)));
}

absl::StatusOr<Client> Client::Connect(absl::string_view url, const Options& options) {
  absl::StatusOr<std::unique_ptr<Channel>> channel = Channel::Open(url, options);
  if (!channel.ok()) return channel.status();
  return Client(*std::move(channel));
}

absl::StatusOr<FdObject> Client::GetFd(absl::string_view uri, const std::optional<Range>& range,
                                       absl::string_view if_none_match) {
  return Get(*channel_, protocol::Mode::kFdPass, uri, range, if_none_match, TakeObject);
}

absl::StatusOr<std::string> Client::GetBytes(absl::string_view uri, protocol::Mode mode,
                                             const std::optional<Range>& range,
                                             absl::string_view if_none_match) {
  if (absl::Status status = CheckBodyMode(mode); !status.ok()) return status;
  return Get(*channel_, mode, uri, range, if_none_match, TakeBytes);
}

absl::StatusOr<Body> Client::OpenBody(absl::string_view uri, protocol::Mode mode,
                                      const std::optional<Range>& range,
                                      absl::string_view if_none_match) {
  if (absl::Status status = CheckBodyMode(mode); !status.ok()) return status;
  absl::StatusOr<ObjectInfo> info = Get(*channel_, mode, uri, range, if_none_match, TakeBodyInfo);
  if (!info.ok()) return info.status();
  return Body(channel_.get(), *std::move(info), WhatWasAsked(mode, uri));
}

absl::StatusOr<ObjectInfo> Client::Stat(absl::string_view uri, absl::string_view if_none_match) {
  absl::StatusOr<Answer> answer =
      Ask(*channel_, protocol::Mode::kStat, uri, std::nullopt, if_none_match);
  if (!answer.ok()) return answer.status();
  return InfoIn(*answer);
}

absl::Status Client::Ping() {
  const absl::Status status =
      Ask(*channel_, protocol::Mode::kStat, kNobodysUri, std::nullopt).status();
  return SourceOf(status) == ErrorSource::kServer ? absl::OkStatus() : status;
}

absl::Status Client::Close() { return channel_->Close(); }

}  // namespace objmapper::client
