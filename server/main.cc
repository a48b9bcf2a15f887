// objmapper's server: reads the flags, serves until a signal, drains, exits.
//
// Exit codes: 0 served, and stopped by a signal, or would start (--check); 1 could not start; 2 a
// flag makes no sense; 130 stopped at once by a second signal.

#include <errno.h>
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "net/expendable.h"
#include "net/foreign_kind.h"
#include "net/standard_streams.h"
#include "server/checks.h"
#include "server/flags/command_line.h"
#include "server/flags/config.h"
#include "server/log_writer.h"
#include "server/privileges.h"
#include "server/run.h"
#include "server/signals.h"
#include "server/systemd.h"
#include "storage/store/foreign_task.h"
#include "text/printable.h"
#include "text/version.h"

DECLARE_bool(check);
DECLARE_bool(help);

namespace objmapper::server {
namespace {

// Every connection and every answer in flight is a descriptor; the soft limit is there for
// select(2)'s sake alone (systemd.exec(5), LimitNOFILE).
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) PLOG(WARNING) << "RLIMIT_NOFILE stays as it is";
}

// Each connection takes a descriptor, and each object that is kept open; the server itself, and
// what is refused or leaving, some more. Where they run out, clients are told UNAVAILABLE long
// before the limit that the operator has set.
void CompareDescriptorLimit(const Config& config) {
  constexpr uint64_t kOwn = 256;
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const uint64_t wanted = config.admission.connections_max + config.loop.cache_entries + kOwn;
  if (limit.rlim_cur >= wanted) return;
  LOG(WARNING) << "--max_connections=" << config.admission.connections_max
               << " and --fd_cache_entries=" << config.loop.cache_entries << " exceed "
               << limit.rlim_cur << " descriptors (RLIMIT_NOFILE): " << wanted
               << " would be needed; clients are answered UNAVAILABLE when none are left.";
}

// What the flags say; nullopt: nothing that makes sense, and the log says why.
std::optional<Config> ReadConfig(const std::vector<net::Address>& inherited) {
  absl::StatusOr<Config> config = ConfigFromFlags(inherited);
  if (!config.ok()) {
    LOG(ERROR) << config.status().message();
    return std::nullopt;
  }
  for (const std::string& warning : config->warnings) LOG(WARNING) << warning;
  CompareDescriptorLimit(*config);
  return *std::move(config);
}

int CannotStart(const char* why, const absl::Status& status) {
  LOG(ERROR) << why << status.message();
  return 1;
}

// --check: 0, 1 or 2, as the process would end if it started and could not. A unit's sockets are
// systemd's to judge.
int Check() {
  const std::optional<Config> config = ReadConfig({});
  if (!config.has_value()) return 2;
  if (const absl::Status start = CheckStart(*config); !start.ok())
    return CannotStart("--check: cannot start: ", start);
  LOG(INFO) << "--check: would start, and serve " << text::Printable(config->root)
            << (config->limits.writable ? ", writable" : "")
            << (config->rules_file.empty()
                    ? ""
                    : absl::StrCat(", by ", text::Printable(config->rules_file)));
  return 0;
}

int Main(int argc, char** argv) {
  net::HoldStandardStreams();
  PrepareSignals();
  // What ps(1) shows: the process that is forked below is no second server.
  const size_t title_bytes = static_cast<size_t>(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
  const auto title = [first = argv[0], title_bytes] {
    memset(first, 0, title_bytes);
    strncpy(first, "objmapper: lets go of clients' descriptors", title_bytes);
  };
  // Set before parsing, so that --logtostderr=false still has a say.
  FLAGS_logtostderr = true;
  gflags::SetUsageMessage(
      "serves the files below a directory as objects, over Unix and TCP sockets.\n  server "
      "--root=DIR [--listen_unix=PATH,...] [--listen_tcp=HOST:PORT,...]");
  gflags::SetVersionString(std::string(text::kVersion));
  // "bazel run" starts programs in a folder of its own and tells where it was called: relative
  // paths mean that place.
  if (const char* called_from = getenv("BUILD_WORKING_DIRECTORY"); called_from != nullptr) {
    if (chdir(called_from) != 0)
      fprintf(stderr, "cannot enter %s: %s\n", called_from, strerror(errno));
  }
  const CommandLine said = ReadCommandLine(argc, argv);
  if (said.errors.empty() && FLAGS_help) {
    // Our own flags alone; --helpfull shows those of the libraries too.
    gflags::ShowUsageWithFlagsRestrict(argv[0], "server/flags/");
    return 0;
  }
  if (said.errors.empty()) gflags::HandleCommandLineHelpFlags();
  google::InitGoogleLogging(argv[0]);
  for (const std::string& error : said.errors) LOG(ERROR) << error;
  if (!said.errors.empty()) return 2;
  for (const std::string& warning : said.warnings) LOG(WARNING) << warning;
  LOG(INFO) << "objmapper " << text::kVersion;
  // Nothing is executed from here on; nothing that were could gain rights (prctl(2)). Before any
  // thread.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) PLOG(WARNING) << "PR_SET_NO_NEW_PRIVS";
  RaiseDescriptorLimit();

  if (FLAGS_check) return Check();
  absl::StatusOr<InheritedSockets> inherited = TakeInheritedSockets();
  if (!inherited.ok()) return CannotStart("cannot start: ", inherited.status());
  std::vector<net::Address> addresses;
  for (const auto& listener : inherited->listeners) addresses.push_back(listener.address());
  const std::optional<Config> config = ReadConfig(addresses);
  if (!config.has_value()) return 2;
  if (const absl::Status calls = TryNeededCalls(*config); !calls.ok())
    return CannotStart("cannot start: ", calls);
  // Before there is any thread. It opens nothing later on, and needs no more rights than the server
  // will have.
  const auto prepare = [&config, title] {
    title();
    return config->become.has_value() ? BecomeForGood(*config->become) : absl::OkStatus();
  };
  const bool any_unix =
      config->Has(net::Address::Kind::kUnix) || !config->take_over.empty() ||
      (config->admin_listen.has_value() && config->admin_listen->kind == net::Address::Kind::kUnix);
  if (any_unix) {
    const absl::Status started =
        net::StartExpendable(storage::DoForeignTask, net::JudgeForeignFd, prepare);
    if (!started.ok())
      return CannotStart("cannot start: the process that closes clients' descriptors: ", started);
  }
  StartLogWriter();
  LOG(INFO) << config->cores;
  const int status = Run(*config, *std::move(inherited));
  FlushLog(kLogPatience);
  // A thread that waits for a second signal may still run: no destructors below it.
  _exit(status);
}

}  // namespace
}  // namespace objmapper::server

int main(int argc, char** argv) { return objmapper::server::Main(argc, argv); }
