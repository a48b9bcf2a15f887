// Many objects at once, for put, rm -r, cp and warm: one progress bar, one report for each, one
// exit code.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/client.h"
#include "client/copy_range.h"
#include "tools/cli/command_line.h"
#include "tools/cli/json.h"
#include "tools/cli/report.h"

namespace objmapper::tools {

struct Item {
  std::string uri;
  std::string path;   // the file on this side; empty: none
  uint64_t size = 0;  // bytes, for the progress bar; 0 too when they do not pass here
};

// What an item's work has to say.
struct Said {
  JsonLine json;         // of the item; begun with its names
  bool skipped = false;  // there was nothing to do: it is the same already
  uint64_t bytes = 0;    // of the object, where the item did not know
};

// Does one item.
using Work = std::function<absl::Status(const Item& item, client::Client& client,
                                        const client::ProgressCallback& progress, Said* said)>;

// Does `work` for all items, over at most `connections` connections: what the server is too busy
// for is asked again, and a connection that broke made anew. Errors are reported as they come, and
// do not stop the others; with --json what went well is too. Where any was skipped, a line says how
// many at the end. Returns kExitOk, or the code of the first error.
//
// Of kWarm the sizes are not known beforehand: its progress is in objects, a line at the end says
// how much that was, and another if it is interrupted.
//
// before: the code of an error that there was already, for a count that tells of all: `failed`
// things which are not among the items.
ExitCode DoAll(const CommandLine& line, int connections, const std::vector<Item>& items,
               const Work& work, ExitCode before = kExitOk, size_t failed = 0);

// The same of any number of items, of which a few thousand are in memory. next: puts more of them
// into the list, which is empty; nothing: there are no more. Its error, which it has reported, ends
// it: what is left is not done.
using NextItems = std::function<ExitCode(std::vector<Item>* items)>;
ExitCode DoAllOf(const CommandLine& line, int connections, const NextItems& next, const Work& work);

}  // namespace objmapper::tools
