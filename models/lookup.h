// The second third of serving a connection: what a request asks for.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "models/context.h"
#include "net/foreign_fd.h"
#include "net/unique_fd.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "session/answers.h"
#include "storage/store/list_room.h"
#include "storage/tree/description.h"

namespace objmapper::models {

// Everything an answer needs but the bytes of its object.
struct Found {
  Found() = default;
  Found(Found&&) = default;
  Found& operator=(Found&&) = default;
  // The last of a large object is closed by a process that may take its time.
  ~Found() {
    if (size >= net::kLargeFileBytes) net::Dispose(std::move(fd));
  }

  protocol::Status status = protocol::Status::kOk;
  std::string message;               // when it is not kOk
  uint64_t size = 0;                 // when it is, of the whole object; STAT: see `description`
  storage::Description description;  // STAT alone
  net::UniqueFd fd;                  // the object, opened for this answer alone; STAT: none
  session::Extent extent;            // of the object, as the request wants it
  std::string answer;  // of an operation: the whole of it, with `bytes` of an object stored
  uint64_t bytes = 0;
  storage::ListRoom::Lease room;  // of a listing
};

// May wait for the disk. Any thread.
Found Find(const protocol::Request& request, const Context& context);

}  // namespace objmapper::models
