// The flags that say who may connect and ask, how often, and what of it is logged.
#include <gflags/gflags.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "net/peer_credentials.h"
#include "server/flags/flag.h"
#include "session/access_rules.h"
#include "session/tokens.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

// kind: "user" or "group". find: its number by its name.
absl::StatusOr<uint32_t> IdOf(const char* kind, const std::string& name,
                              std::optional<uint32_t> (*find)(const char* name)) {
  std::optional<uint32_t> id = 0;
  if (!absl::SimpleAtoi(name, &*id)) id = find(name.c_str());
  // chown(2) and others mean "leave it" by -1.
  if (id.has_value() && *id != UINT32_MAX) return *id;
  return absl::InvalidArgumentError(absl::StrCat("there is no ", kind, " \"", name, "\" here"));
}

absl::StatusOr<uint32_t> UidOf(const std::string& name) {
  return IdOf("user", name, [](const char* known) -> std::optional<uint32_t> {
    const passwd* const user = getpwnam(known);
    return user == nullptr ? std::nullopt : std::optional<uint32_t>(user->pw_uid);
  });
}

absl::StatusOr<uint32_t> GidOf(const std::string& name) {
  return IdOf("group", name, [](const char* known) -> std::optional<uint32_t> {
    const group* const found = getgrnam(known);
    return found == nullptr ? std::nullopt : std::optional<uint32_t>(found->gr_gid);
  });
}

absl::StatusOr<mode_t> ModeOf(const std::string& text) {
  if (text.size() <= 4 && text.find_first_not_of("01234567") == text.npos) {
    const mode_t mode = static_cast<mode_t>(strtoul(text.c_str(), nullptr, 8));
    if (mode <= 0777) return mode;
  }
  return absl::InvalidArgumentError("expected an octal number up to 0777, such as 0660");
}

}  // namespace
}  // namespace objmapper::server

FLAG(string, allow_uids, "", ListOf(UidOf, "user"), admission.uids,
     "Users who may connect to Unix sockets, by name or number, separated by commas. If both this "
     "flag and --allow_gids are empty: every user whom the mode of the socket file admits.");
FLAG(string, allow_gids, "", ListOf(GidOf, "group"), admission.gids,
     "Groups whose members may connect to Unix sockets, by name or number, separated by commas. "
     "Supplementary groups count.");
FLAG(string, listen_unix_mode, "", ParsedIfAny(ModeOf), socket_file.mode,
     "Mode of the socket files of --listen_unix, in octal (0660). A user who may write to a socket "
     "file may connect. Empty: as the umask leaves it.");
FLAG(string, listen_unix_owner, "", ParsedIfAny(UidOf), socket_file.owner,
     "Owner of the socket files of --listen_unix, by name or number.");
FLAG(string, listen_unix_group, "", ParsedIfAny(GidOf), socket_file.group,
     "Group of the socket files of --listen_unix, by name or number.");
FLAG(string, rules_file, "", Anything(), rules_file,
     "File of access rules, one per line: \"user alice /models read\" (docs/security.md). A "
     "request that no rule allows is refused. The file is read again at SIGHUP; if it then has an "
     "error, the current rules stay. Empty: every connected client may request everything.");
FLAG(string, tokens_file, "", Anything(), tokens_file,
     "File of bearer tokens, one per line: \"alice sha256:HASH\" (docs/security.md). A request "
     "that has one, over HTTP or in V2, is the named client's, for rules such as \"name alice "
     "/models read\". No other user may be able to read the file. It is read again with "
     "--rules_file, "
     "which it needs. Empty: clients cannot identify themselves by tokens.");
DEFINE_int64(rate_limit_per_conn, 0,
             "Maximum number of requests per second of a connection, in the long run. Requests "
             "beyond it are answered UNAVAILABLE with the time to wait. 0: no limit.");
DEFINE_int64(rate_limit_burst, 0,
             "Number of requests that a connection may send at once after a pause, with "
             "--rate_limit_per_conn. 0: as many as in one second.");
FLAG(int64, max_connections_per_uid, 0, Number(0, 10'000'000), admission.per_uid_max,
     "Maximum number of open connections to Unix sockets of one user. A further one is answered "
     "UNAVAILABLE and closed. 0: --max_connections.");
FLAG(int64, slow_request_us, 0, Number(0, 86'400'000'000, kMicrosecond), limits.slow_request_ns,
     "Requests that take at least this many microseconds from receipt to answer are logged, at "
     "most ten per second. Costs each request a copy of its name. 0: none.");
DEFINE_string(
    user, "",
    "User, by name or number, that the server becomes after it has opened its listeners, the "
    "operators' address and the root. Root's rights are given up permanently before the first ring "
    "is made and the first request is read. Empty: the server keeps its user.");
DEFINE_string(
    group, "",
    "Group, by name or number, that the server becomes, with --user. Empty: the user's own group.");
DEFINE_bool(unprotected_writes, false,
            "Allows every client that can reach --listen_tcp to store, replace and delete every "
            "object. Without this flag, a server that is --writable, has no --rules_file and "
            "listens on more than loopback does not start.");
DEFINE_bool(check, false,
            "Checks whether a server with these flags would start, and exits: 0 if so; 1 if the "
            "rules, the root, a socket's directory or a refused system call would prevent it; 2 if "
            "a flag is wrong. Opens no socket and does not disturb a running server.");
FLAG(bool, log_requests, false, Anything(), limits.log_requests,
     "Log every request: peer, operation, URI, result and duration.");

namespace objmapper::server {
namespace {

// "--rules_file=$RULES", and RULES is not set.
void WarnOfEmptyFlags(Config* config) {
  for (const char* flag :
       {"rules_file", "tokens_file", "allow_uids", "allow_gids", "user", "root"}) {
    if (!IsGiven(flag) || !gflags::GetCommandLineFlagInfoOrDie(flag).current_value.empty())
      continue;
    config->warnings.push_back(absl::StrCat("--", flag, "= is empty and has no effect"));
  }
}

absl::Status CheckAdmission(Config* config) {
  const router::Admission& admission = config->admission;
  for (const auto& [flag, user, ids] : {std::tuple("--allow_uids", true, admission.uids),
                                        std::tuple("--allow_gids", false, admission.gids)}) {
    for (const uint32_t id : ids) {
      const std::string doubt = net::IdDoubt(user, id);
      if (!doubt.empty()) config->warnings.push_back(absl::StrCat(flag, ": ", doubt));
    }
  }
  const bool udp = !config->listen_udp.empty();
  const bool uids = !admission.uids.empty();
  if ((!uids && admission.gids.empty()) || (!udp && !config->Has(net::Address::Kind::kTcp))) {
    return absl::OkStatus();
  }
  return Bad(uids ? "allow_uids" : "allow_gids", uids ? FLAGS_allow_uids : FLAGS_allow_gids,
             absl::StrCat("of peers of ", udp ? "--listen_udp" : "--listen_tcp",
                          " the kernel knows no user; use --rules_file instead"));
}

absl::Status ReadRate(Config* config) {
  const int64_t per_second = FLAGS_rate_limit_per_conn;
  if (absl::Status s = CheckRange("rate_limit_per_conn", per_second, 0, 1'000'000'000); !s.ok())
    return s;
  int64_t burst = FLAGS_rate_limit_burst;
  if (absl::Status s = CheckRange("rate_limit_burst", burst, 0, 1'000'000); !s.ok()) return s;
  if (burst != 0 && per_second == 0) {
    return Bad("rate_limit_burst", absl::StrCat(burst), "it needs --rate_limit_per_conn");
  }
  if (burst == 0) burst = std::clamp<int64_t>(per_second, 1, 1'000'000);
  config->limits.rate =
      session::RateLimit::Of(static_cast<uint64_t>(per_second), static_cast<uint64_t>(burst));
  if (per_second != 0 && !config->listen_udp.empty()) {
    config->warnings.push_back(
        "--rate_limit_per_conn does not limit --listen_udp, which has no connections.");
  }
  return absl::OkStatus();
}

absl::Status ReadIdentity(Config* config) {
  if (FLAGS_user.empty()) {
    if (FLAGS_group.empty()) return absl::OkStatus();
    return Bad("group", FLAGS_group, "without --user the server keeps its user and group");
  }
  Identity identity;
  if (absl::Status s = Parsed(UidOf).Read("user", FLAGS_user, &identity.uid); !s.ok()) return s;
  const passwd* const user = getpwuid(identity.uid);
  if (user != nullptr) {
    identity.name = user->pw_name;
    identity.gid = user->pw_gid;
  } else if (FLAGS_group.empty()) {
    return Bad("user", FLAGS_user, "this user id has no known group; give one with --group");
  }
  if (absl::Status s = ParsedIfAny(GidOf).Read("group", FLAGS_group, &identity.gid); !s.ok())
    return s;
  config->become = identity;
  return absl::OkStatus();
}

absl::Status ReadRules(Config* config) {
  if (config->rules_file.empty()) {
    if (config->tokens_file.empty()) return absl::OkStatus();
    return Bad("tokens_file", FLAGS_tokens_file,
               "it needs --rules_file, which says what the names may do");
  }
  std::optional<session::Tokens> tokens;
  if (!config->tokens_file.empty()) {
    absl::StatusOr<session::Tokens> loaded = session::Tokens::Load(config->tokens_file);
    if (!loaded.ok()) return Bad("tokens_file", FLAGS_tokens_file, loaded.status().message());
    tokens = *std::move(loaded);
  }
  absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(config->rules_file);
  if (!rules.ok()) return Bad("rules_file", FLAGS_rules_file, rules.status().message());
  for (const std::string& doubt : rules->Doubts(tokens.has_value() ? &*tokens : nullptr)) {
    config->warnings.push_back(absl::StrCat("--rules_file=", FLAGS_rules_file, ": ", doubt));
  }
  return absl::OkStatus();
}

// Who can be reached by everybody and asks nobody who they are says so at least, and does not let
// them write.
absl::Status CheckOpenness(Config* config) {
  if (FLAGS_unprotected_writes && !config->limits.writable) {
    return Bad("unprotected_writes", "true", "it needs --writable");
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
        "every client that reaches --listen_udp=", text::Printable(address.host), ":", address.port,
        " over the network may read every object: there is no --rules_file"));
  }
  if (open.empty()) return absl::OkStatus();
  if (config->limits.writable && !FLAGS_unprotected_writes) {
    return absl::InvalidArgumentError(
        absl::StrCat("--writable is not allowed on ", text::Printable(open),
                     " without --rules_file: every client on the network could store, replace and "
                     "delete every object. Restrict it with --rules_file, listen on 127.0.0.1, or "
                     "allow it with --unprotected_writes."));
  }
  config->warnings.push_back(absl::StrCat(
      "every client that reaches ", text::Printable(open), " over the network may read ",
      config->limits.writable ? "and write " : "", "every object: there is no --rules_file"));
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckAccess(Config* config) {
  WarnOfEmptyFlags(config);
  return RunChecks({CheckAdmission, ReadRate, ReadIdentity, ReadRules, CheckOpenness}, config);
}

}  // namespace objmapper::server
