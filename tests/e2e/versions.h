// Objects that tell, of every byte, which version it belongs to: for tests that change an object
// while it is served and must see whether an answer mixes two versions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::e2e {

// Version `version` of an object of `bytes` bytes (a multiple of 8): words that each name the
// version and their own place. No word is zero: a hole or a page past a file's end never passes.
std::string VersionOf(uint32_t version, size_t bytes);

// The version that all of `body` belongs to, each word in its place from the object's beginning
// (a last word may be cut). nullopt, with the place in `problem`, when it mixes versions, or holds
// anything that no version holds. `body` is not empty.
std::optional<uint32_t> OneVersion(absl::string_view body, std::string* problem);

}  // namespace objmapper::e2e
