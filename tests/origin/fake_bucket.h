// A bucket that a BadOrigin lists as S3 does (ListObjectsV2), of any number of keys: they are made
// as they are asked for.
//
//   FakeBucket bucket(KeysOf({"a", "a/b", "x//y"}));
//   origin.Answer("bucket/", [&](const std::string& target) { return bucket.List(target); });
//
// encoding-type=url is as radosgw's: '/' is %2F, too. Pages end behind max-keys; the token of the
// next one is the last key. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::origin::testing {

// Of the keys that are greater than `after`, the least one.
using NextKey = std::function<std::optional<std::string>(const std::string& after)>;
NextKey KeysOf(std::set<std::string> keys);
// "many/0000000" to one less than `count`.
NextKey ManyKeys(uint64_t count);

class FakeBucket {
 public:
  // Each key's size is its length, and all were changed at kMtime.
  static constexpr int64_t kMtime = 1'600'000'000;

  explicit FakeBucket(NextKey next) : next_(std::move(next)) {}

  // The document for the target of a GET, "/bucket/?list-type=2&...".
  std::string List(absl::string_view target) const;

 private:
  const NextKey next_;
};

// A parameter of the target, decoded; empty: there is none.
std::string Parameter(absl::string_view target, absl::string_view name);

}  // namespace objmapper::origin::testing
