// Whether what is here of an object may be handed out: its mark says, or its origin, which is asked
// for what has changed since (RFC 9110, 13.1).
//
// It looks at what is here first, so it asks nobody about an object of this disk's own, about one
// that another process has asked about lately, or about none. What it asks for is one byte, and
// mostly that does not come: the answer is 304. What its origin does not have any more is removed.
// What has changed there is not fetched here: that is a flight's (flight.h).
//
// Done on a strand, as a flight is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_object.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/means.h"
#include "origin/flight/source.h"
#include "origin/flight/strand.h"

namespace objmapper::origin {

class Check : public std::enable_shared_from_this<Check> {
 public:
  // What is known beforehand.
  struct Known {
    // When its origin last said that what is here is its version, if that is later than its mark
    // says.
    std::optional<absl::Time> checked;
    absl::Status refusal;  // why its origin is not to be asked now; OK: it may be
    // As storage::Wanted's: beyond what its origin's line says.
    std::optional<int64_t> age_max_s;
  };
  struct Finding {
    enum class Kind : uint8_t {
      kOwn,       // an object of this disk's own is here: never compared with another one
      kFresh,     // its origin's version is here
      kAbsent,    // nothing is
      kOutdated,  // another version, or a damaged one, or one of another origin
      kGone,      // its origin has none: what was here has been removed
      kTrouble,   // it could not be found out
    };
    Kind kind = Kind::kTrouble;
    // kGone: NOT_FOUND. kTrouble: as storage::Remote::Bring(), with when to come again where the
    // origin says so.
    absl::Status status;
    bool asked = false;         // its origin
    bool not_modified = false;  // and that is what it said
    // When its origin last said that what is here is its version, as far as that is known.
    absl::Time checked;
    bool good = false;  // what is here may be handed out for all that the line says
    // Until when what is here may be handed out where its origin fails.
    absl::Time stale_until = absl::InfinitePast();
  };

  // ended: called once, on the strand.
  Check(Means means, std::shared_ptr<const Source> source, Location location, std::string uri,
        Known known, std::function<void(const Finding&)> ended);

  // ---- Any thread ----
  void Begin();
  // It ends soon, with `why` unless it has ended otherwise.
  void Cancel(absl::Status why);

 private:
  using Kind = Finding::Kind;
  // What the head of an answer says of the version that its origin has.
  struct Version {
    std::string etag;
    std::optional<int64_t> last_modified_s;
    std::optional<uint64_t> size;
  };
  class VersionSink;

  // All on the strand.
  void Look();
  absl::StatusOr<net::UniqueFd> OpenHere();
  void LookAtMark();
  void Ask();
  void OnAnswer(const std::optional<Version>& version, const fetch::Outcome& outcome);
  bool IsSame(const Version& version) const;
  void Unchanged();
  absl::Status Remove();
  void End(Kind kind, absl::Status status = absl::OkStatus());

  const Means means_;
  const std::shared_ptr<const Source> source_;
  const Location location_;
  const std::string uri_;
  const std::string url_;  // for marks and people
  const Known known_;
  const std::function<void(const Finding&)> ended_;
  const std::shared_ptr<Strand> strand_;

  // The strand's.
  net::UniqueFd file_;    // what is here
  bool encoded_ = false;  // under its encoded name (place.h)
  Mark mark_;             // of `file_`
  uint64_t request_ = 0;  // under way; 0: none
  std::optional<absl::Status> cancelled_;
  Finding finding_;
  bool over_ = false;
};

}  // namespace objmapper::origin
