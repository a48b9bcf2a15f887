// One origin: where the objects below a prefix come from, and by which rules.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/s3/url.h"

namespace objmapper::origin {

// Immutable once it is made. It holds no secrets, so all of it may be shown.
struct Origin {
  enum class Kind : uint8_t {
    kS3,
    kHttp,  // and HTTPS: any server with ranges and ETags
  };

  std::string prefix;  // of URIs: components with a slash between, none at the ends; empty: all
  Kind kind = Kind::kS3;
  // kHttp: the server, and the path that its objects are below. kS3: the word; none: not said.
  std::optional<s3::Endpoint> endpoint;

  // Of S3 alone.
  std::string bucket;
  std::string key_prefix;  // the origin's own: components as above; empty: the whole bucket
  std::string region;      // empty: not said
  std::optional<bool> path_style;
  std::string profile;     // of ~/.aws/config, with its keys; empty: not said
  bool anonymous = false;  // without keys where none are found

  // Freshness. immutable: what is here is never asked for again, and `revalidate` means nothing.
  bool immutable = false;
  absl::Duration revalidate = absl::Seconds(60);
  absl::Duration negative = absl::Seconds(2);            // how long absence is remembered, at most
  absl::Duration stale_if_error = absl::ZeroDuration();  // beyond `revalidate`; 0: never

  // Fetching. A part is one request; a block what is fetched of an object of which a range is asked
  // for. Slower than stall_bytes in stall_time is dead; 0 bytes: nothing is.
  uint64_t part_bytes = 8 << 20;
  uint32_t parallel = 8;  // parts of one object at once
  uint64_t block_bytes = 8 << 20;
  uint64_t stall_bytes = 1 << 10;
  absl::Duration stall_time = absl::Seconds(10);
  absl::Duration answer = absl::Seconds(30);  // from a request's end to the whole head

  // A request whose answer begins later is logged; 0: none is.
  absl::Duration slow = absl::Seconds(5);

  bool write_through = false;  // PUT and DELETE go to the origin; else both are refused

  // "s3://bucket/prefix", "https://host/path": as in a line, escaped.
  std::string Url() const;
  // The whole line, with the words that are not as they are anyway; parsed, it is this origin.
  std::string Text() const;
  bool operator==(const Origin&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Origin& origin);

// Reads a line's URL and the words behind it. INVALID_ARGUMENT, which names the word and says what
// is wrong with it; of a URL that could hold a password it shows nothing.
absl::StatusOr<Origin> ParseOrigin(absl::string_view url_and_words);

// `path` as the prefix of a line: C escapes and doubled slashes taken out. INVALID_ARGUMENT: it
// does not begin with '/', or a component is "." or "..".
absl::StatusOr<std::string> ParsePrefix(absl::string_view path);

}  // namespace objmapper::origin
