// URIs as names of files: escaped as in URLs, so that ls(1) shows what is what.
#include "origin/cache/place.h"

#include <limits.h>
#include <nettle/sha2.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "storage/tree/disk_tier.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::origin {
namespace {

constexpr char kPlain = 'u', kDigest = 'd';

bool StaysAsItIs(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

std::string Digest(absl::string_view uri) {
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, uri.size(), reinterpret_cast<const uint8_t*>(uri.data()));
  uint8_t digest[SHA256_DIGEST_SIZE];
  sha256_digest(&context, sizeof(digest), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace

absl::string_view Canonical(absl::string_view uri) {
  while (!uri.empty() && uri.front() == '/') uri.remove_prefix(1);
  return uri;
}

bool IsPath(absl::string_view uri) {
  const absl::string_view path = Canonical(uri);
  if (!storage::DiskTier::CheckName(path).ok()) return false;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (!storage::IsPlainName(part)) return false;
  }
  return true;
}

std::string EncodedName(absl::string_view uri) {
  const absl::string_view canonical = Canonical(uri);
  std::string name(1, kPlain);
  for (const char c : canonical) {
    if (StaysAsItIs(c)) {
      name.push_back(c);
    } else {
      absl::StrAppendFormat(&name, "%%%02X", static_cast<uint8_t>(c));
    }
    if (name.size() > NAME_MAX) return absl::StrCat(std::string(1, kDigest), Digest(canonical));
  }
  return name;
}

std::optional<std::string> DecodedName(absl::string_view name) {
  if (name.empty() || name.front() != kPlain) return std::nullopt;
  std::string uri;
  for (size_t i = 1; i < name.size(); ++i) {
    if (name[i] != '%') {
      uri.push_back(name[i]);
      continue;
    }
    if (i + 2 >= name.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(name[i + 1])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(name[i + 2]))) {
      return std::nullopt;
    }
    uri += absl::HexStringToBytes(name.substr(i + 1, 2));
    i += 2;
  }
  // What EncodedName() would not have written is none of its names.
  if (EncodedName(uri) != name) return std::nullopt;
  return uri;
}

std::string PartName(absl::string_view uri) { return Digest(Canonical(uri)); }

std::string OriginFolder() { return std::string(storage::kOriginFolder); }
std::string WholeFolder() { return absl::StrCat(storage::kOriginFolder, "/whole"); }
std::string PartFolder() { return absl::StrCat(storage::kOriginFolder, "/part"); }
std::string EncodedPlace(absl::string_view uri) {
  return absl::StrCat(WholeFolder(), "/", EncodedName(uri));
}

}  // namespace objmapper::origin
