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
#include "origin/s3/sign.h"
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

  struct Sent {
    fetch::Method method = fetch::Method::kPut;  // or kPost, kDelete
    s3::Query query;                             // of S3's alone: "uploadId"
    std::shared_ptr<fetch::BodySource> body;     // null: none
    std::string sha256;  // of the body, in hexadecimal digits; where SignsBodies(), of a body
    std::string if_match, if_none_match;  // the condition, which the origin holds; empty: none
    // Not to be done twice: what may have reached the origin is not sent again.
    bool once = false;
  };
  // What changes something there. Its answer's body has at most kAnswerBytesMax.
  fetch::Request Send(const Location& location, Sent sent) const;
  static constexpr uint64_t kAnswerBytesMax = 64 << 10;
  // Whether a body's hash goes into its signature: over plain HTTP nothing else protects it.
  bool SignsBodies() const;

  // Has keys looked for, where there are none yet or they are due. Waits. UNAVAILABLE: there are
  // none.
  absl::Status Prepare() const;

  const Origin& origin() const { return *origin_; }
  // Which keys sign its requests, for the operator, as Provider::Describe(); empty: none do.
  std::string DescribeKeys() const { return provider_ == nullptr ? "" : provider_->Describe(); }
  // What its marks say: without query or userinfo.
  std::string UrlOf(const Location& location) const;

 private:
  Source(std::shared_ptr<const Origin> origin, S3Access access, RunFn run)
      : origin_(std::move(origin)),
        provider_(std::move(access.keys)),
        place_(std::move(access.place)),
        run_(std::move(run)) {}

  // The headers of its attempts: these, and the signature. payload: as s3::SignedRequest's.
  using Signer = std::function<absl::StatusOr<fetch::Headers>(const fetch::Attempt&)>;
  Signer SignedBy(fetch::Method method, std::string payload, s3::Fields fields,
                  std::shared_ptr<const std::string> region) const;
  // What is the same in all requests: timeouts; of those to objects also where they may be sent.
  fetch::Request Begin(fetch::Method method) const;
  fetch::Request BeginAt(const Location& location, fetch::Method method, const s3::Query& query,
                         std::string payload, s3::Fields fields) const;
  // Has S3's request signed for each attempt, and follow the bucket to another region. in: what of
  // a bucket it asks.
  void MakeS3(std::function<s3::Url(const s3::Bucket&)> in, std::string payload, s3::Fields fields,
              fetch::Request* request) const;

  const std::shared_ptr<const Origin> origin_;
  const std::shared_ptr<Provider> provider_;
  const Place place_;
  const RunFn run_;
  std::optional<s3::Bucket> bucket_;
};

}  // namespace objmapper::origin
