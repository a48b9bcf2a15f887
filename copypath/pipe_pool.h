// The pipes of a loop's own large bodies. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "copypath/pipe.h"

namespace objmapper::copypath {

// A body borrows a pipe and gives it back when it is empty. Where the socket is full the body keeps
// it with what is in it, up to a megabyte of the page cache; who comes when all are out does
// without.
class PipePool {
 public:
  // Half of what all pipes of a user may hold (pipe(7), pipe-user-pages-soft).
  static constexpr size_t kPipesMax = 32;

  // An empty pipe; null: none is left, or none can be made, or the user may have none that is
  // larger than sendfile's own (pipe(7), pipe-user-pages-soft).
  std::unique_ptr<Pipe> Take();
  // Empty or not: what is in it is discarded.
  void Give(std::unique_ptr<Pipe> pipe);

 private:
  std::vector<std::unique_ptr<Pipe>> idle_;
  size_t out_ = 0;
  bool too_small_ = false;  // one that was made is
};

}  // namespace objmapper::copypath
