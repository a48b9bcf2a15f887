// From flags to a Config: first each flag by itself (flag.h), then what several of them say
// together (config_parts.h).
#include "server/flags/config.h"

#include "server/flags/config_parts.h"
#include "server/flags/flag.h"

namespace objmapper::server {

absl::StatusOr<Config> ConfigFromFlags(const std::vector<net::Address>& inherited) {
  Config config;
  config.inherited = inherited;
  for (const FlagDefinition::Fill fill : FlagDefinition::All()) {
    if (absl::Status status = fill(&config); !status.ok()) return status;
  }
  for (const auto& check : {CheckListeners, CheckServing, CheckAccess, CheckObjects}) {
    if (absl::Status status = check(&config); !status.ok()) return status;
  }
  return config;
}

}  // namespace objmapper::server
