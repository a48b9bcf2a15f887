// Requests to S3, and to radosgw's admin API, which is on the same port.
#include "tests/origin/ceph/s3_client.h"

#include <glog/logging.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace objmapper::origin::testing {
namespace {

using fetch::Method;
using Result = S3Client::Result;

s3::Bucket BucketOf(const RadosGw& gateway, const std::string& name) {
  const absl::StatusOr<s3::Endpoint> endpoint = s3::ParseEndpoint(gateway.url());
  CHECK(endpoint.ok()) << endpoint.status();
  absl::StatusOr<s3::Bucket> bucket = s3::Bucket::Make({.name = name, .endpoint = *endpoint});
  CHECK(bucket.ok()) << bucket.status();
  return *std::move(bucket);
}

fetch::Request SignedRequest(const s3::Keys& keys, Method method, const s3::Url& url,
                             const s3::Fields& fields, absl::Time now, std::string body) {
  fetch::Request request;
  request.method = method;
  request.url = url.Text();
  request.s3 = true;
  request.body_bytes_max = 1 << 30;
  if (!body.empty()) request.body = fetch::BodyOf(std::move(body));
  s3::Fields headers = fields;
  if (!keys.empty()) {
    s3::SignedRequest signing;
    signing.method = fetch::MethodName(method);
    signing.host = url.host;
    signing.path = url.path;
    signing.query = url.query;
    signing.fields = fields;
    // Without TLS S3 itself wants the hash; radosgw does not.
    signing.payload = s3::kUnsignedPayload;
    for (auto& field : s3::Sign(keys, {"us-east-1"}, signing, now))
      headers.push_back(std::move(field));
  }
  request.prepare = [headers](const fetch::Attempt&) -> absl::StatusOr<fetch::Headers> {
    fetch::Headers sent;
    for (const auto& [name, value] : headers) sent.push_back({name, value});
    return sent;
  };
  return request;
}

void ExpectFound(const Result& result) {
  EXPECT_EQ(result->outcome.verdict, fetch::Verdict::kFound) << result->outcome.reason;
}

std::string EtagOf(const Result& result) {
  return result->heads.empty() ? "" : result->heads.back().etag;
}

// Of the admin API.
void Administer(const RadosGw& gateway, Method method, const s3::Query& query) {
  S3Client client(gateway, RadosGw::Admin(), "admin");
  s3::Url url = client.bucket().Object("user", query);
  ExpectFound(client.Ask(method, url));
}

}  // namespace

S3Client::S3Client(const RadosGw& gateway, s3::Keys keys, const std::string& bucket)
    : keys_(std::move(keys)), bucket_(BucketOf(gateway, bucket)) {}

fetch::Request S3Client::Signed(Method method, const s3::Url& url, const s3::Fields& fields,
                                absl::Time now) const {
  return SignedRequest(keys_, method, url, fields, now, "");
}

Result S3Client::Ask(Method method, const s3::Url& url, std::string body, const s3::Fields& fields,
                     absl::Time now) {
  return Send(SignedRequest(keys_, method, url, fields, now, std::move(body)));
}

void S3Client::Create() { ExpectFound(Ask(Method::kPut, bucket_.List(s3::Query()))); }

std::string S3Client::Put(absl::string_view key, std::string content, const s3::Fields& fields) {
  const Result result = Ask(Method::kPut, bucket_.Object(key), std::move(content), fields);
  ExpectFound(result);
  return EtagOf(result);
}

void S3Client::PutAll(const std::vector<std::pair<std::string, std::string>>& objects) {
  std::vector<Result> results;
  for (const auto& [key, content] : objects) {
    results.push_back(std::make_shared<fetch::KeptSink>());
    const absl::StatusOr<uint64_t> id = fetcher_->Fetch(
        SignedRequest(keys_, Method::kPut, bucket_.Object(key), {}, absl::Now(), content),
        results.back());
    ASSERT_TRUE(id.ok()) << id.status();
    // Fewer than the fetcher lets wait.
    if (results.size() >= 1000) results[results.size() - 1000]->Wait();
  }
  for (const Result& result : results) {
    result->Wait();
    ExpectFound(result);
  }
}

std::string S3Client::PutParts(absl::string_view key, const std::vector<std::string>& parts) {
  const Result begun = Ask(Method::kPost, bucket_.Object(key, s3::Query().Add("uploads")));
  ExpectFound(begun);
  const absl::StatusOr<std::string> id = s3::ParseUploadId(begun->bytes);
  EXPECT_TRUE(id.ok()) << id.status();
  if (!id.ok()) return "";
  std::vector<std::string> etags;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Result part =
        Ask(Method::kPut,
            bucket_.Object(key,
                           s3::Query().Add("partNumber", absl::StrCat(i + 1)).Add("uploadId", *id)),
            parts[i]);
    ExpectFound(part);
    const std::string etag = EtagOf(part);
    etags.emplace_back(absl::StripPrefix(absl::StripSuffix(etag, "\""), "\""));
  }
  ExpectFound(Ask(Method::kPost, bucket_.Object(key, s3::Query().Add("uploadId", *id)),
                  s3::CompleteMultipartUpload(etags)));
  return EtagOf(Ask(Method::kHead, bucket_.Object(key)));
}

void S3Client::Delete(absl::string_view key) {
  ExpectFound(Ask(Method::kDelete, bucket_.Object(key)));
}

s3::ListPage S3Client::List(s3::Query query) {
  const Result result =
      Ask(Method::kGet, bucket_.List(query.Add("list-type", "2").Add("encoding-type", "url")));
  ExpectFound(result);
  s3::ListReader reader;
  const absl::Status fed = reader.Feed(result->bytes);
  EXPECT_TRUE(fed.ok()) << fed << "\n" << result->bytes.substr(0, 2000);
  absl::StatusOr<s3::ListPage> page = reader.Finish();
  EXPECT_TRUE(page.ok()) << page.status() << "\n" << result->bytes.substr(0, 2000);
  return page.ok() ? *std::move(page) : s3::ListPage();
}

std::vector<s3::ListedObject> S3Client::ListAll(absl::string_view prefix) {
  std::vector<s3::ListedObject> all;
  std::string continuation;
  do {
    s3::Query query;
    query.Add("prefix", prefix);
    if (!continuation.empty()) query.Add("continuation-token", continuation);
    s3::ListPage page = List(std::move(query));
    for (s3::ListedObject& object : page.objects) all.push_back(std::move(object));
    continuation = std::move(page.continuation);
  } while (!continuation.empty() && !::testing::Test::HasFailure());
  return all;
}

s3::Keys MakeUser(const RadosGw& gateway, const std::string& name) {
  const s3::Keys keys = {absl::StrCat("AKID", name), absl::StrCat("secret-of-", name), ""};
  Administer(gateway, Method::kPut,
             s3::Query()
                 .Add("uid", name)
                 .Add("display-name", name)
                 .Add("access-key", keys.access_key_id)
                 .Add("secret-key", keys.secret_access_key));
  return keys;
}

void Suspend(const RadosGw& gateway, const std::string& name, bool suspended) {
  Administer(gateway, Method::kPost,
             s3::Query().Add("uid", name).Add("suspended", suspended ? "true" : "false"));
}

void MakeKey(const RadosGw& gateway, const std::string& name, const s3::Keys& keys) {
  Administer(gateway, Method::kPut,
             s3::Query()
                 .Add("key")
                 .Add("uid", name)
                 .Add("access-key", keys.access_key_id)
                 .Add("secret-key", keys.secret_access_key)
                 .Add("generate-key", "false"));
}

void Withdraw(const RadosGw& gateway, const std::string& name, const s3::Keys& keys) {
  Administer(gateway, Method::kDelete,
             s3::Query().Add("key").Add("uid", name).Add("access-key", keys.access_key_id));
}

}  // namespace objmapper::origin::testing
