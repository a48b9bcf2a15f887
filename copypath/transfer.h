// One OP_SPLICE answer on its way: header, then the file's bytes through a pipe into the socket.
//
// A splice thread moves as much as the socket takes and then gives the transfer back: a slow client
// holds no thread, no pipe and no pages while the loop waits for its socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "copypath/blocking_pool.h"
#include "copypath/cached_object.h"
#include "session/tally.h"

namespace objmapper::copypath {

struct Transfer {
  enum class Outcome : uint8_t {
    kDone,
    kSocketFull,  // go on when there is room
    kYield,       // go on when the others have had their turn
    kShrunk,      // the file ended before its time: the answer cannot be completed
    kGone,        // the peer has gone
    kFailed,      // the disk or the process: `error`
  };

  int socket = -1;  // borrowed
  int file = -1;    // borrowed
  bool unix_socket = true;
  std::string header;
  size_t header_sent = 0;
  uint64_t offset = 0;     // of the next byte to move
  uint64_t remaining = 0;  // bytes
  int error = 0;           // kFailed: errno
  // The owner's, and touched by its thread alone: what keeps `file` open, and what is to be
  // counted.
  ObjectRef object;
  session::Receipt receipt;

  // Moves on. A thread of `pool`; nobody else touches the transfer or sends on the socket
  // meanwhile. The socket's mode (O_NONBLOCK) is the same before and after.
  Outcome Run(const BlockingPool& pool) { return RunOn(&pool); }
  // The same on a thread that is in no pool, and that no other transfer waits for. It still yields
  // now and then, so that the caller can see whether it is to stop.
  Outcome Run() { return RunOn(nullptr); }

 private:
  Outcome RunOn(const BlockingPool* pool);
  Outcome SendHeader(const BlockingPool* pool);
  Outcome MoveBody(const BlockingPool* pool);
  Outcome MoveBodyWithoutPipe(const BlockingPool* pool);
};

}  // namespace objmapper::copypath
