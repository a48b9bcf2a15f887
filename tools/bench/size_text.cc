#include "tools/bench/size_text.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace objmapper::bench {

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  absl::string_view digits = text;
  int shift = 0;
  if (!digits.empty()) {
    switch (digits.back()) {
      case 'K':
        shift = 10;
        break;
      case 'M':
        shift = 20;
        break;
      case 'G':
        shift = 30;
        break;
    }
    if (shift != 0) digits.remove_suffix(1);
  }
  uint64_t count = 0;
  if (!absl::SimpleAtoi(digits, &count) || count > (UINT64_MAX >> shift)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no size; 1024, 100K, 1M and 1G are"));
  }
  return count << shift;
}

std::string SizeText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"", "K", "M", "G"};
  int unit = 0;
  while (unit < 3 && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, kUnits[unit]);
}

}  // namespace objmapper::bench
