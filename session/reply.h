// What goes out for a request of bytes (COPY, SPLICE, HTTP's GET and HEAD) of an object that is
// there: in each dialect.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "protocol/dialect.h"
#include "protocol/request.h"
#include "protocol/status.h"
#include "session/answers.h"
#include "session/version.h"

namespace objmapper::session {

struct Reply {
  // Not OK: `head` is the whole answer.
  protocol::Status status = protocol::Status::kOk;
  std::string head;                      // all that goes before the first byte of the object
  absl::InlinedVector<Extent, 1> parts;  // of the object, none of them empty; none: nothing of it
  std::vector<std::string> behind;       // each part; empty where nothing is

  uint64_t bytes() const;  // of the object
};

// `reply` is reused: it keeps its memory.
void MakeReply(protocol::Dialect dialect, const protocol::Request& request,
               const ObjectFacts& facts, Reply* reply);

// Whether what it gets depends on more than the object's size: on its version, or there may be
// several parts.
bool IsConditional(const protocol::Request& request);

// The part that goes first, as far as that can be told without the object's version: what should be
// in memory before the answer is made. Empty: none of it.
Extent FirstPart(const protocol::Request& request, uint64_t size);

// The same of an object of which nothing is known yet. length UINT64_MAX: to its end. Empty: it has
// to be known first, since no bytes may be needed, or which depends on its size.
Extent ForeseenPart(const protocol::Request& request);

// How many seconds ago its object has to have been compared with its origin at most, as `request`
// says (HTTP's Cache-Control); nullopt: as the server thinks right. And whether nobody is to be
// asked for it.
std::optional<int64_t> AgeMaxOf(const protocol::Request& request);
bool IsOnlyFromHere(const protocol::Request& request);

}  // namespace objmapper::session
