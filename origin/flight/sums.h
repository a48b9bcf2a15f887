// What an origin says that the bytes of a whole object come to, and whether they do.
//
//   Sums sums(SaidSums::Of(head));
//   sums.Add(bytes);                              // all of them, in order
//   absl::Status status = sums.Compare(url);      // DATA_LOSS: they are others
//
// One thread.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "origin/fetch/request.h"

namespace objmapper::origin {

struct SaidSums {
  // 32 hex digits in lower case.
  std::optional<std::string> md5;
  std::optional<uint64_t> crc64nvme;

  bool any() const { return md5.has_value() || crc64nvme.has_value(); }

  // By an answer with some of the object's bytes. md5: an ETag of S3's, if the object was put in
  // one piece and no key but S3's own encrypts it; not where OpenSSL has no MD5 (FIPS), which is
  // logged once. crc64nvme: x-amz-checksum-crc64nvme, if the answer is all of the object (`whole`);
  // else it may be of a part.
  static SaidSums Of(const fetch::Head& head, bool whole);
};

class Sums {
 public:
  explicit Sums(SaidSums said);

  void Add(absl::string_view bytes);
  // Of what was added. url: for people. Once.
  absl::Status Compare(absl::string_view url);

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };

  const SaidSums said_;
  std::unique_ptr<EVP_MD_CTX, Free> md5_;  // null: it is not asked for
  uint64_t crc64nvme_ = 0;
};

}  // namespace objmapper::origin
