// The command line, read and checked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/object.h"
#include "protocol/mode.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

struct CommandLine {
  enum class Command : uint8_t {
    kHelp,
    kVersion,
    kGet,
    kPut,
    kRm,
    kLs,
    kCp,
    kStat,
    kPing,
    kStats,
    kTop,
    kWarm,
    kPin,
    kUnpin,
    kEvict,
    kOrigins
  };
  Command command = Command::kHelp;
  ExitCode (*run)(const CommandLine& line) = nullptr;  // the command; not of kHelp and kVersion
  std::string topic;                                   // kHelp: the command asked about; empty: all

  std::string server;              // a URL; not checked yet
  bool server_is_default = false;  // nobody said where it is
  std::vector<uid_t> server_uids;  // whose it may be, as client::Options has it
  // Says who asks; at most one of them is not empty, and of the file nothing has been read.
  std::string token, token_file;
  absl::Duration timeout;  // for connecting and for each wait, but
  // for that of an answer. kWarm: it may come when the object has come from its origin.
  absl::Duration answer_timeout;
  bool retry = true;  // ask again what was UNAVAILABLE, within `timeout`
  bool json = false;
  bool verbose = false;  // a line for each object that is done
  // kGet, kStat, kRm, kPin, kUnpin, kEvict: one or more; kLs: one prefix, may be empty; kWarm: one
  // or more, unless there is a prefix or a list. Each can be sent.
  std::vector<std::string> uris;
  std::optional<std::string> prefix;  // kWarm: of URIs, may be empty
  std::optional<std::string> list;    // kWarm: a file with a URI on each line; "-": standard input
  // kPut: one or more; kCp: two; files and URIs, not checked yet
  std::vector<std::string> operands;
  bool recursive = false;                         // kPut, kRm, kCp
  absl::Duration ttl = absl::InfiniteDuration();  // kPut, kCp
  int jobs = 1;                                   // kPut, kRm, kCp, kWarm: connections, 1 or more
  bool as_fd = false;      // kPut, kCp: the descriptor is sent, not the bytes
  bool if_absent = false;  // kPut: only what is not there
  // kPut, kRm: only in place of the version of this etag; of one object; empty: of any
  std::string if_match;
  std::string if_none_match;  // kGet: only if it is not the version of this etag
  bool dry_run = false;       // kRm
  bool force = false;         // kCp: what is the same already too; kEvict: what is pinned too
  bool here = false;          // kStat: what is here is told, and nothing is fetched for that
  bool through = false;       // kLs: what the origins have is listed, too
  bool long_form = false;     // kLs
  bool one_level = false;     // kLs
  protocol::Mode mode = protocol::Mode::kCopy;  // kGet, kCp
  std::optional<client::Range> range;           // kGet
  std::optional<uint64_t> last;                 // kGet: the last bytes, in place of `range`
  std::string output = "-";                     // kGet: a file, a folder, or "-" for stdout
  bool output_given = false;  // kGet: somebody said so; else no terminal gets what is no text
  int count = 0;              // kPing: 1 or more; kTop: 0 is for ever
  // A URL; not checked yet. kStat: empty: nobody knows one, and it is not asked.
  std::string admin;
  bool admin_given = false;  // somebody said so, on the command line
};

// Whether what is the same on both sides is not to be copied (tools/cli/same.h): by cp -r, unless
// everything is to be. With --ttl all objects are to begin to live anew.
inline bool SkipsTheSame(const CommandLine& line) {
  return line.command == CommandLine::Command::kCp && line.recursive && !line.force &&
         line.ttl == absl::InfiniteDuration();
}

// Reads the arguments behind the program's name into a CommandLine. The flags are gflags' (so that
// each is checked by its type and documented in one place), but the walk over the arguments is
// here: each command takes its own flags only, "-o FILE", "-oFILE", "-rv" and "-h" work, and every
// mistake is answered in one sentence and with one exit code.
//
// $OBJMAPPER_SERVER and $XDG_RUNTIME_DIR are read for the default of --server,
// $OBJMAPPER_SERVER_USER for that of
// --server_user, $OBJMAPPER_TOKEN for want of --token_file.
// INVALID_ARGUMENT: the message says what is wrong and what would be right.
absl::StatusOr<CommandLine> ParseCommandLine(absl::Span<const char* const> arguments);

// Where the unit of tools/systemd listens.
inline constexpr absl::string_view kUnitSocket = "/run/objmapper/objmapper.sock";

// Where a client looks for a server when nobody says otherwise: $OBJMAPPER_SERVER; else the socket
// at `unit_socket`, where there is one, unless only "${XDG_RUNTIME_DIR:-/tmp}/objmapper.sock" may
// be connected to; else that one.
std::string DefaultServer(absl::string_view unit_socket = kUnitSocket);

}  // namespace objmapper::tools
