// The second third of serving a connection: what a request asks for.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "copypath/operations.h"
#include "models/context.h"
#include "net/foreign_fd.h"
#include "net/unique_fd.h"
#include "protocol/objm/request_parser.h"
#include "session/answers.h"
#include "storage/tree/description.h"

namespace objmapper::models {

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
  uint64_t size = 0;                 // when it is, of the whole object; STAT: see `description`
  storage::Description description;  // STAT alone
  net::UniqueFd fd;                  // the object, opened for this answer alone; STAT: none
  session::Extent extent;            // of the object, as the request wants it
};

// May wait for the disk. Any thread.
Found Find(const protocol::Request& request, const Context& context);

}  // namespace objmapper::models
