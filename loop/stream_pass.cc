// Descriptors out: how the loop answers OP_FDPASS itself, where that costs less than moving the
// connection, and in the models that have one loop for everything.
#include <errno.h>
#include <glog/logging.h>

#include <algorithm>

#include "fdpass/answer.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "net/scm_rights.h"

namespace objmapper::loop {
namespace {

// Of a client without FD_BATCH, how many of the files that it asked for are opened at once.
constexpr size_t kOpenedAheadMax = 32;
// The same, where opening takes long: they stay open until their turn comes, whether the client
// reads or not.
constexpr size_t kApartAheadMax = 8;

}  // namespace

// Sends the answer at `index`, and with FD_BATCH what descriptors' answers come after it, as one
// message. Descriptors are opened here, when they can go: a client that does not read holds none.
void Stream::PassFds(size_t index) {
  passing_ = loop_->NewPassing(this);
  if (loop_->opens_together() && session_->parser.Has(protocol::kFdInHeader)) {
    OpenTogether(index);
    return;
  }
  const bool batch = session_->parser.Has(protocol::kFdBatch);
  std::optional<size_t> next = index;
  do {
    Answer answer = queue_.Take(*next);
    if (!AddFd(&answer, net::UniqueFd())) {
      queue_.PushFront(std::move(answer));
      OpenAheadApart();
      break;
    }
    if (passing_->x_fd.valid()) break;  // it follows its header at once
    next = NextAnswer();
  } while (batch && next.has_value() && queue_[*next].kind == Answer::Kind::kFd &&
           passing_->message.fds().size() < net::kFdsPerMessageMax);
  StartMessage();
}

// Takes the answers that may go now, and has their files opened with those of the loop's other
// streams.
void Stream::OpenTogether(size_t index) {
  std::vector<Passing::Opening>& openings = passing_->openings;
  const size_t most =
      session_->parser.Has(protocol::kFdBatch) ? net::kFdsPerMessageMax : kOpenedAheadMax;
  std::optional<size_t> next = index;
  do {
    openings.emplace_back().answer = queue_.Take(*next);
    next = NextAnswer();
  } while (openings.size() < most && next.has_value() && queue_[*next].kind == Answer::Kind::kFd);
  for (Passing::Opening& opening : openings) {
    // Where the disk has been asked already, the kernel's caches alone would not do.
    if (!opening.answer.object) loop_->BeginOpen(&opening);
  }
  sending_ = true;  // as good as: nothing else may be sent meanwhile
  loop_->AwaitFiles(this);
}

void Stream::OnFilesOpened() {
  sending_ = false;
  std::vector<Passing::Opening> openings;
  openings.swap(passing_->openings);
  std::vector<net::UniqueFd> fds(openings.size());
  for (size_t i = 0; i < openings.size(); ++i) {
    if (openings[i].result >= 0) {
      fds[i].Reset(openings[i].result);
    } else if (openings[i].directory != nullptr) {
      loop_->NotOpened(openings[i].directory->get());
    }
  }
  if (exit_ != Exit::kStay) return;
  const bool batch = session_->parser.Has(protocol::kFdBatch);
  size_t done = 0;
  while (done < openings.size() && AddFd(&openings[done].answer, std::move(fds[done]))) {
    ++done;
    // Without FD_BATCH each has a message of its own: all but the last go at once, if the socket
    // takes them.
    if (!batch && done < openings.size() && !SendMessageNow()) break;
  }
  // Whose turn has not come are the oldest again.
  for (size_t i = openings.size(); i > done; --i)
    queue_.PushFront(std::move(openings[i - 1].answer));
  OpenAheadApart();
  openings.clear();
  passing_->openings.swap(openings);  // its memory
  StartMessage();
  // All that could go waits for the disk, or has gone already.
  if (passing_ == nullptr) Advance();
}

// Sends the message, or lets go of it when it is empty: then all that can go waits for the disk.
void Stream::StartMessage() {
  if (passing_->message.empty()) {
    loop_->Recycle(std::move(passing_));
    return;
  }
  if (passing_->rest.iov_base == nullptr) {
    const absl::string_view bytes = passing_->message.bytes();
    passing_->rest = {const_cast<char*>(bytes.data()), bytes.size()};
  }
  unsent_.Forget();
  SendMessage();
}

// Adds one answer to the message. False: it must wait for the disk, and is not taken.
// fd: the object, opened already; or none.
bool Stream::AddFd(Answer* answer, net::UniqueFd fd) {
  absl::StatusOr<storage::OpenedObject> opened = absl::UnavailableError("not opened yet");
  const bool apart = answer->object && answer->object->apart();
  if (apart) {
    copypath::CachedObject* const object = answer->object.get();
    if (object->state() == copypath::CachedObject::State::kReady) {
      opened = storage::OpenedObject{object->TakeFd(), object->info()};
    } else {
      opened = object->error();
    }
    if (absl::IsUnavailable(opened.status()))
      opened = absl::ResourceExhaustedError(opened.status().message());
  } else if (fd.valid()) {
    opened = loop_->TakeOpened(std::move(fd), answer->text);
  }
  if (!opened.ok() && !apart) {
    // The second time the disk has been asked already (some walks can never be done from the
    // kernel's caches alone: RESOLVE_CACHED gives up at symbolic links with "..").
    const storage::Wait wait = answer->object && !loop_->opens_slowly()
                                   ? storage::Wait::kMayBlock
                                   : storage::Wait::kCachedOnly;
    opened = loop_->OpenToPass(answer->text, wait);
  }
  if (absl::IsUnavailable(opened.status()) && !apart && loop_->opens_slowly()) {
    answer->object = loop_->OpenApart(answer->text);
    WaitFor(answer->object.get());
    return false;
  }
  if (absl::IsUnavailable(opened.status()) && !answer->object) {
    absl::StatusOr<copypath::ObjectRef> object = loop_->Lookup(answer->text);
    if (object.ok()) {
      answer->object = *std::move(object);
      if (answer->object->state() == copypath::CachedObject::State::kLoading) {
        WaitFor(answer->object.get());
        return false;
      }
      opened = loop_->OpenToPass(answer->text, storage::Wait::kMayBlock);
    } else {
      opened = object.status();
    }
  }
  absl::StatusOr<fdpass::Passable> passable =
      opened.ok() ? absl::StatusOr<fdpass::Passable>(fdpass::Passable(*std::move(opened)))
                  : opened.status();
  if (passable.ok() && apart && session_->parser.Has(protocol::kFdInHeader))
    passable->shared = loop_->CloseApart(std::move(passable->fd));
  passing_->x_fd =
      fdpass::AnswerWithFd(*session_, answer->request, std::move(passable), &passing_->message);
  return true;
}

// Where the oldest is opened elsewhere, so are some of those behind it: what takes long is waited
// for at the same time.
void Stream::OpenAheadApart() {
  if (queue_.empty() || !queue_[0].object || !queue_[0].object->apart()) return;
  for (size_t i = 0; i < std::min(queue_.size(), kApartAheadMax); ++i) {
    Answer& answer = queue_[i];
    if (answer.kind != Answer::Kind::kFd || answer.object) continue;
    answer.object = loop_->OpenApart(answer.text);
    WaitFor(answer.object.get());
  }
}

// Sends the message at once, rather than with the loop's next round. False: some of it, or all, is
// still to go.
bool Stream::SendMessageNow() {
  session::Message* message = &passing_->message;
  const absl::string_view bytes = message->bytes();
  const ssize_t sent = net::SendWithFds(socket(), bytes, message->fds());
  const size_t gone = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (gone > 0) loop_->CloseFds(message);
  if (gone < bytes.size()) {
    passing_->rest = {const_cast<char*>(bytes.data()) + gone, bytes.size() - gone};
    return false;
  }
  CountMessage();
  message->Clear();
  UpdateDeadline(/*progress=*/true);
  return true;
}

// The message has gone.
void Stream::CountMessage() {
  session_->answered.Add(passing_->message.answer_count());
  for (const session::Receipt& receipt : passing_->message.receipts())
    Account(receipt, loop_->now_ns());
}

void Stream::SendMessage() {
  sending_ = true;
  loop_->engine().Send(this, absl::MakeSpan(&passing_->rest, 1), passing_->message.fds());
}

void Stream::OnMessageSent(ssize_t result) {
  session::Message* message = &passing_->message;
  const bool promised = passing_->is_x;  // its header has gone: the descriptor must follow
  if (result == -ETOOMANYREFS && !promised) {
    // unix(7): too many descriptors of this user are in flight, sent and not yet received. The
    // client is told, rather than kept waiting for what others must take first.
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
    loop_->CloseFds(message);
    UpdateDeadline(/*progress=*/true);
  }
  if (sent < passing_->rest.iov_len) {
    passing_->rest.iov_base = static_cast<char*>(passing_->rest.iov_base) + sent;
    passing_->rest.iov_len -= sent;
    unsent_.Watch(socket());
    SendMessage();
    return;
  }
  if (!passing_->is_x) CountMessage();
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

}  // namespace objmapper::loop
