#include "server/flags/config_objects.h"

#include <gflags/gflags.h>

#include "server/flags/flag_errors.h"
#include "storage/store/store.h"

DEFINE_bool(writable, false,
            "Clients may store and delete objects (OP_PUT, OP_PUT_FD, OP_DELETE), within "
            "--rules_file if it is given. Without this flag the root is never written to.");
DEFINE_string(durability, "data",
              "What a crash of the machine may lose of an object whose storing was acknowledged, "
              "with --writable: none (anything not yet written back), data (the name, never part "
              "of the bytes), full (nothing). A crash of the server alone loses nothing.");

DEFINE_int64(put_rate_min, 256,
             "Minimum rate, in bytes per second, of the body of an OP_PUT. A client that is more "
             "than --request_timeout behind this rate is answered TIMEOUT, and its unfinished "
             "object is dropped. 0: no minimum, as long as bytes arrive.");
DEFINE_int32(put_room_per_peer, 90,
             "Maximum share, in per cent, of the free room (on the disk, or below "
             "--disk_refuse_at) that unfinished objects of one peer (a user; over TCP an address) "
             "may take. The rest is left to other peers. 100: all.");

namespace objmapper::server {

absl::Status ReadObjects(Config* config) {
  config->writable = FLAGS_writable;
  if (absl::Status s = CheckRange("put_rate_min", FLAGS_put_rate_min, 0, int64_t{1} << 40); !s.ok())
    return s;
  config->put_rate_min = static_cast<uint64_t>(FLAGS_put_rate_min);
  if (absl::Status s = CheckRange("put_room_per_peer", FLAGS_put_room_per_peer, 1, 100); !s.ok())
    return s;
  config->put_room_per_peer = static_cast<uint32_t>(FLAGS_put_room_per_peer);
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
