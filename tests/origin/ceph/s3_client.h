// One bucket of a radosgw, as its owner or somebody else uses it: requests signed by origin/s3 and
// sent by origin/fetch.
//
//   S3Client bucket(RadosGw::Shared(), RadosGw::Admin(), "bucket");
//   bucket.Create();
//   const std::string etag = bucket.Put("a b+c", content);
//
// What is expected to go well and does not is a failure of the test. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/fetch/request.h"
#include "origin/s3/documents.h"
#include "origin/s3/keys.h"
#include "origin/s3/sign.h"
#include "origin/s3/url.h"
#include "tests/origin/ceph/radosgw.h"
#include "tests/origin/fetch/fetching.h"

namespace objmapper::origin::testing {

class S3Client {
 public:
  S3Client(const RadosGw& gateway, s3::Keys keys, const std::string& bucket);

  const s3::Bucket& bucket() const { return bucket_; }
  // As RadosGw::asked() has it.
  std::string PathOf(absl::string_view key) const { return bucket_.Object(key).path; }

  void Create();
  // Its ETag, with quotes. fields: further ones.
  std::string Put(absl::string_view key, std::string content, const s3::Fields& fields = {});
  // Many at once.
  void PutAll(const std::vector<std::pair<std::string, std::string>>& objects);
  // In parts, each of which is 5 MiB or more, but for the last one. Its ETag, from a HEAD.
  std::string PutParts(absl::string_view key, const std::vector<std::string>& parts);
  void Delete(absl::string_view key);
  // A page of ListObjectsV2 with these parameters beside list-type and encoding-type.
  s3::ListPage List(s3::Query query);
  // All of them.
  std::vector<s3::ListedObject> ListAll(absl::string_view prefix);

  // What comes of a request; whatever that is. `now`: when it is signed.
  using Result = std::shared_ptr<fetch::KeptSink>;
  Result Ask(fetch::Method method, const s3::Url& url, std::string body = "",
             const s3::Fields& fields = {}, absl::Time now = absl::Now());
  // The request, signed for each of its attempts; to be changed before it is sent.
  fetch::Request Signed(fetch::Method method, const s3::Url& url, const s3::Fields& fields = {},
                        absl::Time now = absl::Now()) const;
  Result Send(fetch::Request request) { return fetcher_.Run(std::move(request)); }

 private:
  const s3::Keys keys_;
  const s3::Bucket bucket_;
  fetch::RunningFetcher fetcher_;
};

// Makes a user, who has no rights to others' buckets; his keys. By the gateway's admin API.
s3::Keys MakeUser(const RadosGw& gateway, const std::string& name);
// From now on, or no more, all that he asks is refused.
void Suspend(const RadosGw& gateway, const std::string& name, bool suspended);
// A further key of his; and one is none any more.
void MakeKey(const RadosGw& gateway, const std::string& name, const s3::Keys& keys);
void Withdraw(const RadosGw& gateway, const std::string& name, const s3::Keys& keys);

}  // namespace objmapper::origin::testing
