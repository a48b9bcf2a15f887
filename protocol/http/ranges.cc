// Numbers that do not fit are as large as numbers get: past the end of anything.
#include "protocol/http/ranges.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protocol/http/head.h"

namespace objmapper::protocol::http {
namespace {

// nullopt: no digits, or something else among them.
std::optional<uint64_t> ParseNumber(absl::string_view digits) {
  uint64_t number = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : 10 * number + digit;
  }
  return digits.empty() ? std::nullopt : std::optional<uint64_t>(number);
}

enum class Spec : uint8_t { kMalformed, kPast, kPart };

Spec ParseSpec(absl::string_view spec, uint64_t size, Part* part) {
  const size_t dash = spec.find('-');
  if (dash == absl::string_view::npos) return Spec::kMalformed;
  const absl::string_view first_text = spec.substr(0, dash), last_text = spec.substr(dash + 1);
  const std::optional<uint64_t> first = ParseNumber(first_text), last = ParseNumber(last_text);
  if ((!first.has_value() && !first_text.empty()) || (!last.has_value() && !last_text.empty()))
    return Spec::kMalformed;
  if (!first.has_value()) {  // the last so many
    if (!last.has_value()) return Spec::kMalformed;
    if (*last == 0 || size == 0) return Spec::kPast;
    const uint64_t length = std::min(*last, size);
    *part = {size - length, length};
    return Spec::kPart;
  }
  if (last.has_value() && *last < *first) return Spec::kMalformed;
  if (*first >= size) return Spec::kPast;
  *part = {*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
  return Spec::kPart;
}

// Joins parts that overlap or touch.
void Coalesce(std::vector<Part>* parts) {
  for (size_t i = 0; i < parts->size(); ++i) {
    for (size_t j = i + 1; j < parts->size();) {
      Part& one = (*parts)[i];
      const Part other = (*parts)[j];
      if (other.offset > one.offset + one.length || one.offset > other.offset + other.length) {
        ++j;
        continue;
      }
      const uint64_t end = std::max(one.offset + one.length, other.offset + other.length);
      one.offset = std::min(one.offset, other.offset);
      one.length = end - one.offset;
      parts->erase(parts->begin() + static_cast<ptrdiff_t>(j));
      j = i + 1;  // it may touch those that it did not before
    }
  }
}

}  // namespace

Ranges ParseRanges(absl::string_view value, uint64_t size, std::vector<Part>* parts) {
  parts->clear();
  const size_t equals = value.find('=');
  if (equals == absl::string_view::npos ||
      !absl::EqualsIgnoreCase(value.substr(0, equals), "bytes"))
    return Ranges::kWhole;
  absl::string_view list = value.substr(equals + 1);
  size_t specs = 0;
  while (!list.empty()) {
    const absl::string_view spec = TakeElement(&list);
    if (spec.empty()) continue;
    Part part;
    const Spec parsed = ParseSpec(spec, size, &part);
    if (parsed == Spec::kMalformed || ++specs > kRangesMax) return Ranges::kWhole;
    if (parsed == Spec::kPart) parts->push_back(part);
  }
  if (specs == 0) return Ranges::kWhole;
  // An empty object has no first byte that could be asked for, but all of it can be given.
  if (parts->empty()) {
    const bool all_of_nothing =
        size == 0 && specs == 1 && WithoutBlanks(value.substr(equals + 1)) == "0-";
    return all_of_nothing ? Ranges::kWhole : Ranges::kUnsatisfiable;
  }
  const bool one = parts->size() == 1;
  Coalesce(parts);
  uint64_t sum = 0;
  for (const Part& part : *parts) sum += part.length;
  return !one && sum >= size ? Ranges::kWhole : Ranges::kParts;
}

std::string ContentRange(const Part& part, uint64_t size) {
  return absl::StrCat("bytes ", part.offset, "-", part.offset + part.length - 1, "/", size);
}

std::string UnsatisfiedRange(uint64_t size) { return absl::StrCat("bytes */", size); }

}  // namespace objmapper::protocol::http
