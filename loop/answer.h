// One answer that a connection owes, from the moment its request was parsed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copypath/cached_object.h"
#include "copypath/objects.h"
#include "protocol/dialect.h"
#include "protocol/objm/request_parser.h"
#include "protocol/status.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::loop {

struct Answer {
  enum class Kind : uint8_t {
    kText,    // `text` is the whole answer: an error, a STAT that was known, what an operation came
              // to
    kObject,  // the bytes of `object`, which may still be loading
    kStat,    // a STAT that had to ask the disk: `object` is loading
    kFd,  // a descriptor, opened when its turn comes; `text` is the URI, and `object` is set once
          // the disk had to be asked for the way to it
    kOperation,  // what the connection's operation will come to
  };

  protocol::Request request;  // its `uri` is not to be used: the buffer it pointed into has gone
  Kind kind = Kind::kText;
  std::string text;
  protocol::Status status = protocol::Status::kOk;  // kText: what the text says
  uint64_t bytes = 0;                               // kText: of the object that was stored
  copypath::ObjectRef object;
};

// What answers are made of; all outlive the call.
struct AnswerSources {
  const storage::Tree* tree;
  storage::StatCache* index;
  copypath::Objects* objects;
};

// The answer that `request`, which is no operation, gets from now on; as far as it is known without
// waiting for a disk.
Answer AnswerTo(const protocol::Request& request, protocol::Dialect dialect,
                const AnswerSources& sources, int64_t now_ns);

// The text of a kStat, the object of which has been loaded, or could not be.
Answer StatAnswer(const Answer& answer, protocol::Dialect dialect, const storage::Tree& tree);

// The answers that a connection owes, in order of arrival. An empty one holds no memory worth the
// name: most connections are idle most of the time.
class AnswerQueue {
 public:
  bool empty() const { return head_ == answers_.size(); }
  size_t size() const { return answers_.size() - head_; }
  Answer& operator[](size_t i) { return answers_[head_ + i]; }
  const Answer& operator[](size_t i) const { return answers_[head_ + i]; }
  void Push(Answer answer) {
    if (answer.request.priority()) ++priorities_;
    answers_.push_back(std::move(answer));
  }
  // How many of them have PRIORITY: where there are none, nobody needs to look for one.
  size_t priorities() const { return priorities_; }

  // Puts back what was taken: it is the oldest again. Rare.
  void PushFront(Answer answer) {
    if (answer.request.priority()) ++priorities_;
    answers_.insert(answers_.begin() + static_cast<ptrdiff_t>(head_), std::move(answer));
  }

  // Takes the i-th out; 0 is the usual case and costs O(1).
  Answer Take(size_t i) {
    Answer taken = std::move(answers_[head_ + i]);
    if (taken.request.priority()) --priorities_;
    if (i == 0) {
      ++head_;
    } else {
      answers_.erase(answers_.begin() + static_cast<ptrdiff_t>(head_ + i));
    }
    if (empty()) {
      head_ = 0;
      answers_.clear();
      if (answers_.capacity() > kKeep) answers_.shrink_to_fit();
    } else if (head_ >= kCompact && head_ > size()) {
      // A client that always has something in its pipeline never lets the queue run empty. Each
      // answer is moved once at most, on average.
      answers_.erase(answers_.begin(), answers_.begin() + static_cast<ptrdiff_t>(head_));
      head_ = 0;
    }
    return taken;
  }

 private:
  static constexpr size_t kKeep = 2;
  static constexpr size_t kCompact = 16;

  std::vector<Answer> answers_;
  size_t head_ = 0;
  size_t priorities_ = 0;
};

}  // namespace objmapper::loop
