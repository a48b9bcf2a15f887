// Heads and framing of listings.
#include "session/listing.h"

#include <time.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "protocol/http/answer.h"
#include "protocol/http/ask.h"
#include "protocol/http/chunked.h"

namespace objmapper::session {

namespace http = protocol::http;

namespace {

// Without doubled slashes and ".", as rules and walks have them.
std::string FolderOf(absl::string_view path) {
  std::string folder;
  for (const absl::string_view name : absl::StrSplit(path, '/')) {
    if (!name.empty() && name != ".") absl::StrAppend(&folder, name, "/");
  }
  return folder;
}

}  // namespace

FolderText::FolderText(const protocol::Request& request)
    : ask_(request.http), folder_(FolderOf(ask_->path)), listing_(ask_->wants_json, ask_->path) {
  listing_.Begin(&body_);
}

bool FolderText::is_listed() const { return ask_->lists; }

std::string FolderText::index() const {
  return ask_->indexes ? absl::StrCat(folder_, "index.html") : "";
}

bool FolderText::head_only() const { return ask_->head_only(); }

void FolderText::Add(absl::string_view name, bool is_folder, uint64_t size, int64_t mtime_s) {
  listing_.Add({name, is_folder, size, mtime_s}, &body_);
}

std::string FolderText::Take(bool is_last) {
  if (is_last) listing_.End(&body_);
  std::string piece;
  if (!begun_) piece = Head(/*is_whole=*/is_last);
  begun_ = true;
  if (!ask_->head_only()) {
    sent_ += body_.size();
    if (chunked_) {
      http::AppendChunk(body_, &piece);
      if (is_last) absl::StrAppend(&piece, http::kLastChunk);
    } else {
      piece += body_;
    }
  }
  body_.clear();
  ask_->Answered(200, sent_);
  return piece;
}

std::string FolderText::Head(bool is_whole) {
  std::string text;
  http::AnswerHead head(200, time(nullptr), &text);
  http::AddListingFields(ask_->wants_json, &head);
  head.AddCors(*ask_);
  // HTTP/1.0 knows no chunks: the connection's end is the body's.
  chunked_ = !is_whole && ask_->minor > 0;
  if (is_whole) head.Add("Content-Length", body_.size());
  if (chunked_) head.Add("Transfer-Encoding", "chunked");
  head.End(ask_->persists(), ask_->minor);
  return text;
}

protocol::Request AsObject(const protocol::Request& request, const std::string& uri) {
  auto ask = std::make_shared<http::Ask>(*request.http);
  ask->path = uri;
  protocol::Request object = request;
  object.mode = protocol::Mode::kCopy;
  object.uri = ask->path;
  if (object.name != nullptr) object.name = std::make_shared<const std::string>(uri);
  object.http = std::move(ask);
  return object;
}

}  // namespace objmapper::session
