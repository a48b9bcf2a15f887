// An object's bytes as they come from the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/channel.h"
#include "client/object.h"

namespace objmapper::client {

// The body of one COPY or SPLICE answer, from Client::OpenBody(). While it lives the client must
// not be used for anything else, nor die. Movable; not thread-safe.
//
// A body that dies before its end leaves bytes in the connection that nobody will read: the client
// can then no longer be used.
class Body {
 public:
  // For Client. `channel`: borrowed; stands at the first of info.length bytes of body.
  Body(Channel* channel, ObjectInfo info, std::string what)
      : channel_(channel), info_(std::move(info)), left_(info_.length), what_(std::move(what)) {}
  Body(Body&& other) noexcept
      : channel_(std::exchange(other.channel_, nullptr)),
        info_(std::move(other.info_)),
        left_(std::exchange(other.left_, 0)),
        what_(std::move(other.what_)) {}
  Body& operator=(Body&&) = delete;
  ~Body();

  const ObjectInfo& info() const { return info_; }
  uint64_t left() const { return left_; }  // bytes not read yet

  // Reads at least 1 and at most `out.size()` bytes, straight from the socket when `out` is large;
  // returns 0 at the end. `out` must not be empty.
  //
  // Errors end the connection: DATA_LOSS (it ended before the body did), DEADLINE_EXCEEDED,
  // UNAVAILABLE.
  absl::StatusOr<size_t> Read(absl::Span<char> out);

 private:
  Channel* channel_;
  ObjectInfo info_;
  uint64_t left_;
  std::string what_;  // for messages
};

}  // namespace objmapper::client
