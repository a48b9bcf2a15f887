// A round, from top to bottom: wait, receive and judge, open, send, close.
//
// Invariant: what a peer's answers are made of stays as it is until the next wait is over, since
// only then it is known that they have gone; and a peer has one turn a round.
#include "fdpass/round.h"

#include <errno.h>
#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "fdpass/answer.h"
#include "net/clock.h"
#include "net/scm_rights.h"
#include "session/account.h"
#include "session/answers.h"
#include "storage/tree/stat_cache.h"

namespace objmapper::fdpass {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;
using session::Burst;
using session::Session;

// One receive brings at most this much: about a thousand pipelined requests.
constexpr size_t kReceiveBytes = 64 * 1024;
// And all of a round this; who finds less room than one receive may take waits for the next.
constexpr size_t kInputBytes = 4 * kReceiveBytes;
// How many requests are served in a round: of one connection before the others get their turn, and
// of all. So many descriptors are open at once beside those that are being sent, and a server that
// may have few of them needs the rest for connections.
constexpr size_t kRequestsPerRound = protocol::kFdsPerMessageMax;
// How many bytes of answers are gathered before they are sent.
constexpr size_t kInPlaceBytes = 64 * 1024;
// After so many requests of the other lane without one of our own the connection moves: who mixes
// modes stays, who has changed its mode goes where that is served best.
constexpr uint16_t kStrangersMax = 64;
// Messages that are kept for their memory.
constexpr size_t kOutgoingKept = 64;

// Sends as much as the socket takes, and says in `out` what became of it.
void SendNow(Outgoing* out) {
  const int socket = out->socket->session->fd();
  const absl::string_view bytes = out->message.bytes();
  ssize_t sent;
  if (!out->x_fd.valid()) {
    sent = net::SendWithFds(socket, bytes, out->message.fds());
  } else {
    const int x_fd = out->x_fd.get();
    size_t of_first = 0;
    const int messages = net::SendThenX(socket, bytes, x_fd, &of_first);
    sent = messages == 0 ? -1 : static_cast<ssize_t>(of_first);
    if (messages == 1 && of_first == bytes.size()) {
      // The 'X' again, to learn why: the socket may be full, the kernel, or the peer gone.
      out->bytes_sent = of_first;
      const bool went = net::SendWithFds(socket, "X", absl::MakeConstSpan(&x_fd, 1)) == 1;
      out->error = went ? 0 : errno;
      return;
    }
  }
  out->bytes_sent = sent < 0 ? 0 : static_cast<size_t>(sent);
  out->error = sent < 0 ? errno : out->bytes_sent < bytes.size() ? EAGAIN : 0;
}

}  // namespace

Round::Round(const Options& options, Kernel* kernel, std::function<void()> wake,
             WorkerCounters* counters, std::atomic<size_t>* load)
    : options_(options),
      kernel_(kernel),
      counters_(counters),
      opener_({.tree = options.tree,
               .shared_fds = options.shared_fds,
               .directories = options.directories,
               .cache_valid = options.cache_valid,
               .run_slowly = options.run_slowly},
              kernel, std::move(wake)),
      small_objects_(options.tree, options.small_objects, options.cache_valid),
      tally_(options.board, "fdpass"),
      input_(std::make_unique_for_overwrite<char[]>(kInputBytes)),
      life_(&options_, kernel, &opener_, counters, load, &tally_, &now_) {}

bool Round::Go(const Packing::Part& part) {
  do {
    Serve();
    Wait();
    Settle();
  } while (!woken_.mail && !part.Calls(now_.now_ns));
  return woken_.mail;
}

void Round::Wait() {
  now_.looked_ns = net::NowNs();
  if (now_.now_ns != 0) tally_->Worked(now_.looked_ns - now_.now_ns);
  const int64_t next_ns = life_.waiting() == 0 ? life_.NextDeadlineNs() : 0;
  const auto woken = [this] {
    return woken_.mail || !woken_.ready.empty() || !woken_.unsent.empty();
  };
  if (options_.busy_poll > absl::ZeroDuration() && !life_.empty()) {
    // A thread that spins sees an event in 0.1 µs; one that sleeps takes 3 to 45 µs to wake.
    const int64_t until_ns =
        std::min(next_ns, now_.looked_ns + absl::ToInt64Nanoseconds(options_.busy_poll));
    while (true) {
      kernel_->Wait(0, &woken_);
      now_.now_ns = net::NowNs();
      if (woken()) return;
      now_.looked_ns = now_.now_ns;
      if (now_.now_ns >= until_ns) break;
    }
  }
  kernel_->Wait(next_ns == net::kNever ? -1 : std::max<int64_t>(next_ns - now_.looked_ns, 0),
                &woken_);
  now_.now_ns = net::NowNs();
}

void Round::Settle() {
  for (Outgoing* out : woken_.unsent) Unsent(out);
  for (size_t i = 0; i < outgoing_used_; ++i) outgoing_[i]->message.Clear();
  if (outgoing_.size() > kOutgoingKept) outgoing_.resize(kOutgoingKept);
  outgoing_used_ = 0;
  turns_.clear();
  asked_.clear();
  input_bytes_ = 0;
  held_.clear();
  restored_.clear();
}

void Round::Serve() {
  if (woken_.mail) life_.TakeOpened();
  const std::vector<Peer*> again = life_.TakeAgain();
  const auto without_turn = again.begin() + std::min(again.size(), std::exchange(left_out_, 0));
  std::for_each(again.begin(), without_turn, [this](Peer* peer) { Take(peer); });
  for (Socket* socket : woken_.ready) Take(static_cast<Peer*>(socket));
  std::for_each(without_turn, again.end(), [this](Peer* peer) { Take(peer); });
  left_out_ = life_.waiting();
  for (Asked& asked : asked_) {
    const Request& request = asked.request;
    if (request.mode == Mode::kFdPass && request.refusal == Status::kOk)
      opener_.Begin(&asked.opening, request.uri, now_.now_ns);
  }
  opener_.OpenAll();
  for (Turn& turn : turns_) Answer(&turn);
  life_.Expire();
}

// ---- Receive and judge ----

void Round::Take(Peer* peer) {
  if (peer->session == nullptr || peer->has_turn) return;
  if (asked_.size() >= kRequestsPerRound || kInputBytes - input_bytes_ < kReceiveBytes) {
    life_.Again(peer);
    return;
  }
  if (peer->blocked != Peer::Blocked::kNo && !life_.Unblock(peer)) return;
  if (!peer->stored.empty()) {
    TakeStored(peer);
  } else if (peer->ending) {
    life_.Finish(peer);
  } else {
    Receive(peer);
  }
}

void Round::TakeStored(Peer* peer) {
  Turn& turn = turns_.emplace_back(Turn{peer, asked_.size(), asked_.size()});
  peer->has_turn = true;
  std::vector<StoredRequest>& stored = restored_.emplace_back(std::move(peer->stored));
  peer->stored.clear();
  for (StoredRequest& one : stored) {
    one.request.uri = one.uri;
    asked_.push_back({one.request, std::move(one.opening)});
  }
  turn.end = asked_.size();
}

void Round::Receive(Peer* peer) {
  Session* const session = peer->session.get();
  Turn& turn = turns_.emplace_back(Turn{peer, asked_.size(), asked_.size()});
  peer->has_turn = true;
  absl::string_view input = session->unread;
  // More than half of what one receive brings means complete requests: those are served first.
  const bool before_only = input.size() > kReceiveBytes / 2;
  if (!before_only) {
    const absl::Span<char> room(&input_[input_bytes_], kReceiveBytes);
    size_t have = input.size();
    memcpy(room.data(), input.data(), have);
    const ssize_t got = session->peer_done ? -1 : kernel_->Receive(peer, room, have);
    if (got > 0) {
      session->received_ns.store(now_.now_ns, std::memory_order_relaxed);
      have += static_cast<size_t>(got);
      turn.received = true;
    } else if (got == 0) {
      session->peer_done = true;
    } else if (!session->peer_done && errno != EAGAIN && !session->fds_wait) {
      turns_.pop_back();
      life_.Release(peer);
      return;
    }
    input = absl::string_view(room.data(), have);
    input_bytes_ += have;
  } else {
    input = held_.emplace_back(std::exchange(session->unread, std::string()));
  }
  const auto answers_in_place = [this, peer](const Request& r) { return AnswersInPlace(peer, r); };
  const session::InPlace in_place = answers_in_place;
  session::TakeBurst(session, input, session::LaneKind::kFdPass, /*outstanding=*/0,
                     kRequestsPerRound - asked_.size(), &burst_,
                     options_.small_objects > 0 ? &in_place : nullptr);
  session::OrderForService(*session, &burst_.requests);
  const size_t count = std::min<uint64_t>(burst_.requests.size(), session->allowance());
  for (size_t i = 0; i < count; ++i) {
    if (burst_.requests[i].mode == Mode::kFdPass) peer->strangers = 0;
    asked_.push_back({std::move(burst_.requests[i]), {}});
  }
  turn.end = asked_.size();
  turn.how = burst_.end;
  // What is in the socket has not been looked at, and may not be told of again.
  if (before_only && turn.how == Burst::End::kNeedMore) turn.how = Burst::End::kFull;
  turn.dropped = burst_.dropped;
  if (burst_.end == Burst::End::kFatal) turn.fatal = burst_.fatal;
  session::KeepUnread(session, input, burst_.consumed);
  if (turn.how == Burst::End::kNeedMore && turn.received && life_.draining() &&
      !options_.switchboard->Departing()) {
    turn.how = Burst::End::kFull;  // draining: read until the socket is empty
  }
  // Descriptors come next: the copypath's to take, once what has been asked is answered.
  if (session->fds_wait && turn.how == Burst::End::kNeedMore) turn.how = Burst::End::kOtherLane;
  // Whatever happens then, nothing is said behind the answers, nor is the session given away.
  turn.stays = (turn.how == Burst::End::kNeedMore || turn.how == Burst::End::kFull) &&
               !life_.draining() && !session->peer_done && session->limits->requests_max == 0;
}

// Whether a request of the copypath's is answered here rather than by moving the connection: it is
// for a small object that is in the kernel's caches, so that answering cannot block.
bool Round::AnswersInPlace(Peer* peer, const Request& request) {
  if (session::IsOperation(request.mode) || peer->strangers >= kStrangersMax) return false;
  const storage::SmallObject* object =
      small_objects_.Find(request.uri, now_.now_ns, session::NeedsEtag(request));
  if (object == nullptr ||
      (request.mode != Mode::kCopy && object->info.size >= options_.splice_bytes_min))
    return false;
  ++peer->strangers;
  return true;
}

// ---- Answer and send ----

void Round::Answer(Turn* turn) {
  Peer* const peer = turn->peer;
  peer->has_turn = false;
  size_t served = turn->begin;
  const bool lives = turn->begin == turn->end || SendAnswers(*turn, &served);
  for (size_t i = served; i < turn->end; ++i) {
    Asked& asked = asked_[i];
    if (!lives) {
      opener_.Drop(&asked.opening);
      continue;
    }
    // Blocked: what could not be answered is answered later, and opened then, but for what is
    // opened apart: that is not done twice.
    opener_.PutOff(&asked.opening);
    peer->stored.push_back(
        {asked.request, std::string(asked.request.uri), std::move(asked.opening)});
  }
  if (!lives) {
    life_.Release(peer);
    return;
  }
  if (peer->blocked == Peer::Blocked::kOpening) life_.OpenApart(peer);
  // Half a request is no progress: a byte now and then does not extend its time. A body that is
  // dropped may be slow.
  if (turn->received || served > turn->begin)
    life_.UpdateDeadline(peer, served > turn->begin || turn->dropped);
  // Mostly: it may say more whenever it likes.
  if (turn->stays && turn->how == Burst::End::kNeedMore && peer->blocked == Peer::Blocked::kNo)
    return;
  life_.Conclude(peer, turn->how, turn->fatal);
}

// Makes and sends the answers in order. *served: the first that is still to be made, when the peer
// is blocked. False: the peer has gone.
bool Round::SendAnswers(const Turn& turn, size_t* served) {
  Peer* const peer = turn.peer;
  const Session& session = *peer->session;
  const bool in_header = session.parser.Has(protocol::kFdInHeader);
  const bool batch = session.parser.Has(protocol::kFdBatch);
  Sent last = Sent::kAll;
  bool may_wait = turn.stays;
  Outgoing* out = NewOutgoing(peer);
  // Sends what is gathered: the answers up to asked_[end]. True: go on.
  const auto flush = [&](size_t end) {
    out->first = *served;
    out->end = end;
    last = Send(out, may_wait && end == turn.end);
    if (last != Sent::kNothing && last != Sent::kGone) *served = end;
    if (last == Sent::kLater) {
      out = nullptr;  // and there is nothing behind it
      return false;
    }
    out->message.Clear();
    out->x_fd.Reset();
    return last == Sent::kAll;
  };
  for (size_t i = turn.begin; i < turn.end; ++i) {
    const Request& request = asked_[i].request;
    Opening* const opening = &asked_[i].opening;
    if (request.name != nullptr) may_wait = false;  // it is logged when it has gone
    if (request.refusal != Status::kOk) {
      AnswerWithError(session, request, request.refusal, request.reason, &out->message);
    } else if (request.mode == Mode::kStat) {
      if (opening->ticket != 0) may_wait = false;
      if (!AnswerStat(session, request, opening, &out->message)) {
        if (out->message.empty() || flush(i)) life_.Block(peer, Peer::Blocked::kOpening);
        break;
      }
    } else if (request.mode != Mode::kFdPass) {
      if (out->message.bytes().size() >= kInPlaceBytes && !flush(i)) break;
      AnswerWithBytes(session, request, &out->message);
    } else {
      // Without FD_BATCH a descriptor's answer begins a message.
      if (in_header && !batch && !out->message.empty() && !flush(i)) break;
      if (opening->ticket != 0)
        may_wait = false;  // it is not to stay open while this thread sleeps
      absl::StatusOr<Passable> opened = opener_.Take(opening, request.uri, now_.now_ns);
      if (absl::IsUnavailable(opened.status())) {
        // What comes before it goes first.
        if (out->message.empty() || flush(i)) life_.Block(peer, Peer::Blocked::kOpening);
        break;
      }
      out->x_fd = AnswerWithFd(session, request, request.uri, *options_.tree, std::move(opened),
                               &out->message);
      const size_t fds = out->message.fds().size();
      const bool full =
          out->x_fd.valid() || (fds > 0 && !batch) || fds == protocol::kFdsPerMessageMax;
      if (full && !flush(i + 1)) break;
    }
  }
  if (out != nullptr && last == Sent::kAll && peer->blocked == Peer::Blocked::kNo &&
      !out->message.empty()) {
    flush(turn.end);
  }
  if (out != nullptr) {
    out->message.Clear();
    --outgoing_used_;
  }
  return last != Sent::kGone;
}

// OP_COPY, and OP_SPLICE where splicing would not pay, of an object that is small and at hand.
void Round::AnswerWithBytes(const Session& session, const Request& request,
                            session::Message* message) {
  const storage::SmallObject* object =
      small_objects_.Find(request.uri, now_.now_ns, session::NeedsEtag(request));
  if (object == nullptr) {
    // It was there when the request was taken, but the answer had to wait for the client to read.
    AnswerWithError(session, request, Status::kUnavailable,
                    "the object changed while its answer waited to be sent; try again", message);
    return;
  }
  session::MakeReply(
      session.dialect(), request,
      {object->info.size, object->info.mtime_s, object->etag, /*backend=*/0, object->info.expires_s,
       request.uri, session::CachedIn(*options_.tree, request, request.uri)},
      &reply_);
  message->BeginAnswer(request, reply_.status, reply_.bytes());
  message->text()->append(reply_.head);
  for (const session::Extent& part : reply_.parts)
    message->text()->append(object->bytes.get() + part.offset, part.length);
}

// What is here, the disk may be asked for; what may be elsewhere is waited for by others.
bool Round::AnswerStat(const Session& session, const Request& request, Opening* opening,
                       session::Message* message) {
  absl::StatusOr<storage::Description> found = absl::UnavailableError("being opened");
  if (opening->described.has_value()) {
    found = *std::exchange(opening->described, std::nullopt);
    opening->apart.reset();
    opening->ticket = 0;
  } else if (opening->apart.has_value() || opening->ticket != 0) {
    absl::StatusOr<Passable> opened = opener_.Take(opening, request.uri, now_.now_ns);
    if (opened.ok()) {
      found = storage::Describe(opened->shared->get(), opened->info, opened->tier);
    } else {
      found = opened.status();
    }
  } else {
    const bool may_be_elsewhere =
        options_.tree->remote() != nullptr && options_.run_slowly != nullptr;
    found = storage::FindDescription(
        *options_.tree, options_.index, request.uri, now_.now_ns,
        may_be_elsewhere ? storage::Wait::kCachedOnly : storage::Wait::kMayBlock);
  }
  if (absl::IsUnavailable(found.status())) return false;
  if (!found.ok()) {
    AnswerWithError(session, request, found.status(), message);
    return true;
  }
  message->BeginAnswer(request, session::JudgeVersion(request, found->etag));
  session::ObjectFacts facts = session::FactsOf(*found, request.uri);
  facts.cached = session::CachedIn(*options_.tree, request, request.uri);
  session::AppendStat(session.dialect(), request, facts, message->text());
  return true;
}

Outgoing* Round::NewOutgoing(Peer* peer) {
  if (outgoing_used_ == outgoing_.size()) outgoing_.push_back(std::make_unique<Outgoing>());
  Outgoing* const out = outgoing_[outgoing_used_++].get();
  out->socket = peer;
  return out;
}

Round::Sent Round::Send(Outgoing* out, bool may_wait) {
  for (const session::Receipt& receipt : out->message.receipts()) {
    if (receipt.status != Status::kOk && receipt.status != Status::kNotModified)
      counters_->errors.Add();
  }
  if (may_wait && kernel_->SendLater(out)) {
    Count(out, /*back=*/false);
    return Sent::kLater;
  }
  SendNow(out);
  return Conclude(out);
}

// Of a message that SendLater() took, and that has not gone.
void Round::Unsent(Outgoing* out) {
  Peer* const peer = static_cast<Peer*>(out->socket);
  Count(out, /*back=*/true);
  const Sent sent = Conclude(out);
  if (sent == Sent::kGone) {
    life_.Release(peer);
  } else if (sent == Sent::kNothing) {
    for (size_t i = out->first; i < out->end; ++i)
      peer->stored.push_back({asked_[i].request, std::string(asked_[i].request.uri), {}});
  }
}

// What is to be done after a message was to be sent: `out` says what became of it.
Round::Sent Round::Conclude(Outgoing* out) {
  Peer* const peer = static_cast<Peer*>(out->socket);
  if (out->error == ETOOMANYREFS && out->bytes_sent == 0 && !out->message.fds().empty()) {
    counters_->blocked.Add();
    counters_->errors.Add(out->message.fds().size());
    out->message.RefuseFds(peer->session->dialect());
    SendNow(out);
  }
  if (out->error != 0) counters_->blocked.Add();
  if (out->bytes_sent == 0 && out->error != 0) {
    const bool full = out->error == EAGAIN || out->error == ENOBUFS || out->error == ENOMEM;
    if (!full) return Sent::kGone;
    life_.BlockFor(peer, out->error);
    return Sent::kNothing;
  }
  // With the first byte all descriptors have gone.
  Count(out, /*back=*/false);
  out->message.TakeOwnFds(&passed_);
  for (net::UniqueFd& fd : passed_) kernel_->Close(std::move(fd));
  passed_.clear();
  if (out->error == 0) {
    if (out->x_fd.valid()) kernel_->Close(std::move(out->x_fd));
    return Sent::kAll;
  }
  const absl::string_view rest = out->message.bytes().substr(out->bytes_sent);
  peer->out.assign(rest.data(), rest.size());
  peer->out_fd = std::move(out->x_fd);
  const bool full = out->error == EAGAIN || out->error == ETOOMANYREFS || out->error == ENOBUFS ||
                    out->error == ENOMEM;
  if (!full) return Sent::kGone;
  life_.BlockFor(peer, out->error);
  return Sent::kPart;
}

// Counts the answers of a message as given, or takes that back.
void Round::Count(Outgoing* out, bool back) {
  Session* const session = out->socket->session.get();
  const uint64_t once = back ? ~uint64_t{0} : 1;  // adds one, or takes it away
  if (!back) out->counted_ns = session::CountingNowNs();
  for (const session::Receipt& receipt : out->message.receipts()) {
    if (back) {
      session::TakeBack(receipt, out->counted_ns, session, &tally_);
    } else {
      session::Account(receipt, out->counted_ns, session, &tally_);
    }
  }
  const uint64_t count = out->message.answer_count();
  session->answered.Add(once * count);
  counters_->requests.Add(once * count);
  if (out->error == 0 || back) counters_->messages.Add(once);
  if (!back && out->x_fd.valid() && out->bytes_sent == out->message.bytes().size())
    counters_->messages.Add();
}

}  // namespace objmapper::fdpass
