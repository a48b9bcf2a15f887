// Descriptors out: how the loop answers OP_FDPASS itself, where that costs less than moving the
// connection, and in the models that have one loop for everything.
#include "loop/passer.h"

#include <errno.h>
#include <glog/logging.h>

#include <algorithm>

#include "fdpass/answer.h"
#include "loop/answering.h"
#include "loop/connection.h"
#include "loop/files_to_pass.h"
#include "loop/loop.h"
#include "net/scm_rights.h"
#include "storage/tree/remote.h"

namespace objmapper::loop {
namespace {

// Of a client without FD_BATCH, how many of the files that it asked for are opened at once.
constexpr size_t kOpenedAheadMax = 32;
// The same, where opening takes long: they stay open until their turn comes, whether the client
// reads or not.
constexpr size_t kApartAheadMax = 8;

}  // namespace

Passer::Passer(Answering* answering, Connection* connection, session::Session* session, Loop* loop)
    : answering_(answering),
      connection_(connection),
      session_(session),
      loop_(loop),
      files_(loop->files()) {}

Passer::~Passer() {
  if (passing_ == nullptr) return;
  files_->StopRetry(passing_.get());
  for (const Passing::Opening& opening : passing_->openings) {
    if (opening.answer.object) opening.answer.object->StopAwaiting(answering_);
  }
  files_->Orphan(this, std::move(passing_));
}

size_t Passer::answers() const {
  return passing_ == nullptr || passing_->is_x
             ? 0
             : passing_->message.answer_count() + passing_->openings.size();
}

// Descriptors are opened here, when they can go.
void Passer::PassFds(size_t index) {
  passing_ = files_->NewPassing(this);
  if (files_->opens_together() && session_->parser.Has(protocol::kFdInHeader)) {
    OpenTogether(index);
    return;
  }
  const bool batch = session_->parser.Has(protocol::kFdBatch);
  std::optional<size_t> next = index;
  do {
    Answer answer = answering_->queue().Take(*next);
    if (!AddFd(&answer, net::UniqueFd())) {
      answering_->queue().PushFront(std::move(answer));
      OpenAheadApart();
      break;
    }
    if (passing_->x_fd.valid()) break;  // it follows its header at once
    next = answering_->NextAnswer();
  } while (batch && next.has_value() && answering_->queue()[*next].kind == Answer::Kind::kFd &&
           passing_->message.fds().size() < net::kFdsPerMessageMax);
  StartMessage();
}

// Takes the answers that may go now, and has their files opened with those of the loop's other
// connections.
void Passer::OpenTogether(size_t index) {
  std::vector<Passing::Opening>& openings = passing_->openings;
  const size_t most =
      session_->parser.Has(protocol::kFdBatch) ? net::kFdsPerMessageMax : kOpenedAheadMax;
  std::optional<size_t> next = index;
  do {
    openings.emplace_back().answer = answering_->queue().Take(*next);
    next = answering_->NextAnswer();
  } while (openings.size() < most && next.has_value() &&
           answering_->queue()[*next].kind == Answer::Kind::kFd);
  for (Passing::Opening& opening : openings) {
    // Where the disk has been asked already, the kernel's caches alone would not do.
    if (!opening.answer.object) files_->BeginOpen(&opening, loop_->now_ns());
  }
  answering_->outlet().Hold();
  files_->AwaitFiles(this);
}

void Passer::OnFilesOpened() {
  answering_->outlet().Free();
  std::vector<Passing::Opening> openings;
  openings.swap(passing_->openings);
  std::vector<net::UniqueFd> fds(openings.size());
  for (size_t i = 0; i < openings.size(); ++i) {
    if (openings[i].result >= 0) {
      fds[i].Reset(openings[i].result);
    } else if (openings[i].directory != nullptr) {
      files_->NotOpened(openings[i].directory->get());
    }
  }
  if (!connection_->stays()) return;
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
    answering_->queue().PushFront(std::move(openings[i - 1].answer));
  OpenAheadApart();
  openings.clear();
  passing_->openings.swap(openings);  // its memory
  StartMessage();
  // All that could go waits for the disk, or has gone already.
  if (passing_ == nullptr) answering_->Advance();
}

// Sends the message, or lets go of it when it is empty: then all that can go waits for the disk.
void Passer::StartMessage() {
  if (passing_->message.empty()) {
    files_->Recycle(std::move(passing_));
    return;
  }
  if (passing_->rest.iov_base == nullptr) {
    const absl::string_view bytes = passing_->message.bytes();
    passing_->rest = {const_cast<char*>(bytes.data()), bytes.size()};
  }
  SendMessage();
}

// Adds one answer to the message. False: it must wait for the disk, and is not taken.
// fd: the object, opened already; or none.
bool Passer::AddFd(Answer* answer, net::UniqueFd fd) {
  absl::StatusOr<storage::OpenedObject> opened = absl::UnavailableError("not opened yet");
  const bool apart = answer->object && answer->object->apart();
  if (apart) {
    copypath::CachedObject* const object = answer->object.get();
    if (object->state() == copypath::CachedObject::State::kReady) {
      opened = storage::OpenedObject{object->TakeFd(), object->info(), object->tier()};
    } else {
      opened = object->error();
    }
    if (absl::IsUnavailable(opened.status()))
      opened = absl::ResourceExhaustedError(opened.status().message());
  } else if (fd.valid()) {
    opened = files_->TakeOpened(std::move(fd), answer->text);
  }
  if (!opened.ok() && !apart) {
    // The second time the disk has been asked already (some walks can never be done from the
    // kernel's caches alone: RESOLVE_CACHED gives up at symbolic links with "..").
    const storage::Wait wait = answer->object && !files_->opens_slowly()
                                   ? storage::Wait::kMayBlock
                                   : storage::Wait::kCachedOnly;
    opened = files_->OpenToPass(answer->text, loop_->now_ns(), wait);
    const storage::Tree& tree = *loop_->options().tree;
    const copypath::CachedObject* const object = answer->object.get();
    if (object != nullptr) {
      const bool away = storage::MayBeFetched(tree, answer->text, opened.status());
      if (object->state() == copypath::CachedObject::State::kFailed &&
          (away || tree.MustCheck(answer->text))) {
        // Why it could not be brought here, or checked, says more than what is here.
        opened = object->error();
      } else if (away || object->filling() != nullptr) {
        opened = absl::UnavailableError("not here yet");
      }
    }
  }
  // What is elsewhere has to be here whole: until then the rest of it would read as zeros.
  const storage::Remote* const remote = loop_->options().tree->remote();
  if (absl::IsUnavailable(opened.status()) && !apart &&
      (files_->opens_slowly() || (remote != nullptr && remote->MayHave(answer->text)))) {
    answer->object = loop_->objects()->OpenApart(answer->text);
    answer->object->Await(answering_);
    return false;
  }
  if (absl::IsUnavailable(opened.status()) && !answer->object) {
    absl::StatusOr<copypath::ObjectRef> object =
        loop_->objects()->Lookup(answer->text, loop_->now_ns());
    if (object.ok()) {
      answer->object = *std::move(object);
      if (answer->object->state() == copypath::CachedObject::State::kLoading) {
        answer->object->Await(answering_);
        return false;
      }
      opened = files_->OpenToPass(answer->text, loop_->now_ns(), storage::Wait::kMayBlock);
    } else {
      opened = object.status();
    }
  }
  absl::StatusOr<fdpass::Passable> passable =
      opened.ok() ? absl::StatusOr<fdpass::Passable>(fdpass::Passable(*std::move(opened)))
                  : opened.status();
  if (passable.ok() && apart && session_->parser.Has(protocol::kFdInHeader))
    passable->shared = files_->CloseApart(std::move(passable->fd));
  passing_->x_fd =
      fdpass::AnswerWithFd(*session_, answer->request, answer->text, *loop_->options().tree,
                           std::move(passable), &passing_->message);
  return true;
}

// Where the oldest is opened elsewhere, so are some of those behind it: what takes long is waited
// for at the same time.
void Passer::OpenAheadApart() {
  if (answering_->queue().empty() || !answering_->queue()[0].object ||
      !answering_->queue()[0].object->apart())
    return;
  for (size_t i = 0; i < std::min(answering_->queue().size(), kApartAheadMax); ++i) {
    Answer& answer = answering_->queue()[i];
    if (answer.kind != Answer::Kind::kFd || answer.object) continue;
    answer.object = loop_->objects()->OpenApart(answer.text);
    answer.object->Await(answering_);
  }
}

// Sends the message at once, rather than with the loop's next round. False: some of it, or all, is
// still to go.
bool Passer::SendMessageNow() {
  session::Message* message = &passing_->message;
  const absl::string_view bytes = message->bytes();
  const ssize_t sent = net::SendWithFds(session_->fd(), bytes, message->fds());
  const size_t gone = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (gone > 0) files_->CloseFds(message);
  if (gone < bytes.size()) {
    passing_->rest = {const_cast<char*>(bytes.data()) + gone, bytes.size() - gone};
    return false;
  }
  CountMessage();
  message->Clear();
  connection_->UpdateDeadline(/*progress=*/true);
  return true;
}

// The message has gone.
void Passer::CountMessage() {
  session_->answered.Add(passing_->message.answer_count());
  for (const session::Receipt& receipt : passing_->message.receipts())
    answering_->Account(receipt, loop_->now_ns());
}

void Passer::SendMessage(bool rest) {
  const absl::Span<iovec> bytes(&passing_->rest, 1);
  if (rest) {
    answering_->outlet().SendRest(bytes, passing_->message.fds());
  } else {
    answering_->outlet().Send(bytes, passing_->message.fds());
  }
}

void Passer::OnMessageSent(ssize_t result) {
  session::Message* message = &passing_->message;
  const bool promised = passing_->is_x;  // its header has gone: the descriptor must follow
  if (result == -ETOOMANYREFS && !promised) {
    message->RefuseFds(session_->dialect());
    passing_->rest = {const_cast<char*>(message->bytes().data()), message->bytes().size()};
    SendMessage();
    return;
  }
  if (result == -ETOOMANYREFS || result == -ENOBUFS || result == -ENOMEM) {
    answering_->outlet().Hold();
    files_->RetrySoon(passing_.get(), loop_->now_ns());
    return;
  }
  if (result < 0 && result != -EAGAIN) {
    connection_->Abort();
    return;
  }
  const size_t sent = result < 0 ? 0 : static_cast<size_t>(result);
  if (sent > 0) {
    files_->CloseFds(message);
    connection_->UpdateDeadline(/*progress=*/true);
  }
  if (sent < passing_->rest.iov_len) {
    passing_->rest.iov_base = static_cast<char*>(passing_->rest.iov_base) + sent;
    passing_->rest.iov_len -= sent;
    SendMessage(/*rest=*/true);
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
  files_->Recycle(std::move(passing_));
  connection_->UpdateDeadline(/*progress=*/true);
  answering_->Advance();
}

}  // namespace objmapper::loop
