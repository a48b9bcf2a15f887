// seda: a staged, event-driven architecture: parse → lookup → send, each with its own queue and
// pool.
//
// What it is. An epoll thread queues ready connections for the parse stage, which receives and
// parses; the lookup stage finds and opens the objects; the send stage sends and gives the
// connection back. Each stage has pool_size threads and a queue of bounded length; a full queue
// holds up the stage before it. A turn travels as one event with its connection, so the answers of
// a connection keep their order although stages work on many connections at once. (M. Welsh, D.
// Culler, E. Brewer: SEDA, SOSP 2001.)
//
// Where it wins. Overload that can be seen and steered: each stage's queue tells what is short, and
// a slow disk keeps only lookup threads busy, a slow client only send threads.
//
// Where it loses. Four hand-overs per turn, each of which may wake a thread on another core: the
// dearest way to serve a request of a few microseconds. What is looked up but not sent holds its
// descriptors open in a queue.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "models/bounded_queue.h"
#include "models/makers.h"
#include "models/pool.h"
#include "session/http.h"

namespace objmapper::models {
namespace {

class Seda : public Pool {
 public:
  explicit Seda(const Options& options)
      : Pool(options, "model/lookup", [this] { Lookup(); }),
        to_parse_(options.queue_depth_max),
        to_look_up_(options.queue_depth_max),
        to_send_(options.queue_depth_max) {
    for (int i = 0; i < options.pool_size; ++i) {
      AddThread("model/parse", [this] { Parse(); });
      AddThread("model/lookup", [this] { Lookup(); });
      AddThread("model/send", [this] { Send(); });
    }
    parking_.Start();
  }

  size_t QueueDepth() const override {
    return to_parse_.size() + to_look_up_.size() + to_send_.size();
  }

 private:
  // One turn of a connection on its way through the stages.
  struct Event {
    std::unique_ptr<Connection> connection;
    Turn turn;
    std::vector<Found> found;  // for each of its requests
  };

  void Push(std::unique_ptr<Connection> connection) override {
    to_parse_.Push(std::move(connection));
  }
  void PutBack(std::unique_ptr<Connection> connection) override {
    to_parse_.PutBack(std::move(connection));
  }
  void CloseQueues() override {
    to_parse_.Close();
    to_look_up_.Close();
    to_send_.Close();
  }

  void Parse() {
    while (std::optional<std::unique_ptr<Connection>> connection = to_parse_.Pop()) {
      auto event = std::make_unique<Event>();
      event->connection = *std::move(connection);
      session::Session* const session = event->connection->session.get();
      if (SaysLast(context_)) session::AnnounceEnd(session);
      const bool open = event->turn.Receive(session, context_.phase.draining());
      if (open) to_look_up_.Push(std::move(event));
    }
  }

  void Lookup() {
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

  void Send() {
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
      const Next next = Settle(&context_, event->connection.get(), event->turn, &sender);
      GoOn(next, std::move(event->connection));
    }
  }

  BoundedQueue<std::unique_ptr<Connection>> to_parse_;
  BoundedQueue<std::unique_ptr<Event>> to_look_up_;
  BoundedQueue<std::unique_ptr<Event>> to_send_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<session::Lane>> MakeSeda(const Options& options) {
  return std::make_unique<Seda>(options);
}

}  // namespace objmapper::models
