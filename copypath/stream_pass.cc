// Descriptors out: how the loop answers OP_FDPASS itself, where that costs less than moving the
// connection, and in the models that have one loop for everything.
#include <errno.h>

#include <glog/logging.h>

#include "copypath/loop.h"
#include "copypath/stream.h"
#include "net/scm_rights.h"
#include "protocol/encode.h"

namespace objmapper::copypath {
namespace {

using protocol::Status;

}  // namespace

// Sends the answer at `index`, and with FD_BATCH what descriptors' answers come after it, as one
// message. Descriptors are opened here, when they can go: a client that does not read holds none.
void Stream::PassFds(size_t index) {
  passing_ = loop_->NewPassing(this);
  const bool batch = session_->parser.Has(protocol::kFdBatch);
  std::optional<size_t> next = index;
  do {
    if (!AddFd(queue_.Take(*next))) break;
    next = NextAnswer();
  } while (batch && next.has_value() && queue_[*next].kind == Answer::Kind::kFd &&
           passing_->message.fds().size() < net::kFdsPerMessageMax);
  if (passing_->message.empty()) {
    loop_->Recycle(std::move(passing_));  // all that can go waits for the disk
    return;
  }
  const absl::string_view bytes = passing_->message.bytes();
  passing_->rest = {const_cast<char*>(bytes.data()), bytes.size()};
  SendMessage();
}

// Adds one answer to the message. False: nothing more may be added.
bool Stream::AddFd(Answer answer) {
  router::Message* message = &passing_->message;
  const auto refuse = [&](Status status, absl::string_view text) {
    message->BeginAnswer(answer.request, status);
    router::AppendError(session_->dialect(), answer.request.id, status, text, message->text());
    return true;
  };
  // The second time the disk has been asked already (some walks can never be done from the kernel's
  // caches alone: RESOLVE_CACHED gives up at symbolic links with "..").
  const storage::Wait wait =
      answer.object ? storage::Wait::kMayBlock : storage::Wait::kCachedOnly;
  absl::StatusOr<storage::OpenedObject> opened = loop_->OpenToPass(answer.text, wait);
  if (absl::IsUnavailable(opened.status()) && !answer.object) {
    absl::StatusOr<ObjectRef> object = loop_->Lookup(answer.text);
    if (!object.ok()) return refuse(router::WireStatus(object.status()), object.status().message());
    answer.object = *std::move(object);
    if (answer.object->state() == CachedObject::State::kLoading) {
      WaitFor(answer.object.get());
      queue_.PushFront(std::move(answer));
      return false;
    }
    opened = loop_->OpenToPass(answer.text, storage::Wait::kMayBlock);
  }
  if (!opened.ok()) return refuse(router::WireStatus(opened.status()), opened.status().message());
  const std::optional<router::Extent> extent =
      router::ResolveExtent(answer.request, opened->info.size);
  if (!extent.has_value()) {
    return refuse(Status::kRangeNotSatisfiable,
                  router::RangeMessage(answer.request, opened->info.size));
  }
  const bool in_header = session_->parser.Has(protocol::kFdInHeader);
  char header[protocol::kResponseBytesMax];
  const size_t header_bytes = router::EncodeFdHeader(session_->dialect(), in_header, answer.request,
                                                     *extent, header);
  if (in_header) {
    message->BeginAnswerWithFd(answer.request, std::move(opened->fd), extent->length);
  } else {
    message->BeginAnswer(answer.request, Status::kOk, extent->length);
    passing_->x_fd = std::move(opened->fd);
  }
  message->text()->append(header, header_bytes);
  return in_header;
}

void Stream::SendMessage() {
  sending_ = true;
  loop_->engine().Send(this, absl::MakeSpan(&passing_->rest, 1), passing_->message.fds());
}

void Stream::OnMessageSent(ssize_t result) {
  router::Message* message = &passing_->message;
  const bool promised = passing_->is_x;  // its header has gone: the descriptor must follow
  if (result == -ETOOMANYREFS && !promised) {
    // unix(7): too many descriptors of this user are in flight, sent and not yet received. The client
    // is told, rather than kept waiting for what others must take first.
    message->RefuseFds(session_->dialect(),
                       "too many descriptors in flight (ETOOMANYREFS); try again");
    passing_->rest = {const_cast<char*>(message->bytes().data()), message->bytes().size()};
    SendMessage();
    return;
  }
  if (result == -ETOOMANYREFS || result == -ENOBUFS || result == -ENOMEM) {
    sending_ = true;  // as good as: nothing else may be sent meanwhile
    loop_->RetrySoon(passing_.get());
    return;
  }
  if (result < 0 && result != -EAGAIN) {
    Abort();
    return;
  }
  const size_t sent = result < 0 ? 0 : static_cast<size_t>(result);
  if (sent > 0) {
    message->CloseFds();
    UpdateDeadline(/*progress=*/true);
  }
  if (sent < passing_->rest.iov_len) {
    passing_->rest.iov_base = static_cast<char*>(passing_->rest.iov_base) + sent;
    passing_->rest.iov_len -= sent;
    SendMessage();
    return;
  }
  if (!passing_->is_x) {
    session_->answered.Add(message->answer_count());
    for (const router::Receipt& receipt : message->receipts()) Account(receipt, loop_->now_ns());
  }
  if (passing_->x_fd.valid()) {
    message->Clear();
    message->BeginAnswerWithFd(protocol::Request(), std::move(passing_->x_fd), /*bytes=*/0);
    message->text()->push_back('X');
    passing_->is_x = true;
    passing_->rest = {const_cast<char*>(message->bytes().data()), 1};
    SendMessage();
    return;
  }
  loop_->Recycle(std::move(passing_));
  UpdateDeadline(/*progress=*/true);
  Advance();
}

}  // namespace objmapper::copypath
