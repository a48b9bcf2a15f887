// What an operator should know of the root before there are clients.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "server/flags/config.h"
#include "storage/tree/tree.h"

namespace objmapper::server {

// Whether the rules, if there are any, mean what they say there. FAILED_PRECONDITION: names in the
// root do not tell upper from lower case, and rules go by how a name is spelled.
absl::Status CheckSpelling(const Config& config, const storage::Tree& tree);
// The same of a directory that is to be the root. root: borrowed.
absl::Status CheckSpelling(const Config& config, int root);

// With --writable: why nothing can be stored in the root by this process as it is now; empty when
// it can. A sentence, for the log: a file system may be writable again later, and until then its
// objects are served.
std::string DoubtAboutWriting(const Config& config);

}  // namespace objmapper::server
