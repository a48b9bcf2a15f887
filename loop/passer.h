// Descriptors out, on one connection of a loop: OP_FDPASS answered by the loop itself.
//
// Invariant: a descriptor is opened when its answer can go, so a client that does not read holds
// none; a header that promised one without FD_IN_HEADER is followed by it before anything else.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "loop/passing.h"
#include "net/unique_fd.h"
#include "session/session.h"

namespace objmapper::loop {

class Answering;
class Connection;
class FilesToPass;
class Loop;

// The loop's thread's.
class Passer {
 public:
  // All outlive the passer, or its last call but for the destructor (`session`).
  Passer(Answering* answering, Connection* connection, session::Session* session, Loop* loop);
  ~Passer();

  // Sends the answer at `index` of the queue, and with FD_BATCH what descriptors' answers come
  // after it, as one message.
  void PassFds(size_t index);
  // Where the oldest is opened elsewhere, so are some of those behind it: what takes long is waited
  // for at the same time.
  void OpenAheadApart();

  // Whether a message is on its way; then OnSent() is about it.
  bool busy() const { return passing_ != nullptr; }
  // How many answers it has that are not counted yet.
  size_t answers() const;
  void OnSent(ssize_t result) { OnMessageSent(result); }
  // The files that were to be opened are open, or cannot be had so.
  void OnFilesOpened();
  // What the kernel had no room for a moment ago may go now.
  void OnRetry() { SendMessage(); }

 private:
  void OpenTogether(size_t index);
  bool AddFd(Answer* answer, net::UniqueFd fd);
  void StartMessage();
  bool SendMessageNow();
  void CountMessage();
  void SendMessage(bool rest = false);
  void OnMessageSent(ssize_t result);

  Answering* const answering_;
  Connection* const connection_;
  session::Session* const session_;
  Loop* const loop_;
  FilesToPass* const files_;
  std::unique_ptr<Passing> passing_;
};

}  // namespace objmapper::loop
