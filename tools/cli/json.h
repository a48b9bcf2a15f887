// One JSON object on one line: what --json prints for each result.
//
//   JsonLine line;
//   line.AddText("uri", uri);
//   line.AddNumber("size", size);
//   puts(line.ToString().c_str());   // {"uri":"a","size":5}
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace objmapper::tools {

// Members appear in the order they were added. Names are ASCII without anything to escape.
class JsonLine {
 public:
  // `value` may be any bytes. A JSON text is UTF-8 (RFC 8259), so each byte that is not becomes
  // U+FFFD; then a second member, `name` with "_hex" behind it, holds all bytes in hexadecimal.
  // What is not printable (text/printable.h) is escaped, so that the line may be shown on a
  // terminal.
  void AddText(absl::string_view name, absl::string_view value);
  template <typename Integer>
  void AddNumber(absl::string_view name, Integer value) {
    AddRaw(name, absl::StrCat(value));
  }
  void AddNumber(absl::string_view name, double value);  // not finite: null
  void AddBool(absl::string_view name, bool value);

  std::string ToString() const { return "{" + members_ + "}"; }

 private:
  void AddRaw(absl::string_view name, absl::string_view value);

  std::string members_;
};

}  // namespace objmapper::tools
