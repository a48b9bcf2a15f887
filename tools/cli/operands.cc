// Checks URIs, files and places, once the flags have been read.
#include "tools/cli/operands.h"

#include <vector>

#include "protocol/limits.h"

namespace objmapper::tools {
namespace {

using Command = CommandLine::Command;

// warm's objects: given one by one, by a prefix, or in a list.
absl::Status ReadObjects(CommandLine* line) {
  const int ways = (line->uris.empty() ? 0 : 1) + (line->prefix.has_value() ? 1 : 0) +
                   (line->list.has_value() ? 1 : 0);
  if (ways != 1) return Usage("objmapper warm needs URIs, --prefix or --list, and one of these");
  if (line->list.has_value() && line->list->empty())
    return Usage("--list needs a file, or - for standard input");
  if (line->prefix.has_value() && !line->prefix->empty()) return CheckUri(*line->prefix);
  for (const std::string& uri : line->uris) {
    if (absl::Status status = CheckUri(uri); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckUri(const std::string& uri) {
  if (uri.empty()) return Usage("a URI must not be empty");
  if (uri.size() <= protocol::kUriBytesMax) return absl::OkStatus();
  return Usage("a URI has at most ", protocol::kUriBytesMax, " bytes; ", uri.substr(0, 40),
               "... has ", uri.size());
}

absl::Status ReadOperands(absl::string_view command, CommandLine* line) {
  std::vector<std::string>& given = line->uris;
  switch (line->command) {
    case Command::kPut:
      line->operands.swap(given);
      // A file and the URI.
      if (!line->if_match.empty() && line->operands.size() > 2)
        return Usage("an ETAG is the version of one object, but several files were given");
      if (!line->operands.empty()) return absl::OkStatus();
      return Usage("objmapper put needs a file, a folder (with -r), or - for standard input");
    case Command::kCp:
      line->operands.swap(given);
      if (line->operands.size() == 2) return absl::OkStatus();
      return Usage("objmapper cp needs two places, of which one begins with obj:, but was given ",
                   line->operands.size());
    case Command::kWarm:
      return ReadObjects(line);
    case Command::kLs:
      if (given.empty()) given.emplace_back();
      if (given.size() > 1)
        return Usage("objmapper ls takes one prefix, but was given ", given.size());
      return given[0].empty() ? absl::OkStatus() : CheckUri(given[0]);
    case Command::kGet:
    case Command::kStat:
    case Command::kRm:
    case Command::kPin:
    case Command::kUnpin:
    case Command::kEvict:
      if (given.empty()) return Usage("objmapper ", command, " needs a URI");
      for (const std::string& uri : given) {
        if (absl::Status status = CheckUri(uri); !status.ok()) return status;
      }
      if (given.size() > 1 && !(line->if_match.empty() && line->if_none_match.empty()))
        return Usage("an ETAG is the version of one object, but ", given.size(), " were given");
      return absl::OkStatus();
    default:
      if (given.empty()) return absl::OkStatus();
      return Usage("objmapper ", command, " takes no URI, but was given ", given[0]);
  }
}

}  // namespace objmapper::tools
