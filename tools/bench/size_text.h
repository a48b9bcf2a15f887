// Sizes as flags and reports write them: "100K" is 102400 bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::bench {

// Digits, then nothing, K, M or G (powers of 1024). INVALID_ARGUMENT names the text.
absl::StatusOr<uint64_t> ParseSize(absl::string_view text);

// The shortest text that ParseSize() turns back into `bytes`.
std::string SizeText(uint64_t bytes);

}  // namespace objmapper::bench
