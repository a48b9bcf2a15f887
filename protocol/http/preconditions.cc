// Tags are compared as bytes; a list that is malformed ends where it is.
#include "protocol/http/preconditions.h"

#include <optional>

#include "protocol/http/date.h"

namespace objmapper::protocol::http {
namespace {

bool Has(const Head& head, absl::string_view name) {
  for (const Field& field : head.fields) {
    if (absl::EqualsIgnoreCase(field.name, name)) return true;
  }
  return false;
}

bool AnyHasTag(const Head& head, absl::string_view name, absl::string_view etag, bool weak) {
  for (const Field& field : head.fields) {
    if (absl::EqualsIgnoreCase(field.name, name) && HasTag(field.value, etag, weak)) return true;
  }
  return false;
}

std::optional<int64_t> DateOf(const Head& head, absl::string_view name, int64_t now_s) {
  return ParseDate(head.FindOnly(name), now_s);
}

}  // namespace

bool HasTag(absl::string_view list, absl::string_view etag, bool weak) {
  if (list == "*") return true;
  while (true) {
    const size_t begin = list.find_first_not_of(" \t,");
    if (begin == absl::string_view::npos) return false;
    list.remove_prefix(begin);
    const bool is_weak = list.substr(0, 2) == "W/";
    if (is_weak) list.remove_prefix(2);
    if (list.empty() || list[0] != '"') return false;
    const size_t end = list.find('"', 1);
    if (end == absl::string_view::npos) return false;
    if (list.substr(0, end + 1) == etag && (weak || !is_weak)) return true;
    list.remove_prefix(end + 1);
  }
}

Verdict EvaluatePreconditions(const Head& head, bool reads, const Selected& selected,
                              int64_t now_s) {
  if (Has(head, "if-match")) {
    if (!selected.exists || !AnyHasTag(head, "if-match", selected.etag, /*weak=*/false))
      return Verdict::kFailed;
  } else if (const auto since = DateOf(head, "if-unmodified-since", now_s); since.has_value()) {
    if (!selected.exists || selected.mtime_s > *since) return Verdict::kFailed;
  }
  if (Has(head, "if-none-match")) {
    if (selected.exists && AnyHasTag(head, "if-none-match", selected.etag, /*weak=*/true))
      return reads ? Verdict::kNotModified : Verdict::kFailed;
  } else if (reads) {
    const auto since = DateOf(head, "if-modified-since", now_s);
    if (since.has_value() && selected.mtime_s <= *since) return Verdict::kNotModified;
  }
  return Verdict::kProceed;
}

bool RangeApplies(const Head& head, const Selected& selected, int64_t now_s) {
  if (!Has(head, "if-range")) return true;
  const absl::string_view wanted = head.FindOnly("if-range");
  if (!wanted.empty() && wanted[0] == '"') return wanted == selected.etag;
  return ParseDate(wanted, now_s) == selected.mtime_s;
}

}  // namespace objmapper::protocol::http
