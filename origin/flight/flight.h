// One object on its way from its origin to the disk.
//
// The first request asks for the object's first part, and learns of its size and its version from
// the answer; all others are for parts of that very version (If-Match). Each part is written as it
// comes; when all are there, the object is published (origin/cache/partial_object.h). An object of
// which another version turns up meanwhile is begun anew, a few times. What an earlier flight has
// left of the same version is not fetched again.
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
#include "origin/flight/account.h"
#include "origin/flight/budget.h"
#include "origin/flight/md5_check.h"
#include "origin/flight/source.h"
#include "origin/flight/strand.h"

namespace objmapper::origin {

class Flight : public std::enable_shared_from_this<Flight> {
 public:
  struct Options {
    PartialObject::Options cache;
    fetch::Fetcher* fetcher = nullptr;  // these outlive it
    Budget* budget = nullptr;
    std::shared_ptr<Account> account;  // of the origin
    RunFn run;
    std::function<absl::Time()> now = absl::Now;
  };
  // ended: called once, on the strand: OK, the object is here; or as storage::Remote::Bring().
  Flight(Options options, std::shared_ptr<const Source> source, Location location, std::string uri,
         std::function<void(absl::Status)> ended);

  // ---- Any thread ----
  void Begin();
  // It ends soon, with `why` unless it has ended otherwise.
  void Cancel(absl::Status why);

 private:
  class PartSink;
  // What the first answer says of the object.
  struct Facts {
    uint64_t size = 0;
    uint64_t first_bytes = 0;  // of the object, in this answer
    std::string etag;
    std::optional<int64_t> last_modified_s;
    std::optional<uint32_t> crc32c;  // of the whole
    std::optional<std::string> md5;  // the same, as Md5Check::Expected()
  };
  struct Part {
    uint64_t begin = 0;
    uint64_t bytes = 0;
  };

  // All on the strand.
  void BeginVersion(bool whole);
  void Ask(Part part, Source::Wanted wanted, bool first);
  void OnFacts(const Facts& facts);
  void AskMore();
  void OnBytes(uint64_t offset, const std::string& bytes);
  void OnPartDone(Part part, bool first, const fetch::Outcome& outcome);
  void Judge(bool first, const fetch::Outcome& outcome);
  void MarkValid(Part part);
  void PlanMissing(uint64_t begin);
  void Complete();
  void OnMd5(const absl::Status& status);
  void Publish();
  void BeginAnew(const char* why, bool whole);
  void End(absl::Status status);
  void CancelParts();
  void EndMd5();
  void GoOn();

  const Options options_;
  const std::shared_ptr<const Source> source_;
  const Location location_;
  const std::string uri_;
  const std::string url_;  // for marks and people
  const std::function<void(absl::Status)> ended_;
  const std::shared_ptr<Strand> strand_;

  // The strand's.
  std::unique_ptr<PartialObject> partial_;  // null until the first answer
  std::optional<Facts> facts_;
  std::shared_ptr<Md5Check> md5_;  // null: nothing is known of it
  bool checking_ = false;          // by md5_, all is here
  std::deque<Part> to_ask_;
  std::map<uint64_t, uint64_t> asked_;  // the fetcher's numbers, by where the part begins
  size_t under_way_ = 0;                // parts
  uint64_t budget_ = 0;                 // taken by them
  bool awaits_budget_ = false;
  bool whole_ = false;        // asked for in one piece
  std::optional<bool> anew_;  // to be begun, whole or not, once nothing is under way
  int begun_ = 0;             // versions
  std::optional<absl::Status> end_;
  bool told_ = false;
};

}  // namespace objmapper::origin
