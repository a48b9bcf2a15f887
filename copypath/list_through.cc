// A page of an answer, of as many of the origin's as it takes until something may be seen.
#include "copypath/list_through.h"

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "copypath/may_read.h"
#include "net/retry_after.h"
#include "session/caller.h"
#include "storage/store/list_cursor.h"
#include "storage/store/list_through.h"
#include "storage/tree/remote.h"

namespace objmapper::copypath {
namespace {

using storage::ListedThere;

absl::StatusOr<ListedThere> ListNow(storage::Remote* remote, const storage::AskedThere& asked) {
  std::promise<absl::StatusOr<ListedThere>> listed;
  remote->ListThere(
      asked, [&listed](absl::StatusOr<ListedThere> page) { listed.set_value(std::move(page)); });
  return listed.get_future().get();
}

// One thread's at a time.
class Listing {
 public:
  explicit Listing(const Operand& operand) : operand_(operand), remote_(operand_.tree->remote()) {}

  storage::Remote* remote() const { return remote_; }
  const storage::AskedThere& asked() const { return page_->asked(); }

  // nullopt: the remote is to be asked. Waits for the disk, and to find a place that a hash alone
  // tells (list_cursor.h), for origins.
  std::optional<Outcome> Begin() {
    if (remote_ == nullptr) {
      return Refused(absl::UnimplementedError(
          "list: this server has no origins (--origin, --origins_file) to list"));
    }
    storage::ListQuery query;
    const size_t nul = operand_.uri.find('\0');
    query.prefix = operand_.uri.substr(0, nul);
    if (nul != std::string::npos) {
      absl::StatusOr<std::string> place = storage::DecodeCursor(
          query.prefix, absl::string_view(operand_.uri).substr(nul + 1),
          [this](const storage::ListQuery& searched) { return PageNow(searched); });
      if (!place.ok()) return Refused(place.status());
      query.cursor = *std::move(place);
    }
    room_ = operand_.store->list_room()->Take(kListPageBytes);
    query.bytes_max = room_.bytes();
    page_.emplace(operand_.store, remote_, std::move(query));
    return std::nullopt;
  }

  // nullopt: the remote is to be asked once more. Waits for the disk.
  std::optional<Outcome> Take(absl::StatusOr<ListedThere> there) {
    if (!there.ok()) return Refused(there.status());
    const absl::StatusOr<bool> whole = page_->Take(*std::move(there), Filter());
    if (!whole.ok()) return Refused(whole.status());
    if (!*whole) return std::nullopt;
    return Listed(operand_, page_->TakePage(), std::move(room_));
  }

 private:
  // Anew for each step: rules may change meanwhile.
  MayRead Filter() const {
    return MayRead(operand_.access,
                   {operand_.peer, operand_.socket, session::CallerOf(operand_.request)});
  }

  Outcome Refused(const absl::Status& error) const {
    Operand later = operand_;
    later.request.retry_after_ms = net::RetryAfterMs(error);
    return Failed(later, error);
  }

  absl::StatusOr<storage::ListPage> PageNow(const storage::ListQuery& query) const {
    storage::ThroughPage page(operand_.store, remote_, query);
    while (true) {
      absl::StatusOr<ListedThere> there = ListNow(remote_, page.asked());
      if (!there.ok()) return there.status();
      const absl::StatusOr<bool> whole = page.Take(*std::move(there), Filter());
      if (!whole.ok()) return whole.status();
      if (*whole) return page.TakePage();
    }
  }

  const Operand operand_;
  storage::Remote* const remote_;
  storage::ListRoom::Lease room_;
  std::optional<storage::ThroughPage> page_;
};

// Who goes on with it, step by step.
struct Course {
  Listing listing;
  std::function<void(std::function<void()>)> run;
  std::function<void(Outcome)> done;
};

void Ask(const std::shared_ptr<Course>& course) {
  course->listing.remote()->ListThere(
      course->listing.asked(), [course](absl::StatusOr<ListedThere> there) {
        course->run([course, there = std::move(there)]() mutable {
          std::optional<Outcome> outcome = course->listing.Take(std::move(there));
          outcome.has_value() ? course->done(*std::move(outcome)) : Ask(course);
        });
      });
}

}  // namespace

void ListThrough(const Operand& operand, std::function<void(std::function<void()>)> run,
                 std::function<void(Outcome)> done) {
  const auto course =
      std::make_shared<Course>(Course{Listing(operand), std::move(run), std::move(done)});
  course->run([course] {
    std::optional<Outcome> outcome = course->listing.Begin();
    outcome.has_value() ? course->done(*std::move(outcome)) : Ask(course);
  });
}

Outcome ListThrough(const Operand& operand) {
  Listing listing(operand);
  std::optional<Outcome> outcome = listing.Begin();
  while (!outcome.has_value()) outcome = listing.Take(ListNow(listing.remote(), listing.asked()));
  return *std::move(outcome);
}

}  // namespace objmapper::copypath
