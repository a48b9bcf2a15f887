#include "server/flags/flag_errors.h"

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::server {

absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat(
      "--", flag, "=", text::Printable(value), " makes no sense: ", text::Printable(wanted), "."));
}

absl::Status CheckRange(absl::string_view flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Bad(flag, absl::StrCat(value), absl::StrCat("it is a number from ", least, " to ", most));
}

}  // namespace objmapper::server
