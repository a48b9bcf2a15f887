// Idle pipes, all empty. A pipe with bytes in it is closed, never returned.
#include "copypath/pipe_pool.h"

#include <glog/logging.h>

#include <utility>

namespace objmapper::copypath {
namespace {

// What a user without privileges may have (pipe(7), pipe-max-size).
constexpr int kPipeBytes = 1 << 20;
// sendfile(2) has one of 16 pages inside, and takes one system call where a pipe of ours takes two.
constexpr size_t kPipeBytesMin = 256 * 1024;

}  // namespace

std::unique_ptr<Pipe> PipePool::Take() {
  if (out_ == kPipesMax) return nullptr;
  if (idle_.empty()) {
    if (too_small_) return nullptr;
    absl::StatusOr<Pipe> made = Pipe::Create(kPipeBytes);
    if (!made.ok()) {
      LOG_EVERY_T(WARNING, 1) << "no pipe for a large body, sendfile moves it: "
                              << made.status().message();
      return nullptr;
    }
    if (made->capacity() < kPipeBytesMin) {
      LOG(WARNING) << "this user may have no more large pipes (pipe-user-pages-soft): when all are "
                      "in use, sendfile moves large bodies";
      too_small_ = true;
      return nullptr;
    }
    idle_.push_back(std::make_unique<Pipe>(*std::move(made)));
  }
  ++out_;
  std::unique_ptr<Pipe> pipe = std::move(idle_.back());
  idle_.pop_back();
  return pipe;
}

void PipePool::Give(std::unique_ptr<Pipe> pipe) {
  CHECK_GT(out_, size_t{0});
  --out_;
  if (pipe->empty() || pipe->Discard()) idle_.push_back(std::move(pipe));
}

}  // namespace objmapper::copypath
