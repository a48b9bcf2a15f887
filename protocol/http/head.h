// The head of an HTTP/1.1 request (RFC 9112), read strictly: what two readers could take for two
// different things is refused, since the other reader may be the proxy in front of this server.
//
//   HeadReader reader;
//   const HeadReader::Result result = reader.Read(input, &head);
//   if (result.refusal.status != 0) ... answer it, and close: nothing behind it is ever answered
//   if (result.consumed == 0) ...       keep `input`, read more
//   input.remove_prefix(result.consumed);                     // `head` points into it
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace objmapper::protocol::http {

// Request line and fields together, an empty line before them, and one after. A reader's buffer has
// room for as much.
inline constexpr size_t kHeadBytesMax = 32 * 1024;
inline constexpr size_t kFieldsMax = 100;

// An answer after which the connection ends. 0: none.
struct Refusal {
  int status = 0;
  const char* reason = "";  // a static sentence
};

struct Field {
  absl::string_view name;
  absl::string_view value;  // without the blanks around it
};

// Everything points into the input.
struct Head {
  absl::string_view method;
  absl::string_view target;  // one byte or more, none of them a blank, a control or '#'
  int minor = 1;             // HTTP/1.<minor>: 0 or 1; what is later is 1
  absl::InlinedVector<Field, 24> fields;
  absl::string_view host;  // empty: none
  bool chunked = false;
  std::optional<uint64_t> content_length;  // not with `chunked`
  bool expects_continue = false;           // 1.1 alone
  bool keep_alive = true;                  // whether more may come on the connection

  void Clear();
  // The field's only value, or the first; empty where there is none.
  absl::string_view Find(absl::string_view name) const;
  // The field's only value; empty where there is none, and where there are two, of which another
  // reader might take the other.
  absl::string_view FindOnly(absl::string_view name) const;
  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

class HeadReader {
 public:
  struct Result {
    size_t consumed = 0;  // 0: the head is not whole yet
    Refusal refusal;
  };

  // Takes the head at the front of `input`, which is what was offered last time, and more. Refuses:
  // 400 what is not sound, 413 nothing, 414 a request line and 431 a head that is too long, 417 an
  // expectation that is none of ours, 501 a transfer coding that is none of ours, 505 a version.
  Result Read(absl::string_view input, Head* head);

 private:
  size_t scanned_ = 0;  // bytes of the input that hold no end of the head
  size_t line_at_ = 0;  // where the line begins that scanned_ is in
};

// A host, or an address in brackets, and maybe a port (RFC 9110, 7.2; RFC 3986, 3.2.2); or empty.
bool IsHost(absl::string_view host);

// RFC 9110, 5.6.2: methods, names of fields.
bool IsToken(absl::string_view bytes);

absl::string_view WithoutBlanks(absl::string_view text);

// Whether a field's name is that. Most are not even as long.
inline bool IsNamed(absl::string_view name, absl::string_view wanted) {
  return name.size() == wanted.size() && absl::EqualsIgnoreCase(name, wanted);
}

// Takes the first element off a list, and the comma behind it; without the blanks around it, and
// maybe empty.
absl::string_view TakeElement(absl::string_view* list);

// Calls `element` for each element of a list (RFC 9110, 5.6.1) in the value of each field of that
// name, without the blanks around it; empty ones are skipped. Not for lists of quoted strings.
template <typename Element>
void ForEachElement(const Head& head, absl::string_view name, Element element) {
  for (const Field& field : head.fields) {
    if (!IsNamed(field.name, name)) continue;
    absl::string_view list = field.value;
    while (!list.empty()) {
      const absl::string_view one = TakeElement(&list);
      if (!one.empty()) element(one);
    }
  }
}

}  // namespace objmapper::protocol::http
