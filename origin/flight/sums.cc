// ETags that are sums, and S3's own headers of them.
#include "origin/flight/sums.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/crc64nvme.h"

namespace objmapper::origin {
namespace {

constexpr size_t kHexDigits = 32;

// Whether OpenSSL's providers have it; asked once.
bool HasMd5() {
  static const bool has = [] {
    EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
    EVP_MD_free(md5);
    LOG_IF(WARNING, md5 == nullptr)
        << "OpenSSL has no MD5 here (FIPS?): objects are not compared with S3's ETags";
    return md5 != nullptr;
  }();
  return has;
}

std::optional<std::string> Md5In(const fetch::Head& head) {
  const absl::string_view etag = head.etag;
  if (etag.size() != kHexDigits + 2 || etag.front() != '"' || etag.back() != '"')
    return std::nullopt;
  const absl::string_view digits = etag.substr(1, kHexDigits);
  const auto is_hex = [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); };
  if (!std::all_of(digits.begin(), digits.end(), is_hex)) return std::nullopt;
  // Then it is the MD5 of what is stored, or of nothing at all: "aws:kms", "aws:kms:dsse", and keys
  // of the client's own (SSE-C).
  if (absl::StartsWithIgnoreCase(head.Find("x-amz-server-side-encryption"), "aws:kms") ||
      !head.Find("x-amz-server-side-encryption-customer-algorithm").empty())
    return std::nullopt;
  if (!HasMd5()) return std::nullopt;
  return absl::AsciiStrToLower(digits);
}

// Eight bytes in base64, the highest first; one of parts ("-N") does not exist, and is none.
std::optional<uint64_t> Crc64In(const fetch::Head& head) {
  std::string bytes;
  const absl::string_view field = head.Find("x-amz-checksum-crc64nvme");
  if (field.empty() || !absl::Base64Unescape(field, &bytes) || bytes.size() != sizeof(uint64_t))
    return std::nullopt;
  uint64_t sum = 0;
  for (const char c : bytes) sum = sum << 8 | static_cast<uint8_t>(c);
  return sum;
}

}  // namespace

SaidSums SaidSums::Of(const fetch::Head& head, bool whole) {
  return {.md5 = Md5In(head), .crc64nvme = whole ? Crc64In(head) : std::nullopt};
}

Sums::Sums(SaidSums said) : said_(std::move(said)) {
  if (!said_.md5.has_value()) return;
  md5_.reset(EVP_MD_CTX_new());
  CHECK(md5_ != nullptr && EVP_DigestInit_ex(md5_.get(), EVP_md5(), nullptr) == 1)
      << "MD5, which OpenSSL has";
}

void Sums::Add(absl::string_view bytes) {
  if (md5_ != nullptr) CHECK_EQ(EVP_DigestUpdate(md5_.get(), bytes.data(), bytes.size()), 1);
  if (said_.crc64nvme.has_value()) crc64nvme_ = Crc64Nvme(bytes, crc64nvme_);
}

absl::Status Sums::Compare(absl::string_view url) {
  if (said_.crc64nvme.has_value() && crc64nvme_ != *said_.crc64nvme) {
    return absl::DataLossError(absl::StrCat(
        url, ": the CRC-64/NVME of what came is ", absl::Hex(crc64nvme_, absl::kZeroPad16),
        ", and its origin says ", absl::Hex(*said_.crc64nvme, absl::kZeroPad16)));
  }
  if (md5_ == nullptr) return absl::OkStatus();
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  CHECK_EQ(EVP_DigestFinal_ex(md5_.get(), digest, &bytes), 1);
  const std::string found =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), bytes));
  if (found == *said_.md5) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(url, ": the MD5 of what came is ", found, ", and its ETag says ", *said_.md5));
}

}  // namespace objmapper::origin
