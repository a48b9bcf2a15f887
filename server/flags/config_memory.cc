#include "server/flags/config_memory.h"

#include <gflags/gflags.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/cores.h"
#include "server/flags/flag_errors.h"

DEFINE_string(
    memory_limit, "0",
    "Maximum number of bytes (64M, 2G) of objects in memory: sealed memfds that clients store with "
    "OP_PUT_FD and that have no copy on the disk. They are evicted when the limit is reached, and "
    "are gone when the server ends (docs/memory.md). 0: memfds are copied to the disk.");

namespace objmapper::server {
namespace {

// "64M": bytes, with K, M, G or T for powers of 1024. False: it is none, or more than 2^62.
bool ParseBytes(absl::string_view text, uint64_t* bytes) {
  constexpr absl::string_view kUnits = "KMGT";
  int shift = 0;
  if (!text.empty()) {
    const size_t unit = kUnits.find(absl::ascii_toupper(static_cast<unsigned char>(text.back())));
    if (unit != kUnits.npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  // SimpleAtoi() would take signs and spaces.
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return false;
  if (!absl::SimpleAtoi(text, bytes) || *bytes > (uint64_t{1} << 62) >> shift) return false;
  *bytes <<= shift;
  return true;
}

}  // namespace

absl::Status ReadMemory(Config* config) {
  if (!ParseBytes(FLAGS_memory_limit, &config->memory_limit)) {
    return Bad("memory_limit", FLAGS_memory_limit,
               "it is a number of bytes such as 64M or 2G, or 0");
  }
  if (config->memory_limit != 0 && config->memory_limit < 65536) {
    return Bad("memory_limit", FLAGS_memory_limit,
               "it is 64K or more, or 0: each object takes whole pages");
  }
  if (config->memory_limit != 0 && !config->writable) {
    return Bad("memory_limit", FLAGS_memory_limit,
               "nobody can store objects in a server without --writable");
  }
  if (const uint64_t allowed = MemoryAllowed(); config->memory_limit > allowed) {
    config->warnings.push_back(absl::StrCat(
        "--memory_limit=", FLAGS_memory_limit, " is more than this process may have (", allowed,
        " bytes: the machine's memory, or memory.max of its cgroup); the kernel ends it before "
        "so much is in memory."));
  }
  return absl::OkStatus();
}

}  // namespace objmapper::server
