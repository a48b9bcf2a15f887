// Bytes that a stranger chose (names, servers' texts, attributes of files) made fit to be shown: on
// a terminal, in a log, in JSON. The one filter for all of them.
//
//   LOG(WARNING) << "left out: " << text::Quoted(path);
//   puts(text::Printable(answer.etag).c_str());
//
// UTF-8 (RFC 3629) that shows itself stays as it is. Escaped is, byte by byte as "\x1b", what a
// terminal obeys or a reader does not see:
//   bytes that are no UTF-8, among them C1 controls as bytes (0x9B is CSI to some terminals)
//   C0, DEL and C1 (U+0080..U+009F): ECMA-48
//   what turns the direction of writing: U+061C, U+200E, U+200F, U+202A..U+202E, U+2066..U+206F
//     (UAX #9)
//   line and paragraph separators: U+2028, U+2029
//   what has no width: U+00AD, U+034F, U+115F, U+1160, U+17B4, U+17B5, U+180B..U+180F,
//     U+200B..U+200D, U+2060..U+2065, U+3164, U+FEFF, U+FFA0, U+FFF0..U+FFFB, U+1D173..U+1D17A,
//     U+E0000..U+E0FFF
//   noncharacters: U+FDD0..U+FDEF, U+..FFFE, U+..FFFF
//
// All functions are thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::text {

// The character at the front of a text.
struct Character {
  size_t bytes = 0;         // 0: no whole, valid one is there
  char32_t code_point = 0;  // of a valid one
  bool printable = false;   // as said above
};
Character FirstCharacter(absl::string_view text);

// The number of bytes of the UTF-8 character at the front of `text`; 0 when there is no whole,
// valid one.
size_t Utf8Length(absl::string_view text);

// `text`, escaped as said above. Backslashes stay: escaping what has been escaped changes nothing.
std::string Printable(absl::string_view text);

// The same as one word of a line that has others: in double quotes, with '"' and '\' escaped too,
// so that it cannot pass for what stands around it; a line's end and a tab are "\n", "\r" and "\t"
// here. Of a longer one the first `shown_max` bytes and "...".
std::string Quoted(absl::string_view text, size_t shown_max = 512);

}  // namespace objmapper::text
