// How a flag is defined, and how its value becomes a field of the Config or is refused.
//
//   FLAG(int32, max_pipeline, 64, Number(1, 65535), limits.max_pipeline, "Maximum number of ...");
//
// defines --max_pipeline, an int32 of gflags' whose default is 64. ConfigFromFlags() accepts values
// from 1 to 65535 and stores them in config.limits.max_pipeline; it refuses others in a sentence
// that names the flag and its value and says what would make sense. What depends on several flags
// is checked by the functions at the end, after all fields have been filled.
#pragma once

#include <gflags/gflags.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/flags/config.h"

// type: bool, int32, int64 or string. reading: one of the readings below.
#define FLAG(type, name, initial, reading, field, help)         \
  DECLARE_##type(name);                                         \
  namespace objmapper::server {                                 \
  static const FlagDefinition flag_##name([](Config* config) {  \
    return (reading).Read(#name, FLAGS_##name, &config->field); \
  });                                                           \
  }                                                             \
  DEFINE_##type(name, initial, help)

namespace objmapper::server {

// INVALID_ARGUMENT: "--flag=value is not valid: expected ...". wanted: the rest of the sentence,
// without its full stop.
absl::Status Bad(absl::string_view flag, absl::string_view value, absl::string_view wanted);

// Whether the flag was given, with a value other than its default.
bool IsGiven(const char* flag);

// One of FLAG()'s, from before main() on.
class FlagDefinition {
 public:
  using Fill = absl::Status (*)(Config*);
  explicit FlagDefinition(Fill fill) { All().push_back(fill); }
  // All there are, in the order of the file that defines them.
  static std::vector<Fill>& All();
};

// ---- Readings: what a flag's value means ----

// Any value, stored as it is.
struct Anything {
  template <typename Value>
  absl::Status Read(const char*, const Value& value, Value* field) const {
    *field = value;
    return absl::OkStatus();
  }
};

absl::Status CheckRange(absl::string_view flag, int64_t value, int64_t least, int64_t most);

// A number in [least, most], stored as a number or, with its unit, as nanoseconds or a duration.
struct Number {
  Number(int64_t least_value, int64_t most_value, int64_t unit_ns = 1)
      : least(least_value), most(most_value), unit(unit_ns) {}
  template <typename Field>
  absl::Status Read(const char* flag, int64_t value, Field* field) const {
    if (absl::Status range = CheckRange(flag, value, least, most); !range.ok()) return range;
    if constexpr (std::is_same_v<Field, absl::Duration>) {
      *field = absl::Nanoseconds(value * unit);
    } else {
      *field = static_cast<Field>(value * unit);
    }
    return absl::OkStatus();
  }
  int64_t least, most, unit;
};
constexpr int64_t kMicrosecond = 1'000, kMillisecond = 1'000'000;

// A time from 0 to a year, or infinite.
struct Time {
  absl::Status Read(const char* flag, const std::string& text, absl::Duration* field) const;
};

// One of several words. Its field is a bool or an enumeration.
template <typename Value>
struct OneOf {
  absl::Status Read(const char* flag, const std::string& text, Value* field) const {
    std::string wanted = "expected ";
    for (size_t i = 0; i < words.size(); ++i) {
      if (text == words[i].first) {
        *field = words[i].second;
        return absl::OkStatus();
      }
      wanted += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
      wanted += words[i].first;
    }
    return Bad(flag, text, wanted);
  }
  std::vector<std::pair<const char*, Value>> words;
};

// Whatever `parse`, of a string to an absl::StatusOr of the field's type, accepts; its error's
// message is what is wanted.
template <typename Parse>
struct Parsed {
  explicit Parsed(Parse parse_value, bool any = false) : parse(parse_value), if_any(any) {}
  template <typename Field>
  absl::Status Read(const char* flag, const std::string& text, Field* field) const {
    if (if_any && text.empty()) return absl::OkStatus();
    auto value = parse(text);
    if (!value.ok()) return Bad(flag, text, value.status().message());
    *field = *std::move(value);
    return absl::OkStatus();
  }
  Parse parse;
  bool if_any;
};

// The same, but an empty text leaves the field as it is.
template <typename Parse>
Parsed<Parse> ParsedIfAny(Parse parse) {
  return Parsed<Parse>(parse, /*any=*/true);
}

// Several of what `parse` accepts, separated by commas, appended to a vector. what: one of them,
// for messages. Empty: none; but a text of commas alone is refused.
template <typename Parse>
struct ListOf {
  ListOf(Parse parse_item, const char* name_of_item) : parse(parse_item), what(name_of_item) {}
  template <typename Item>
  absl::Status Read(const char* flag, const std::string& text, std::vector<Item>* field) const {
    bool any = text.empty();
    for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
      any = true;
      const std::string item(absl::StripAsciiWhitespace(part));
      auto value = parse(item);
      if (!value.ok()) return Bad(flag, item, value.status().message());
      field->push_back(*std::move(value));
    }
    return any ? absl::OkStatus() : Bad(flag, text, std::string("it names no ") + what);
  }
  Parse parse;
  const char* what;
};

// ---- What is checked or derived once all flags are in their fields ----

// Each stands beside the flags that it is about. INVALID_ARGUMENT as ConfigFromFlags().
absl::Status CheckListeners(Config* config);  // config_listen.cc
absl::Status CheckServing(Config* config);    // config_serving.cc
absl::Status CheckAccess(Config* config);     // config_access.cc
absl::Status CheckObjects(Config* config);    // config_objects.cc
absl::Status CheckOrigins(Config* config);    // config_origins.cc, after the objects
// All of `checks`, until one says no.
absl::Status RunChecks(std::initializer_list<absl::Status (*)(Config*)> checks, Config* config);

}  // namespace objmapper::server
