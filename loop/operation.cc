#include "loop/operation.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "loop/stream.h"

namespace objmapper::loop {
namespace {
// Of each of the two buffers. Large enough that a write costs little more than its copy.
constexpr size_t kBufferBytes = 256 * 1024;
}  // namespace

Operation::~Operation() {
  DCHECK(!in_flight());
  if (object != nullptr) pool_->Run([object = std::move(object)] {});
}

size_t Operation::TakeBody(absl::string_view input, Engine* engine) {
  size_t taken = 0;
  // What comes after an error is dropped once nothing is in flight.
  while (begun.ok() && body_left_ > 0 && taken < input.size() && !full()) {
    if (filling_.bytes == nullptr || filling_.room < std::min<uint64_t>(kBufferBytes, body_left_)) {
      // Of a small body no more than it needs.
      DCHECK_EQ(filling_.size, 0u);
      filling_.room = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, body_left_));
      filling_.bytes.reset(new char[filling_.room]);
    }
    const size_t bytes = static_cast<size_t>(
        std::min<uint64_t>({input.size() - taken, filling_.room - filling_.size, body_left_}));
    if (begun = object->Extend(bytes); !begun.ok()) break;
    memcpy(filling_.bytes.get() + filling_.size, input.data() + taken, bytes);
    filling_.size += bytes;
    taken += bytes;
    body_left_ -= bytes;
    if ((filling_.size == filling_.room || body_left_ == 0) && !writing_) BeginWrite(engine);
  }
  return taken;
}

void Operation::BeginWrite(Engine* engine) {
  std::swap(filling_, written_);
  filling_.size = 0;
  done_ = 0;
  ContinueWrite(engine);
}

void Operation::ContinueWrite(Engine* engine) {
  writing_ = true;
  engine->BeginWrite(this, object->fd(), written_.bytes.get() + done_, written_.size - done_,
                     offset_ + done_);
}

int Operation::WriteEnded(ssize_t result, Engine* engine) {
  writing_ = false;
  if (result == 0) return ENOSPC;  // a disk that takes nothing and says no error is a full one
  if (result < 0 && result != -EINTR && result != -EAGAIN) return static_cast<int>(-result);
  if (result > 0) done_ += static_cast<size_t>(result);
  if (done_ < written_.size) {
    ContinueWrite(engine);
    return 0;
  }
  offset_ += written_.size;
  written_.size = 0;
  if (filling_.size > 0 && (filling_.size == filling_.room || body_left_ == 0)) BeginWrite(engine);
  return 0;
}

void Operation::OnWritten(ssize_t result) { stream_->OnBodyWritten(result); }

}  // namespace objmapper::loop
