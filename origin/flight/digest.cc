// Both in one reading.
#include "origin/flight/digest.h"

#include <errno.h>
#include <glog/logging.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "origin/cache/crc32c.h"
#include "storage/tree/disk_error.h"

namespace objmapper::origin {
namespace {

// What is read at once: it stays in a core's own cache.
constexpr size_t kReadBytes = 256 * 1024;

}  // namespace

absl::StatusOr<Digest> DigestOf(int file, uint64_t begin, uint64_t bytes) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1)
      << "OpenSSL has no SHA-256";
  Digest digest;
  const auto buffer = std::make_unique<char[]>(kReadBytes);
  while (bytes > 0) {
    const ssize_t got = TEMP_FAILURE_RETRY(pread(
        file, buffer.get(), std::min<uint64_t>(kReadBytes, bytes), static_cast<off_t>(begin)));
    if (got < 0) return storage::DiskError(errno, "read what is to be sent");
    if (got == 0) return absl::DataLossError("read what is to be sent: the file ends before");
    const absl::string_view piece(buffer.get(), static_cast<size_t>(got));
    CHECK_EQ(EVP_DigestUpdate(context.get(), piece.data(), piece.size()), 1);
    digest.crc32c = Crc32c(piece, digest.crc32c);
    begin += piece.size();
    bytes -= piece.size();
  }
  unsigned char sha256[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK_EQ(EVP_DigestFinal_ex(context.get(), sha256, &size), 1);
  digest.sha256 = absl::BytesToHexString({reinterpret_cast<const char*>(sha256), size});
  return digest;
}

}  // namespace objmapper::origin
