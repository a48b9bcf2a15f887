// Compares an object with its ETag, where that is the MD5 of its bytes: of S3, if it was put in one
// piece and no key but S3's own encrypts it.
//
//   if (auto expected = Md5Check::Expected(head)) check = std::make_shared<Md5Check>(view, ...);
//   check->Advance();                       // each time more has been written
//   check->Finish([...](absl::Status) {});  // when all has
//
// What has come is read back, in order, as far as there is no gap, on a strand of its own: parts
// come in any order, MD5 knows only one, and by the time the last part is here most of it is done.
// What has just been written is in the page cache, and reading it costs a tenth of the summing.
//
// Thread-safe.
#pragma once

#include <openssl/evp.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "origin/cache/partial_view.h"
#include "origin/fetch/request.h"
#include "origin/flight/strand.h"

namespace objmapper::origin {

class Md5Check : public std::enable_shared_from_this<Md5Check> {
 public:
  // What an answer of S3's says that the MD5 of the whole object is, as 32 hex digits in lower
  // case. nullopt: its ETag is none, or OpenSSL has no MD5 here (FIPS), which is logged once.
  static std::optional<std::string> Expected(const fetch::Head& head);

  // url: for people. run: as of Strand.
  Md5Check(std::shared_ptr<const PartialView> view, std::string expected, std::string url,
           RunFn run);

  // More may be here. Does not wait.
  void Advance();
  // All is. done: called once, on a thread of `run`'s: OK, it is what it should be; DATA_LOSS: it
  // is not, or the file has been cut; CANCELLED: Abandon(); or as PartialView::Read().
  void Finish(std::function<void(absl::Status)> done);
  // Nobody wants to know any more.
  void Abandon() { abandoned_.store(true, std::memory_order_relaxed); }

 private:
  absl::Status TakeIn();  // the strand's, like what it touches

  const std::shared_ptr<const PartialView> view_;
  const std::string expected_;
  const std::string url_;
  const std::shared_ptr<Strand> strand_;
  std::atomic<bool> posted_{false}, abandoned_{false};

  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context_;
  uint64_t at_ = 0;  // all before is in it
};

}  // namespace objmapper::origin
