// Who has which bearer token: the tokens file, read.
//
//   # name    token, or what its SHA-256 is
//   builder   sha256:9b74c9897bac770ffc029102a200c5de...   (64 hexadecimal digits)
//   alice     3q2-7wAbCdEfGhIjKlMn
//
// One token a line; '#' begins a comment. A name may have several tokens, so that one can be
// replaced without a gap; a token has one name. Whoever sends the token has the name, which rules
// know (session/access_rules.h).
//
// Of a token only its hash is kept. No error tells anything of a line but its number: where the
// token and the name have changed places, the name's would be the token.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::session {

// What a name may be: 1 to 64 letters, digits and "._@-", of which it begins with one of the
// former. None of them has a meaning in a log, in a rule or in HTTP's Basic, which ends a name at
// its first
// ':'.
bool IsTokenName(absl::string_view name);

// Immutable, so thread-safe. Copyable.
class Tokens {
 public:
  using Hash = std::array<uint8_t, 32>;
  // SHA-256.
  static Hash HashOf(absl::string_view token);
  // 64 hexadecimal digits, and back; nullopt: they are none.
  static std::string HexOf(const Hash& hash);
  static std::optional<Hash> ParseHash(absl::string_view digits);

  // INVALID_ARGUMENT: the message names the line by its number, and says what is wrong with it.
  static absl::StatusOr<Tokens> Parse(absl::string_view text);
  // Errors: as Parse() and net::ReadTextFile(), which refuses a file that others may read; all
  // messages name the file.
  static absl::StatusOr<Tokens> Load(const std::string& path);

  // Whose token it is; empty: nobody's. The time it takes tells nothing of the tokens that there
  // are: hashes are compared, so what it could tell is of hashes, from which none can be had.
  absl::string_view NameOf(absl::string_view token) const { return NameOf(HashOf(token)); }
  // The same of what its hash is.
  absl::string_view NameOf(const Hash& hash) const;
  // Whether somebody has that name.
  bool HasName(absl::string_view name) const;
  size_t size() const { return names_.size(); }

 private:
  // The hash of a line's second word.
  static absl::StatusOr<Hash> ParseToken(absl::string_view word);

  absl::flat_hash_map<Hash, std::string> names_;
};

}  // namespace objmapper::session
