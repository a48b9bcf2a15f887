// Operations, done on the calling thread: OP_PUT with its body, OP_PUT_FD, OP_DELETE, OP_LIST.
//
// The thread waits for the body of an OP_PUT as it waits for a client that does not read its
// answers: that is what makes these models synchronous. A client of which nothing comes for
// --request_timeout is let go, and one that is slower than
// --put_rate_min for as long.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "models/context.h"
#include "models/lookup.h"
#include "net/foreign_fd.h"
#include "protocol/objm/request_parser.h"

namespace objmapper::storage {
class NewObject;
}  // namespace objmapper::storage
namespace objmapper::copypath {
struct Operand;
}  // namespace objmapper::copypath

namespace objmapper::models {

// One thread's, reused for all its connections.
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
  // Moves what comes to the object, until nothing is left of `*left` to come. *error: why the
  // object cannot be stored. Returned: why no more comes; nullopt: it did come, or need not.
  std::optional<Missing> TakeBody(session::Session* session, const copypath::Operand& operand,
                                  storage::NewObject* object, uint64_t* left, absl::Status* error);

  const Context* const context_;
  std::unique_ptr<char[]> buffer_;  // with the first body
  std::string why_late_;
};

}  // namespace objmapper::models
