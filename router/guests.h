// The connections that are the router's: between accept and their lane, or between their last
// answer and close. How many there may be, and how long each may stay.
//
// Invariant: a guest that is to say something has one time that runs, unless it was found late; one
// that leaves has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "net/deadline_list.h"
#include "net/epoll.h"
#include "protocol/status.h"
#include "router/listeners.h"
#include "session/session.h"

namespace objmapper::router {

struct Guest : Source {
  Guest(Kind kind_in, std::unique_ptr<session::Session> session_in)
      : Source(kind_in), session(std::move(session_in)) {}
  std::unique_ptr<session::Session> session;
  net::DeadlineHook deadline;
  // kUntold: what is to be said.
  protocol::Status status = protocol::Status::kOk;
  std::string why;
};

// The router's thread's.
class Guests {
 public:
  // epoll: outlives it; what it reports of a guest is edge-triggered. silent: how long an opener
  // may say nothing; half_said: or only a part of its first request. 0: for ever.
  Guests(net::Epoll* epoll, absl::Duration silent, absl::Duration half_said);
  ~Guests() { Clear(); }

  // Takes the session in, whose time begins; one that leaves is closed where too many do already.
  // Null: it has been closed.
  Guest* Add(Source::Kind kind, std::unique_ptr<session::Session> session);
  // Whether there are not too many of these.
  bool HasRoomFor(Source::Kind kind) const;
  std::unique_ptr<session::Session> Remove(Guest* guest);
  // Closes those that are here.
  void Clear();
  bool Has(const Guest* guest) const { return guests_.contains(guest); }
  std::vector<Guest*> Openers() const;

  // An opener has said HELLO: it may be silent anew.
  void Greeted(Guest* guest);
  // It has said a part of its first request. The time runs from the first byte: a byte now and then
  // does not extend it.
  void HalfSaid(Guest* guest);
  bool IsSilent(const Guest* guest) const { return silent_.Has(guest); }
  bool IsHalfSaid(const Guest* guest) const { return half_said_.Has(guest); }

  // Whose time is up, by when it was begun to look (DeadlineList::PopLate()); null: nobody's. Of
  // openers that are silent, or half_said: its time does not run any more;
  Guest* PopLate(bool half_said, int64_t looked_ns) {
    return (half_said ? half_said_ : silent_).PopLate(looked_ns);
  }
  // and of those that leave; and of those that have not been told why they are not let in.
  Guest* PopLeft(int64_t looked_ns);
  Guest* PopUntold(int64_t looked_ns) { return untold_.PopExpired(looked_ns); }
  int64_t NextExpiryNs() const;

 private:
  using Deadlines = net::DeadlineList<Guest, &Guest::deadline>;

  net::Epoll* const epoll_;
  absl::flat_hash_set<Guest*> guests_;    // owned
  std::map<Source::Kind, size_t> count_;  // of them
  Deadlines silent_;                      // openers that have sent nothing
  Deadlines half_said_;                   // openers that have sent a part of their first request
  Deadlines leaving_;                     // lingerers
  Deadlines turned_away_;                 // those that were not let in
  Deadlines untold_;                      // those that will not be
};

}  // namespace objmapper::router
