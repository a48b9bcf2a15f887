// Which origin a URI's object comes from: --origin and --origins_file, read.
//
//   # prefix   origin                          words
//   /models    s3://models/v2                  region=eu-west-1 immutable
//   /data      s3://data endpoint=http://127.0.0.1:7480 profile=ceph revalidate=10s
//   /          https://cache.rack7.example/    stale_if_error=10m
//
// One origin a line; '#' begins a comment, C escapes are for what a line cannot hold (\040 is a
// blank; of \x20b, C makes one character). The longest prefix that a URI is below, in whole
// components, decides (/models is not about /models2); "/" is for all that no other line is for.
// What of the URI is behind the prefix is appended to the origin's own, with a slash between, byte
// by byte as it is.
//
// Words, all of which may be left out, in any order:
//
//   endpoint=URL         S3 that is not AWS's
//   region=NAME          else as the environment or the profile says
//   path_style[=BOOL]    the bucket in the path, not in the host
//   profile=NAME         of ~/.aws/config, for its keys
//   anonymous            without keys, where none are found
//   revalidate=60s       what is older is asked for again
//   immutable            never asked for again
//   negative=2s          how long absence is remembered
//   stale_if_error=0     for how long more it is served while the origin fails
//   part=8M              bytes of one request
//   parallel=8           parts of one object at once
//   block=8M             of an object of which a range is asked for, so much is fetched
//   stall=1K/10s         what is slower is dead; 0: nothing is
//   write=through        PUT and DELETE go to the origin
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "origin/config/origin.h"

namespace objmapper::origin {

// Where one object is.
struct Location {
  std::shared_ptr<const Origin> origin;
  // S3: its key, any bytes. HTTP: the URL's path, encoded.
  std::string key;

  // "s3://bucket/key", "https://host/path": for people, escaped.
  std::string Text() const;
};

// Immutable, so thread-safe. Copyable, cheaply.
class Origins {
 public:
  // None.
  Origins() = default;
  // A file's lines. INVALID_ARGUMENT: the message names the line by its number, and says what is
  // wrong with which of its words; it shows nothing that may be a password.
  static absl::StatusOr<Origins> Parse(absl::string_view text);
  // Reads `path`, of at most 1 MiB. Other errors: as ErrnoToStatus; all messages name the file.
  static absl::StatusOr<Origins> Load(const std::string& path);
  // The value of --origin: a URL and its words, for the whole name space.
  static absl::StatusOr<Origins> OfFlag(absl::string_view text);

  // Where the object `uri` is. Slashes at its front mean nothing (storage/tree/tree.h); any others
  // are the key's, and so is all else that is no path: "x//y", "x/", "x/../y".
  //
  //   NOT_FOUND           no line is for it
  //   FAILED_PRECONDITION it names a whole bucket or server, so no object
  //   OUT_OF_RANGE        the key is longer than S3's may be, 1024 bytes
  //   INVALID_ARGUMENT    it holds a NUL
  //   PERMISSION_DENIED   of HTTP: a component is "." or "..", which would lead elsewhere there. To
  //                       S3 they are names like any
  absl::StatusOr<Location> Find(absl::string_view uri) const;
  // The origin whose line `uri` is below, whether or not it names an object there; null: none.
  // Allocates nothing.
  const Origin* LineOf(absl::string_view uri) const;
  // The URI of an object that a listing of `origin` names; nullopt: it has none. Another line is
  // for that URI; the key is not below the origin's own; or it begins with '/', where that would be
  // at a URI's front.
  std::optional<std::string> UriOf(const Origin& origin, absl::string_view key) const;

  // For listings, in the order of URIs as bytes. From `uri` on up to `end`, which is not of it, one
  // line is for all URIs, or none is (null). No end: up to the last URI there can be.
  struct Stretch {
    std::shared_ptr<const Origin> origin;
    std::optional<std::string> end;
  };
  Stretch StretchAt(absl::string_view uri) const;
  // The lines that are for some URI that begins with `prefix`, any bytes. Allocates.
  std::vector<std::shared_ptr<const Origin>> Meeting(absl::string_view prefix) const;

  // In the order of their prefixes.
  const std::vector<std::shared_ptr<const Origin>>& all() const { return all_; }
  bool empty() const { return all_.empty(); }

 private:
  absl::Status Add(Origin origin);
  void Sort();
  // The line for `uri`, which has no leading '/'; null: none.
  const std::shared_ptr<const Origin>* LineFor(absl::string_view uri) const;

  std::vector<std::shared_ptr<const Origin>> all_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Origin>> by_prefix_;
  size_t longest_ = 0;  // prefix, in bytes
};

}  // namespace objmapper::origin
