#include "server/flags/config_access.h"

#include <gflags/gflags.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/peer_credentials.h"
#include "server/flags/flag_errors.h"
#include "text/printable.h"

DECLARE_bool(writable);

DEFINE_string(
    allow_uids, "",
    "Users who may connect to Unix sockets, by name or number, separated by commas. If both this "
    "flag and --allow_gids are empty: every user whom the mode of the socket file admits.");
DEFINE_string(allow_gids, "",
              "Groups whose members may connect to Unix sockets, by name or number, separated by "
              "commas. Supplementary groups count.");
DEFINE_string(listen_unix_mode, "",
              "Mode of the socket files of --listen_unix, in octal (0660). A user who may write to "
              "a socket file may connect. Empty: as the umask leaves it.");
DEFINE_string(listen_unix_owner, "",
              "Owner of the socket files of --listen_unix, by name or number.");
DEFINE_string(listen_unix_group, "",
              "Group of the socket files of --listen_unix, by name or number.");
DEFINE_string(
    rules_file, "",
    "File of access rules, one per line: \"user alice /models read\" (docs/security.md). A request "
    "that no rule allows is refused. The file is read again at SIGHUP; if it then has an error, "
    "the current rules stay. Empty: every connected client may request everything.");
DEFINE_int64(rate_limit_per_conn, 0,
             "Maximum number of requests per second of a connection, in the long run. Requests "
             "beyond it are answered UNAVAILABLE with the time to wait. 0: no limit.");
DEFINE_int64(rate_limit_burst, 0,
             "Number of requests that a connection may send at once after a pause, with "
             "--rate_limit_per_conn. 0: as many as in one second.");
DEFINE_int64(max_connections_per_uid, 0,
             "Maximum number of open connections to Unix sockets of one user. A further one is "
             "answered UNAVAILABLE and closed. 0: --max_connections.");
DEFINE_int64(slow_request_us, 0,
             "Requests that take at least this many microseconds from receipt to answer are "
             "logged, at most ten per second. Costs each request a copy of its name. 0: none.");
DEFINE_string(
    user, "",
    "User, by name or number, that the server becomes after it has opened its listeners, the "
    "operators' address and the root. Root's rights are given up permanently before the first ring "
    "is made and the first request is read. Empty: the server keeps its user.");
DEFINE_string(
    group, "",
    "Group, by name or number, that the server becomes, with --user. Empty: the user's own group.");
DEFINE_string(take_over, "",
              "Unix socket through which one server takes over from another. A server that already "
              "runs with this path hands its listeners and connections to this server and exits; "
              "this server then waits there for its own successor. Empty: no take-over.");
DEFINE_bool(unprotected_writes, false,
            "Allows every client that can reach --listen_tcp to store, replace and delete every "
            "object. Without this flag, a server that is --writable, has no --rules_file and "
            "listens on more than loopback does not start.");
DEFINE_bool(check, false,
            "Checks whether a server with these flags would start, and exits: 0 if so; 1 if the "
            "rules, the root, a socket's directory or a refused system call would prevent it; 2 if "
            "a flag is wrong. Opens no socket and does not disturb a running server.");
DEFINE_bool(log_requests, false, "Log every request: peer, operation, URI, result and duration.");

namespace objmapper::server {
namespace {

constexpr int64_t kPerSecondMax = 1'000'000'000;

std::optional<uint32_t> UidOf(const std::string& name) {
  uint32_t id = 0;
  if (absl::SimpleAtoi(name, &id)) return id == UINT32_MAX ? std::nullopt : std::optional(id);
  const passwd* const user = getpwnam(name.c_str());
  return user == nullptr ? std::nullopt : std::optional<uint32_t>(user->pw_uid);
}

std::optional<uint32_t> GidOf(const std::string& name) {
  uint32_t id = 0;
  if (absl::SimpleAtoi(name, &id)) return id == UINT32_MAX ? std::nullopt : std::optional(id);
  const group* const found = getgrnam(name.c_str());
  return found == nullptr ? std::nullopt : std::optional<uint32_t>(found->gr_gid);
}

using Lookup = std::optional<uint32_t> (*)(const std::string&);

absl::Status ReadIds(const char* flag, const std::string& text, Lookup id_of, const char* kind,
                     std::vector<uint32_t>* ids) {
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::string name(absl::StripAsciiWhitespace(part));
    const std::optional<uint32_t> id = id_of(name);
    if (!id.has_value())
      return Bad(flag, text, absl::StrCat("there is no ", kind, " \"", name, "\" here"));
    ids->push_back(*id);
  }
  // An empty list would let everybody in.
  if (!text.empty() && ids->empty()) return Bad(flag, text, absl::StrCat("it names no ", kind));
  return absl::OkStatus();
}

absl::Status ReadSocketFile(Config* config) {
  if (!FLAGS_listen_unix_mode.empty()) {
    uint32_t mode = 0;
    const bool octal = FLAGS_listen_unix_mode.size() <= 4 &&
                       std::all_of(FLAGS_listen_unix_mode.begin(), FLAGS_listen_unix_mode.end(),
                                   [](char c) { return c >= '0' && c <= '7'; });
    if (octal) {
      for (const char c : FLAGS_listen_unix_mode) mode = mode * 8 + static_cast<uint32_t>(c - '0');
    }
    if (!octal || mode > 0777) {
      return Bad("listen_unix_mode", FLAGS_listen_unix_mode,
                 "it is an octal number up to 0777, such as 0660");
    }
    config->socket_file.mode = mode;
  }
  if (!FLAGS_listen_unix_owner.empty()) {
    config->socket_file.owner = UidOf(FLAGS_listen_unix_owner);
    if (!config->socket_file.owner.has_value()) {
      return Bad("listen_unix_owner", FLAGS_listen_unix_owner, "there is no such user here");
    }
  }
  if (!FLAGS_listen_unix_group.empty()) {
    config->socket_file.group = GidOf(FLAGS_listen_unix_group);
    if (!config->socket_file.group.has_value()) {
      return Bad("listen_unix_group", FLAGS_listen_unix_group, "there is no such group here");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadIdentity(Config* config) {
  if (FLAGS_user.empty()) {
    if (FLAGS_group.empty()) return absl::OkStatus();
    return Bad("group", FLAGS_group, "without --user nobody is to become anybody");
  }
  Identity identity;
  const std::optional<uint32_t> uid = UidOf(FLAGS_user);
  if (!uid.has_value()) return Bad("user", FLAGS_user, "there is no such user here");
  identity.uid = *uid;
  const passwd* const user = getpwuid(identity.uid);
  if (user != nullptr) identity.name = user->pw_name;
  if (!FLAGS_group.empty()) {
    const std::optional<uint32_t> gid = GidOf(FLAGS_group);
    if (!gid.has_value()) return Bad("group", FLAGS_group, "there is no such group here");
    identity.gid = *gid;
  } else if (user != nullptr) {
    identity.gid = user->pw_gid;
  } else {
    return Bad("user", FLAGS_user, "nothing says to which group this number belongs; --group does");
  }
  config->become = identity;
  return absl::OkStatus();
}

absl::Status ReadRate(Config* config) {
  if (absl::Status s =
          CheckRange("rate_limit_per_conn", FLAGS_rate_limit_per_conn, 0, kPerSecondMax);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = CheckRange("rate_limit_burst", FLAGS_rate_limit_burst, 0, 1'000'000);
      !s.ok())
    return s;
  if (FLAGS_rate_limit_burst != 0 && FLAGS_rate_limit_per_conn == 0) {
    return Bad("rate_limit_burst", absl::StrCat(FLAGS_rate_limit_burst),
               "without --rate_limit_per_conn nothing is limited");
  }
  const int64_t burst = FLAGS_rate_limit_burst != 0
                            ? FLAGS_rate_limit_burst
                            : std::clamp<int64_t>(FLAGS_rate_limit_per_conn, 1, 1'000'000);
  config->rate = session::RateLimit::Of(static_cast<uint64_t>(FLAGS_rate_limit_per_conn),
                                        static_cast<uint64_t>(burst));
  return absl::OkStatus();
}

// Who can be reached by everybody and asks nobody who they are says so at least, and does not let
// them write.
absl::Status ReadOpenness(Config* config) {
  if (FLAGS_unprotected_writes && !FLAGS_writable) {
    return Bad("unprotected_writes", "true", "without --writable nobody writes");
  }
  std::string open;  // the first address that others than this machine reach
  for (const std::vector<net::Address>* addresses : {&config->listen, &config->inherited}) {
    for (const net::Address& address : *addresses) {
      if (open.empty() && address.kind == net::Address::Kind::kTcp && !IsLoopback(address.host))
        open = address.ToUrl();
    }
  }
  if (!config->rules_file.empty()) return absl::OkStatus();
  for (const net::Address& address : config->listen_udp) {
    if (IsLoopback(address.host)) continue;
    config->warnings.push_back(absl::StrCat(
        "everybody who reaches --listen_udp=", text::Printable(address.host), ":", address.port,
        " over the network may read every object: there is no --rules_file"));
  }
  if (open.empty()) return absl::OkStatus();
  if (FLAGS_writable && !FLAGS_unprotected_writes) {
    return absl::InvalidArgumentError(
        absl::StrCat("--writable makes no sense on ", text::Printable(open),
                     " without --rules_file: everybody who reaches it over the network could "
                     "store, replace and delete every object. Say with --rules_file what they may, "
                     "listen on 127.0.0.1, or, if that is what "
                     "is wanted, give --unprotected_writes."));
  }
  config->warnings.push_back(
      absl::StrCat("everybody who reaches ", text::Printable(open), " over the network may read ",
                   FLAGS_writable ? "and write " : "", "every object: there is no --rules_file"));
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadAccess(Config* config) {
  // "--rules_file=$RULES", and nobody has set RULES.
  for (const char* flag : {"rules_file", "allow_uids", "allow_gids", "user", "root"}) {
    const gflags::CommandLineFlagInfo info = gflags::GetCommandLineFlagInfoOrDie(flag);
    if (info.is_default || !info.current_value.empty()) continue;
    config->warnings.push_back(
        absl::StrCat("--", flag, "= is given, and empty: it is as if it were not there"));
  }
  router::Admission& admission = config->admission;
  if (absl::Status s = ReadIds("allow_uids", FLAGS_allow_uids, UidOf, "user", &admission.uids);
      !s.ok()) {
    return s;
  }
  if (absl::Status s = ReadIds("allow_gids", FLAGS_allow_gids, GidOf, "group", &admission.gids);
      !s.ok()) {
    return s;
  }
  for (const auto& [flag, user, ids] : {std::tuple("--allow_uids", true, admission.uids),
                                        std::tuple("--allow_gids", false, admission.gids)}) {
    for (const uint32_t id : ids) {
      const std::string doubt = net::IdDoubt(user, id);
      if (!doubt.empty()) config->warnings.push_back(absl::StrCat(flag, ": ", doubt));
    }
  }
  const bool udp = !config->listen_udp.empty();
  if ((udp || config->Has(net::Address::Kind::kTcp)) &&
      !(admission.uids.empty() && admission.gids.empty())) {
    const bool uids = !admission.uids.empty();
    return Bad(uids ? "allow_uids" : "allow_gids", uids ? FLAGS_allow_uids : FLAGS_allow_gids,
               absl::StrCat("of those who come by ", udp ? "--listen_udp" : "--listen_tcp",
                            " the kernel knows no user; say with --rules_file what they may"));
  }
  if (absl::Status s =
          CheckRange("max_connections_per_uid", FLAGS_max_connections_per_uid, 0, 10'000'000);
      !s.ok()) {
    return s;
  }
  admission.per_uid_max = static_cast<uint64_t>(FLAGS_max_connections_per_uid);
  if (absl::Status s = ReadSocketFile(config); !s.ok()) return s;
  if (absl::Status s = ReadRate(config); !s.ok()) return s;
  if (udp && config->rate.interval_ns != 0) {
    config->warnings.push_back(
        "--rate_limit_per_conn does not limit --listen_udp, which has no connections.");
  }
  if (absl::Status s = ReadIdentity(config); !s.ok()) return s;
  if (absl::Status s = CheckRange("slow_request_us", FLAGS_slow_request_us, 0, 86'400'000'000);
      !s.ok()) {
    return s;
  }
  config->slow_request = absl::Microseconds(FLAGS_slow_request_us);
  config->log_requests = FLAGS_log_requests;
  config->take_over = FLAGS_take_over;
  if (!config->take_over.empty()) {
    const absl::StatusOr<net::Address> door = net::UnixAddress(config->take_over);
    if (!door.ok()) return Bad("take_over", FLAGS_take_over, door.status().message());
  }
  config->rules_file = FLAGS_rules_file;
  if (!config->rules_file.empty()) {
    absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(config->rules_file);
    if (!rules.ok()) return Bad("rules_file", FLAGS_rules_file, rules.status().message());
    for (const std::string& doubt : rules->Doubts()) {
      config->warnings.push_back(absl::StrCat("--rules_file=", FLAGS_rules_file, ": ", doubt));
    }
  }
  return ReadOpenness(config);
}

}  // namespace objmapper::server
