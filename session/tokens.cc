// Parsing of the tokens file, and SHA-256 (Nettle, which has no state, no start and no
// configuration of its own).
#include "session/tokens.h"

#include <nettle/sha2.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/text_file.h"
#include "protocol/limits.h"
#include "text/printable.h"

namespace objmapper::session {
namespace {

constexpr absl::string_view kHashed = "sha256:";
constexpr size_t kNameMax = 64;
// What can be guessed is no secret. A hash does not tell how long what it is of was.
constexpr size_t kTokenMin = 16;
using protocol::kTokenBytesMax;

// RFC 6750, 2.1, whose other characters HTTP could not carry: b64token.
bool IsToken(absl::string_view token) {
  while (!token.empty() && token.back() == '=') token.remove_suffix(1);
  return !token.empty() && std::all_of(token.begin(), token.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::string_view("-._~+/").find(c) != absl::string_view::npos;
  });
}

}  // namespace

bool IsTokenName(absl::string_view name) {
  return !name.empty() && name.size() <= kNameMax && absl::ascii_isalnum(name[0]) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) ||
                  absl::string_view("._@-").find(c) != absl::string_view::npos;
         });
}

Tokens::Hash Tokens::HashOf(absl::string_view token) {
  static_assert(std::tuple_size_v<Hash> == SHA256_DIGEST_SIZE);
  Hash hash;
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, token.size(), reinterpret_cast<const uint8_t*>(token.data()));
  sha256_digest(&context, hash.size(), hash.data());
  return hash;
}

std::string Tokens::HexOf(const Hash& hash) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

std::optional<Tokens::Hash> Tokens::ParseHash(absl::string_view digits) {
  Hash hash;
  if (digits.size() != 2 * hash.size() ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit))
    return std::nullopt;
  const std::string bytes = absl::HexStringToBytes(digits);
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

absl::StatusOr<Tokens::Hash> Tokens::ParseToken(absl::string_view word) {
  if (word.substr(0, kHashed.size()) == kHashed) {
    if (const std::optional<Hash> hash = ParseHash(word.substr(kHashed.size())); hash.has_value())
      return *hash;
    return absl::InvalidArgumentError(
        absl::StrCat("behind \"", kHashed, "\" there are not 64 hexadecimal digits"));
  }
  if (!IsToken(word)) {
    return absl::InvalidArgumentError(
        "the token has a character other than letters, digits and \"-._~+/\", with \"=\" at its "
        "end");
  }
  if (word.size() < kTokenMin) {
    return absl::InvalidArgumentError(
        absl::StrCat("the token has fewer than ", kTokenMin, " characters: it could be guessed"));
  }
  if (word.size() > kTokenBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the token has more than ", kTokenBytesMax,
                                                   " characters, which AUTH cannot carry"));
  }
  return HashOf(word);
}

absl::StatusOr<Tokens> Tokens::Parse(absl::string_view text) {
  Tokens tokens;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const auto wrong = [number](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", what));
    };
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() != 2) return wrong("it is not a name and a token, and nothing else");
    if (!IsTokenName(words[0])) {
      return wrong(absl::StrCat("the name is not 1 to ", kNameMax,
                                " letters, digits and characters of \"._@-\""));
    }
    const absl::StatusOr<Hash> hash = ParseToken(words[1]);
    if (!hash.ok()) return wrong(hash.status().message());
    if (!tokens.names_.try_emplace(*hash, words[0]).second)
      return wrong("an earlier line has the same token");
  }
  return tokens;
}

absl::StatusOr<Tokens> Tokens::Load(const std::string& path) {
  const absl::StatusOr<std::string> text = net::ReadTextFile(path, net::Readers::kNotOthers);
  if (!text.ok()) return text.status();
  absl::StatusOr<Tokens> tokens = Parse(*text);
  if (!tokens.ok())
    return absl::InvalidArgumentError(
        absl::StrCat(text::Printable(path), ": ", tokens.status().message()));
  return tokens;
}

absl::string_view Tokens::NameOf(const Hash& hash) const {
  const auto found = names_.find(hash);
  return found == names_.end() ? absl::string_view() : absl::string_view(found->second);
}

bool Tokens::HasName(absl::string_view name) const {
  return std::any_of(names_.begin(), names_.end(),
                     [name](const auto& entry) { return entry.second == name; });
}

}  // namespace objmapper::session
