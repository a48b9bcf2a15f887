// Processes that may hang in the server's place: what may wait for ever, beyond SIGKILL even, is
// done there.
//
//   StartExpendable(RunTask, become);       // in main(), before there is any thread
//   Dispose(std::move(fd));   // net/foreign_fd.h: the last reference is dropped there
//   ReceiveElsewhere(socket, bytes, patience);   // takes a client's descriptors, and judges them
//   RunExpendable("look", {fd}, absl::Seconds(30), go_on);   // asks something of a foreign file
//
// How it works: one supervisor, forked before the server has threads, listeners or connections,
// forks workers of one thread each. Workers of a kind read the same socket, so that whoever is idle
// gets the next message. When all of a kind are at work, the supervisor forks one more, up to
// kExpendableWorkersMax; who is at one message for longer than it may take is killed, which ends
// all waits but those in the kernel that heed no signal (a process that exits does not linger on
// its TCP sockets). One that survives that keeps its place until its wait ends. When all places are
// taken, descriptors wait in the server (they are counted), and ExpendableFull() tells the server
// to take no more.
//
// It all ends with the server: its end of the sockets closes. The workers hold no listener, no
// connection, and not the server's standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// Of each kind: those that close, and those that do tasks.
inline constexpr int kExpendableWorkersMax = 48;
// A request and an answer.
inline constexpr size_t kTaskBytesMax = 4096;

// Does what `request` asks, in a worker, and returns the answer. `fds` are the caller's copies,
// closed afterwards. It calls `go_on` now and then, which shows that it makes progress; false:
// nobody waits for the answer any more.
using ExpendableTask = std::function<std::string(
    absl::string_view request, absl::Span<const int> fds, absl::FunctionRef<bool()> go_on)>;

// Looks at a descriptor that has come, in a worker: may it come into the server's process? Its
// close(2) must wait for nobody then, as long as it is not the last. 0: it may; else a number of
// the caller's, which ReceiveElsewhere() passes on.
using ForeignJudge = std::function<int(int fd)>;

// Forks the supervisor. Once, while the process has one thread. prepare: called in the new process,
// to give up rights; a failure ends it. Errors: no process or no memory.
absl::Status StartExpendable(const ExpendableTask& task, const ForeignJudge& judge,
                             const std::function<absl::Status()>& prepare = nullptr);
bool HasExpendable();

// What a worker has read.
struct ReceivedElsewhere {
  std::string bytes;  // empty: the peer has closed its side
  size_t fds = 0;     // so many came with them
  bool lost = false;  // some found no room
  int verdict = 0;    // of one that came alone; kNoVerdict: its file did not answer in time
  UniqueFd fd;        // the one that came alone, if it may be here
  static constexpr int kNoVerdict = -1;
};
// Has a worker read `bytes` (1..kReceiveBytesMax) from `socket`, as RecvBeforeFds() has said, with
// what descriptors come; all but one that comes alone and may be here are closed there. Waits;
// patience: for the worker, and again for the file. Errors: as RunExpendable(). The position in the
// stream is unknown then.
inline constexpr size_t kReceiveBytesMax = 64 * 1024;
absl::StatusOr<ReceivedElsewhere> ReceiveElsewhere(int socket, size_t bytes,
                                                   absl::Duration patience);

// Ends all waiting for answers (CANCELLED) as long as it is so: the server stops. Any thread.
void AbandonExpendable(bool abandon);

// Has a worker do it. patience: how long nothing may be heard from it; then it is killed and left
// to itself. go_on: asked a few times a second; false ends the waiting (CANCELLED).
//
//   DEADLINE_EXCEEDED   nothing was heard for so long
//   UNAVAILABLE         all workers are busy, or it has died; try again
absl::StatusOr<std::string> RunExpendable(absl::string_view request, absl::Span<const int> fds,
                                          absl::Duration patience, absl::FunctionRef<bool()> go_on);

// No more descriptors are to be taken from peers: too many wait to be let go of. Any thread.
bool ExpendableFull();

// Gives copies of all descriptors of this process away, so that its end waits for none of them. For
// its last moment.
void DisposeOfAll();

struct ExpendableCounts {
  uint64_t disposed = 0;  // descriptors given away
  uint64_t waiting = 0;   // now: could not be given away yet
  uint64_t tasks = 0, tasks_late = 0;
  uint64_t workers = 0;  // now, of both kinds
  uint64_t stuck = 0;    // of these: over their time, some killed in vain
  uint64_t killed = 0;   // since the start
  bool running = false;  // the supervisor lives
};
ExpendableCounts ReadExpendable();

}  // namespace objmapper::net
