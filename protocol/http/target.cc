// Decoding, once: what comes out is looked up as it is, and judged there.
#include "protocol/http/target.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "protocol/limits.h"

namespace objmapper::protocol::http {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Refusal Decode(absl::string_view encoded, std::string* out) {
  const bool sound = DecodePercent(encoded, out);
  if (out->find('\0') != std::string::npos) return {400, "the target has a NUL byte in it"};
  if (!sound) return {400, "a '%' in the target is not followed by two digits"};
  if (out->size() > kUriBytesMax) return {414, "the URI is longer than 4096 bytes"};
  return {};
}

}  // namespace

Refusal ParseTarget(Head* head, Target* target) {
  absl::string_view rest = head->target;
  target->server = rest == "*" && head->method == "OPTIONS";
  target->path.clear();
  target->query = {};
  if (target->server) return {};
  for (const absl::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(rest, scheme)) continue;
    rest.remove_prefix(scheme.size());
    head->host = rest.substr(0, rest.find_first_of("/?"));
    if (!IsHost(head->host) || head->host.empty()) return {400, "the target's host is none"};
    rest.remove_prefix(head->host.size());
    if (rest.empty()) return {};  // as "/"
    break;
  }
  if (const size_t query = rest.find('?'); query != absl::string_view::npos) {
    target->query = rest.substr(query + 1);
    if (target->query.size() > kQueryBytesMax) return {414, "the query is longer than 8 KiB"};
    rest = rest.substr(0, query);
  }
  if (rest.empty() && head->target[0] != '?') return {};
  if (!absl::StartsWith(rest, "/")) return {400, "the target does not begin with '/'"};
  return Decode(rest.substr(1), &target->path);
}

bool DecodePercent(absl::string_view encoded, std::string* out) {
  out->clear();
  for (;;) {
    const size_t plain = std::min(encoded.find('%'), encoded.size());
    out->append(encoded.data(), plain);
    encoded.remove_prefix(plain);
    if (encoded.empty()) return true;
    const int high = encoded.size() > 1 ? HexDigit(encoded[1]) : -1;
    const int low = encoded.size() > 2 ? HexDigit(encoded[2]) : -1;
    if (high < 0 || low < 0) return false;
    out->push_back(static_cast<char>(16 * high + low));
    encoded.remove_prefix(3);
  }
}

std::string EncodePath(absl::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : path) {
    if (absl::ascii_isalnum(static_cast<uint8_t>(c)) ||
        absl::string_view("-._~/").find(c) != absl::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<uint8_t>(c) >> 4];
      out += kDigits[static_cast<uint8_t>(c) & 15];
    }
  }
  return out;
}

}  // namespace objmapper::protocol::http
