// How the objects of one origin are asked for: its URLs, its keys, and where it may send us.
//
//   absl::StatusOr<std::shared_ptr<const Source>> source = Source::Make(origin, access, run);
//   fetcher->Fetch((*source)->Get(location, {.range = {{0, part - 1}}, .bytes_max = part}), sink);
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "origin/config/origin.h"
#include "origin/config/origins.h"
#include "origin/credentials/profile.h"
#include "origin/credentials/provider.h"
#include "origin/fetch/request.h"
#include "origin/flight/strand.h"
#include "origin/s3/url.h"

namespace objmapper::origin {

// How an S3 origin is reached.
struct S3Access {
  std::shared_ptr<Provider> keys;  // sign its requests; null: they are anonymous
  Place place;                     // what the origin's own words, and others behind them, say
};

class Source {
 public:
  // access: of an S3 origin. run: where keys are looked for, which may take long. INVALID_ARGUMENT:
  // as s3::Bucket::Make().
  static absl::StatusOr<std::shared_ptr<const Source>> Make(std::shared_ptr<const Origin> origin,
                                                            S3Access access, RunFn run);

  struct Wanted {
    std::optional<fetch::ByteRange> range;  // none: all of it
    std::string if_match;                   // empty: whichever version
    std::string if_none_match;              // as in fetch::Request; empty: whatever is here
    std::string if_modified_since;          // the same
    std::string cache_control;              // for an HTTP origin that is a cache; empty: nothing
    uint64_t bytes_max = 0;                 // of the answer's body
    bool or_whole = false;                  // a server that knows no ranges may answer with all
  };
  fetch::Request Get(const Location& location, Wanted wanted) const;
  // Of an S3 origin: what is in the bucket.
  fetch::Request List(const s3::Query& query, uint64_t bytes_max) const;

  // Has keys looked for, where there are none yet or they are due. Waits. UNAVAILABLE: there are
  // none.
  absl::Status Prepare() const;

  const Origin& origin() const { return *origin_; }
  // Which keys sign its requests, for the operator, as Provider::Describe(); empty: none do.
  std::string DescribeKeys() const { return provider_ == nullptr ? "" : provider_->Describe(); }
  // What its marks say: without query or userinfo.
  std::string UrlOf(const Location& location) const;

 private:
  // Has S3's request signed for each attempt, and follow the bucket to another region. in: what of
  // a bucket it asks.
  void MakeS3(std::function<s3::Url(const s3::Bucket&)> in, fetch::Request* request) const;

  Source(std::shared_ptr<const Origin> origin, S3Access access, RunFn run)
      : origin_(std::move(origin)),
        provider_(std::move(access.keys)),
        place_(std::move(access.place)),
        run_(std::move(run)) {}

  const std::shared_ptr<const Origin> origin_;
  const std::shared_ptr<Provider> provider_;
  const Place place_;
  const RunFn run_;
  std::optional<s3::Bucket> bucket_;
};

}  // namespace objmapper::origin
