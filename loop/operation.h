// The operation that a stream is at: OP_PUT, OP_PUT_FD, OP_DELETE or OP_LIST, from taken to
// answered.
//
// What may wait for the disk is done by the pool's threads; the body of an OP_PUT is written by the
// engine, from two buffers: one fills while the other is written. So a stream needs no thread while
// its client sends, and a client that sends faster than the disk writes has to wait.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "copypath/blocking_pool.h"
#include "copypath/body_pace.h"
#include "copypath/operations.h"
#include "loop/engine.h"
#include "net/foreign_fd.h"
#include "storage/store/store.h"

namespace objmapper::loop {

class Stream;

// One loop's thread's, but for what a job of the pool is at: `operand`, `fd`, `object` and the
// results.
class Operation : public Write {
 public:
  enum class Step : uint8_t {
    kWaiting,    // for earlier answers
    kBeginning,  // OP_PUT: the pool makes the object
    kBody,       // OP_PUT: it comes and is written
    kFinishing,  // the pool does it
  };

  Operation(Stream* stream, copypath::BlockingPool* pool) : stream_(stream), pool_(pool) {}
  // Not while something is in flight. An object that was not finished is closed by the pool: that
  // may take its time.
  ~Operation() override;

  // What a job or the engine has not given back yet.
  bool in_flight() const { return job_in_flight || writing_; }

  // ---- The body; step kBody ----

  // Takes what there is room for, and begins to write where that can be. Returns how many bytes it
  // took. Where the disk has no room for them, `begun` says so.
  size_t TakeBody(absl::string_view input, Engine* engine);
  // A write has ended. An errno when it failed; 0: it went well, and the next may have begun.
  int WriteEnded(ssize_t result, Engine* engine);
  uint64_t body_left() const { return body_left_; }  // bytes to come
  void set_body_left(uint64_t bytes) { body_left_ = bytes; }
  bool body_written() const { return body_left_ == 0 && !writing_ && filling_.size == 0; }
  // No room until a write has ended.
  bool full() const {
    return writing_ && filling_.bytes != nullptr && filling_.size == filling_.room;
  }

  void OnWritten(ssize_t result) override;

  Step step = Step::kWaiting;
  bool job_in_flight = false;
  copypath::Operand operand;
  net::ForeignFd fd;                           // OP_PUT_FD
  std::shared_ptr<storage::NewObject> object;  // OP_PUT, from kBody on
  absl::Status begun;           // OP_PUT: what came of kBeginning, and went wrong since
  copypath::BodyPace pace;      // OP_PUT, in kBody
  int64_t awaits_since_ns = 0;  // its sender; 0: it does not
  copypath::Outcome outcome;    // of kFinishing

 private:
  struct Buffer {
    std::unique_ptr<char[]> bytes;
    size_t room = 0;
    size_t size = 0;
  };

  void BeginWrite(Engine* engine);
  void ContinueWrite(Engine* engine);

  Stream* const stream_;
  copypath::BlockingPool* const pool_;
  uint64_t body_left_ = 0;
  Buffer filling_;
  Buffer written_;       // what the engine has, while writing_
  size_t done_ = 0;      // of written_
  uint64_t offset_ = 0;  // where written_ stands in the object
  bool writing_ = false;
};

}  // namespace objmapper::loop
