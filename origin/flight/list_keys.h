// What S3 is asked for, so that it lists URIs: its keys are the URIs with another beginning, so
// both are in the same order.
//
// All functions are thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "origin/config/origin.h"

namespace objmapper::origin {

struct KeyRange {
  std::string prefix;       // of keys
  std::string start_after;  // only keys behind it, of at most 1024 bytes; empty: all
  bool one = false;         // only the key that is the prefix itself is wanted
};

// The keys of those objects of `origin` whose URIs begin with `prefix` and are not before `from`,
// where one line is for all of these (Origins::StretchAt()); perhaps some before them, too: S3
// takes UTF-8 alone, and not every place can be said in it. nullopt: there can be none.
std::optional<KeyRange> KeysFrom(const Origin& origin, absl::string_view prefix,
                                 absl::string_view from);

// Where the key stands among URIs, whether or not it is an object's (Origins::UriOf()). key: begins
// with KeyRange::prefix.
std::string PlaceOf(const Origin& origin, absl::string_view key);

// The greatest text that can be sent, and before which no key is wanted that is not before `place`:
// UTF-8, of at most `bytes_max` bytes. Empty: all keys have to be looked at.
std::string StartAfter(absl::string_view place, size_t bytes_max);

}  // namespace objmapper::origin
