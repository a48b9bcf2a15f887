// The whole server: listeners, router, lanes, storage, wired together.
//
//   absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(config);
//   ...                      // it serves
//   (*server)->Drain();      // stop accepting; finish what was asked, within the time allowed
//
// One thread, but for what it starts itself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "net/clock.h"
#include "net/listener.h"
#include "router/demultiplexer.h"
#include "server/admin/vitals.h"
#include "server/flags/config.h"
#include "server/lanes.h"
#include "server/pulse_watch.h"
#include "server/rules_file.h"
#include "server/socket_watch.h"
#include "server/storage.h"
#include "server/udp/listener.h"
#include "session/session.h"
#include "session/tally.h"

namespace objmapper::server {

class Server {
 public:
  // Listens, on `inherited` too, and serves. Errors: the root or a listener cannot be had, or the
  // engine asked for; the message is for the operator.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Config& config,
                                                       std::vector<net::Listener> inherited = {});
  // Stops at once what still runs.
  ~Server();

  // As RulesFile::ReadAgain(), on open connections too.
  absl::StatusOr<size_t> ReloadRules() { return rules_.ReadAgain(); }
  // As Storage::ReloadOrigins().
  std::optional<absl::StatusOr<size_t>> ReloadOrigins() { return storage_->ReloadOrigins(); }
  // As Storage::FollowRoot().
  absl::Status FollowRoot() { return storage_->FollowRoot(); }

  // Stops accepting, removes the socket files, and lets clients have what they asked for. True when
  // all was done within config.drain_timeout; the rest is cut off by the destructor.
  bool Drain();

  // For a watchdog, any thread: the thread of an event loop that has not gone round since the last
  // call, which asked it to; empty when all have, and then they are asked again. To be called about
  // once a second by whoever asks for Stuck().
  std::string WithoutPulse() { return pulse_.Look(net::NowNs()); }
  // What has not gone on for kStuckAfter, as a sentence: a loop, the router, or the threads of a
  // pool that more waits for; which listeners nobody can connect to; or what has become of the root
  // (storage/tree/root_watch.h), which may wait for the disk. Empty when all is well. Any thread.
  std::string Stuck() const;
  static constexpr absl::Duration kStuckAfter = absl::Seconds(3);

  // Listens anew where a socket's file is gone (server/socket_watch.h); for a thread that may wait,
  // every two seconds or so.
  void LookAtSockets() { socket_watch_->Look(); }
  // What it listens on, for a successor. Any thread, before Drain() and HandOver().
  std::vector<router::Listening> listening() const { return demultiplexer_->listening(); }
  // Stops listening, leaving the socket files, and gives each connection, once nothing is owed on
  // it, to `take`: the socket is another process's then. As Drain() else; how many there were goes
  // to `*count`.
  bool HandOver(absl::FunctionRef<absl::Status(const session::Session&)> take, uint64_t* count);
  // Takes in a connection that a predecessor hands over. Any thread. What that has stored for the
  // connection, we have not seen: what we know of objects is not to be believed any more.
  void Arrive(std::unique_ptr<session::Session> session) {
    storage_->tree().NoteChange();
    demultiplexer_->Arrive(std::move(session));
  }
  // What were a predecessor's socket files are ours to remove.
  void TakeOverFiles() { demultiplexer_->TakeOverFiles(); }
  session::ConnectionCounters* counters() { return &counters_; }
  const session::SessionLimits* limits() const { return &limits_; }

  // Where objects come from, and what is here of them; null: nowhere. Any thread, as Read().
  OriginSide* origins() { return storage_->origins(); }
  // The state of everything, now. Any thread, from Start() to the destructor; takes no lane's time.
  Vitals Read() const;

  // Where it listens, as bound; for the log.
  const std::vector<std::string>& urls() const { return urls_; }
  // One line that says what serves with what.
  std::string Shape() const;

 private:
  explicit Server(const Config& config);

  absl::Status Make(std::vector<net::Listener> inherited);
  absl::StatusOr<std::vector<net::Listener>> Listen(std::vector<net::Listener> inherited);
  absl::Status BindUdp();
  absl::Status MakeLanes();

  // Waits until nothing is owed any more, by datagram or connection; calls `look` each time before
  // it sleeps for `pause`, and once it is so. False: --drain_timeout is over.
  bool DrainLanes(absl::Duration pause, absl::FunctionRef<void()> look);

  // Of all that goes round, as PulseWatch wants it.
  std::string FirstSilent() const;
  void AskPulse();

  const Config config_;
  session::SessionLimits limits_;
  RulesFile rules_;
  session::ConnectionCounters counters_;
  session::TallyBoard board_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<router::Demultiplexer> demultiplexer_;
  std::unique_ptr<SocketWatch> socket_watch_;
  std::unique_ptr<Lanes> lanes_;
  std::unique_ptr<udp::UdpListener> udp_;  // null: none is asked for
  std::vector<std::string> urls_;
  PulseWatch pulse_;
};

}  // namespace objmapper::server
