// From flags to a Config: first each flag by itself, then what several of them say together.
#include "server/flags/config.h"

#include "server/flags/flag.h"

namespace objmapper::server {

absl::StatusOr<Config> ConfigFromFlags(const std::vector<net::Address>& inherited) {
  Config config;
  config.inherited = inherited;
  for (const FlagDefinition::Fill fill : FlagDefinition::All()) {
    if (absl::Status status = fill(&config); !status.ok()) return status;
  }
  absl::Status status =
      RunChecks({CheckListeners, CheckServing, CheckAccess, CheckObjects, CheckOrigins}, &config);
  if (!status.ok()) return status;
  return config;
}

}  // namespace objmapper::server
