// URLs of S3: where a bucket is, and how keys and queries are written there.
//
//   const absl::StatusOr<Bucket> bucket = Bucket::Make({.name = "models", .region = "eu-west-1"});
//   bucket->Object("llama/7b.bin")  // https://models.s3.eu-west-1.amazonaws.com/llama/7b.bin
//   bucket->List(Query().Add("list-type", "2").Add("prefix", "llama/"))
//
// What is sent is what is signed: whoever sends such a URL must not normalize it (of libcurl:
// CURLOPT_PATH_AS_IS), since a key may hold "//" and "..".
//
// All functions are thread-safe.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::origin::s3 {

// `key` as it stands in a path: A-Z a-z 0-9 - . _ ~ and / stay, every other byte is %XX. Once: a
// '%' of the key's is "%25".
std::string EncodeKey(absl::string_view key);
// A name or a value of a query: the same, with '/' as %2F.
std::string EncodeQuery(absl::string_view text);

// The parameters of a request, sorted as they have to be signed.
class Query {
 public:
  Query& Add(absl::string_view name, absl::string_view value = "");
  // Encoded, without '?'; of a parameter without a value "name=".
  std::string Text() const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;  // encoded
};

struct Url {
  bool tls = false;
  std::string host;   // with its port, but for the scheme's own: the Host field
  std::string path;   // encoded, from the first '/' on
  std::string query;  // encoded, without '?'; empty: none
  // "https://host/path?query"
  std::string Text() const;
};

// Where something speaks HTTP: an endpoint of S3's, an HTTP origin.
struct Endpoint {
  bool tls = false;
  std::string host;  // as Url's; IPv6 in brackets
  std::string path;  // as it was given, without slashes at its end; mostly empty
  // "https://host/path"
  std::string Text() const;
  bool operator==(const Endpoint&) const = default;
};

// "http://..." or "https://...". INVALID_ARGUMENT, in a sentence that shows no more of `url` than
// its scheme, since passwords come in URLs: another scheme; a name or a password in it (they would
// be seen in ps and /flagz); a query or a fragment; a host or a port that is none; a path with a
// byte that no URL may have, or with a component that is a way up.
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view url);

// AWS's own: "https://s3.REGION.amazonaws.com", ".cn" behind it for China's. INVALID_ARGUMENT:
// there is none for that name, as for "auto", which is other makers'.
absl::StatusOr<Endpoint> AwsEndpoint(absl::string_view service, absl::string_view region);

// Whether it could be the name of a region: 1 to 64 of a-z 0-9 -. What a server says of regions
// goes into hosts and signatures only if it could.
bool IsRegionName(absl::string_view text);
// Whether it could be that of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -, and none of the former that
// is a way up. (Old buckets, and other makers', have names that AWS would not give today.)
bool IsBucketName(absl::string_view text);

class Bucket {
 public:
  struct Where {
    std::string name;
    // Empty: us-east-1, from which AWS says where the bucket is (error.h, kWrongRegion).
    std::string region;
    std::optional<Endpoint> endpoint;  // none: AWS's for the region
    // Whether the bucket is in the path, not in the host. Not said: with an endpoint of one's own,
    // and where the name cannot stand in a host that a certificate for *.s3... is good for (dots).
    std::optional<bool> path_style;
  };
  // INVALID_ARGUMENT: it is no name for a bucket; there is neither an endpoint nor one of AWS's for
  // the region; the name cannot be in a host, and path style was excluded.
  static absl::StatusOr<Bucket> Make(Where where);

  // Of the object `key`, any bytes; empty: of the bucket.
  Url Object(absl::string_view key) const { return Object(key, Query()); }
  // With parameters: "uploadId", "partNumber".
  Url Object(absl::string_view key, const Query& query) const;
  // Of the bucket, to ask for what is in it.
  Url List(const Query& query) const { return Object("", query); }
  const std::string& region() const { return region_; }  // that signatures are for
  const std::string& name() const { return name_; }

 private:
  Bucket() = default;
  std::string name_;
  std::string region_;
  bool tls_ = true;
  std::string host_;
  std::string root_;  // the path of what has the key "", with its slash at the end
};

}  // namespace objmapper::origin::s3
