// The three stages. A turn of a connection passes through them as one event, so its answers stay in
// order.
#include "models/seda.h"

#include <pthread.h>

#include <optional>
#include <utility>

#include "models/conversation.h"
#include "models/operator.h"
#include "models/sender.h"

namespace objmapper::models {

Seda::Seda(const Options& options)
    : context_(options),
      to_parse_(options.queue_depth_max),
      to_look_up_(options.queue_depth_max),
      to_send_(options.queue_depth_max),
      stand_ins_("model/lookup", [this] { Lookup(); }),
      parking_(&context_, [this](std::unique_ptr<Connection> c) { to_parse_.Push(std::move(c)); }) {
  context_.stand_ins = &stand_ins_;
  for (int i = 0; i < options.pool_size; ++i) {
    threads_.emplace_back([this] { Parse(); });
    threads_.emplace_back([this] { Lookup(); });
    threads_.emplace_back([this] { Send(); });
  }
  parking_.Start();
}

void Seda::Adopt(std::unique_ptr<session::Session> session) {
  parking_.Adopt(std::make_unique<Connection>(std::move(session)));
}

void Seda::Parse() {
  pthread_setname_np(pthread_self(), "model/parse");
  while (std::optional<std::unique_ptr<Connection>> connection = to_parse_.Pop()) {
    auto event = std::make_unique<Event>();
    event->connection = *std::move(connection);
    const bool open =
        event->turn.Receive(event->connection->session.get(), context_.phase.draining());
    if (open) to_look_up_.Push(std::move(event));
  }
}

void Seda::Lookup() {
  pthread_setname_np(pthread_self(), "model/lookup");
  const storage::SlowOpens::Watched watched(&context_.options.tree->slow_opens());
  Operator op(&context_);
  while (std::optional<std::unique_ptr<Event>> taken = to_look_up_.Pop()) {
    std::unique_ptr<Event> event = *std::move(taken);
    bool open = true;
    session::Session* const session = event->connection->session.get();
    for (const protocol::Request& request : event->turn.requests()) {
      if (event->turn.end() != session::Burst::End::kOperation) {
        event->found.push_back(Find(request, context_));
        continue;
      }
      // All that came before it has been sent: an operation has its turn for itself.
      Operator::Missing missing;
      std::optional<Found> found = op.Do(session, request, event->turn.TakeFd(), &missing);
      if (found.has_value()) {
        event->found.push_back(*std::move(found));
      } else {
        open = missing == Operator::Missing::kEnded;
        if (missing == Operator::Missing::kLate) {
          EndLate(&context_, std::move(event->connection->session), op.why_late());
        }
      }
    }
    if (open) to_send_.Push(std::move(event));
  }
}

void Seda::Send() {
  pthread_setname_np(pthread_self(), "model/send");
  Sender sender(&context_);
  while (std::optional<std::unique_ptr<Event>> taken = to_send_.Pop()) {
    const std::unique_ptr<Event> event = *std::move(taken);
    const Sender::Work work(&sender, event->connection.get());
    session::Session* const session = event->connection->session.get();
    bool open = true;
    for (size_t i = 0; open && i < event->found.size(); ++i) {
      open = sender.Answer(session, event->turn.requests()[i], std::move(event->found[i]));
    }
    if (!open) {
      sender.Drop();  // and the connection with the event
      continue;
    }
    switch (Settle(&context_, event->connection.get(), event->turn, &sender)) {
      case Next::kWait:
        parking_.Park(std::move(event->connection));
        break;
      case Next::kAgain:
        to_parse_.PutBack(std::move(event->connection));
        break;
      case Next::kEnded:
        break;
    }
  }
}

void Seda::Drain() {
  context_.phase.Drain();
  parking_.Wake();
}

void Seda::Stop() {
  context_.phase.Stop();
  stand_ins_.Close();
  to_parse_.Close();
  to_look_up_.Close();
  to_send_.Close();
  parking_.Stop();
  for (std::thread& thread : threads_) thread.join();
  stand_ins_.Join();
  parking_.Clear();  // what they have given back meanwhile
}

}  // namespace objmapper::models
