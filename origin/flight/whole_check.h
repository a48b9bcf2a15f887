// Compares an object with what its origin says of the whole of it (sums.h).
//
//   if (said.any()) check = std::make_shared<WholeCheck>(view, said, url, run);
//   check->Advance();                       // each time more has been written
//   check->Finish([...](absl::Status) {});  // when all has
//
// What has come is read back, in order, as far as there is no gap, on a strand of its own: parts
// come in any order, sums know only one, and by the time the last part is here most of it is done.
// What has just been written is in the page cache, and reading it costs a tenth of summing MD5.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "origin/cache/partial_view.h"
#include "origin/flight/strand.h"
#include "origin/flight/sums.h"

namespace objmapper::origin {

class WholeCheck : public std::enable_shared_from_this<WholeCheck> {
 public:
  // url: for people. run: as of Strand.
  WholeCheck(std::shared_ptr<const PartialView> view, SaidSums said, std::string url, RunFn run);

  // More may be here. Does not wait.
  void Advance();
  // All is. done: called once, on a thread of `run`'s: OK, it is what it should be; DATA_LOSS: it
  // is not, or the file has been cut; CANCELLED: Abandon(); or as PartialView::Read().
  void Finish(std::function<void(absl::Status)> done);
  // Nobody wants to know any more.
  void Abandon() { abandoned_.store(true, std::memory_order_relaxed); }

 private:
  absl::Status TakeIn();  // the strand's, like what it touches

  const std::shared_ptr<const PartialView> view_;
  const std::string url_;
  const std::shared_ptr<Strand> strand_;
  std::atomic<bool> posted_{false}, abandoned_{false};
  Sums sums_;
  uint64_t at_ = 0;  // all before is in it
};

}  // namespace objmapper::origin
