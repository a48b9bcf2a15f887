// The last third of serving a connection: answers on their way out.
//
// Answers are gathered as far as they may share a message, and sent when the message is full, when
// the next one may not join it, or by Flush().
//
// When the socket is full, the thread waits in poll(2) until the client has read: that is what
// makes these models synchronous. A client that reads nothing for --request_timeout is let go.
#pragma once

#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "models/context.h"
#include "models/lookup.h"
#include "protocol/objm/request_parser.h"
#include "session/message.h"
#include "session/tally.h"

namespace objmapper::models {

// One thread's, reused for all its connections. Every call returns false when the conversation
// cannot go on: the peer has gone or reads nothing, an object shrank under its answer, or the model
// stops. The socket is then to be closed as it is, after Drop().
class Sender {
 public:
  explicit Sender(const Context* context);

  bool Answer(session::Session* session, const protocol::Request& request, Found found);
  bool Flush(session::Session* session);
  // Sends `bytes` behind all answers.
  bool Say(session::Session* session, absl::string_view bytes);
  // Forgets what was gathered for a connection that has ended.
  void Drop() { message_.Clear(); }

  // Counts what a thread does for `connection` between the two ends of its scope, as work; and how
  // long the connection has waited for it.
  class Work {
   public:
    Work(Sender* sender, Connection* connection);
    ~Work();

   private:
    Sender* const sender_;
    const int64_t since_ns_;
  };

 private:
  bool FlushIfLong(session::Session* session);
  bool PassFd(session::Session* session, const protocol::Request& request, Found found);
  bool Copy(session::Session* session, int file, session::Extent rest);
  bool SendBody(session::Session* session, int file, session::Extent rest);
  bool Splice(session::Session* session, int file, session::Extent rest);

  // What those are made of. `until_ns`: 0 before the first wait, and after each progress.
  enum class Sent : uint8_t { kAll, kTooManyFds, kOver };
  Sent SendAll(session::Session* session, absl::string_view first, absl::string_view second,
               absl::Span<const int> fds);
  bool SendThenX(session::Session* session, int fd);
  bool WaitToSend(session::Session* session, int error, int64_t* until_ns);

  void Count(session::Session* session, const std::vector<session::Receipt>& receipts);

  const Context* const context_;
  session::Message message_;
  std::vector<session::Receipt>
      body_receipts_;  // of answers that have gone but for the body of the last
  session::TallyLease tally_;
  std::unique_ptr<char[]> body_;
};

}  // namespace objmapper::models
