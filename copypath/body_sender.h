// The bodies of objects on their way to one connection: from where, and part by part.
//
//   if (!body.IsReady(request, object, now_ns)) return;     // it will be told when to ask again
//   switch (body.Compose(dialect, request, object, &out, now_ns)) ...
//   while (body.busy()) switch (body.Continue(&out, now_ns)) ...
//
// Invariant: a file that changes while its body is sent cannot make up bytes. Small objects are
// sent from a copy; parts of larger ones are read and checked; the rest is sent from a mapping but
// for the last piece, which is read and checked after the rest has left (checked_read.h), or is
// moved inside the kernel, checked before each turn. What is on its way here is read as it comes
// (storage/tree/filling.h), or where there is no room for it goes through
// (storage/tree/pass_through.h). Sending a part of a body and then closing is how the client learns
// that there is no more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "copypath/cached_object.h"
#include "copypath/gather.h"
#include "copypath/mover.h"
#include "copypath/objects.h"
#include "copypath/transfer.h"
#include "protocol/dialect.h"
#include "protocol/objm/request_parser.h"
#include "session/reply.h"

namespace objmapper::copypath {

// One connection's, one body at a time, on its owner's thread.
class BodySender {
 public:
  struct Options : Mover::Options {
    // OP_SPLICE of smaller objects is answered as OP_COPY is: handing a small object to a splice
    // thread costs more than copying it.
    uint64_t splice_bytes_min = 64 * 1024;
    // Whether OP_SPLICE of what is in the page cache is moved on the owner's thread.
    bool splice_in_loop = true;
    // false: bodies of OP_COPY that are not held in memory are moved by the splice threads too.
    bool async_copy = true;
  };

  // socket, unix_socket: as Mover's. waiter: told when an object that something here waits for has
  // changed. options, objects, waiter: outlive the sender.
  BodySender(int socket, bool unix_socket, const Options* options, Objects* objects,
             ObjectWaiter* waiter)
      : options_(*options),
        objects_(objects),
        waiter_(waiter),
        mover_(socket, unix_socket, options),
        socket_(socket),
        unix_socket_(unix_socket) {}
  ~BodySender() {
    if (object_) object_->StopAwaiting(waiter_);
  }

  // ---- Before a body; `object` is ready ----

  // Whether Compose() can send something at once. Begins to bring in what is missing.
  bool IsReady(const protocol::Request& request, CachedObject* object, int64_t now_ns);
  // OP_SPLICE is for the splice threads where it would wait for the disk. What is in the page cache
  // the owner's thread moves itself: the two wake-ups of a hand-over cost more than moving 100 KB.
  bool NeedsThread(const protocol::Request& request, CachedObject* object, int64_t now_ns) const;
  // Begins to bring in a short part that `request` will be sent, if it is not there.
  void Foresee(const protocol::Request& request, CachedObject* object, int64_t now_ns);

  enum class Composed : uint8_t {
    kGathered,  // the answer, or its beginning: then busy()
    kEnough,    // the answer, and nothing is to be gathered behind it
    kChanged,   // nothing: the object is another one by now, and is to be looked up again
    kMissing,   // nothing: it has to come from the disk; the waiter is told
    kTransfer,  // nothing: transfer() is to be run by a splice thread
  };
  // Adds the answer to `request`, or the error that it comes to, to `out`. Not while busy().
  Composed Compose(protocol::Dialect dialect, const protocol::Request& request,
                   const ObjectRef& object, Gather* out, int64_t now_ns);

  // ---- The body that is being sent ----

  bool busy() const { return static_cast<bool>(object_); }
  // It is moved: what is in `out` has to go before Continue().
  bool moves() const { return in_kernel_; }

  enum class Step : uint8_t {
    kGathered,  // the rest of it is in `out`, and has been counted there
    kMoved,     // the rest of it has gone: receipt() is to be counted
    kStop,      // what is in `out` must leave first, or something has to come from the disk: the
                // waiter is told
    kFull,      // the socket has no room
    kGone,      // the peer has gone
    kBroken,    // the body cannot be completed: why() says why
  };
  // Adds the next part to `out`, or moves it.
  Step Continue(Gather* out, int64_t now_ns);
  // How much the last Continue() has moved.
  uint64_t moved() const { return moved_; }
  const session::Receipt& receipt() const { return receipt_; }
  const std::string& why() const { return why_; }

  // ---- The socket ----

  Transfer* transfer() { return transfer_.get(); }
  Mover& mover() { return mover_; }

 private:
  // What goes out for `request`; good until the next call on this thread, for its memory.
  session::Reply& ReplyTo(protocol::Dialect dialect, const protocol::Request& request,
                          CachedObject* object) const;
  // Whether this much of an object, which is all that `request` gets, is sent from a copy that is
  // made for it.
  bool IsRead(const protocol::Request& request, const session::Extent& extent);
  // Begins with parts_[part_].
  void BeginPart();
  // A part has gone: adds what goes behind it. False: it was the last.
  bool NextPart(Gather* out);
  // The body begins, if there is one: `reply` goes out.
  void Begin(const protocol::Request& request, const ObjectRef& object, session::Reply* reply,
             Gather* out);
  // The same as above of an object that is on its way here.
  bool IsReadyBehind(const protocol::Request& request, CachedObject* object);
  Composed ComposeBehind(protocol::Dialect dialect, const protocol::Request& request,
                         const ObjectRef& object, Gather* out);
  Step ContinueBehind(Gather* out, int64_t now_ns);
  // The same of what is not kept here, and is not readable at the extent's beginning.
  bool IsReadyThrough(CachedObject* object, const session::Extent& extent);
  // kGathered: it goes through, and the answer is to be begun, unless it is an error that has been
  // added to `out`, and through_ is empty.
  Composed ComposeThrough(protocol::Dialect dialect, const protocol::Request& request,
                          const ObjectRef& object, const session::Extent& extent, Gather* out);
  Step ContinueThrough(Gather* out);
  Composed ComposePart(protocol::Dialect dialect, const protocol::Request& request,
                       const ObjectRef& object, const session::Extent& extent, Gather* out,
                       int64_t now_ns);
  Step Move(Gather* out, int64_t now_ns);
  Step Break(std::string why);

  const Options& options_;
  Objects* const objects_;
  ObjectWaiter* const waiter_;
  Mover mover_;
  const int socket_;
  const bool unix_socket_;

  // What passes of an object, for the body that is being sent or the one that is sent next.
  struct Through {
    ObjectRef object;
    uint64_t begin = 0, end = 0;
    absl::StatusOr<std::unique_ptr<storage::PassThrough>> bytes;
    bool sent = false;  // its body is the one that is being sent
  };
  std::optional<Through> through_;
  int changes_ = 0;  // that have been found before the first byte of an answer, in a row

  ObjectRef object_;  // whose body is being sent
  absl::InlinedVector<session::Extent, 1> parts_;
  std::vector<std::string> behind_;
  size_t part_ = 0;
  bool splice_ = false;
  uint64_t at_ = 0;   // the next byte
  uint64_t end_ = 0;  // one past the last byte of the part
  bool in_kernel_ = false;
  bool begun_ = false;  // in the kernel: some has been sent, or was to be
  uint64_t moved_ = 0;
  session::Receipt receipt_;
  std::string why_;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace objmapper::copypath
