// Encoding, endpoints, and which of the two styles a bucket is addressed in.
#include "origin/s3/url.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::origin::s3 {
namespace {

constexpr size_t kHostMax = 253;  // RFC 1035, 2.3.4, without the last dot

bool IsUnreserved(char byte) {
  return absl::ascii_isalnum(static_cast<unsigned char>(byte)) ||
         absl::string_view("-._~").find(byte) != absl::string_view::npos;
}

std::string Encode(absl::string_view text, bool slash_stays) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char byte : text) {
    if (IsUnreserved(byte) || (byte == '/' && slash_stays)) {
      out.push_back(byte);
    } else {
      const auto value = static_cast<unsigned char>(byte);
      out.append({'%', kDigits[value >> 4], kDigits[value & 15]});
    }
  }
  return out;
}

absl::Status Wrong(absl::string_view why) { return absl::InvalidArgumentError(why); }

bool IsHost(absl::string_view host) {
  if (absl::ConsumePrefix(&host, "[")) {
    in6_addr address;
    return absl::ConsumeSuffix(&host, "]") &&
           inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1;
  }
  return !host.empty() && host.size() <= kHostMax && host[0] != '-' && host[0] != '.' &&
         !absl::StrContains(host, "..") && std::all_of(host.begin(), host.end(), [](char byte) {
           return absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '-' ||
                  byte == '.' || byte == '_';
         });
}

// RFC 3986, 3.3, with every '%' the first of three; no component that is a way up.
bool IsPath(absl::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%') {
      if (path.size() - i < 3 || !absl::ascii_isxdigit(static_cast<unsigned char>(path[i + 1])) ||
          !absl::ascii_isxdigit(static_cast<unsigned char>(path[i + 2])))
        return false;
    } else if (!IsUnreserved(path[i]) &&
               absl::string_view("/!$&'()*+,;=:@").find(path[i]) == absl::string_view::npos) {
      return false;
    }
  }
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    const std::string plain = absl::StrReplaceAll(part, {{"%2e", "."}, {"%2E", "."}});
    if (plain == "." || plain == "..") return false;
  }
  return true;
}

// Whether a host, which may have a port, is an address, of which there are no subdomains.
bool IsAddress(absl::string_view host) {
  in_addr address;
  return host[0] == '[' ||
         inet_pton(AF_INET, std::string(host.substr(0, host.find(':'))).c_str(), &address) == 1;
}

// Whether a host may begin with it and a wildcard certificate still be good for that host.
bool FitsHost(absl::string_view bucket) {
  return bucket.size() <= 63 && bucket.front() != '-' && bucket.back() != '-' &&
         std::all_of(bucket.begin(), bucket.end(), [](unsigned char byte) {
           return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || byte == '-';
         });
}

}  // namespace

std::string EncodeKey(absl::string_view key) { return Encode(key, /*slash_stays=*/true); }
std::string EncodeQuery(absl::string_view text) { return Encode(text, /*slash_stays=*/false); }

Query& Query::Add(absl::string_view name, absl::string_view value) {
  parameters_.emplace_back(EncodeQuery(name), EncodeQuery(value));
  std::sort(parameters_.begin(), parameters_.end());
  return *this;
}

std::string Query::Text() const {
  return absl::StrJoin(parameters_, "&", absl::PairFormatter("="));
}

std::string Url::Text() const {
  return absl::StrCat(tls ? "https://" : "http://", host, path, query.empty() ? "" : "?", query);
}

std::string Endpoint::Text() const {
  return absl::StrCat(tls ? "https://" : "http://", host, path);
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view url) {
  Endpoint endpoint;
  if (absl::ConsumePrefix(&url, "https://")) {
    endpoint.tls = true;
  } else if (!absl::ConsumePrefix(&url, "http://")) {
    return Wrong("it does not begin with http:// or https://");
  }
  const size_t end = std::min(url.find_first_of("/?#"), url.size());
  absl::string_view authority = url.substr(0, end);
  absl::string_view path = url.substr(end);
  if (absl::StrContains(authority, "@"))
    return Wrong("it has a user in it, whose password everybody would see in ps and /flagz");
  if (path.find_first_of("?#") != absl::string_view::npos)
    return Wrong("it has a query or a fragment; what is behind a prefix is appended to its path");
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  std::string port;
  if (colon != absl::string_view::npos && (bracket == absl::string_view::npos || colon > bracket)) {
    const absl::string_view digits = authority.substr(colon + 1);
    int number = 0;
    if (digits.empty() || !std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) ||
        !absl::SimpleAtoi(digits, &number) || number < 1 || number > 65535)
      return Wrong("the port is not a number from 1 to 65535");
    // The scheme's own is not in the Host field, which is signed.
    if (number != (endpoint.tls ? 443 : 80)) port = absl::StrCat(":", number);
    authority = authority.substr(0, colon);
  }
  if (!IsHost(authority)) return Wrong("it names no host");
  while (absl::ConsumeSuffix(&path, "/")) {
  }
  if (!IsPath(path))
    return Wrong(
        "its path has a byte that has to be written as %XX in a URL, or a \".\" or \"..\" between "
        "slashes");
  endpoint.host = absl::StrCat(absl::AsciiStrToLower(authority), port);
  endpoint.path = std::string(path);
  return endpoint;
}

bool IsRegionName(absl::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](unsigned char byte) {
           return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || byte == '-';
         });
}

bool IsBucketName(absl::string_view text) {
  return text.size() >= 3 && text.size() <= 255 && text.front() != '.' && text.back() != '.' &&
         !absl::StrContains(text, "..") && std::all_of(text.begin(), text.end(), [](char byte) {
           return IsUnreserved(byte) && byte != '~';
         });
}

absl::StatusOr<Endpoint> AwsEndpoint(absl::string_view service, absl::string_view region) {
  // All of AWS's are an area, a direction and a number: "eu-west-1", "us-gov-east-1".
  const size_t dash = region.rfind('-');
  if (!IsRegionName(region) || dash == absl::string_view::npos || dash + 1 == region.size() ||
      region.find_first_not_of("0123456789", dash + 1) != absl::string_view::npos) {
    return Wrong(
        absl::StrCat(text::Quoted(region, 64), " is no region of AWS's, and no endpoint is given"));
  }
  return Endpoint{/*tls=*/true, absl::StrCat(service, ".", region, ".amazonaws.com",
                                             absl::StartsWith(region, "cn-") ? ".cn" : "")};
}

absl::StatusOr<Bucket> Bucket::Make(Where where) {
  if (!IsBucketName(where.name)) {
    return Wrong(absl::StrCat(text::Quoted(where.name, 64),
                              " is not the name of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -"));
  }
  Bucket bucket;
  bucket.name_ = std::move(where.name);
  bucket.region_ = where.region.empty() ? "us-east-1" : std::move(where.region);
  const bool own = where.endpoint.has_value();
  if (!own) {
    absl::StatusOr<Endpoint> aws = AwsEndpoint("s3", bucket.region_);
    if (!aws.ok()) return aws.status();
    where.endpoint = *std::move(aws);
  } else if (!IsRegionName(bucket.region_)) {
    return Wrong(absl::StrCat(text::Quoted(bucket.region_, 64), " is not the name of a region"));
  }
  const bool fits = FitsHost(bucket.name_) && !IsAddress(where.endpoint->host);
  if (!fits && where.path_style == false) {
    return Wrong(absl::StrCat("the bucket ", text::Quoted(bucket.name_, 64),
                              " cannot be part of a host: it has to be in the path (path_style)"));
  }
  bucket.tls_ = where.endpoint->tls;
  if (where.path_style.value_or(own || !fits)) {
    bucket.host_ = where.endpoint->host;
    bucket.root_ = absl::StrCat(where.endpoint->path, "/", bucket.name_, "/");
  } else {
    bucket.host_ = absl::StrCat(bucket.name_, ".", where.endpoint->host);
    bucket.root_ = absl::StrCat(where.endpoint->path, "/");
  }
  return bucket;
}

Url Bucket::Object(absl::string_view key, const Query& query) const {
  return {tls_, host_, absl::StrCat(root_, EncodeKey(key)), query.Text()};
}

}  // namespace objmapper::origin::s3
