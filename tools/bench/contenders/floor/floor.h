// What the floors share: where they listen, what they serve, a connection, and the loop of those
// that run on epoll: an accepting thread deals connections in turn to the threads that serve, each
// with an epoll set of its own. Answering is the floor's.
//
// What all of them leave out: checks of names (RESOLVE_BENEATH), of file types and of anything the
// client says; timeouts, limits, metrics, metadata of answers; changes of objects while they
// run.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "tools/bench/contenders/floor/wire.h"

namespace objmapper::bench {

struct Listeners {
  int unix_fd = -1;
  int tcp_fd = -1;
};

// A file of the root, opened once at the start.
struct Object {
  int fd = -1;
  uint64_t bytes = 0;
  const char* data = nullptr;  // mapped and in memory, if that was asked for
};

// By name. Nothing is ever given back: a floor lives as long as its process.
using Objects = absl::flat_hash_map<std::string, Object>;

// `map`: MAP_SHARED and touched, so that a send never faults. Errors: as ErrnoToStatus.
absl::StatusOr<Objects> OpenObjects(const std::string& root, bool map);

struct Pipe {
  net::UniqueFd read_end, write_end;
};

// Owned by the thread that serves it.
struct FloorConnection {
  net::UniqueFd fd;
  bool is_unix = false;
  bool greeted = false;  // HELLO has been answered, or the language has none
  bool blocked = false;  // set by who serves: the socket is full
  std::string unread;    // bytes that have been left; as a rule none

  // The answer on its way, of a floor that sends bodies: one at a time.
  const Object* object = nullptr;  // its body may be empty
  char header[kAnswerBytes];
  uint64_t sent = 0;  // of header and body together
  // floor_splice: bytes of the object on their way to a full socket; the pipe is its own until they
  // have left.
  Pipe pipe;
  size_t in_pipe = 0;

  // The body's share.
  uint64_t offset() const { return sent < kAnswerBytes ? 0 : sent - kAnswerBytes; }
  uint64_t total() const { return kAnswerBytes + object->bytes; }
};

// Takes one that waits at the (non-blocking) `listener`; its fd is empty when there is none.
// `flags`: as accept4(2). TCP_NODELAY is set.
void AcceptFrom(const Listeners& listeners, int listener, int flags, FloorConnection& connection);

// Answers HELLO at the front of `input` once it is there as a whole. False: the peer has gone.
bool Greet(FloorConnection& connection, absl::string_view& input);

// Answers the whole requests at the front of `input` and returns how many bytes that took; -1: the
// peer has gone. With connection.blocked set it is called again, with what it left, when there is
// room.
using Serve = std::function<ssize_t(FloorConnection& connection, absl::string_view input)>;

struct EpollFloor {
  Serve serve;
  bool greets = true;  // V1 has no HELLO
  bool poll = false;   // the threads never sleep
  int threads = 0;     // 0: one for each core
};

// Serve for ever, on threads that they start and on the calling one.
[[noreturn]] void Run(const EpollFloor& floor, const Listeners& listeners);
[[noreturn]] void RunCopyRing(const Objects& objects, const Listeners& listeners);

// fdpass.cc. V2: one message for as many answers as a receive brought, but `answers_max` at most.
Serve FdPass(int root, size_t answers_max);
Serve FdPassV1(int root);

// bodies.cc. One answer at a time on a connection, resumed when its socket has room again.
//
// Sends more of the answer, advancing `sent`. False with errno: EAGAIN, or the peer has gone.
using SendMore = bool (*)(FloorConnection& to);
bool SendFromBuffer(FloorConnection& to);
bool SendFromMapping(FloorConnection& to);
bool SendBySendfile(FloorConnection& to);
bool SendBySplice(FloorConnection& to);
Serve Bodies(const Objects& objects, SendMore send);

// Takes the request at the front of `input` and has `to` begin its answer; false when it is not
// there as a whole.
bool BeginAnswer(const Objects& objects, absl::string_view& input, FloorConnection& to);
// What is left of an answer whose object is mapped, as one or two pieces.
size_t MappedPieces(FloorConnection& to, iovec* pieces);

}  // namespace objmapper::bench
