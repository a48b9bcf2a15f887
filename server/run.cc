// The main thread: starts everything, waits for signals, successors and timers, and ends everything
// in the reverse order.
#include "server/run.h"

#include <glog/logging.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "net/expendable.h"
#include "net/pass_rights.h"
#include "server/admin/admin.h"
#include "server/checks.h"
#include "server/handover/handover.h"
#include "server/line_log.h"
#include "server/log_writer.h"
#include "server/server.h"
#include "server/signals.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

// A predecessor's last connection comes when its --drain_timeout ends at the latest; one that has
// died is noticed at once.
constexpr absl::Duration kPredecessorPatience = absl::Hours(1);

// How often the listeners' socket files are looked at.
constexpr int kLookEveryMs = 2000;

// What WaitForEnd() returns for a successor; no signal's number.
constexpr int kSuccessor = 0;

// What --drain_timeout leaves to threads that are cut off.
constexpr absl::Duration kGrace = absl::Seconds(3);

// A thread that cannot be ended keeps the process's descriptors; those who connect must not wait
// for it.
void CloseListeners() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  for (rlim_t fd = 3; fd < std::min<rlim_t>(limit.rlim_cur, 65536); ++fd) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    const int number = static_cast<int>(fd);
    if (getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1)
      close(number);
  }
}

class Life {
 public:
  explicit Life(Config config) : config_(std::move(config)) {}

  int Live(InheritedSockets inherited) {
    start_watch_.emplace(config_.drain_timeout);
    if (absl::Status begun = Begin(std::move(inherited)); !begun.ok()) {
      LOG(ERROR) << "cannot start: " << begun.message();
      return 1;
    }
    const int signal = WaitForEnd();
    EndInTime(signal == kSuccessor ? handover::kPatience : absl::ZeroDuration());
    std::thread([asked = signal != kSuccessor] {
      LOG(WARNING) << strsignal(AwaitStopAtOnce(asked)) << ": stopped at once";
      FlushLog(kLogPatience);
      _exit(130);
    }).detach();
    systemd_.Stopping(config_.drain_timeout);
    if (signal == kSuccessor) {
      HandOver();
    } else {
      Drain(signal);
    }
    End();
    return 0;
  }

 private:
  absl::Status Begin(InheritedSockets inherited) {
    if (inherited.admin.has_value()) {
      if (config_.admin_listen.has_value()) {
        return absl::InvalidArgumentError(
            "--admin_listen is given, and systemd has a socket for it (FileDescriptorName=admin)");
      }
      const net::Address& address = inherited.admin->address();
      if (address.kind == net::Address::Kind::kTcp && !IsLoopback(address.host)) {
        return absl::InvalidArgumentError(
            absl::StrCat("systemd's socket for operators, ", address.ToUrl(),
                         ", is open to the network: expected a Unix socket or a loopback address"));
      }
      admin_ = Admin::On(*std::move(inherited.admin), config_.admin_hosts);
    }
    std::vector<net::Listener> unwanted;  // kept until the predecessor has let go of them
    if (!config_.take_over.empty()) {
      auto found = handover::Predecessor::Find(config_.take_over, WhomToBelieve());
      if (!found.ok())
        return OfFlag(absl::StrCat("--take_over=", config_.take_over), found.status());
      predecessor_ = *std::move(found);
      if (predecessor_ != nullptr) SortListeners(&inherited.listeners, &unwanted);
    }
    // The predecessor's door is where ours will be: ours opens when its has closed.
    if (predecessor_ == nullptr) {
      if (absl::Status opened = OpenAdmin(); !opened.ok()) return opened;
    }
    if (!config_.http_access_log.empty()) {
      auto opened = LineLog::Open(config_.http_access_log, config_.http_access_log_format);
      if (!opened.ok())
        return OfFlag(absl::StrCat("--http_access_log=", config_.http_access_log), opened.status());
      access_log_ = *std::move(opened);
      config_.limits.access_log = access_log_.get();
    }
    auto started = Server::Start(config_, std::move(inherited.listeners));
    if (!started.ok()) return started.status();
    server_ = *std::move(started);
    for (const std::string& url : server_->urls()) LOG(INFO) << "listening on " << url;
    if (config_.Has(net::Address::Kind::kUnix)) {
      LOG(INFO) << "unrequested descriptors are "
                << (net::CanRefuseFds() ? "refused by the kernel (SO_PASSRIGHTS)"
                                        : "received and closed (the kernel has no SO_PASSRIGHTS)")
                << (net::HasExpendable() ? "; clients' files are closed in processes that may hang"
                                         : "");
    }
    if (predecessor_ != nullptr) Succeed(&unwanted);
    if (!config_.take_over.empty()) {
      absl::Status opened = OpenDoor();
      if (!opened.ok() && predecessor_ == nullptr) return opened;
      if (!opened.ok()) LOG(ERROR) << opened.message();
    }
    if (admin_ != nullptr) admin_->Serve(server_.get());
    start_watch_.reset();
    LOG(INFO) << "ready: " << server_->Shape();
    systemd_.Ready(server_->Shape(), [this] { return server_->WithoutPulse(); });
    return absl::OkStatus();
  }

  absl::Status OpenAdmin() {
    if (admin_ == nullptr && config_.admin_listen.has_value()) {
      auto opened = Admin::Open(*config_.admin_listen, config_.admin_hosts);
      if (!opened.ok()) return OfFlag("--admin_listen", opened.status());
      admin_ = *std::move(opened);
    }
    if (admin_ != nullptr) LOG(INFO) << "status page and metrics on " << admin_->url();
    return absl::OkStatus();
  }

  handover::Trust WhomToBelieve() const {
    handover::Trust trust;
    if (config_.become.has_value()) trust.become = config_.become->uid;
    return trust;
  }

  absl::Status OpenDoor() {
    auto listeners = [this] {
      handover::Listeners result;
      for (const auto& listening : server_->listening()) {
        result.fds.push_back(listening.fd);
        result.urls.push_back(
            absl::StrCat(listening.file_is_ours ? "ours " : "theirs ", listening.url));
      }
      return result;
    };
    auto door = handover::Door::Open(config_.take_over, WhomToBelieve(), std::move(listeners));
    if (!door.ok()) return OfFlag("--take_over", door.status());
    door_ = *std::move(door);
    LOG(INFO) << "hand-over: waiting for a successor at " << config_.take_over;
    return absl::OkStatus();
  }

  // Which of the predecessor's listeners the flags ask for: those go to `wanted`, and are not
  // opened again.
  void SortListeners(std::vector<net::Listener>* wanted, std::vector<net::Listener>* unwanted) {
    for (net::Listener& listener : predecessor_->TakeListeners()) {
      const net::Address& address = listener.address();
      const auto asked = std::find_if(
          config_.listen.begin(), config_.listen.end(), [&](const net::Address& other) {
            // Port 0 is any port.
            return other.ToUrl() == address.ToUrl() ||
                   (other.kind == net::Address::Kind::kTcp && address.kind == other.kind &&
                    other.port == 0 && other.host == address.host);
          });
      if (asked == config_.listen.end()) {
        LOG(WARNING) << "hand-over: no flag names " << address.ToUrl() << " any more: it is closed"
                     << (address.kind == net::Address::Kind::kUnix ? "; its socket file stays"
                                                                   : "");
        unwanted->push_back(std::move(listener));
      } else {
        config_.inherited.push_back(address);
        config_.listen.erase(asked);
        wanted->push_back(std::move(listener));
      }
    }
  }

  // The server serves on its predecessor's listeners: takes the rest.
  void Succeed(std::vector<net::Listener>* unwanted) {
    absl::Status released = predecessor_->Release();
    // Whether it let go or died: the sockets are ours alone now.
    server_->TakeOverFiles();
    // Their files stay: only what our own flags name is ours to remove, not what a predecessor
    // says.
    unwanted->clear();
    // From here on a failure ends nothing: there are clients, and nobody else to serve them.
    if (absl::Status opened = OpenAdmin(); !opened.ok()) LOG(ERROR) << opened.message();
    if (!released.ok()) {
      LOG(ERROR) << "hand-over: connections were lost: " << released.message();
      return;
    }
    taker_ = std::thread([this] { TakeConnections(); });
  }

  void TakeConnections() {
    const absl::StatusOr<uint64_t> taken = predecessor_->TakeConnections(
        kPredecessorPatience, [this](handover::Frame frame) -> absl::Status {
          auto session = handover::Revive(std::move(frame), server_->counters(), server_->limits());
          if (!session.ok()) return session.status();
          server_->Arrive(*std::move(session));
          return absl::OkStatus();
        });
    if (taken.ok()) {
      LOG(INFO) << "hand-over: took over " << *taken << " connections";
    } else {
      LOG(ERROR) << "hand-over: connections may be lost: " << taken.status().message();
    }
  }

  // Serves until it is to end; returns why: a signal, or kSuccessor.
  int WaitForEnd() {
    while (true) {
      pollfd polled[] = {{signals_.fd(), POLLIN, 0},
                         {door_ == nullptr ? -1 : door_->fd(), POLLIN, 0}};
      const int found = poll(polled, 2, kLookEveryMs);
      if (found < 0) continue;  // EINTR
      if (found == 0) {
        server_->LookAtSockets();
        continue;
      }
      if (polled[1].revents != 0) return kSuccessor;
      switch (const int number = signals_.Take(); number) {
        case 0:
          break;
        case SIGHUP:
          systemd_.Reloading();
          systemd_.Reloaded(Reload());
          break;
        case SIGUSR1:
          LOG(INFO) << "SIGUSR1: " << ReopenLogFiles();
          if (access_log_ != nullptr) access_log_->Reopen();
          break;
        default:
          return number;
      }
    }
  }

  // Whatever hangs: a thread in a system call that never returns is not joined for ever. What is
  // still held may be the last of something that cannot be closed, so it is given away before.
  // more: what else may be waited for.
  void EndInTime(absl::Duration more) {
    if (config_.drain_timeout == absl::InfiniteDuration()) return;
    std::thread([patience = config_.drain_timeout + more + kGrace] {
      // A sleep in which the process was stopped counts as no longer than it was to be.
      for (absl::Duration left = patience; left > absl::ZeroDuration(); left -= absl::Seconds(1)) {
        absl::SleepFor(std::min(left, absl::Seconds(1)));
      }
      LOG(ERROR) << "something hangs: exiting without it, after --drain_timeout and " << kGrace;
      net::DisposeOfAll();
      CloseListeners();
      FlushLog(kLogPatience);
      _exit(0);
    }).detach();
  }

  // What to say about it in `systemctl status`.
  std::string Reload() {
    const absl::Status root = server_->FollowRoot();  // which says what it found
    std::string said = ReloadRules();
    if (const std::string failed = ReloadOrigins(); !failed.empty())
      said = absl::StrCat(failed, "; ", said);
    return root.ok() ? said
                     : absl::StrCat("RELOAD FAILED at ", TimeNow(),
                                    ", the root is unchanged: ", text::Printable(root.message()),
                                    "; ", said);
  }

  static std::string TimeNow() {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::Now(), absl::LocalTimeZone());
  }

  // Empty: there is nothing to be worried about.
  std::string ReloadOrigins() {
    const std::optional<absl::StatusOr<size_t>> origins = server_->ReloadOrigins();
    if (!origins.has_value() || absl::IsFailedPrecondition(origins->status())) return "";
    if (origins->ok()) {
      LOG(INFO) << "SIGHUP: " << **origins << " origins are now in use";
      return "";
    }
    LOG(ERROR) << "SIGHUP: the origins are unchanged: " << origins->status().message();
    return absl::StrCat("RELOAD FAILED at ", TimeNow(), ", the origins are unchanged: ",
                        text::Printable(origins->status().message()));
  }

  std::string ReloadRules() {
    const absl::StatusOr<size_t> rules = server_->ReloadRules();
    const std::string now = TimeNow();
    if (rules.ok()) {
      LOG(INFO) << "SIGHUP: " << *rules << " rules are now in effect";
      return absl::StrCat(*rules, " rules, read at ", now, "; ", server_->Shape());
    }
    if (absl::IsFailedPrecondition(rules.status())) {
      LOG(INFO) << "SIGHUP: " << rules.status().message();
      return server_->Shape();
    }
    LOG(ERROR) << "SIGHUP: the rules are unchanged: " << rules.status().message();
    return absl::StrCat("RELOAD FAILED at ", now,
                        ", the rules are unchanged: ", text::Printable(rules.status().message()),
                        "; ", server_->Shape());
  }

  void Drain(int signal) {
    LOG(INFO) << strsignal(signal) << ": draining, for at most " << config_.drain_timeout
              << "; a second one, a second or more from now, stops at once";
    door_.reset();
    if (admin_ != nullptr) admin_->Drain();
    if (!server_->Drain())
      LOG(WARNING) << "cut off answers that were not complete within --drain_timeout";
  }

  void HandOver() {
    const std::unique_ptr<handover::Wire> successor = door_->TakeSuccessor();
    CHECK(successor != nullptr) << "a successor has been announced";
    door_.reset();
    if (admin_ != nullptr) admin_->Leave();
    admin_.reset();
    absl::Status said = successor->Send("go");
    uint64_t count = 0;
    const auto take = [&](const session::Session& session) {
      if (!said.ok()) return said;
      std::vector<int> fds;
      const std::vector<std::string> frames = handover::Describe(session, &fds);
      for (size_t i = 0; i < frames.size() && said.ok(); ++i) {
        const bool last = i + 1 == frames.size();
        said =
            successor->Send(frames[i], last ? absl::MakeConstSpan(fds) : absl::Span<const int>());
      }
      return said;
    };
    if (!server_->HandOver(take, &count)) {
      LOG(WARNING) << "cut off answers that were not complete within --drain_timeout";
    }
    if (said.ok()) said = successor->Send(absl::StrCat("end ", count));
    if (said.ok())
      said = successor->Receive().status();  // "taken": it has told of those that it lost itself
    if (said.ok()) {
      LOG(INFO) << "hand-over: handed over " << count << " connections";
    } else {
      LOG(ERROR) << "hand-over: after " << count << " connections: " << said.message();
    }
  }

  void End() {
    if (taker_.joinable()) {
      predecessor_->Abandon();
      taker_.join();
    }
    if (admin_ != nullptr) admin_->Leave();
    systemd_.EndWatchdog();
    server_.reset();
    admin_.reset();
    LOG(INFO) << "stopped";
  }

  Config config_;
  std::unique_ptr<LineLog> access_log_;  // outlives the server
  SignalQueue signals_;
  std::optional<StartWatch> start_watch_;  // until it is ready
  std::unique_ptr<Admin> admin_;
  std::unique_ptr<Server> server_;
  ServiceNotifier systemd_;
  std::unique_ptr<handover::Predecessor> predecessor_;  // null: a plain start
  std::thread taker_;                                   // of its connections
  std::unique_ptr<handover::Door> door_;
};

}  // namespace

int Run(Config config, InheritedSockets inherited) {
  return Life(std::move(config)).Live(std::move(inherited));
}

}  // namespace objmapper::server
