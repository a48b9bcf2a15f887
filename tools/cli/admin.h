// A server's --admin_listen: asked, and its figures as `objmapper top` and `objmapper stats` show
// them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace objmapper::tools {

struct AdminAnswer {
  int status = 0;
  std::string body;
};
// What is answered to `method target`, whatever its status; to POST with the header that a change
// needs. url: as net::ParseUrl().
// Errors: INVALID_ARGUMENT (the URL); as net::Dial(); and the connection's (client/error.h):
// DEADLINE_EXCEEDED when nothing comes for `timeout`, DATA_LOSS when what comes is no HTTP answer,
// or not whole.
absl::StatusOr<AdminAnswer> AskAdmin(const std::string& url, absl::string_view method,
                                     absl::string_view target, absl::Duration timeout);
// An answer that is no 200 as an error: FAILED_PRECONDITION.
absl::Status RefusedByAdmin(const std::string& url, const AdminAnswer& answer);

// The body of `GET path`. Errors as AskAdmin() and RefusedByAdmin().
absl::StatusOr<std::string> FetchFromAdmin(const std::string& url, const std::string& path,
                                           absl::Duration timeout);

// The last second, for a terminal of 80 columns and more: a line for the whole, one for each mode
// and each lane. DATA_LOSS: `stats` is not what a server's /stats says.
absl::StatusOr<std::string> TopText(absl::string_view stats);

// The totals since the start in the same form.
absl::StatusOr<std::string> TotalsText(absl::string_view stats);

// "totals" and "now" of it on one line, without the history. DATA_LOSS as above.
absl::StatusOr<std::string> StatsLine(absl::string_view stats);

// Where a server's door is looked for when nobody says: $OBJMAPPER_ADMIN, else where the unit of
// tools/systemd has its own; empty when neither is there.
std::string DefaultAdmin();

// What defaults are made of: a variable's value, empty too where there is none; and whether `path`
// is a socket.
std::string Environment(const char* name);
bool IsSocket(const std::string& path);

}  // namespace objmapper::tools
