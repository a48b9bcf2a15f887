// objmapper rm: objects away.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "text/printable.h"
#include "tools/cli/commands.h"
#include "tools/cli/connect.h"
#include "tools/cli/listing.h"
#include "tools/cli/report.h"
#include "tools/cli/transfers.h"

namespace objmapper::tools {
namespace {

// All that is below the prefixes. An error has been reported.
ExitCode Gather(const CommandLine& line, std::vector<Item>* items) {
  ExitCode code;
  absl::StatusOr<client::Client> client = ConnectOrReport(line, &code);
  if (!client.ok()) return code;
  for (const std::string& uri : line.uris) {
    const size_t before = items->size();
    const ExitCode listed =
        ListToKeepOrReport(line, *client, AsFolder(uri), [&](const client::ListEntry& entry) {
          items->push_back({entry.uri, "", 0});
        });
    if (listed != kExitOk) return listed;
    if (items->size() > before) continue;
    const absl::Status none = absl::NotFoundError(
        absl::StrCat("there is no object below ", text::Printable(AsFolder(uri))));
    ReportError(line.json, "uri", uri, none, kExitServerSaidNo);
    if (code == kExitOk) code = kExitServerSaidNo;
  }
  return code;
}

void PrintWouldRemove(const CommandLine& line, const Item& item) {
  if (!line.json) {
    PrintLine(absl::StrCat("would remove ", text::Printable(item.uri)));
    return;
  }
  JsonLine json;
  json.AddText("uri", item.uri);
  json.AddBool("would_remove", true);
  PrintLine(json.ToString());
}

}  // namespace

ExitCode RunRm(const CommandLine& line) {
  std::vector<Item> items;
  ExitCode code = kExitOk;
  if (line.recursive) {
    code = Gather(line, &items);
    if (code != kExitOk && items.empty()) return code;
  } else {
    for (const std::string& uri : line.uris) items.push_back({uri, "", 0});
  }
  if (line.dry_run) {
    for (const Item& item : items) PrintWouldRemove(line, item);
    return code;
  }
  const Work work = [&line](const Item& item, client::Client& client,
                            const client::ProgressCallback&, Said*) {
    const absl::Status status = client.Delete(item.uri, line.if_match);
    // What was listed and has gone meanwhile is as it should be.
    return line.recursive && absl::IsNotFound(status) ? absl::OkStatus() : status;
  };
  return DoAll(line, line.recursive ? line.jobs : 1, items, work, code, code == kExitOk ? 0 : 1);
}

}  // namespace objmapper::tools
