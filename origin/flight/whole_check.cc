// Reads what is here, and sums it up.
#include "origin/flight/whole_check.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace objmapper::origin {
namespace {

// What is read at once: it stays in a core's own cache.
constexpr size_t kReadBytes = 256 * 1024;

}  // namespace

WholeCheck::WholeCheck(std::shared_ptr<const PartialView> view, SaidSums said, std::string url,
                       RunFn run)
    : view_(std::move(view)),
      url_(std::move(url)),
      strand_(std::make_shared<Strand>(std::move(run))),
      sums_(std::move(said)) {}

void WholeCheck::Advance() {
  if (posted_.exchange(true)) return;
  strand_->Post([self = shared_from_this()] {
    self->posted_ = false;
    // Finish() meets the same error.
    self->TakeIn().IgnoreError();
  });
}

void WholeCheck::Finish(std::function<void(absl::Status)> done) {
  strand_->Post([self = shared_from_this(), done = std::move(done)] {
    if (absl::Status taken = self->TakeIn(); !taken.ok()) return done(std::move(taken));
    if (self->at_ != self->view_->size()) {
      return done(
          absl::DataLossError(absl::StrCat(self->url_, ": of ", self->view_->size(), " bytes only ",
                                           self->at_, " could be read back")));
    }
    done(self->sums_.Compare(self->url_));
  });
}

absl::Status WholeCheck::TakeIn() {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kReadBytes);
  while (true) {
    if (abandoned_.load(std::memory_order_relaxed)) return absl::CancelledError("abandoned");
    const absl::StatusOr<size_t> got = view_->Read(at_, absl::MakeSpan(buffer.get(), kReadBytes));
    if (!got.ok()) return got.status();
    if (*got == 0) return absl::OkStatus();
    sums_.Add(absl::string_view(buffer.get(), *got));
    at_ += *got;
  }
}

}  // namespace objmapper::origin
