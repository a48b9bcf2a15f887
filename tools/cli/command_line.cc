// Reads a command line: a table says which flags each command takes, and every error is a usage
// error (exit code 2). Nothing is sent or written here.
#include "tools/cli/command_line.h"

#include <gflags/gflags.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/address.h"
#include "protocol/limits.h"
#include "text/duration.h"
#include "tools/cli/admin.h"
#include "tools/cli/commands.h"
#include "tools/cli/operands.h"
#include "tools/cli/range_text.h"

DEFINE_string(
    server, "",
    "the server's address: unix:/path, a path, unix:@name, tcp://host:port or udp://host:port");
DEFINE_string(server_user, "", "the user that the server must have: a name, a uid, or any");
DEFINE_string(token_file, "", "a file with the token that says who asks");
DEFINE_string(mode, "", "how the object arrives: fdpass, copy or splice");
DEFINE_string(o, "-", "the output: a file, an existing folder, or - for standard output");
DEFINE_string(range, "", "a part of the object: OFF-END, OFF-, OFF:LEN or -LAST");
DEFINE_string(timeout, "30s", "maximum wait for the server: 500ms, 30s, 2m");
DEFINE_bool(retry, true,
            "retry requests that the server is too busy for, after the time that it gives");
DEFINE_bool(json, false, "one JSON object per line for each result");
DEFINE_int32(n, -1, "number of round trips of ping, or of updates of top");
DEFINE_bool(r, false, "whole folders, or all objects under a prefix");
DEFINE_string(ttl, "", "time after which a stored object expires: 90s, 10m, 24h");
DEFINE_int32(jobs, 4, "maximum number of objects in transfer, each on a connection of its own");
DEFINE_bool(fd, false, "send the file's descriptor instead of its bytes");
DEFINE_bool(if_absent, false, "store only what is not there yet");
DEFINE_string(if_match, "", "only if the object is the version of this ETAG");
DEFINE_string(if_none_match, "", "only if the object is another version than that of this ETAG");
DEFINE_bool(force, false, "copy what is the same already, or evict what is pinned, too");
DEFINE_bool(here, false, "what is on the server's disk; nothing is fetched");
DEFINE_bool(origin, false, "what the origins have, whether or not it is on the server's disk");
DEFINE_string(prefix, "", "all objects whose URIs begin with this");
DEFINE_string(list, "", "a file with a URI on each line, or - for standard input");
DEFINE_bool(dry_run, false, "print what would be done, and do nothing");
DEFINE_bool(l, false, "size and time too");
DEFINE_bool(d, false, "one level: names with a further / are shown as one line");
DEFINE_bool(verbose, false, "a line for each finished object");
DEFINE_string(admin, "",
              "the address of the server's --admin_listen: unix:/path, a path, unix:@name or "
              "tcp://host:port");

namespace objmapper::tools {
namespace {

using Command = CommandLine::Command;

constexpr int kPings = 5;
// How long warm waits for one object, which comes when all of it is there.
constexpr absl::Duration kObjectPatience = absl::Hours(1);
constexpr int kJobsMax = 256;  // threads and connections, each

struct CommandEntry {
  const char* name;
  Command command;
  ExitCode (*run)(const CommandLine& line);
  absl::string_view flags;  // the names that it takes, with blanks between
};

constexpr CommandEntry kCommands[] = {
    {"get", Command::kGet, RunGet,
     "server server_user token_file mode o range if_none_match verbose timeout retry json"},
    {"put", Command::kPut, RunPut,
     "server server_user token_file r ttl fd if_absent if_match jobs verbose timeout retry json"},
    {"rm", Command::kRm, RunRm,
     "server server_user token_file r dry_run if_match jobs verbose timeout retry json"},
    {"ls", Command::kLs, RunLs, "server server_user token_file origin l d timeout retry json"},
    {"cp", Command::kCp, RunCp,
     "server server_user token_file r ttl fd force mode jobs verbose timeout retry json"},
    {"stat", Command::kStat, RunStat,
     "server server_user token_file admin here timeout retry json"},
    {"ping", Command::kPing, RunPing, "server server_user token_file n timeout json"},
    {"stats", Command::kStats, RunStats, "admin timeout json"},
    {"top", Command::kTop, RunTop, "admin n timeout"},
    {"warm", Command::kWarm, RunWarm,
     "server server_user token_file prefix list jobs verbose timeout retry json"},
    {"pin", Command::kPin, RunPin, "admin verbose timeout json"},
    {"unpin", Command::kUnpin, RunUnpin, "admin verbose timeout json"},
    {"evict", Command::kEvict, RunEvict, "admin force verbose timeout json"},
    {"origins", Command::kOrigins, RunOrigins, "admin timeout json"},
};

const CommandEntry* FindCommand(absl::string_view name) {
  for (const CommandEntry& entry : kCommands) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

bool IsFlag(absl::string_view argument) { return argument.size() > 1 && argument[0] == '-'; }

// One argument that is a flag: its name and, behind '=', its value.
struct FlagText {
  std::string name;
  std::optional<std::string> value;
};

FlagText SplitFlag(absl::string_view argument) {
  absl::ConsumePrefix(&argument, "-");
  absl::ConsumePrefix(&argument, "-");
  const size_t equals = argument.find('=');
  FlagText text{std::string(argument.substr(0, equals)), std::nullopt};
  if (equals != absl::string_view::npos) text.value = std::string(argument.substr(equals + 1));
  return text;
}

// "help" and "version" in all their spellings; nullopt for anything else.
std::optional<Command> HelpOrVersion(absl::string_view argument) {
  for (const absl::string_view help : {"help", "-h", "-help", "--help"}) {
    if (argument == help) return Command::kHelp;
  }
  for (const absl::string_view version : {"version", "-version", "--version"}) {
    if (argument == version) return Command::kVersion;
  }
  return std::nullopt;
}

bool Takes(const CommandEntry& entry, absl::string_view name) {
  const std::vector<absl::string_view> flags = absl::StrSplit(entry.flags, ' ');
  return absl::c_linear_search(flags, name);
}

// -v is glog's among the names of flags; words may be joined by dashes, too.
std::string FullName(absl::string_view name) {
  return name == "v" ? "verbose" : absl::StrReplaceAll(name, {{"-", "_"}});
}

// Whether `entry` takes the flag `name`, which is then described in *flag.
bool Find(const CommandEntry& entry, const std::string& name, gflags::CommandLineFlagInfo* flag) {
  return Takes(entry, name) && gflags::GetCommandLineFlagInfo(name.c_str(), flag);
}

// Gives `flag`, which arguments[*i] names, to gflags. Without a value a bool is true; of another
// the value is the next argument, to which *i is moved.
absl::Status Set(const gflags::CommandLineFlagInfo& flag, std::optional<std::string> value,
                 absl::Span<const char* const> arguments, size_t* i) {
  const bool is_bool = flag.type == "bool";
  if (!value.has_value() && is_bool) value = "true";
  if (!value.has_value()) {
    if (*i + 1 >= arguments.size())
      return Usage(arguments[*i], " needs a value: ", flag.description);
    value = arguments[++*i];
  }
  // Returns an empty string, and has printed nothing, when the value is not of the flag's type.
  if (!gflags::SetCommandLineOption(flag.name.c_str(), value->c_str()).empty())
    return absl::OkStatus();
  return Usage("--", flag.name, "=", *value, ": expected ", is_bool ? "true or false" : "a number");
}

// Flags of one letter in one argument, as in "-rv", "-ofile" and "-n5". Moves *i as Set() does.
absl::Status SetLetters(const CommandEntry& entry, absl::Span<const char* const> arguments,
                        size_t* i) {
  const absl::string_view argument = arguments[*i];
  for (size_t at = 1; at < argument.size(); ++at) {
    gflags::CommandLineFlagInfo flag;
    if (!Find(entry, FullName(argument.substr(at, 1)), &flag)) {
      const std::string letter =
          at == 1 ? "" : absl::StrCat(": there is no -", argument.substr(at, 1));
      return Usage("objmapper ", entry.name, " has no flag ", argument, letter);
    }
    const bool is_bool = flag.type == "bool";
    std::optional<std::string> value;
    if (!is_bool && at + 1 < argument.size()) value = std::string(argument.substr(at + 1));
    absl::Status set = Set(flag, value, arguments, i);
    if (!set.ok() || !is_bool) return set;
  }
  return absl::OkStatus();
}

// Gives the flag at arguments[*i] to gflags; moves *i as Set() does.
absl::Status SetFlag(const CommandEntry& entry, absl::Span<const char* const> arguments,
                     size_t* i) {
  const absl::string_view argument = arguments[*i];
  FlagText text = SplitFlag(argument);
  text.name = FullName(text.name);
  // gflags' way to switch a bool off.
  if (!Takes(entry, text.name) && absl::StartsWith(text.name, "no") &&
      Takes(entry, text.name.substr(2)) && !text.value.has_value()) {
    text.name = text.name.substr(2);
    text.value = "false";
  }
  gflags::CommandLineFlagInfo flag;
  if (Find(entry, text.name, &flag)) return Set(flag, text.value, arguments, i);
  if (argument.size() > 2 && argument[1] != '-' && Takes(entry, FullName(argument.substr(1, 1))))
    return SetLetters(entry, arguments, i);
  return Usage("objmapper ", entry.name, " has no flag ", argument);
}

// The value of a flag: a number of seconds, or one with a unit.
absl::Status ReadDuration(absl::string_view flag, const std::string& text,
                          absl::Duration* duration) {
  if (text::ParseDuration(text, duration) && *duration > absl::ZeroDuration())
    return absl::OkStatus();
  return Usage("--", flag, "=", text, ": expected a positive time, ",
               "for instance 500ms, 30s, 2m, or a number of seconds");
}

// --ttl as the wire has it: whole seconds of 32 bits.
absl::Status ReadTtl(absl::Duration* ttl) {
  constexpr uint32_t kSecondsMax = std::numeric_limits<uint32_t>::max();
  if (FLAGS_ttl.empty()) return absl::OkStatus();
  absl::Status status = ReadDuration("ttl", FLAGS_ttl, ttl);
  if (!status.ok() || *ttl <= absl::Seconds(kSecondsMax)) return status;
  return Usage("--ttl=", FLAGS_ttl, ": expected 1 to ", kSecondsMax,
               " seconds; without this flag an object does not expire");
}

absl::StatusOr<protocol::Mode> ReadMode(const std::string& text, bool is_unix) {
  if (text.empty()) return is_unix ? protocol::Mode::kFdPass : protocol::Mode::kCopy;
  if (text == "copy") return protocol::Mode::kCopy;
  if (text == "splice") return protocol::Mode::kSplice;
  if (text != "fdpass") return Usage("--mode=", text, ": expected fdpass, copy or splice");
  if (is_unix) return protocol::Mode::kFdPass;
  return Usage("--mode=fdpass: descriptors pass only through Unix sockets; use copy or splice");
}

// Whose server it may be. The default address is in a folder where others may listen too, such as
// /tmp: there it is to be the caller's own server, or root's (systemd's sockets are), unless
// somebody says otherwise.
absl::Status ReadServerUser(CommandLine* line) {
  const bool is_unix = absl::StartsWith(line->server, "unix:");
  std::string user = FLAGS_server_user;
  if (!user.empty() && !is_unix) {
    return Usage("--server_user: the server's user is known only on Unix sockets");
  }
  if (user.empty() && is_unix) user = Environment("OBJMAPPER_SERVER_USER");
  if (user == "any") return absl::OkStatus();
  if (user.empty()) {
    if (!line->server_is_default) return absl::OkStatus();
    line->server_uids = {geteuid()};
    if (geteuid() != 0) line->server_uids.push_back(0);
    // Whom root has given the unit's folder may listen in it, too.
    struct stat folder;
    const std::string at = line->server.substr(0, line->server.rfind('/'));
    if (line->server == absl::StrCat("unix:", kUnitSocket) &&
        stat(at.c_str() + strlen("unix:"), &folder) == 0 && folder.st_uid != 0 &&
        folder.st_uid != geteuid()) {
      line->server_uids.push_back(folder.st_uid);
    }
    return absl::OkStatus();
  }
  uid_t uid = 0;
  if (!absl::SimpleAtoi(user, &uid)) {
    const passwd* const found = getpwnam(user.c_str());
    if (found == nullptr) return Usage("--server_user=", user, ": there is no such user here");
    uid = found->pw_uid;
  }
  line->server_uids = {uid};
  return absl::OkStatus();
}

// The conditions, which are of one object.
absl::Status ReadConditions(CommandLine* line) {
  line->if_absent = FLAGS_if_absent;
  line->if_match = FLAGS_if_match;
  line->if_none_match = FLAGS_if_none_match;
  for (const auto& [flag, etag] :
       {std::pair("if_match", &FLAGS_if_match), std::pair("if_none_match", &FLAGS_if_none_match)}) {
    const bool given = !gflags::GetCommandLineFlagInfoOrDie(flag).is_default;
    if (given && (etag->empty() || etag->size() > protocol::kEtagBytesMax)) {
      return Usage("--", flag, ": an ETAG has 1 to ", protocol::kEtagBytesMax,
                   " characters, this one has ", etag->size());
    }
  }
  if (line->if_absent && !line->if_match.empty())
    return Usage("--if_absent and --if_match: what is absent has no version");
  if (!line->if_match.empty() && line->recursive)
    return Usage("--if_match is the version of one object, not of all that -r finds");
  if (!line->if_none_match.empty() && absl::StartsWith(line->server, "udp:"))
    return Usage("--if_none_match: UDP carries no conditions");
  return absl::OkStatus();
}

// Whether the command asks the operators' address alone.
bool AsksOperators(Command command) {
  switch (command) {
    case Command::kStats:
    case Command::kTop:
    case Command::kPin:
    case Command::kUnpin:
    case Command::kEvict:
    case Command::kOrigins:
      return true;
    default:
      return false;
  }
}

absl::Status ReadAdmin(CommandLine* line) {
  line->admin_given = !FLAGS_admin.empty();
  line->here = FLAGS_here;
  line->admin = line->admin_given ? FLAGS_admin : DefaultAdmin();
  if (!line->admin.empty() || !(AsksOperators(line->command) || line->here))
    return absl::OkStatus();
  return Usage(
      "the address of --admin_listen is unknown: give it with --admin=URL or $OBJMAPPER_ADMIN");
}

// The flags have been set; reads them into `line`.
absl::Status ReadFlags(CommandLine* line) {
  line->server = FLAGS_server.empty() ? DefaultServer() : FLAGS_server;
  if (net::IsSocketPath(line->server)) line->server = absl::StrCat("unix:", line->server);
  line->server_is_default = FLAGS_server.empty() && Environment("OBJMAPPER_SERVER").empty();
  if (absl::Status status = ReadServerUser(line); !status.ok()) return status;
  line->json = FLAGS_json;
  line->verbose = FLAGS_verbose;
  line->retry = FLAGS_retry;
  absl::Status timeout = ReadDuration("timeout", FLAGS_timeout, &line->timeout);
  if (!timeout.ok()) return timeout;
  const bool waits_long =
      line->command == Command::kWarm && gflags::GetCommandLineFlagInfoOrDie("timeout").is_default;
  line->answer_timeout = waits_long ? kObjectPatience : line->timeout;
  if (line->command == Command::kPing || line->command == Command::kTop) {
    const bool given = !gflags::GetCommandLineFlagInfoOrDie("n").is_default;
    if (given && FLAGS_n < 1) return Usage("-n ", FLAGS_n, ": expected 1 or more");
    line->count = given ? FLAGS_n : line->command == Command::kPing ? kPings : 0;
  }
  if (absl::Status read = ReadAdmin(line); !read.ok()) return read;
  if (!gflags::GetCommandLineFlagInfoOrDie("prefix").is_default) line->prefix = FLAGS_prefix;
  if (!gflags::GetCommandLineFlagInfoOrDie("list").is_default) line->list = FLAGS_list;
  line->recursive = FLAGS_r;
  line->dry_run = FLAGS_dry_run;
  line->force = FLAGS_force;
  line->through = FLAGS_origin;
  line->long_form = FLAGS_l;
  line->one_level = FLAGS_d;
  if (FLAGS_jobs < 1 || FLAGS_jobs > kJobsMax) {
    return Usage("--jobs=", FLAGS_jobs, ": expected 1 to ", kJobsMax);
  }
  line->jobs = FLAGS_jobs;
  if (absl::Status ttl = ReadTtl(&line->ttl); !ttl.ok()) return ttl;
  if (absl::Status read = ReadConditions(line); !read.ok()) return read;
  const bool is_udp = absl::StartsWith(line->server, "udp:");
  const bool is_unix = !is_udp && !absl::StartsWith(line->server, "tcp:");
  const bool goes_by_udp = line->command == Command::kGet || line->command == Command::kStat;
  if (is_udp && !AsksOperators(line->command) && !goes_by_udp) {
    return Usage("--server=", line->server, ": UDP carries only get and stat");
  }
  // An empty --token_file means none, whatever the environment says.
  line->token_file = FLAGS_token_file;
  if (gflags::GetCommandLineFlagInfoOrDie("token_file").is_default)
    line->token = Environment("OBJMAPPER_TOKEN");
  if (is_udp && !(line->token_file.empty() && line->token.empty()))
    return Usage("--token_file, $OBJMAPPER_TOKEN: UDP carries no tokens");
  line->as_fd = FLAGS_fd;
  if (line->as_fd && !is_unix) return Usage("--fd: descriptors pass only through Unix sockets");
  if (line->command != Command::kGet && line->command != Command::kCp) return absl::OkStatus();
  absl::StatusOr<protocol::Mode> mode = ReadMode(FLAGS_mode, is_unix);
  if (!mode.ok()) return mode.status();
  if (*mode != protocol::Mode::kCopy && is_udp)
    return Usage("--mode=", FLAGS_mode, ": UDP carries only copies");
  line->mode = *mode;
  if (line->command == Command::kCp) return absl::OkStatus();
  line->output = FLAGS_o;
  line->output_given = !gflags::GetCommandLineFlagInfoOrDie("o").is_default;
  if (line->output.empty()) return Usage("-o needs a file, a folder, or - for standard output");
  if (FLAGS_range.empty()) return absl::OkStatus();
  const absl::StatusOr<AskedRange> asked = ParseRange(FLAGS_range);
  if (!asked.ok()) return Usage(asked.status().message());
  line->range = asked->range;
  line->last = asked->last;
  return absl::OkStatus();
}

}  // namespace

std::string DefaultServer(absl::string_view unit_socket) {
  if (const std::string server = Environment("OBJMAPPER_SERVER"); !server.empty()) return server;
  const std::string folder = Environment("XDG_RUNTIME_DIR");
  const std::string own = absl::StrCat(folder.empty() ? "/tmp" : folder, "/objmapper.sock");
  const std::string unit(unit_socket);
  // Who is not in the unit's group may have a server of his own; if not, the unit's says what is
  // missing.
  const bool takes =
      IsSocket(unit) && (access(unit.c_str(), W_OK) == 0 || access(own.c_str(), W_OK) != 0);
  return absl::StrCat("unix:", takes ? unit : own);
}

absl::StatusOr<CommandLine> ParseCommandLine(absl::Span<const char* const> arguments) {
  CommandLine line;
  if (arguments.empty())
    return Usage(
        "no command: objmapper get, put, rm, ls, cp, stat, ping, stats, top, warm, pin, unpin, "
        "evict or origins");
  if (const std::optional<Command> command = HelpOrVersion(arguments[0])) {
    line.command = *command;
    if (*command == Command::kVersion || arguments.size() == 1) return line;
    line.topic = arguments[1];
    if (FindCommand(line.topic) != nullptr || HelpOrVersion(line.topic).has_value()) return line;
    return Usage("there is no command ", line.topic, " to help with");
  }
  const CommandEntry* entry = FindCommand(arguments[0]);
  if (entry == nullptr) {
    return Usage(IsFlag(arguments[0]) ? "the command comes first, then flags such as "
                                      : "there is no command ",
                 arguments[0]);
  }
  line.command = entry->command;
  line.run = entry->run;
  bool flags_may_follow = true;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const absl::string_view argument = arguments[i];
    if (!flags_may_follow || !IsFlag(argument)) {
      line.uris.emplace_back(argument);
    } else if (argument == "--") {
      flags_may_follow = false;
    } else if (HelpOrVersion(argument) == Command::kHelp) {
      line.command = Command::kHelp;
      line.topic = entry->name;
      return line;
    } else if (absl::Status status = SetFlag(*entry, arguments, &i); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = ReadFlags(&line); !status.ok()) return status;
  if (absl::Status status = ReadOperands(entry->name, &line); !status.ok()) return status;
  return line;
}

}  // namespace objmapper::tools
