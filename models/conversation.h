// The request code that all models of this folder share: one connection's turn, start to finish on
// the calling thread.
//
//   Conversation conversation(&context);                 // one a thread
//   switch (conversation.Serve(connection.get())) {
//     case Next::kWait:  ...                             // nothing more to do until it asks again
//     case Next::kAgain: ...                             // it may have asked more already
//     case Next::kEnded: ...                             // its session has gone
//   }
//
// What differs between models is which thread calls this, and where a connection waits meanwhile.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "models/context.h"
#include "models/operator.h"
#include "models/sender.h"
#include "models/turn.h"

namespace objmapper::models {

enum class Next : uint8_t { kWait, kAgain, kEnded };

class Conversation {
 public:
  // context: outlives it.
  explicit Conversation(Context* context);

  // Receives what has come and answers it: look up, open, send, next. Waits for the disk, and for a
  // client that does not read its answers (sender.h), but not for requests. kEnded: the session has
  // been retired or closed. kWait: connection->deadline_ns says how long to wait.
  Next Serve(Connection* connection);

  // Serves until the end, and waits for each request.
  void ServeToTheEnd(Connection* connection);

 private:
  Context* const context_;
  Turn turn_;
  Sender sender_;
  Operator operator_;
};

// The end of a turn whose answers have been given to `sender`: sends what is left of them, and says
// the last words when the conversation is over. For models that do not use Serve().
Next Settle(Context* context, Connection* connection, const Turn& turn, Sender* sender);

// Ends a connection whose deadline has come while it was waited for. why: for the client, where it
// is half a request that was waited for; empty: the usual words. Never blocks.
void EndLate(Context* context, std::unique_ptr<session::Session> session,
             absl::string_view why = "");

// Answers what has been asked with UNAVAILABLE and `why`, and ends the connection. Never blocks.
void Refuse(Context* context, std::unique_ptr<session::Session> session, absl::string_view why);

}  // namespace objmapper::models
