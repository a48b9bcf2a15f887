// What one send takes: pieces of text and pieces of objects, gathered in order.
//
//   gather.Text(header);                       // copied
//   gather.Bytes(object, data, size);          // borrowed, with a reference that keeps it alive
//   gather.Own(std::move(copy), size);
//   engine.Send(channel, gather.Seal());       // until Advance() says that all has gone
//
// One stream's, one send at a time.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "copypath/cached_object.h"
#include "protocol/dialect.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "session/tally.h"

namespace objmapper::copypath {

class Gather {
 public:
  void Text(absl::string_view text);
  void Bytes(const ObjectRef& object, const char* data, size_t bytes);
  void Own(std::unique_ptr<char[]> data, size_t bytes);
  // The whole of an answer that is an error.
  void Error(protocol::Dialect dialect, const protocol::Request& request,
             const absl::Status& error);
  // One more answer is whole with what has been gathered.
  void EndAnswer(const session::Receipt& receipt) { receipts_.push_back(receipt); }

  bool empty() const { return pieces_.empty(); }
  size_t piece_count() const { return pieces_.size(); }
  size_t bytes() const { return bytes_; }
  size_t owned_bytes() const { return owned_bytes_; }
  size_t answers() const { return receipts_.size(); }
  const std::vector<session::Receipt>& receipts() const { return receipts_; }

  // Nothing more is gathered; what is to be sent. Valid until Clear().
  absl::Span<iovec> Seal();
  // `sent` bytes have gone. What is left to send; empty when all has.
  absl::Span<iovec> Advance(size_t sent);

  // Lets go of the objects; keeps its memory, but for what large texts took.
  void Clear();

 private:
  static constexpr size_t kKeptBytes = 64 * 1024;

  struct Piece {
    const char* data;  // null: text_ at `offset`, which moves while it grows
    size_t offset;
    size_t bytes;
  };

  std::string text_;
  std::vector<Piece> pieces_;
  std::vector<iovec> vectors_;
  std::vector<ObjectRef> held_;
  std::vector<std::unique_ptr<char[]>> owned_;
  std::vector<session::Receipt> receipts_;
  size_t bytes_ = 0;
  size_t owned_bytes_ = 0;
  size_t first_ = 0;  // of vectors_: the first that has not gone whole
};

}  // namespace objmapper::copypath
