// Two buffers that change places whenever one is full and the other written.
#include "copypath/put_body.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>

#include <algorithm>
#include <utility>

namespace objmapper::copypath {

PutBody::~PutBody() {
  DCHECK(!writing_);
  if (object_ != nullptr) closer_->Run([object = std::move(object_)] {});
}

size_t PutBody::Take(absl::string_view input, absl::Status* error) {
  size_t taken = 0;
  while (error->ok() && !body_.ended() && taken < input.size() && !full()) {
    const uint64_t left = body_.left().value_or(kBufferBytes);
    const session::BodyReader::Piece piece = body_.Next(input.substr(taken));
    taken += piece.skipped;
    if (piece.broken != nullptr) {
      *error = UnsoundBody(piece.broken);
      break;
    }
    if (piece.data.empty()) break;
    if (filling_.bytes == nullptr || filling_.room < std::min<uint64_t>(kBufferBytes, left)) {
      // Of a small body no more than it needs.
      DCHECK_EQ(filling_.size, 0u);
      filling_.room = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, left));
      filling_.bytes.reset(new char[filling_.room]);
    }
    const size_t bytes = std::min(piece.data.size(), filling_.room - filling_.size);
    if (object_ != nullptr) {
      if (*error = object_->Extend(bytes); !error->ok()) break;
    }
    memcpy(filling_.bytes.get() + filling_.size, piece.data.data(), bytes);
    filling_.size += bytes;
    taken += bytes;
    body_.Took(bytes);
    if (MayWrite() && !writing_) BeginWrite();
  }
  // The end of a body in chunks may come by itself.
  if (error->ok() && MayWrite() && !writing_) BeginWrite();
  return taken;
}

// Whether what is there is to be written now.
bool PutBody::MayWrite() const {
  return object_ != nullptr && filling_.size > 0 &&
         (filling_.size == filling_.room || body_.ended());
}

void PutBody::BeginWrite() {
  std::swap(filling_, draining_);
  filling_.size = 0;
  done_ = 0;
  ContinueWrite();
}

void PutBody::ContinueWrite() {
  writing_ = true;
  writer_->BeginWrite(this, object_->fd(), draining_.bytes.get() + done_, draining_.size - done_,
                      offset_ + done_);
}

int PutBody::WriteEnded(ssize_t result) {
  writing_ = false;
  if (result == 0) return ENOSPC;  // a disk that takes nothing and says no error is a full one
  if (result < 0 && result != -EINTR && result != -EAGAIN) return static_cast<int>(-result);
  if (result > 0) done_ += static_cast<size_t>(result);
  if (done_ < draining_.size) {
    ContinueWrite();
    return 0;
  }
  offset_ += draining_.size;
  draining_.size = 0;
  if (MayWrite()) BeginWrite();
  return 0;
}

void PutBody::OnWritten(ssize_t result) {
  const auto written = written_;  // it may end this
  written(WriteEnded(result));
}

}  // namespace objmapper::copypath
