// Reads what is here, and sums it up.
#include "origin/flight/md5_check.h"

#include <glog/logging.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace objmapper::origin {
namespace {

// What is read at once: it stays in a core's own cache.
constexpr size_t kReadBytes = 256 * 1024;
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

}  // namespace

std::optional<std::string> Md5Check::Expected(const fetch::Head& head) {
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

Md5Check::Md5Check(std::shared_ptr<const PartialView> view, std::string expected, std::string url,
                   RunFn run)
    : view_(std::move(view)),
      expected_(std::move(expected)),
      url_(std::move(url)),
      strand_(std::make_shared<Strand>(std::move(run))),
      context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr) == 1)
      << "MD5, which OpenSSL has";
}

void Md5Check::Advance() {
  if (posted_.exchange(true)) return;
  strand_->Post([self = shared_from_this()] {
    self->posted_ = false;
    // Finish() meets the same error.
    self->TakeIn().IgnoreError();
  });
}

void Md5Check::Finish(std::function<void(absl::Status)> done) {
  strand_->Post([self = shared_from_this(), done = std::move(done)] {
    if (absl::Status taken = self->TakeIn(); !taken.ok()) return done(std::move(taken));
    if (self->at_ != self->view_->size()) {
      return done(
          absl::DataLossError(absl::StrCat(self->url_, ": of ", self->view_->size(), " bytes only ",
                                           self->at_, " could be read back")));
    }
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    CHECK_EQ(EVP_DigestFinal_ex(self->context_.get(), digest, &bytes), 1);
    const std::string found =
        absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), bytes));
    done(found == self->expected_
             ? absl::OkStatus()
             : absl::DataLossError(absl::StrCat(self->url_, ": the MD5 of what came is ", found,
                                                ", and its ETag says ", self->expected_)));
  });
}

absl::Status Md5Check::TakeIn() {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kReadBytes);
  while (true) {
    if (abandoned_.load(std::memory_order_relaxed)) return absl::CancelledError("abandoned");
    const absl::StatusOr<size_t> got = view_->Read(at_, absl::MakeSpan(buffer.get(), kReadBytes));
    if (!got.ok()) return got.status();
    if (*got == 0) return absl::OkStatus();
    CHECK_EQ(EVP_DigestUpdate(context_.get(), buffer.get(), *got), 1);
    at_ += *got;
  }
}

}  // namespace objmapper::origin
