// What may be shown of keys.
#include "origin/s3/keys.h"

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::origin::s3 {
namespace {

constexpr size_t kShown = 4;
// Of a shorter id they would be too much of it.
constexpr size_t kIdMin = 4 * kShown;

}  // namespace

std::string Redacted(absl::string_view access_key_id) {
  if (access_key_id.size() < kIdMin) return "...";
  return absl::StrCat("...", text::Printable(access_key_id.substr(access_key_id.size() - kShown)));
}

std::ostream& operator<<(std::ostream& out, const Keys& keys) {
  if (keys.empty()) return out << "no keys";
  return out << "keys " << Redacted(keys.access_key_id);
}

}  // namespace objmapper::origin::s3
