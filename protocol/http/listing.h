// What a folder holds, as an answer to GET: a page for people, or JSON for programs.
//
//   ListingBody body(ask.wants_json, "models/");
//   body.Begin(&text);
//   for (...) body.Add({"a b.bin", /*is_folder=*/false, size, mtime_s}, &text);
//   body.End(&text);
//
// The text may be taken away between any two calls: a folder may be larger than anybody's memory.
//
// Names are bytes that strangers chose. In links they are percent-encoded. Where a name is shown,
// or is JSON, the bytes of it that are no UTF-8 come out as %XX; on the page those too that do not
// show themselves, or change how others look (text/printable.h).
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/answer.h"
#include "protocol/http/ask.h"

namespace objmapper::protocol::http {

struct ListingEntry {
  absl::string_view name;  // one component
  bool is_folder = false;
  uint64_t size = 0;    // of an object
  int64_t mtime_s = 0;  // since the epoch
};

class ListingBody {
 public:
  // folder: the decoded path of the request, which is empty or ends in '/'.
  ListingBody(bool json, absl::string_view folder) : json_(json), folder_(folder) {}

  // Each appends to `out`.
  void Begin(std::string* out);
  void Add(const ListingEntry& entry, std::string* out);
  void End(std::string* out);

 private:
  const bool json_;
  const std::string folder_;
  uint64_t folders_ = 0;
  uint64_t objects_ = 0;
  uint64_t bytes_ = 0;  // of them
};

// The fields that say what such a body is, and how a browser is to treat it.
void AddListingFields(bool json, AnswerHead* head);

// Whether a request for a folder asks for JSON: "format=json" in its query, or application/json in
// Accept, where text/html is not liked better.
bool WantsJson(const Head& head, absl::string_view query);

// Where the folder is that was asked for without its last '/': the Location of a redirect. A path
// of this server, and never one that begins with "//", which would be another host.
std::string FolderLocation(const Ask& ask);

}  // namespace objmapper::protocol::http
