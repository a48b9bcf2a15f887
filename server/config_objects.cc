#include "server/config_objects.h"

#include <gflags/gflags.h>

#include "server/flag_errors.h"
#include "storage/store.h"

DEFINE_bool(writable, false,
            "Clients may store and delete objects (OP_PUT, OP_PUT_FD, OP_DELETE), who --rules_file lets, if there is "
            "one. Without it the root is never written to.");
DEFINE_string(durability, "data",
              "What a crash of the machine may take of an object whose storing was acknowledged, with --writable: none "
              "(anything not yet written back), data (the name, never a part of the bytes), full (nothing). A crash of "
              "the server alone takes nothing.");

namespace objmapper::server {

absl::Status ReadObjects(Config* config) {
  config->writable = FLAGS_writable;
  if (FLAGS_durability == "none") {
    config->durability = storage::Durability::kNone;
  } else if (FLAGS_durability == "data") {
    config->durability = storage::Durability::kData;
  } else if (FLAGS_durability == "full") {
    config->durability = storage::Durability::kFull;
  } else {
    return Bad("durability", FLAGS_durability, "it is none, data or full");
  }
  return absl::OkStatus();
}

}  // namespace objmapper::server
