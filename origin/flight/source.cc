// Requests to one origin. What is signed is what is sent: the URL of the very attempt.
#include "origin/flight/source.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/s3/sign.h"

namespace objmapper::origin {
namespace {

using fetch::Attempt;
using fetch::Header;
using fetch::Headers;
using fetch::Redirect;
using fetch::RedirectTarget;

constexpr absl::string_view kDefaultRegion = "us-east-1";

// Scheme, host with its port, path and query of a URL that was made here or resolved by the
// fetcher.
s3::Url Split(absl::string_view url) {
  s3::Url split;
  split.tls = absl::StartsWith(url, "https://");
  url.remove_prefix(url.find("//") + 2);
  const size_t path = std::min(url.find('/'), url.size());
  split.host = std::string(url.substr(0, path));
  url.remove_prefix(path);
  const size_t query = std::min(url.find('?'), url.size());
  split.path = query == 0 ? "/" : std::string(url.substr(0, query));
  if (query < url.size()) split.query = std::string(url.substr(query + 1));
  return split;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Source>> Source::Make(std::shared_ptr<const Origin> origin,
                                                           S3Access access, RunFn run) {
  std::shared_ptr<Source> source(new Source(std::move(origin), std::move(access), std::move(run)));
  const Origin& of = *source->origin_;
  if (of.kind == Origin::Kind::kS3) {
    absl::StatusOr<s3::Bucket> bucket = s3::Bucket::Make({.name = of.bucket,
                                                          .region = source->place_.region,
                                                          .endpoint = source->place_.endpoint,
                                                          .path_style = of.path_style});
    if (!bucket.ok()) return bucket.status();
    source->bucket_ = *std::move(bucket);
  }
  return source;
}

std::string Source::UrlOf(const Location& location) const {
  if (bucket_.has_value()) return bucket_->Object(location.key).Text();
  const s3::Endpoint& endpoint = *origin_->endpoint;
  return absl::StrCat(endpoint.tls ? "https://" : "http://", endpoint.host, location.key);
}

absl::Status Source::Prepare() const {
  return provider_ == nullptr ? absl::OkStatus() : provider_->Get().status();
}

fetch::Request Source::Get(const Location& location, Wanted wanted) const {
  fetch::Request request;
  request.url = UrlOf(location);
  request.range = wanted.range;
  request.if_match = std::move(wanted.if_match);
  request.if_none_match = std::move(wanted.if_none_match);
  request.if_modified_since = std::move(wanted.if_modified_since);
  request.body_bytes_max = wanted.bytes_max;
  request.accept_whole = wanted.or_whole;
  request.timeouts.emplace();
  request.timeouts->answer = origin_->answer;
  request.timeouts->stall = {origin_->stall_bytes, origin_->stall_time};
  if (!bucket_.has_value()) {
    if (!wanted.cache_control.empty()) {
      request.prepare =
          [value = std::move(wanted.cache_control)](const Attempt&) -> absl::StatusOr<Headers> {
        return Headers{{"Cache-Control", value}};
      };
    }
    // To another path of the same server, or another that the server says; the fetcher knows what
    // must not be.
    request.redirected = [](const Redirect& redirect) -> std::optional<RedirectTarget> {
      if (redirect.to_url.empty()) return std::nullopt;
      return RedirectTarget{redirect.to_url};
    };
    return request;
  }
  MakeS3([key = location.key](const s3::Bucket& bucket) { return bucket.Object(key); }, &request);
  return request;
}

fetch::Request Source::List(const s3::Query& query, uint64_t bytes_max) const {
  fetch::Request request;
  request.url = bucket_->List(query).Text();
  request.body_bytes_max = bytes_max;
  request.timeouts.emplace();
  request.timeouts->stall = {origin_->stall_bytes, origin_->stall_time};
  MakeS3([query](const s3::Bucket& bucket) { return bucket.List(query); }, &request);
  return request;
}

void Source::MakeS3(std::function<s3::Url(const s3::Bucket&)> in, fetch::Request* request) const {
  request->s3 = true;
  // This request's own: S3 may send it to another.
  const auto region = std::make_shared<std::string>(
      bucket_->region().empty() ? std::string(kDefaultRegion) : bucket_->region());
  request->prepare = [provider = provider_, run = run_,
                      region](const Attempt& attempt) -> absl::StatusOr<Headers> {
    Headers headers = {{"x-amz-checksum-mode", "ENABLED"}};
    if (provider == nullptr) return headers;
    const Provider::Kept kept = provider->Peek();
    if (kept.due) run([provider] { provider->Get().IgnoreError(); });
    if (kept.credentials == nullptr)
      return absl::UnavailableError("the keys have expired, and there are no others yet");
    if (kept.credentials->keys.empty()) return headers;
    const s3::Url url = Split(attempt.url);
    s3::SignedRequest signing;
    signing.method = "GET";
    signing.host = url.host;
    signing.path = url.path;
    signing.query = url.query;
    signing.fields = {{"x-amz-checksum-mode", "ENABLED"}};
    if (url.tls) signing.payload = s3::kUnsignedPayload;
    for (auto& [name, value] : s3::Sign(kept.credentials->keys, {*region}, signing, absl::Now()))
      headers.push_back(Header{std::move(name), std::move(value)});
    return headers;
  };
  request->redirected = [origin = origin_, endpoint = place_.endpoint, in = std::move(in),
                         region](const Redirect& redirect) -> std::optional<RedirectTarget> {
    // Another region, of which a place is made from its name alone.
    if (!s3::IsRegionName(redirect.region) || redirect.region == *region) return std::nullopt;
    const absl::StatusOr<s3::Bucket> bucket = s3::Bucket::Make({.name = origin->bucket,
                                                                .region = redirect.region,
                                                                .endpoint = endpoint,
                                                                .path_style = origin->path_style});
    if (!bucket.ok()) return std::nullopt;
    *region = redirect.region;
    return RedirectTarget{in(*bucket).Text(), /*same_origin=*/true};
  };
  if (provider_ != nullptr) {
    request->refresh = [provider = provider_, run = run_](std::function<void()> done) {
      run([provider, done = std::move(done)] {
        if (const Provider::Kept kept = provider->Peek(); kept.credentials != nullptr)
          provider->Refuse(*kept.credentials);
        provider->Get().IgnoreError();
        done();
      });
    };
  }
}

}  // namespace objmapper::origin
