// objmapper cp: between files and objects, in both directions.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/to_file.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/listing.h"
#include "tools/cli/local_tree.h"
#include "tools/cli/report.h"
#include "tools/cli/same.h"
#include "tools/cli/transfers.h"
#include "tools/cli/uploads.h"

namespace objmapper::tools {
namespace {

// What a place on the server begins with. A file of such a name is written ./obj:...
constexpr absl::string_view kOnServer = "obj:";

ExitCode UsageError(absl::string_view message) {
  return ReportUsageError(absl::InvalidArgumentError(message));
}

// One object to a file or into a folder, as get does it.
ExitCode FetchOne(const CommandLine& line, const std::string& uri, const std::string& target) {
  if (uri.empty() || absl::EndsWith(uri, "/")) {
    return UsageError(absl::StrCat("obj:", text::Printable(uri),
                                   " is not an object: -r fetches everything below it"));
  }
  if (line.json && target == "-") return UsageError("--json and - do not mix on standard output");
  CommandLine get = line;
  get.uris = {uri};
  get.output = target;
  get.output_given = true;
  return RunGet(get);
}

// Whether the file `place` is what the object is. One that cannot be read is not known to be; nor
// is one that something else than a file has taken the place of.
absl::StatusOr<bool> HasAlready(client::Client& client, const Item& item,
                                const std::string& place) {
  const net::UniqueFd file(
      open(place.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW));
  struct stat attributes;
  if (!file.valid() || fstat(file.get(), &attributes) != 0 ||
      static_cast<uint64_t>(attributes.st_size) != item.size)  // as it was listed: spares a STAT
    return false;
  return IsSame(client, item.uri, file.get(), place, /*for_ever=*/false);
}

// All objects below `uri` into the folder `target`.
ExitCode FetchAll(const CommandLine& line, const std::string& uri, const std::string& target) {
  const std::string prefix = AsFolder(uri);
  std::vector<Item> items;
  {
    ExitCode code;
    absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
    if (!client.ok()) return code;
    code = ListToKeepOrReport(line, *client, prefix, [&](const client::ListEntry& entry) {
      items.push_back(
          {entry.uri, absl::StrCat(AsFolder(target), entry.uri.substr(prefix.size())), entry.size});
    });
    if (code != kExitOk) return code;
  }
  if (items.empty()) {
    const absl::Status none =
        absl::NotFoundError(absl::StrCat("there is no object below obj:", text::Printable(prefix)));
    return ReportError(line.json, "uri", prefix, none, kExitServerSaidNo);
  }
  std::error_code made;
  std::filesystem::create_directories(target, made);
  if (made && !IsFolder(target)) {
    const absl::Status error =
        net::ErrnoToStatus(made.value(), absl::StrCat("make folder ", text::Printable(target)));
    return ReportError(line.json, "file", target, error, kExitLocal);
  }
  const Work work = [&](const Item& item, client::Client& client,
                        const client::ProgressCallback& progress, Said* said) -> absl::Status {
    const absl::StatusOr<std::string> place =
        PlaceIn(target, absl::string_view(item.uri).substr(prefix.size()));
    if (!place.ok()) return place.status();
    if (SkipsTheSame(line)) {
      const absl::StatusOr<bool> same = HasAlready(client, item, *place);
      if (!same.ok()) return same.status();
      said->skipped = *same;
      if (*same) return absl::OkStatus();
    }
    client::ToFileOptions options;
    options.mode = line.mode;
    options.progress = progress;
    const absl::StatusOr<client::FileResult> result =
        client::GetToFile(client, item.uri, *place, options);
    if (!result.ok()) return result.status();
    AddInfo(result->info, &said->json);
    return absl::OkStatus();
  };
  return DoAll(line, line.jobs, items, work);
}

}  // namespace

ExitCode RunCp(const CommandLine& line) {
  absl::string_view from = line.operands[0];
  absl::string_view to = line.operands[1];
  const bool fetches = absl::ConsumePrefix(&from, kOnServer);
  const bool stores = absl::ConsumePrefix(&to, kOnServer);
  if (fetches == stores) {
    return UsageError(
        fetches ? "objmapper cp: one of the two places must be local; both begin with obj:"
                : "objmapper cp: one of the two places must be on the server and begin with obj:, "
                  "such as obj:models/a.bin; for local files use cp(1)");
  }
  if (stores) return RunUploads(line, {std::string(from)}, std::string(to));
  if (to.empty()) return UsageError("a file's name must not be empty");
  if (line.recursive) return FetchAll(line, std::string(from), std::string(to));
  return FetchOne(line, std::string(from), std::string(to));
}

}  // namespace objmapper::tools
