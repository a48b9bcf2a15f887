// The whole server: listeners, router, lanes, storage, wired together.
//
//   absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(config);
//   ...                      // it serves
//   (*server)->Drain();      // stop accepting; finish what was asked, within the time allowed
//
// One thread, but for what it starts itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "fdpass/lane.h"
#include "loop/lane.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "router/demultiplexer.h"
#include "server/admin/vitals.h"
#include "server/flags/config.h"
#include "server/socket_watch.h"
#include "server/udp/listener.h"
#include "session/access.h"
#include "session/lane.h"
#include "session/session.h"
#include "session/tally.h"
#include "storage/catalog/housekeeping.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/store.h"
#include "storage/tree/root_watch.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::server {

class Server {
 public:
  // Listens, on `inherited` too, and serves. Errors: the root or a listener cannot be had, or the
  // engine asked for; the message is for the operator.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Config& config,
                                                       std::vector<net::Listener> inherited = {});
  // Stops at once what still runs.
  ~Server();

  // Reads --rules_file again: requests from now on go by it, on open connections too. Returns how
  // many rules it has. Errors: there is none (FAILED_PRECONDITION), or it cannot be had; then the
  // rules stay as they are.
  absl::StatusOr<size_t> ReloadRules();

  // Has the name of the root looked up again, and serves what it means now; OK, too, where that is
  // what it was. Says in the log what it found. Errors: as Tree::Open(), and FAILED_PRECONDITION
  // where there are rules and names there do not tell upper from lower case; then the root stays.
  absl::Status FollowRoot();

  // Stops accepting, removes the socket files, and lets clients have what they asked for. True when
  // all was done within config.drain_timeout; the rest is cut off by the destructor.
  bool Drain();

  // For a watchdog, any thread: the thread of an event loop that has not gone round since the last
  // call, which asked it to; empty when all have, and then they are asked again. To be called about
  // once a second by whoever asks for Stuck().
  std::string WithoutPulse();
  // What has not gone on for kStuckAfter, as a sentence: a loop, the router, or the threads of a
  // pool that more waits for; which listeners nobody can connect to; or what has become of the root
  // (storage/tree/root_watch.h), which may wait for the disk. Empty when all is well. Any thread.
  std::string Stuck() const;
  static constexpr absl::Duration kStuckAfter = absl::Seconds(3);

  // What it listens on, for a successor. Any thread, before Drain() and HandOver().
  // Listens anew where a socket's file is gone (server/socket_watch.h); for a thread that may wait,
  // every two seconds or so.
  void LookAtSockets() { socket_watch_->Look(); }
  std::vector<router::Listening> listening() const { return demultiplexer_->listening(); }
  // Stops listening, leaving the socket files, and gives each connection, once nothing is owed on
  // it, to `take`: the socket is another process's then. As Drain() else; how many there were goes
  // to `*count`.
  bool HandOver(absl::FunctionRef<absl::Status(const session::Session&)> take, uint64_t* count);
  // Takes in a connection that a predecessor hands over. Any thread. What that has stored for the
  // connection, we have not seen: what we know of objects is not to be believed any more.
  void Arrive(std::unique_ptr<session::Session> session) {
    tree_->NoteChange();
    demultiplexer_->Arrive(std::move(session));
  }
  // What were a predecessor's socket files are ours to remove.
  void TakeOverFiles() { demultiplexer_->TakeOverFiles(); }
  session::ConnectionCounters* counters() { return &counters_; }
  const session::SessionLimits* limits() const { return &limits_; }

  // The state of everything, now. Any thread, from Start() to the destructor; takes no lane's time.
  Vitals Read() const;
  // Any thread.
  const session::ConnectionList& connections() const { return counters_.list; }

  // Where it listens, as bound; for the log.
  const std::vector<std::string>& urls() const { return urls_; }
  // One line that says what serves with what.
  std::string Shape() const;

 private:
  explicit Server(const Config& config);

  // Each makes its part of what serves, in this order.
  absl::Status Make(std::vector<net::Listener> inherited);
  absl::Status OpenStorage();
  absl::Status ReadRules();
  absl::StatusOr<std::vector<net::Listener>> Listen(std::vector<net::Listener> inherited);
  absl::Status BindUdp();
  absl::Status StartHousekeeping();
  absl::Status MakeLanes();
  absl::Status MakeFdPassLane(const loop::LoopOptions& loop);

  // Those there are.
  std::vector<session::Lane*> Lanes() const;
  // Waits until nothing is owed any more, by datagram or connection; calls `look` each time before
  // it sleeps for `pause`, and once it is so. False: --drain_timeout is over.
  bool DrainLanes(absl::Duration pause, absl::FunctionRef<void()> look);

  // How long all threads of a pool may be at what they do while more waits.
  absl::Duration PoolPatience() const;

  // Where the rules that are in force are from, for the operator.
  void NoteRules(const absl::StatusOr<session::AccessRules>& rules);

  const Config config_;
  session::SessionLimits limits_;
  std::unique_ptr<session::Access> access_;  // null: no rules
  session::ConnectionCounters counters_;
  session::TallyBoard board_;
  std::unique_ptr<storage::MemoryTier> memory_;  // the tree's overlay; null: --memory_limit=0
  std::unique_ptr<storage::Tree> tree_;
  std::unique_ptr<storage::RootWatch> root_watch_;
  std::unique_ptr<storage::StatCache> index_;
  std::unique_ptr<storage::Housekeeping> house_;  // null: there is no catalog
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<router::Demultiplexer> demultiplexer_;
  std::unique_ptr<SocketWatch> socket_watch_;
  std::unique_ptr<fdpass::FdPassLane> fdpass_;
  std::unique_ptr<loop::CopyPathLane> copypath_;
  std::unique_ptr<session::Lane> model_;   // in place of both lanes
  std::unique_ptr<udp::UdpListener> udp_;  // null: none is asked for
  std::vector<std::string> urls_;
  mutable net::Mutex rules_mutex_;
  std::optional<Vitals::Rules> rules_ GUARDED_BY(rules_mutex_);  // nullopt: there are none
  mutable net::Mutex watch_mutex_;
  int64_t watched_ns_ GUARDED_BY(watch_mutex_) = 0;  // when WithoutPulse() last looked
  std::string silent_ GUARDED_BY(watch_mutex_);      // what it found
  int64_t silent_since_ns_ GUARDED_BY(watch_mutex_) = 0;
};

}  // namespace objmapper::server
