// The body of a PUT on its way to its file, through two buffers: one fills while the other is
// written. So a connection needs no thread while its client sends, and a client that sends faster
// than the disk writes has to wait. A small one is gathered instead, and stored in one go.
//
// Invariant: bytes are written in the order in which they came, one write at a time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "copypath/blocking_pool.h"
#include "session/body.h"
#include "storage/store/store.h"

namespace objmapper::copypath {

// A part of a file that is being written off the owner's thread. Aligned, since engines keep more
// than its address in what the kernel hands back (loop/uring_engine.cc, Tag()).
class alignas(16) Write {
 public:
  virtual ~Write() = default;
  // As pwrite(2): bytes written, maybe not all, or -errno.
  virtual void OnWritten(ssize_t result) = 0;
};

class FileWriter {
 public:
  // pwrite(2) of bytes that stay as they are until `write` is told, which stays alive until then.
  // Never told from inside this call.
  virtual void BeginWrite(Write* write, int fd, const char* data, size_t bytes,
                          uint64_t offset) = 0;

 protected:
  ~FileWriter() = default;
};

// What is wrong with a body that is not sound.
inline absl::Status UnsoundBody(const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("the body is not sound: ", why));
}

// One thread's.
class PutBody : private Write {
 public:
  // Of each of the two buffers: large enough that a write costs little more than its copy.
  static constexpr size_t kBufferBytes = 256 * 1024;
  // Up to so many bytes a body may be gathered: what a thread writes at once costs less than to
  // begin the object, to write it and to commit it each by themselves.
  static constexpr uint64_t kGatheredMax = kBufferBytes;

  // body: none of which has come. written: a write has ended: with an errno, or 0, and then the
  // next may have begun. closer: closes an object that was not finished, which may take its time.
  // writer and closer outlive this.
  PutBody(const session::BodyReader& body, FileWriter* writer, BlockingPool* closer,
          std::function<void(int error)> written)
      : writer_(writer), closer_(closer), written_(std::move(written)), body_(body) {}
  // Not while writing().
  ~PutBody() override;

  // What it is written to; before Take(), unless it is to be gathered: a body of a known length, of
  // at most kGatheredMax.
  void set_object(std::shared_ptr<storage::NewObject> object) { object_ = std::move(object); }
  storage::NewObject* object() const { return object_.get(); }
  // Whoever takes it closes it.
  std::shared_ptr<storage::NewObject> TakeObject() { return std::move(object_); }
  // The object is finished, or given up.
  void DropObject() { object_.reset(); }

  // Takes what there is room for, and begins to write where that can be. Returns how many bytes of
  // the input it is done with. Where the disk has no room for them, or the body is not sound,
  // `*error` says so; none is taken once it is set.
  size_t Take(absl::string_view input, absl::Status* error);

  const session::BodyReader& body() const { return body_; }
  // Some of it has to come yet.
  bool awaited() const { return !body_.ended(); }
  bool writing() const { return writing_; }
  // All of it has come, and is in the file, or gathered.
  bool done() const {
    return body_.ended() && !writing_ && (filling_.size == 0 || object_ == nullptr);
  }
  // What has been gathered.
  absl::string_view gathered() const { return {filling_.bytes.get(), filling_.size}; }
  // No room until a write has ended.
  bool full() const {
    return writing_ && filling_.bytes != nullptr && filling_.size == filling_.room;
  }

 private:
  struct Buffer {
    std::unique_ptr<char[]> bytes;
    size_t room = 0;
    size_t size = 0;
  };

  void OnWritten(ssize_t result) override;
  int WriteEnded(ssize_t result);
  bool MayWrite() const;
  void BeginWrite();
  void ContinueWrite();

  FileWriter* const writer_;
  BlockingPool* const closer_;
  const std::function<void(int error)> written_;
  std::shared_ptr<storage::NewObject> object_;
  session::BodyReader body_;
  Buffer filling_;
  Buffer draining_;      // what the writer has, while writing_
  size_t done_ = 0;      // of draining_
  uint64_t offset_ = 0;  // where draining_ stands in the object
  bool writing_ = false;
};

}  // namespace objmapper::copypath
