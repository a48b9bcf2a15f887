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
// Seda does the three thirds by itself: Turn receives, Find() and Operator look up, Sender sends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "copypath/folder_listing.h"
#include "copypath/operations.h"
#include "models/context.h"
#include "net/foreign_fd.h"
#include "net/unique_fd.h"
#include "protocol/objm/request_parser.h"
#include "session/body.h"
#include "session/intake.h"
#include "session/message.h"
#include "session/reply.h"
#include "session/session.h"
#include "session/tally.h"
#include "storage/tree/description.h"
#include "storage/tree/filling.h"

namespace objmapper::models {

// ---- What one read brings, as requests (turn.cc) ----

// One thread's at a time; reused. Holds the bytes that its requests' URIs point into.
class Turn {
 public:
  Turn();

  // Reads what has come, without waiting, and takes the requests off it; what is left stays in
  // session->unread. False: the connection is broken (a reset).
  bool Receive(session::Session* session, bool draining);

  // In the order of service, and no more than the connection may still have (--requests_per_conn).
  absl::Span<const protocol::Request> requests() const { return requests_; }
  session::Burst::End end() const { return burst_.end; }
  // Whether a part of a refused request's body came.
  bool dropped() const { return burst_.dropped; }
  // kOperation: what OP_PUT_FD stores.
  net::ForeignFd TakeFd() { return std::move(burst_.fd); }
  // All of it, for session/ending.h.
  const session::Burst& burst() const { return burst_; }

 private:
  std::unique_ptr<char[]> bytes_;
  session::Burst burst_;
  absl::Span<const protocol::Request> requests_;
};

// ---- What a request asks for (lookup.cc) ----

// Everything an answer needs but the bytes of its object. `answer` is there for an operation alone,
// and is the whole of it then.
struct Found : copypath::Outcome {
  Found() = default;
  explicit Found(copypath::Outcome outcome) : Outcome(std::move(outcome)) {}
  Found(Found&&) = default;
  Found& operator=(Found&&) = default;
  // The last of a large object is closed by a process that may take its time.
  ~Found() {
    if (size >= net::kLargeFileBytes) net::Dispose(std::move(fd));
  }

  std::string message;               // when it is not kOk
  uint32_t retry_after_ms = 0;       // the same, where that is known (net/retry_after.h)
  uint64_t size = 0;                 // when it is, of the whole object; STAT: see `description`
  storage::ObjectInfo info;          // of `fd`
  storage::Description description;  // STAT; others: its etag, where session::NeedsEtag(), and tier
  net::UniqueFd fd;                  // the object, opened for this answer alone; STAT: none
  // Instead of `fd`: the object, for which there is no room here.
  std::shared_ptr<storage::Filling> passing;
  session::AskedRemote asked_remote;  // before it was opened
  // A listing of which `answer` is the first piece (kPiece): the others.
  std::unique_ptr<copypath::FolderListing> rest;
  // What is answered instead of the request that was made: for an object that stands for a folder.
  std::unique_ptr<const protocol::Request> instead;
};

// May wait for the disk. Any thread.
Found Find(const protocol::Request& request, const Context& context);

// The answer that is `error`.
Found Refused(const absl::Status& error);

// ---- Operations, done on the calling thread: OP_PUT with its body, OP_PUT_FD, OP_DELETE, OP_LIST
// (operator.cc) ----

// One thread's, reused for all its connections. The thread waits for the body of an OP_PUT as it
// waits for a client that does not read its answers: that is what makes these models synchronous. A
// client of which nothing comes for --request_timeout is let go, and one that is slower than
// --put_rate_min for as long.
class Operator {
 public:
  explicit Operator(const Context* context) : context_(context) {}

  // Why there is no answer: the client ends before the body does (the parser knows that something
  // is missing), it is late with it, or the connection is to be closed as it is.
  enum class Missing : uint8_t { kEnded, kLate, kBroken };

  // Does what `request`, the last of a turn that ends with kOperation, asks for; all that was asked
  // before has been answered. fd: what OP_PUT_FD stores. nullopt: *missing says why.
  std::optional<Found> Do(session::Session* session, const protocol::Request& request,
                          net::ForeignFd fd, Missing* missing);
  // kLate: for the client.
  const std::string& why_late() const { return why_late_; }

 private:
  // Moves what comes to the object, until the body has ended. *error: why the object cannot be
  // stored. Returned: why no more comes; nullopt: it did come, or need not.
  std::optional<Missing> TakeBody(session::Session* session, const copypath::Operand& operand,
                                  storage::NewObject* object, session::BodyReader* body,
                                  absl::Status* error);
  // Says to the client that its body may come, if it waits for that.
  std::optional<Missing> Invite(session::Session* session, absl::string_view words);

  const Context* const context_;
  std::unique_ptr<char[]> buffer_;  // with the first body
  std::string why_late_;
};

// ---- Answers on their way out (sender.cc) ----

// Answers are gathered as far as they may share a message, and sent when the message is full, when
// the next one may not join it, or by Flush(). When the socket is full, the thread waits in poll(2)
// until the client has read: that is what makes these models synchronous. A client that reads
// nothing for --request_timeout is let go.
//
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
  bool SendPieces(session::Session* session, const protocol::Request& request, Found found);
  bool PassFd(session::Session* session, const protocol::Request& request, Found found);
  // What passes (sender_through.cc).
  bool AnswerThrough(session::Session* session, const protocol::Request& request, Found found);
  bool SendThrough(session::Session* session, storage::PassThrough* through, session::Extent rest);
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
  session::Reply reply_;
  std::vector<session::Receipt>
      body_receipts_;  // of answers that have gone but for the body of the last
  session::TallyLease tally_;
  std::unique_ptr<char[]> body_;
};

// ---- All of it (conversation.cc) ----

enum class Next : uint8_t { kWait, kAgain, kEnded };

class Conversation {
 public:
  // context: outlives it.
  explicit Conversation(Context* context);

  // Receives what has come and answers it: look up, open, send, next. Waits for the disk, and for a
  // client that does not read its answers (Sender), but not for requests. kEnded: the session has
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

// Whether what is answered now is the last on its connection: it is drained, and nobody else goes
// on with it.
bool SaysLast(const Context& context);

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
