// The mode bytes and their names, in one table.
#include "protocol/mode.h"

#include <array>

namespace objmapper::protocol {
namespace {

constexpr struct {
  Mode mode;
  absl::string_view name;
} kModes[] = {
    {Mode::kFdPass, "OP_FDPASS"}, {Mode::kCopy, "OP_COPY"}, {Mode::kSplice, "OP_SPLICE"},
    {Mode::kStat, "OP_STAT"},     {Mode::kPut, "OP_PUT"},   {Mode::kPutFd, "OP_PUT_FD"},
    {Mode::kDelete, "OP_DELETE"}, {Mode::kList, "OP_LIST"},
};

// By the byte: it is asked of each request.
constexpr auto kIsMode = [] {
  std::array<bool, 256> is_mode{};
  for (const auto& known : kModes) is_mode[static_cast<uint8_t>(known.mode)] = true;
  return is_mode;
}();

}  // namespace

bool IsMode(uint8_t byte) { return kIsMode[byte]; }

absl::string_view ModeName(Mode mode) {
  for (const auto& known : kModes) {
    if (known.mode == mode) return known.name;
  }
  return "unknown";
}

}  // namespace objmapper::protocol
