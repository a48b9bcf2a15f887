// The first third of serving a connection: what one read brings, as requests.
#pragma once

#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/foreign_fd.h"
#include "protocol/objm/request_parser.h"
#include "session/intake.h"
#include "session/session.h"

namespace objmapper::models {

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

}  // namespace objmapper::models
