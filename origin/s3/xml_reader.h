// XML from a stranger, read as it comes, in bounded memory: an element's path and its text.
//
//   XmlReader reader([&](absl::string_view path, absl::string_view text) { ... }, bounds);
//   for (each piece) RETURN_IF_ERROR(reader.Feed(piece));
//   return reader.Finish();
//
// The reader is expat. What S3 never sends, and what readers of XML are attacked with, ends it: a
// document type, and with it every entity of its own; depth, elements, text and tokens beyond the
// bounds. Attributes, comments and processing instructions are passed over, and of a name what
// stands before a ':' (its namespace).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace objmapper::origin::s3 {

struct XmlBounds {
  size_t bytes_max = 1 << 20;        // of the document
  size_t depth_max = 8;              // of its elements
  size_t text_bytes_max = 16 << 10;  // directly in one element
};

// Not thread-safe.
class XmlReader {
 public:
  // Called at the end of each element. path: the names from the root on, with a '/' between:
  // "Error/Code". text: what stands in it behind its last child, entities replaced; blanks alone
  // are none. Both are good for the call. Not OK ends the reading with that status.
  using OnElement = std::function<absl::Status(absl::string_view path, absl::string_view text)>;

  explicit XmlReader(OnElement on_element, const XmlBounds& bounds = {});
  ~XmlReader();
  XmlReader(const XmlReader&) = delete;
  XmlReader& operator=(const XmlReader&) = delete;

  // DATA_LOSS: it is no XML, or none that is read here; the message says where and why. OnElement's
  // own. After an error the same is returned again.
  absl::Status Feed(absl::string_view piece);
  // There is no more. Errors: as Feed(), and that the document is not whole.
  absl::Status Finish();

 private:
  struct Expat;
  absl::Status Parse(absl::string_view piece, bool last);
  void Begin(absl::string_view name);
  void Text(absl::string_view text);
  void End();
  void Fail(absl::Status why);

  const OnElement on_element_;
  const XmlBounds bounds_;
  const std::unique_ptr<Expat> expat_;
  absl::Status status_;
  uint64_t fed_ = 0;      // bytes
  uint64_t reached_ = 0;  // the byte at which the last token began
  std::string path_;
  std::vector<std::string> texts_;  // of the elements that are open
};

}  // namespace objmapper::origin::s3
