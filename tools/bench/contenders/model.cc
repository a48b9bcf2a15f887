// objmapper's own server, with one of its concurrency models.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "net/address.h"
#include "net/dial.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/process_contender.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

// Asks for one object's metadata in V1: a server that listens need not answer yet.
absl::Status AskOnce(const std::string& path, const std::string& name) {
  absl::StatusOr<net::UniqueFd> connection =
      net::Dial({.kind = net::Address::Kind::kUnix, .path = path}, kStartTime);
  if (!connection.ok()) return connection.status();
  const std::string request =
      absl::StrCat("S", std::string(1, '\0'), std::string(1, static_cast<char>(name.size())), name);
  pollfd answered{connection->get(), POLLIN, 0};
  char status = 0;
  if (send(connection->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0 ||
      poll(&answered, 1, absl::ToInt64Milliseconds(kStartTime)) != 1 ||
      recv(connection->get(), &status, 1, 0) != 1) {
    return absl::UnavailableError("no answer to a first request");
  }
  if (status != 0) {
    return absl::UnavailableError(absl::StrCat("a first request, for \"", name,
                                               "\", was answered with status ", int{status}));
  }
  return absl::OkStatus();
}

Started StartServer(const std::string& server, const std::string& model,
                    const ContenderOptions& options, const ObjectSet& objects) {
  absl::StatusOr<uint16_t> port = FreePort();
  if (!port.ok()) return port.status();
  const std::string path = absl::StrCat(options.work_dir, "/", options.name, ".sock");
  std::vector<std::string> argv = {
      server,
      absl::StrCat("--root=", objects.root),
      absl::StrCat("--listen_unix=", path),
      absl::StrCat("--listen_tcp=127.0.0.1:", *port),
      absl::StrCat("--concurrency_model=", model),
      // Some for those that look whether it is there.
      absl::StrCat("--max_connections=", options.connections_max + 16),
      "--idle_timeout=0",
      "--drain_timeout=1s",
  };
  argv.insert(argv.end(), options.flags.begin(), options.flags.end());

  auto contender = std::make_unique<ProcessContender>(options.name, Kind::kModel);
  absl::Status status = contender->Start(options.work_dir, "", std::move(argv));
  if (status.ok()) {
    status = contender->AddEndpoint({.transport = Transport::kUnix, .path = path});
  }
  if (status.ok()) {
    status = contender->AddEndpoint({.transport = Transport::kTcp, .port = *port});
  }
  if (status.ok()) {
    status = AskOnce(path, objects.objects[0].name);
    if (!status.ok()) {
      status = absl::UnavailableError(absl::StrCat(options.name, ": ", status.message(),
                                                   "; its log ends:\n",
                                                   contender->last_process().LogEnd()));
    }
  }
  if (!status.ok()) return status;
  return contender;
}

}  // namespace

Started StartModel(const ContenderOptions& options, const ObjectSet& objects) {
  absl::StatusOr<std::string> server = BuiltProgram("server/server");
  if (!server.ok()) return server.status();
  return StartServer(*server, options.name, options, objects);
}

Started StartOtherBuild(const ContenderOptions& options, const ObjectSet& objects) {
  if (options.other_server.empty()) {
    return absl::InvalidArgumentError(
        "other_build: which? --other_server=PATH names the server's binary");
  }
  return StartServer(options.other_server, "mode_routing", options, objects);
}

}  // namespace objmapper::bench
