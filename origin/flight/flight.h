// One object on its way from its origin to the disk: all of it, or those of its blocks that
// somebody wants.
//
// The first request asks for the part that is wanted first, and learns of the object's size and its
// version from the answer; all others are for parts of that very version (If-Match). Each part is
// written as it comes; when all are there, the object is published
// (origin/cache/partial_object.h). An object of which another version turns up meanwhile is begun
// anew, a few times. What an earlier flight has left of the same version is not fetched again.
//
// Whoever reads behind it follows its Progress. When all that was wanted is here, and that is not
// the whole, the flight stays for as long as it is followed; then it ends, and leaves its blocks to
// a later one.
//
// Where there is no room for it, or what is on the disk cannot be written or read, those who follow
// it get the rest of that version through uncached (uncached.h), and it ends.
//
// What it does is done on a strand, piece by piece: writing and publishing wait for the disk, and
// the thread that speaks with origins must not.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/cache/partial_object.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/budget.h"
#include "origin/flight/means.h"
#include "origin/flight/part_sink.h"
#include "origin/flight/progress.h"
#include "origin/flight/ranges.h"
#include "origin/flight/source.h"
#include "origin/flight/strand.h"
#include "origin/flight/uncached.h"
#include "origin/flight/whole_check.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

class Flight : public std::enable_shared_from_this<Flight> {
 public:
  struct Options {
    Means means;
    Budget* budget = nullptr;  // outlives it
    std::shared_ptr<Uncached> uncached;
    // Why there is no room for the object, as was found a moment ago: none of it is kept, and it is
    // only found out which version there is. OK: there may be.
    absl::Status no_room;
  };
  // Whom it tells, on the strand.
  struct Listener {
    // The object is this version, as its origin has just said: for those who have asked what it is.
    // As often as that is so.
    std::function<void(const std::shared_ptr<Progress>&)> known;
    // Once, and last: OK, the object is here; CANCELLED: what was wanted of it is, and nobody wants
    // more; IsNoRoom() (trouble.h): it cannot be kept here; or as storage::Remote::Bring().
    std::function<void(absl::Status)> ended;
  };
  Flight(Options options, std::shared_ptr<const Source> source, Location location, std::string uri,
         Listener listener);

  // ---- Any thread ----
  // What is wanted before it begins is asked for first.
  void Begin();
  // Somebody asks what the object is, and for so much of it. No effect once it has ended.
  void Want(const storage::Wanted& wanted);
  // It ends soon, with `why` unless it has ended otherwise.
  void Cancel(absl::Status why);

 private:
  struct Part {
    uint64_t begin = 0;
    uint64_t bytes = 0;
    bool first = false;
    uint64_t budget = 0;  // taken for it
  };

  // All on the strand.
  void OnWanted(const storage::Wanted& wanted, bool asks_what_it_is);
  void BeginVersion(bool whole);
  bool Resume();
  void BeginWithPart();
  void SetPartial(std::unique_ptr<PartialObject> partial);
  void Plan(uint64_t begin, uint64_t end);
  void PlanWanted();
  void AskMore();
  void Confirm();
  void Ask(const Part& part, Source::Wanted wanted);
  void OnFacts(const Part& part, const Facts& facts);
  void OnBytes(uint64_t offset, const std::string& bytes);
  void OnPartDone(const Part& part, uint64_t number, const fetch::Outcome& outcome);
  void Judge(const Part& part, const fetch::Outcome& outcome);
  void MarkValid(uint64_t begin, uint64_t bytes);
  void BeginAnew(const char* why, bool whole);
  void End(absl::Status status);
  void EndWithoutRoom(const absl::Status& why);
  void CancelParts();
  void BeginCheck();
  void EndCheck();
  bool IsFresh() const;
  void GoOn();
  void Complete();
  void OnChecked(const absl::Status& status);
  void Publish();

  const Options options_;
  const std::shared_ptr<const Source> source_;
  const Location location_;
  const std::string uri_;
  const std::string url_;  // for marks and people
  const Listener listener_;
  const std::shared_ptr<Strand> strand_;

  // The strand's. Wanted, of whichever version:
  bool all_wanted_ = false;
  Ranges wanted_;

  // Of this version:
  std::unique_ptr<PartialObject> partial_;  // null until it is known
  std::shared_ptr<Progress> progress_;      // the same
  std::optional<Facts> facts_;
  std::shared_ptr<WholeCheck> check_;  // null: nothing is said of the whole
  bool checking_ = false;              // by check_, all is here
  Ranges planned_;                     // has come, or been asked for, or is to be
  std::deque<Part> to_ask_;
  bool whole_ = false;       // asked for in one piece
  bool from_start_ = false;  // what is wanted first may lie behind its end
  bool confirming_ = false;  // an answer will say whether it is still this version
  absl::Time confirmed_ = absl::InfinitePast();  // when the origin last said so

  std::map<uint64_t, uint64_t> asked_;  // the fetcher's numbers, by our own
  uint64_t parts_ = 0;                  // numbers given
  bool awaits_budget_ = false;
  std::optional<bool> anew_;  // to be begun, whole or not, once nothing is under way
  int begun_ = 0;             // versions
  std::optional<absl::Status> end_;
  bool told_ = false;
};

}  // namespace objmapper::origin
