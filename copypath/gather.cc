// The list of pieces of one send. An object stays referenced until its last byte has been sent.
#include "copypath/gather.h"

#include <utility>

#include "session/answers.h"

namespace objmapper::copypath {

void Gather::Text(absl::string_view text) {
  if (text.empty()) return;
  if (!pieces_.empty() && pieces_.back().data == nullptr) {
    pieces_.back().bytes += text.size();
  } else {
    pieces_.push_back({nullptr, text_.size(), text.size()});
  }
  text_.append(text.data(), text.size());
  bytes_ += text.size();
}

void Gather::Bytes(const ObjectRef& object, const char* data, size_t bytes) {
  pieces_.push_back({data, 0, bytes});
  held_.push_back(object);
  bytes_ += bytes;
}

void Gather::Own(std::unique_ptr<char[]> data, size_t bytes) {
  pieces_.push_back({data.get(), 0, bytes});
  owned_.push_back(std::move(data));
  bytes_ += bytes;
  owned_bytes_ += bytes;
}

void Gather::Error(protocol::Dialect dialect, const protocol::Request& request,
                   const absl::Status& error) {
  std::string text;
  session::AppendError(dialect, request, error, &text);
  Text(text);
  EndAnswer(session::ReceiptOf(request, session::WireStatus(error)));
}

absl::Span<iovec> Gather::Seal() {
  vectors_.clear();
  for (const Piece& piece : pieces_) {
    const char* data = piece.data != nullptr ? piece.data : text_.data() + piece.offset;
    vectors_.push_back({const_cast<char*>(data), piece.bytes});
  }
  first_ = 0;
  return absl::MakeSpan(vectors_);
}

absl::Span<iovec> Gather::Advance(size_t sent) {
  while (first_ < vectors_.size() && sent >= vectors_[first_].iov_len) {
    sent -= vectors_[first_].iov_len;
    ++first_;
  }
  if (first_ < vectors_.size()) {
    iovec& vector = vectors_[first_];
    vector.iov_base = static_cast<char*>(vector.iov_base) + sent;
    vector.iov_len -= sent;
  }
  return absl::MakeSpan(vectors_).subspan(first_);
}

void Gather::Clear() {
  // A listing's megabyte is not kept while the stream is at something else.
  if (text_.capacity() > kKeptBytes) std::string().swap(text_);
  text_.clear();
  pieces_.clear();
  vectors_.clear();
  held_.clear();
  owned_.clear();
  bytes_ = owned_bytes_ = 0;
  receipts_.clear();
  first_ = 0;
}

}  // namespace objmapper::copypath
