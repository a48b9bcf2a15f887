// Sends what is not kept here, as it comes (storage/tree/pass_through.h). The thread waits for the
// origin as it waits for a client that does not read.
#include <glog/logging.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "models/conversation.h"

namespace objmapper::models {
namespace {

using storage::PassThrough;

// What is taken at once.
constexpr size_t kPieceBytes = 256 * 1024;
// How often an answer is looked up again whose object has changed before its first byte.
constexpr int kChangesMax = 4;

// Waits until it is ready; where there are stand-ins, somebody takes this thread's place meanwhile.
void AwaitBytes(StandIns* stand_ins, PassThrough* through) {
  if (through->IsReady()) return;
  std::optional<StandIns::Waiting> waiting;
  if (stand_ins != nullptr) waiting.emplace(stand_ins);
  std::promise<void> ready;
  through->Await([&ready] { ready.set_value(); });
  ready.get_future().wait();
}

// Its first bytes are here, or why there will be none.
absl::StatusOr<std::unique_ptr<PassThrough>> Open(StandIns* stand_ins, storage::Filling* passing,
                                                  const session::Extent& part) {
  absl::StatusOr<std::unique_ptr<PassThrough>> through =
      passing->PassBy(part.offset, part.offset + part.length);
  if (!through.ok()) return through;
  AwaitBytes(stand_ins, through->get());
  if (std::optional<absl::Status> ended = (*through)->ended(); ended.has_value() && !ended->ok())
    return *std::move(ended);
  return through;
}

// The header has promised more: only the end of the connection can say so now.
bool CutShort(const session::Session& session, const absl::Status& why) {
  LOG_EVERY_T(WARNING, 1) << session.PeerName()
                          << ": closed in the middle of a body: " << why.message();
  return false;
}

}  // namespace

bool Sender::AnswerThrough(session::Session* session, const protocol::Request& request,
                           Found found) {
  absl::StatusOr<std::unique_ptr<PassThrough>> through = nullptr;
  for (int change = 1;; ++change) {
    session::MakeReply(session->dialect(), request,
                       {found.size, found.info.mtime_s, found.description.etag, /*backend=*/0,
                        found.info.expires_s, request.uri},
                       &reply_);
    if (reply_.parts.empty()) break;
    through = Open(context_->stand_ins, found.passing.get(), reply_.parts[0]);
    if (through.ok()) break;
    // Nothing has been promised yet: there may be another version.
    if (absl::IsAborted(through.status()) && change < kChangesMax) {
      found = Find(request, *context_);
    } else {
      found = Refused(absl::IsAborted(through.status())
                          ? absl::ResourceExhaustedError(through.status().message())
                          : through.status());
    }
    if (found.passing == nullptr) return Answer(session, request, std::move(found));
  }
  session->answered.Add();
  // Descriptors ride on the first byte of their message, and a body must not be in their way.
  if (!message_.fds().empty() && !Flush(session)) return false;
  message_.BeginAnswer(request, reply_.status, reply_.bytes());
  message_.text()->append(reply_.head);
  for (size_t i = 0; i < reply_.parts.size(); ++i) {
    if (i > 0) through = Open(context_->stand_ins, found.passing.get(), reply_.parts[i]);
    if (!through.ok()) {
      Flush(session);
      return CutShort(*session, through.status());
    }
    if (!SendThrough(session, through->get(), reply_.parts[i])) return false;
    if (!reply_.behind.empty()) message_.text()->append(reply_.behind[i]);
  }
  return FlushIfLong(session);
}

bool Sender::SendThrough(session::Session* session, PassThrough* through, session::Extent rest) {
  body_receipts_ = message_.receipts();
  while (rest.length > 0) {
    if (context_->phase.stopping()) return false;
    // Asked first: then what can be taken is all there will be.
    const std::optional<absl::Status> ended = through->ended();
    const PassThrough::Piece piece =
        through->Take(static_cast<size_t>(std::min<uint64_t>(rest.length, kPieceBytes)));
    if (piece.bytes == 0 && ended.has_value()) {
      Flush(session);
      return CutShort(*session, ended->ok() ? absl::DataLossError("it was cut") : *ended);
    }
    if (piece.bytes == 0) {
      AwaitBytes(context_->stand_ins, through);
      continue;
    }
    const Sent sent = SendAll(session, message_.bytes(), {piece.data.get(), piece.bytes}, {});
    message_.Clear();
    if (sent != Sent::kAll) return false;
    rest.offset += piece.bytes;
    rest.length -= piece.bytes;
  }
  Count(session, body_receipts_);
  return true;
}

}  // namespace objmapper::models
