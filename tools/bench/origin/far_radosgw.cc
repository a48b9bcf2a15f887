// radosgw: a real S3, with all of Ceph in memory, which the tests' radosgw.py starts.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "origin/s3/documents.h"
#include "origin/s3/sign.h"
#include "origin/s3/url.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/origin/far.h"
#include "tools/bench/origin/http.h"

namespace objmapper::bench {
namespace {

namespace s3 = origin::s3;

constexpr char kAccessKey[] = "AKIDBENCH", kSecretKey[] = "secret-of-bench";
constexpr char kRegion[] = "us-east-1";
constexpr char kBucket[] = "bench";
constexpr char kCeph[] = "ceph";                         // the folder
constexpr absl::Duration kStartTime = absl::Minutes(2);  // some seconds on an idle machine
// S3 takes no smaller parts, but for the last.
constexpr uint64_t kPartBytesMin = 5 << 20, kParts = 16;

// The text before `end`, and `rest` is what stands behind it.
absl::string_view TakeUntil(absl::string_view end, absl::string_view* rest) {
  const size_t at = rest->find(end);
  const absl::string_view taken = rest->substr(0, at);
  rest->remove_prefix(at == rest->npos ? rest->size() : at + end.size());
  return taken;
}

class RadosgwFar : public Far {
 public:
  RadosgwFar(const std::string& folder, s3::Bucket bucket, std::string endpoint, net::UniqueFd life,
             std::unique_ptr<Process> process)
      : Far("radosgw", absl::StrCat(folder, "/", kCeph, "/radosgw.log")),
        bucket_(std::move(bucket)),
        endpoint_(std::move(endpoint)),
        life_(std::move(life)),
        process_(std::move(process)) {}

  std::string line() const override {
    return absl::StrCat("s3://", kBucket, " endpoint=", endpoint_);
  }
  std::string url(absl::string_view key) const override { return bucket_.Object(key).Text(); }
  std::vector<std::string> AwsSource(absl::string_view key) const override {
    return {absl::StrCat("s3://", kBucket, "/", key), "--endpoint-url", endpoint_};
  }
  std::string RcloneSource(absl::string_view key) const override {
    return absl::StrCat(":s3,provider=Ceph,env_auth=true,endpoint='", endpoint_, "':", kBucket, "/",
                        key);
  }
  bool tells_md5() const override { return true; }

  absl::Status Create() { return Ask("PUT", bucket_.List(s3::Query())).status(); }
  absl::Status Put(absl::string_view key, const Content& content) override {
    return Ask("PUT", bucket_.Object(key), kReadable, &content, 0, content.bytes()).status();
  }
  absl::Status PutInParts(absl::string_view key, const Content& content) override {
    const absl::StatusOr<HttpAnswer> begun =
        Ask("POST", bucket_.Object(key, s3::Query().Add("uploads")), kReadable);
    if (!begun.ok()) return begun.status();
    const absl::StatusOr<std::string> id = s3::ParseUploadId(begun->body);
    if (!id.ok()) return id.status();
    const uint64_t part_bytes = std::max(kPartBytesMin, content.bytes() / kParts);
    std::vector<std::string> etags;
    for (uint64_t offset = 0; offset < content.bytes(); offset += part_bytes) {
      const std::string number = absl::StrCat(etags.size() + 1);
      const absl::StatusOr<HttpAnswer> part = Ask(
          "PUT", bucket_.Object(key, s3::Query().Add("partNumber", number).Add("uploadId", *id)),
          {}, &content, offset, std::min(part_bytes, content.bytes() - offset));
      if (!part.ok()) return part.status();
      etags.emplace_back(absl::StripPrefix(absl::StripSuffix(part->etag, "\""), "\""));
    }
    return Ask("POST", bucket_.Object(key, s3::Query().Add("uploadId", *id)), {}, nullptr, 0, 0,
               s3::CompleteMultipartUpload(etags))
        .status();
  }
  // A copy on the side of S3, which shares what it is a copy of.
  absl::Status Alias(absl::string_view key, absl::string_view existing) override {
    s3::Fields fields = kReadable;
    fields.emplace_back("x-amz-copy-source", absl::StrCat("/", kBucket, "/", existing));
    return Ask("PUT", bucket_.Object(key), fields).status();
  }

 protected:
  // "... beast: 0x7f...: 127.0.0.1 - admin [30/Nov/2026:20:00:00.000 +0000] "GET PATH HTTP/1.1" 206
  // 65536 - ..." (rgw_asio_frontend.cc in Ceph 16)
  bool ParseLine(absl::string_view line, Sent* sent) const override {
    if (!absl::StrContains(line, " beast: ")) return false;
    TakeUntil("] \"", &line);
    if (TakeUntil(" ", &line) != "GET") return false;
    sent->path = TakeUntil(" ", &line);
    sent->path = sent->path.substr(0, sent->path.find('?'));
    TakeUntil("\" ", &line);
    if (!absl::StartsWith(TakeUntil(" ", &line), "2")) return false;
    return absl::SimpleAtoi(TakeUntil(" ", &line), &sent->bytes);
  }
  std::string PathOf(absl::string_view key) const override { return bucket_.Object(key).path; }

 private:
  // Anybody may read it: curl signs nothing here.
  const s3::Fields kReadable = {{"x-amz-acl", "public-read"}};

  absl::StatusOr<HttpAnswer> Ask(const std::string& method, const s3::Url& url,
                                 const s3::Fields& fields = {}, const Content* content = nullptr,
                                 uint64_t offset = 0, uint64_t length = 0,
                                 std::string body = "") const {
    const s3::SignedRequest signing = {.method = method,
                                       .host = url.host,
                                       .path = url.path,
                                       .query = url.query,
                                       .fields = fields,
                                       .payload = s3::kUnsignedPayload};
    HttpRequest request = {.method = method,
                           .fields = fields,
                           .body = std::move(body),
                           .content = content,
                           .offset = offset,
                           .length = length};
    for (auto& field : s3::Sign({kAccessKey, kSecretKey, ""}, {kRegion}, signing, absl::Now()))
      request.fields.push_back(std::move(field));
    return HttpAsk({url.Text(), ""}, request);
  }

  const s3::Bucket bucket_;
  const std::string endpoint_;
  const net::UniqueFd life_;  // the input of radosgw.py, which ends with it
  const std::unique_ptr<Process> process_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Far>> StartRadosgwFar(const std::string& folder) {
  for (const char* program : {"ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin"}) {
    if (!InstalledProgram(program, program).ok())
      return absl::NotFoundError(
          absl::StrCat(program, " is not installed (tools/setup --ceph installs all of it)"));
  }
  const absl::StatusOr<std::string> script = BuiltProgram("tests/origin/ceph/radosgw.py");
  if (!script.ok()) return script.status();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return net::ErrnoToStatus(errno, "pipe2");
  const net::UniqueFd input(ends[0]);
  net::UniqueFd life(ends[1]);
  const std::string log = folder + "/start.log";
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.argv = {*script, absl::StrCat(folder, "/", kCeph), kAccessKey, kSecretKey},
                      .log_path = log,
                      .standard_input = input.get()});
  if (!process.ok()) return process.status();
  if (absl::Status said = (*process)->WaitForLog("\n", absl::Now() + kStartTime); !said.ok())
    return said;
  const std::string text = ReadFile(log).value_or("");
  const absl::StatusOr<s3::Endpoint> endpoint =
      s3::ParseEndpoint(absl::string_view(text).substr(0, text.find('\n')));
  if (!endpoint.ok())
    return absl::UnavailableError(absl::StrCat("radosgw does not start; it says:\n", text));
  absl::StatusOr<s3::Bucket> bucket =
      s3::Bucket::Make({.name = kBucket, .region = kRegion, .endpoint = *endpoint});
  if (!bucket.ok()) return bucket.status();
  // Programs look for them here, our server too.
  setenv("AWS_ACCESS_KEY_ID", kAccessKey, 1);
  setenv("AWS_SECRET_ACCESS_KEY", kSecretKey, 1);
  setenv("AWS_REGION", kRegion, 1);
  setenv("AWS_DEFAULT_REGION", kRegion, 1);
  setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  // What a user has of his own there is for other places. (rclone ends at a bundle, TLS or not.)
  for (const char* name : {"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL",
                           "AWS_ENDPOINT_URL_S3"})
    unsetenv(name);
  auto far = std::make_unique<RadosgwFar>(folder, *std::move(bucket), endpoint->Text(),
                                          std::move(life), *std::move(process));
  if (absl::Status created = far->Create(); !created.ok()) return created;
  return far;
}

}  // namespace objmapper::bench
