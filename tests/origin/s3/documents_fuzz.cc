// Fuzzes what reads XML from S3: errors, listings, uploads.
//
// How it works: the input is a document, and is read as each of the three; as a listing in one
// piece, byte by byte, and in chunks of a size that the input decides: each time the same has to
// come of it. What has come of it stays within the bounds.
//
//   tools/fuzz documents_fuzz 60
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "origin/s3/documents.h"
#include "origin/s3/error.h"

namespace objmapper::origin::s3 {
namespace {

// One line for each entry, or how it failed: where in the input may depend on the pieces.
std::string Transcribe(absl::string_view xml, size_t piece_bytes) {
  ListReader reader;
  while (!xml.empty()) {
    const std::string piece(xml.substr(0, piece_bytes));
    xml.remove_prefix(piece.size());
    if (!reader.Feed(piece).ok()) return "refused";
  }
  const absl::StatusOr<ListPage> page = reader.Finish();
  if (!page.ok()) return "refused";
  CHECK_LE(page->objects.size() + page->prefixes.size(), ListReader::kEntriesMax);
  std::string text = absl::StrCat("continues ", page->continuation, "\n");
  for (const ListedObject& object : page->objects)
    absl::StrAppend(&text, object.key, " ", object.size, " ", object.etag, " ",
                    absl::ToUnixMicros(object.mtime), "\n");
  for (const std::string& prefix : page->prefixes) absl::StrAppend(&text, prefix, "/\n");
  return text;
}

}  // namespace
}  // namespace objmapper::origin::s3

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace objmapper::origin::s3;
  const std::string xml(reinterpret_cast<const char*>(data), size);
  const std::string whole = Transcribe(xml, size + 1);
  CHECK(Transcribe(xml, 1) == whole) << "byte by byte";
  CHECK(Transcribe(xml, 2 + std::accumulate(data, data + size, size_t{0}) % 30) == whole);
  const absl::StatusOr<ErrorDocument> error = ParseError(xml);
  if (error.ok()) {
    CHECK(!error->code.empty());
    for (const int status : {200, 301, 400, 403, 404, 503}) {
      const Verdict verdict = Judge({.status = status, .document = &*error});
      CHECK(!ToStatus(verdict, "x").ok());
      CHECK(verdict.meaning != Meaning::kNotFound || (status == 404 && error->code == "NoSuchKey"));
    }
  }
  const absl::StatusOr<std::string> upload = ParseUploadId(xml);
  CHECK(!upload.ok() || !upload->empty());
  return 0;
}
