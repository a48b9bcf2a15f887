#include "server/flags/config_objects.h"

#include <gflags/gflags.h>

#include "server/flags/flag_errors.h"
#include "storage/store/store.h"

DEFINE_bool(writable, false,
            "Clients may store and delete objects (OP_PUT, OP_PUT_FD, OP_DELETE), who --rules_file "
            "lets, if there is "
            "one. Without it the root is never written to.");
DEFINE_string(durability, "data",
              "What a crash of the machine may take of an object whose storing was acknowledged, "
              "with --writable: none "
              "(anything not yet written back), data (the name, never a part of the bytes), full "
              "(nothing). A crash of "
              "the server alone takes nothing.");

DEFINE_int64(put_rate_min, 256,
             "Bytes a second with which the body of an object has to come (OP_PUT). A client that "
             "keeps the server waiting for "
             "more than --request_timeout beyond that is told TIMEOUT, and what it was storing is "
             "dropped. 0: as slowly as it "
             "likes, as long as something comes.");
DEFINE_int32(
    put_room_per_peer, 90,
    "How much of the room that objects leave, on the disk or below --disk_refuse_at, the "
    "unfinished objects of one "
    "peer (a user; over TCP an address) may take, in per cent: the rest is for others. 100: all.");

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
