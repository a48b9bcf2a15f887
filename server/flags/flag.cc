// What all flags' readings share: the sentence of a refusal, and the list of all definitions.
#include "server/flags/flag.h"

#include "absl/strings/str_cat.h"
#include "text/duration.h"
#include "text/printable.h"

namespace objmapper::server {

absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, "=", text::Printable(value),
                                                 " is not valid: ", text::Printable(wanted), "."));
}

bool IsGiven(const char* flag) { return !gflags::GetCommandLineFlagInfoOrDie(flag).is_default; }

std::vector<FlagDefinition::Fill>& FlagDefinition::All() {
  static auto* const all = new std::vector<Fill>;
  return *all;
}

absl::Status RunChecks(std::initializer_list<absl::Status (*)(Config*)> checks, Config* config) {
  for (const auto& check : checks) {
    if (absl::Status status = check(config); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckRange(absl::string_view flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Bad(flag, absl::StrCat(value),
             absl::StrCat("expected a number from ", least, " to ", most));
}

absl::Status Time::Read(const char* flag, const std::string& text, absl::Duration* field) const {
  if (!text::ParseDuration(text, field))
    return Bad(flag, text, "expected a time such as 500ms, 30s or 5m, or seconds");
  if (*field < absl::ZeroDuration() ||
      (*field > absl::Hours(24 * 365) && *field != absl::InfiniteDuration())) {
    return Bad(flag, text, "expected a time from 0 to a year");
  }
  return absl::OkStatus();
}

}  // namespace objmapper::server
