// objmapper's own server, with one of its concurrency models, in its own protocol and in HTTP; and
// this program again, as a floor.
#include <poll.h>
#include <sys/socket.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/dial.h"
#include "tools/bench/contenders/floor/floor_main.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/starters.h"

namespace objmapper::bench {
namespace {

// Asks for one object's metadata in V1: a server that listens need not answer yet.
absl::Status AskOnce(const net::Address& address, const std::string& name) {
  absl::StatusOr<net::UniqueFd> connection = net::Dial(address, Contender::kStartTime);
  if (!connection.ok()) return connection.status();
  const std::string request =
      absl::StrCat("S", std::string(1, '\0'), std::string(1, static_cast<char>(name.size())), name);
  pollfd answered{connection->get(), POLLIN, 0};
  char status = 0;
  if (send(connection->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0 ||
      poll(&answered, 1, absl::ToInt64Milliseconds(Contender::kStartTime)) != 1 ||
      recv(connection->get(), &status, 1, 0) != 1) {
    return absl::UnavailableError("no answer to a first request");
  }
  if (status != 0) {
    return absl::UnavailableError(absl::StrCat("a first request, for \"", name,
                                               "\", was answered with status ", int{status}));
  }
  return absl::OkStatus();
}

// `model`: --concurrency_model, or "other_build". `wire` and `depth`: how it is to be asked.
void StartServer(const std::string& model, Wire wire, int depth, const ContenderOptions& options,
                 const ObjectSet& objects, Contender& contender) {
  const bool other = model == "other_build";
  if (other && options.other_server.empty()) {
    contender.Check(absl::InvalidArgumentError(
        absl::StrCat(options.name, ": which? --other_server=PATH names the server's binary")));
  }
  std::vector<std::string> argv = {
      other ? options.other_server : contender.Take(BuiltProgram("server/server")),
      absl::StrCat("--root=", objects.root),
      absl::StrCat("--listen_unix=", contender.path()),
      absl::StrCat("--listen_tcp=127.0.0.1:", contender.port()),
      absl::StrCat("--concurrency_model=", other ? "mode_routing" : model),
      // Some for those that look whether it is there.
      absl::StrCat("--max_connections=", options.connections_max + 16),
      "--idle_timeout=0",
      "--drain_timeout=1s",
  };
  argv.insert(argv.end(), options.flags.begin(), options.flags.end());
  contender.Start(std::move(argv));
  contender.Await(wire, Transport::kUnix, depth);
  contender.Await(wire, Transport::kTcp, depth);
  if (!contender.status().ok()) return;
  contender.CheckWithLog(AskOnce(contender.address(Transport::kUnix), objects.objects[0].name));
}

}  // namespace

void StartModel(const ContenderOptions& options, const ObjectSet& objects, Contender& contender) {
  StartServer(options.name, Wire::kObjmapper, 0, options, objects, contender);
}

void StartModelHttp(const ContenderOptions& options, const ObjectSet& objects,
                    Contender& contender) {
  const int depth = absl::EndsWith(options.name, "_16") ? 16 : 0;
  const std::string model = options.name.substr(0, options.name.find("_http"));
  StartServer(model, Wire::kHttp, depth, options, objects, contender);
}

void StartFloor(const ContenderOptions& options, const ObjectSet& objects, Contender& contender) {
  contender.Start({contender.Take(OwnProgram()), absl::StrCat(kFloorArgument, options.name),
                   objects.root, contender.path(), absl::StrCat(contender.port())});
  contender.Await(Wire::kObjmapper, Transport::kUnix);
  // Descriptors pass over Unix sockets alone.
  if (absl::StartsWith(options.name, "floor_fdpass")) return;
  contender.Await(Wire::kObjmapper, Transport::kTcp);
}

}  // namespace objmapper::bench
