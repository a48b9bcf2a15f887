// A folder as its reader gets it: from a request for one, in the request's dialect, which is
// HTTP's.
//
//   FolderText text(request);
//   text.Add("a.bin", /*is_folder=*/false, size, mtime_s);
//   ...
//   if (text.bytes() > enough) send(text.Take(/*is_last=*/false));
//   ...
//   send(text.Take(/*is_last=*/true));
//
// One thread's at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/listing.h"
#include "protocol/request.h"

namespace objmapper::session {

class FolderText {
 public:
  // request: OP_LIST in HTTP.
  explicit FolderText(const protocol::Request& request);

  // The folder as storage has it: "" is the root, else "a/b/".
  const std::string& folder() const { return folder_; }
  // Whether the server lists folders.
  bool is_listed() const;
  // The object that stands for the folder if it is there; empty: none does.
  std::string index() const;
  // Whether nothing is wanted but what goes before the listing.
  bool head_only() const;

  void Add(absl::string_view name, bool is_folder, uint64_t size, int64_t mtime_s);
  // What has been added since the last Take(), as text.
  size_t bytes() const { return body_.size(); }
  // That, as the next piece of the answer. The first has its head: it says how long the whole is
  // where it is the last one too.
  std::string Take(bool is_last);

 private:
  std::string Head(bool is_whole);

  const std::shared_ptr<const protocol::http::Ask> ask_;
  const std::string folder_;
  protocol::http::ListingBody listing_;
  std::string body_;
  uint64_t sent_ = 0;  // bytes of it that have been taken
  bool begun_ = false;
  bool chunked_ = false;
};

// `request`, which was for a folder, as one for the object `uri` instead.
protocol::Request AsObject(const protocol::Request& request, const std::string& uri);

}  // namespace objmapper::session
