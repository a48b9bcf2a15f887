// Requests to one origin. What is signed is what is sent: the URL of the very attempt.
#include "origin/flight/source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace objmapper::origin {
namespace {

using fetch::Attempt;
using fetch::Header;
using fetch::Headers;
using fetch::Redirect;
using fetch::RedirectTarget;

constexpr absl::string_view kDefaultRegion = "us-east-1";
// Until an origin answers that has all of a body: S3 takes minutes to put many parts together.
constexpr absl::Duration kStoringTime = absl::Minutes(5);

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

bool Source::SignsBodies() const {
  return bucket_.has_value() && provider_ != nullptr && !bucket_->Object("").tls;
}

Source::Signer Source::SignedBy(fetch::Method method, std::string payload, s3::Fields fields,
                                std::shared_ptr<const std::string> region) const {
  return [provider = provider_, run = run_, method, payload = std::move(payload),
          fields = std::move(fields), region](const Attempt& attempt) -> absl::StatusOr<Headers> {
    Headers headers;
    for (const auto& [name, value] : fields) headers.push_back({name, value});
    if (provider == nullptr) return headers;
    const Provider::Kept kept = provider->Peek();
    if (kept.due) run([provider] { provider->Get().IgnoreError(); });
    if (kept.credentials == nullptr)
      return absl::UnavailableError("the keys have expired, and there are no others yet");
    if (kept.credentials->keys.empty()) return headers;
    const s3::Url url = Split(attempt.url);
    s3::SignedRequest signing;
    signing.method = fetch::MethodName(method);
    signing.host = url.host;
    signing.path = url.path;
    signing.query = url.query;
    signing.fields = fields;
    if (url.tls) {
      signing.payload = s3::kUnsignedPayload;
    } else if (!payload.empty()) {
      signing.payload = payload;
    }
    for (auto& [name, value] : s3::Sign(kept.credentials->keys, {*region}, signing, absl::Now()))
      headers.push_back(Header{std::move(name), std::move(value)});
    return headers;
  };
}

fetch::Request Source::Begin(fetch::Method method) const {
  fetch::Request request;
  request.method = method;
  request.timeouts.emplace();
  request.timeouts->answer = origin_->answer;
  request.timeouts->stall = {origin_->stall_bytes, origin_->stall_time};
  return request;
}

fetch::Request Source::BeginAt(const Location& location, fetch::Method method,
                               const s3::Query& query, std::string payload,
                               s3::Fields fields) const {
  fetch::Request request = Begin(method);
  if (bucket_.has_value()) {
    MakeS3(
        [key = location.key, query](const s3::Bucket& bucket) { return bucket.Object(key, query); },
        std::move(payload), std::move(fields), &request);
    return request;
  }
  request.url = UrlOf(location);
  // To another path of the same server, or another that the server says; the fetcher knows what
  // must not be.
  request.redirected = [](const Redirect& redirect) -> std::optional<RedirectTarget> {
    if (redirect.to_url.empty()) return std::nullopt;
    return RedirectTarget{redirect.to_url};
  };
  return request;
}

void Source::MakeS3(std::function<s3::Url(const s3::Bucket&)> in, std::string payload,
                    s3::Fields fields, fetch::Request* request) const {
  request->url = in(*bucket_).Text();
  request->s3 = true;
  // This request's own: S3 may send it to another.
  const auto region = std::make_shared<std::string>(
      bucket_->region().empty() ? std::string(kDefaultRegion) : bucket_->region());
  request->prepare = SignedBy(request->method, std::move(payload), std::move(fields), region);
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

fetch::Request Source::List(const s3::Query& query, uint64_t bytes_max) const {
  fetch::Request request = Begin(fetch::Method::kGet);
  request.body_bytes_max = bytes_max;
  MakeS3([query](const s3::Bucket& bucket) { return bucket.List(query); }, /*payload=*/"",
         /*fields=*/{}, &request);
  return request;
}

fetch::Request Source::Get(const Location& location, Wanted wanted) const {
  fetch::Request request = BeginAt(location, fetch::Method::kGet, s3::Query(), /*payload=*/"",
                                   {{"x-amz-checksum-mode", "ENABLED"}});
  if (!bucket_.has_value() && !wanted.cache_control.empty()) {
    request.prepare =
        [value = std::move(wanted.cache_control)](const Attempt&) -> absl::StatusOr<Headers> {
      return Headers{{"Cache-Control", value}};
    };
  }
  request.range = wanted.range;
  request.if_match = std::move(wanted.if_match);
  request.if_none_match = std::move(wanted.if_none_match);
  request.if_modified_since = std::move(wanted.if_modified_since);
  request.body_bytes_max = wanted.bytes_max;
  request.accept_whole = wanted.or_whole;
  return request;
}

fetch::Request Source::Send(const Location& location, Sent sent) const {
  fetch::Request request =
      BeginAt(location, sent.method, sent.query, std::move(sent.sha256), /*fields=*/{});
  request.body = std::move(sent.body);
  request.if_match = std::move(sent.if_match);
  // Other makers than AWS compare it as it stands with an ETag that they keep without its quotes
  // (radosgw 16.2, of a PUT); AWS, and its own client, take it so, too.
  if (bucket_.has_value()) absl::StrReplaceAll({{"\"", ""}}, &request.if_match);
  request.if_none_match = std::move(sent.if_none_match);
  request.idempotent = !sent.once;
  request.body_bytes_max = kAnswerBytesMax;
  // What has been sent is stored before it is answered.
  request.timeouts->answer = std::max(origin_->answer, kStoringTime);
  return request;
}

}  // namespace objmapper::origin
