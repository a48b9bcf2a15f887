// One turn: receive, look up, send, on the calling thread. The connection ends here, or goes back
// to the caller.
#include "models/conversation.h"

#include <glog/logging.h>
#include <poll.h>

#include "net/clock.h"
#include "net/scm_rights.h"
#include "session/ending.h"
#include "session/http.h"

namespace objmapper::models {
namespace {

using protocol::CloseReason;
using protocol::Request;
using protocol::Status;

}  // namespace

Conversation::Conversation(Context* context)
    : context_(context), sender_(context), operator_(context) {}

bool SaysLast(const Context& context) {
  return context.phase.draining() && !context.options.switchboard->Departing();
}

Next Conversation::Serve(Connection* connection) {
  const Sender::Work work(&sender_, connection);
  session::Session* session = connection->session.get();
  if (SaysLast(*context_)) session::AnnounceEnd(session);
  bool open = turn_.Receive(session, context_->phase.draining());
  for (const Request& request : turn_.requests()) {
    if (!open) break;
    if (turn_.end() != session::Burst::End::kOperation) {
      open = sender_.Answer(session, request, Find(request, *context_));
      continue;
    }
    Operator::Missing missing;
    std::optional<Found> found = operator_.Do(session, request, turn_.TakeFd(), &missing);
    if (found.has_value()) {
      open = sender_.Answer(session, request, *std::move(found));
    } else if (missing == Operator::Missing::kLate) {
      EndLate(context_, std::move(connection->session), operator_.why_late());
      return Next::kEnded;
    } else {
      open = missing == Operator::Missing::kEnded;
    }
  }
  if (!open) {
    sender_.Drop();
    connection->session.reset();
    return Next::kEnded;
  }
  return Settle(context_, connection, turn_, &sender_);
}

void Conversation::ServeToTheEnd(Connection* connection) {
  while (true) {
    const Next next = Serve(connection);
    if (next == Next::kEnded) return;
    if (next == Next::kAgain) continue;
    const int fd = connection->session->fd();
    switch (context_->phase.Wait(fd, POLLIN, connection->deadline_ns, /*or_drain=*/true)) {
      case Phase::Woken::kReady:
      case Phase::Woken::kDraining:  // the next turn says goodbye
        break;
      case Phase::Woken::kLate:
        EndLate(context_, std::move(connection->session));
        return;
      case Phase::Woken::kStopping:
        connection->session.reset();
        return;
    }
  }
}

Next Settle(Context* context, Connection* connection, const Turn& turn, Sender* sender) {
  session::Session* session = connection->session.get();
  const session::Burst& burst = turn.burst();
  const session::Ending ending =
      session::EndingOf(*session, burst.end, burst.fatal, context->phase.draining(),
                        context->options.switchboard->Departing());
  if (!sender->Say(session, ending.farewell)) {
    sender->Drop();
    connection->session.reset();
    return Next::kEnded;
  }
  switch (ending.next) {
    case session::Ending::Next::kRoute:
      context->options.switchboard->Route(std::move(connection->session));
      return Next::kEnded;
    case session::Ending::Next::kRetire:
      context->options.switchboard->Retire(std::move(connection->session));
      return Next::kEnded;
    case session::Ending::Next::kAgain:
      return Next::kAgain;
    case session::Ending::Next::kGoOn:
      break;
  }
  const int64_t now_ns = net::NowNs();
  const bool asked = !turn.requests().empty() || turn.dropped();
  if (!session::IsHalfSaid(*session)) {
    // What is no request (AUTH) does not keep a connection that asks nothing.
    if (!asked && !connection->half_said && connection->deadline_ns != net::kNever)
      return Next::kWait;
    connection->half_said = connection->excused = false;
    connection->deadline_ns = DeadlineNs(now_ns, session->limits->idle_timeout);
  } else if (!connection->half_said || asked) {
    // From its beginning on: a byte now and then does not extend a request's time. A body that is
    // dropped may be slow.
    connection->half_said = true;
    connection->excused = false;
    connection->deadline_ns = DeadlineNs(now_ns, session->limits->request_timeout);
  }
  return Next::kWait;
}

void EndLate(Context* context, std::unique_ptr<session::Session> session, absl::string_view why) {
  context->options.connections->timed_out.fetch_add(1, std::memory_order_relaxed);
  const std::string farewell = session::LateFarewell(*session, session::IsHalfSaid(*session), why);
  // All that was owed has been sent, so there is room for this, or nobody who reads.
  if (!farewell.empty()) net::SendWithFds(session->fd(), farewell, {});
  context->options.switchboard->Retire(std::move(session));
}

void Refuse(Context* context, std::unique_ptr<session::Session> session, absl::string_view why) {
  Turn turn;
  if (!turn.Receive(session.get(), /*draining=*/false)) return;
  std::string answers;
  for (const Request& request : turn.requests()) {
    session::AppendError(session->dialect(), request.id, Status::kUnavailable, why, &answers);
  }
  if (turn.requests().empty()) {
    session::AppendError(session->dialect(), 0, Status::kUnavailable, why, &answers);
  }
  session::AppendClose(session->dialect(), CloseReason::kNormal, &answers);
  LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": refused, " << why;
  net::SendWithFds(session->fd(), answers, {});
  context->options.switchboard->Retire(std::move(session));
}

}  // namespace objmapper::models
