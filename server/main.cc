// objmapper's server: reads the flags, serves until a signal, drains, exits.
//
// Exit codes: 0 served, and stopped by a signal; 1 could not start; 2 a flag makes no sense; 130 stopped
// at once by a second signal.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gflags/gflags.h>
#include <glog/logging.h>

#include "server/admin/admin.h"
#include "server/config.h"
#include "server/server.h"
#include "server/systemd.h"

DECLARE_bool(help);

namespace {

// Blocks the stop signals and SIGHUP in this thread and those it starts, so that sigwait() gets them. Returns the
// stop signals.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigset_t all = signals;
  sigaddset(&all, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  return signals;
}

void Reload(objmapper::server::Server* server) {
  const absl::StatusOr<size_t> rules = server->ReloadRules();
  if (rules.ok()) {
    LOG(INFO) << "SIGHUP: " << *rules << " rules are in force now";
  } else if (absl::IsFailedPrecondition(rules.status())) {
    LOG(INFO) << "SIGHUP: " << rules.status().message();
  } else {
    LOG(ERROR) << "SIGHUP: the rules stay as they are: " << rules.status().message();
  }
}

// Serves until a stop signal comes, which it returns.
int WaitForStop(sigset_t signals, objmapper::server::Server* server,
                objmapper::server::ServiceNotifier* systemd) {
  sigaddset(&signals, SIGHUP);
  while (true) {
    int number = 0;
    sigwait(&signals, &number);
    if (number != SIGHUP) return number;
    systemd->Reloading();
    Reload(server);
    systemd->Reloaded();
  }
}

// Every connection and every answer in flight is a descriptor; the soft limit is there for
// select(2)'s sake alone (systemd.exec(5), LimitNOFILE).
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) PLOG(WARNING) << "RLIMIT_NOFILE stays as it is";
}

}  // namespace

int main(int argc, char** argv) {
  // Set before parsing, so that --logtostderr=false still has a say.
  FLAGS_logtostderr = true;
  gflags::SetUsageMessage(
      "serves the files under a folder as objects, over Unix and TCP sockets.\n"
      "  server --root=DIR [--listen_unix=PATH,...] [--listen_tcp=HOST:PORT,...]");
  gflags::ParseCommandLineNonHelpFlags(&argc, &argv, /*remove_flags=*/true);
  if (FLAGS_help) {
    // Our own flags alone; --helpfull shows those of the libraries too.
    gflags::ShowUsageWithFlagsRestrict(argv[0], "server/config");
    return 0;
  }
  gflags::HandleCommandLineHelpFlags();
  google::InitGoogleLogging(argv[0]);
  if (argc > 1) {
    LOG(ERROR) << "\"" << argv[1] << "\" is no flag; see --help.";
    return 2;
  }
  // "bazel run" starts programs in a folder of its own and tells where it was called: relative paths
  // mean that place.
  if (const char* called_from = getenv("BUILD_WORKING_DIRECTORY"); called_from != nullptr) {
    if (chdir(called_from) != 0) PLOG(WARNING) << "cannot enter " << called_from;
  }
  // A client that has gone shows itself as EPIPE; splice(2) has no MSG_NOSIGNAL.
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = BlockSignals();
  RaiseDescriptorLimit();

  absl::StatusOr<objmapper::server::InheritedSockets> inherited = objmapper::server::TakeInheritedSockets();
  if (!inherited.ok()) {
    LOG(ERROR) << "cannot start: " << inherited.status().message();
    return 1;
  }
  std::vector<objmapper::net::Address> addresses;
  for (const auto& listener : inherited->listeners) addresses.push_back(listener.address());
  const absl::StatusOr<objmapper::server::Config> config = objmapper::server::ConfigFromFlags(addresses);
  if (!config.ok()) {
    LOG(ERROR) << config.status().message();
    return 2;
  }
  for (const std::string& warning : config->warnings) LOG(WARNING) << warning;
  std::unique_ptr<objmapper::server::Admin> admin;
  if (inherited->admin.has_value()) {
    if (config->admin_listen.has_value()) {
      LOG(ERROR) << "cannot start: --admin_listen is given, and systemd has a socket for it (FileDescriptorName=admin)";
      return 1;
    }
    admin = objmapper::server::Admin::On(*std::move(inherited->admin));
  } else if (config->admin_listen.has_value()) {
    auto opened = objmapper::server::Admin::Open(*config->admin_listen);
    if (!opened.ok()) {
      LOG(ERROR) << "cannot start: --admin_listen: " << opened.status().message();
      return 1;
    }
    admin = *std::move(opened);
  }
  if (admin != nullptr) LOG(INFO) << "status page and metrics on " << admin->url();
  absl::StatusOr<std::unique_ptr<objmapper::server::Server>> server =
      objmapper::server::Server::Start(*config, std::move(inherited->listeners));
  if (!server.ok()) {
    LOG(ERROR) << "cannot start: " << server.status().message();
    return 1;
  }
  for (const std::string& url : (*server)->urls()) LOG(INFO) << "listening on " << url;
  if (admin != nullptr) admin->Serve(server->get());
  LOG(INFO) << "ready: " << (*server)->Shape();
  objmapper::server::ServiceNotifier systemd;
  systemd.Ready((*server)->Shape(), [&server] { return (*server)->ShowsLife(); });

  const int signal_number = WaitForStop(signals, server->get(), &systemd);
  systemd.Stopping(config->drain_timeout);
  LOG(INFO) << strsignal(signal_number) << ": draining, for at most " << config->drain_timeout
            << "; a second signal stops at once";
  std::thread impatient([signals] {
    int second = 0;
    sigwait(&signals, &second);
    LOG(WARNING) << strsignal(second) << ": stopped at once";
    _exit(130);
  });
  impatient.detach();
  if (admin != nullptr) admin->Drain();
  if (!(*server)->Drain()) {
    LOG(WARNING) << "cut off what was not finished within --drain_timeout";
  }
  if (admin != nullptr) admin->Leave();
  systemd.EndWatchdog();
  server->reset();
  admin.reset();
  LOG(INFO) << "stopped";
  google::FlushLogFiles(google::INFO);
  // The thread that waits for a second signal still runs: no destructors below it.
  _exit(0);
}
