// The operation that a connection is at: OP_PUT, OP_PUT_FD, OP_DELETE or OP_LIST, from taken to
// answered.
//
// What may wait for the disk is done by threads of a pool, and no thread waits for origins; the
// body of an OP_PUT is taken as it comes (copypath/put_body.h). A listing in HTTP goes out in
// pieces (copypath/folder_listing.h), of which each is made when the one before has gone.
//
// Invariant: it begins when all that was asked before it has been answered, and what comes behind
// it is taken when it has been.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "copypath/body_pace.h"
#include "copypath/folder_listing.h"
#include "copypath/operations.h"
#include "copypath/put_body.h"
#include "net/foreign_fd.h"
#include "session/session.h"

namespace objmapper::loop {

class Connection;
class Loop;

// The loop's thread's, but for what a job of the pool is at: `operand_`, `fd_`, the object and the
// results. Each call may end the operation, and delete it, by way of Connection::FinishOperation()
// and AbandonOperation().
class Operation {
 public:
  // fd: OP_PUT_FD's.
  Operation(Connection* connection, session::Session* session, Loop* loop,
            const protocol::Request& request, net::ForeignFd fd);

  // All that was asked before has been answered, and what there was of its own answer has gone. No
  // effect while something is done for it.
  void Start();
  // Takes what of `input`, which begins with session->unread, is the body's, and commits it when it
  // is whole. Only when takes_body().
  void TakeBody(absl::string_view input);

  bool has_body() const { return body_.awaited(); }
  bool takes_body() const { return step_ == Step::kBody; }
  // Bytes to come, also before takes_body(); as far as that can be told, else 0.
  uint64_t body_left() const { return body_.body().left().value_or(0); }
  // Whether nothing happens until the client sends more of the body.
  bool AwaitsBody() const;
  // What a job or the engine has not given back yet: it is not to be deleted.
  bool in_flight() const { return job_in_flight_ || body_.writing(); }

 private:
  enum class Step : uint8_t {
    kWaiting,    // for earlier answers, or until a piece of its own has gone
    kBeginning,  // OP_PUT: the pool makes the object, unless the body is gathered first
    kBody,       // OP_PUT: it comes and is written, or gathered
    kSpooling,   // the pool makes a whole object of it, which then goes to an origin
    kFinishing,  // the pool does it, or an origin
  };

  void Run(Step step, std::function<bool()> work, bool is_long = false);
  void RunListThrough();
  bool Gathers() const;
  void BeginBody();
  void OnJobEnded();
  void OnBodyWritten(int error);
  void Commit();
  void Spool();
  void ChangeAfar();
  void Fail(const absl::Status& error);

  Connection* const connection_;
  session::Session* const session_;
  Loop* const loop_;
  Step step_ = Step::kWaiting;
  bool job_in_flight_ = false;
  copypath::Operand operand_;
  net::ForeignFd fd_;
  copypath::PutBody body_;
  std::shared_ptr<storage::NewObject> spooled_;  // what an origin is sent, or is to be
  absl::Status begun_;           // OP_PUT: what came of kBeginning, and went wrong since
  copypath::BodyPace pace_;      // OP_PUT, in kBody
  int64_t awaits_since_ns_ = 0;  // its sender; 0: it does not
  std::unique_ptr<copypath::FolderListing> listing_;  // OP_LIST in HTTP
  copypath::Outcome outcome_;                         // of kFinishing
};

}  // namespace objmapper::loop
