// Sets up the library that makes system calls fail, and reads how often it did.
#include "tests/faults/injection.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"

namespace objmapper::faults {

Injection::Injection(const std::string& directory) {
  const std::string path = directory + "/faults";
  const net::UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  PCHECK(file.valid() && ftruncate(file.get(), sizeof(FaultTable)) == 0) << path;
  void* const memory =
      mmap(nullptr, sizeof(FaultTable), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  PCHECK(memory != MAP_FAILED);
  table_ = new (memory) FaultTable;
  const char* const library = getenv("OBJMAPPER_INJECT");
  CHECK(library != nullptr) << "OBJMAPPER_INJECT must name the library";
  char* const absolute = realpath(library, nullptr);
  PCHECK(absolute != nullptr) << library;
  const char* const sanitizer = getenv("ASAN_OPTIONS");
  environment_ = {absl::StrCat("LD_PRELOAD=", absolute), absl::StrCat(kVariable, "=", path),
                  absl::StrCat("ASAN_OPTIONS=", sanitizer == nullptr ? "" : sanitizer,
                               ":verify_asan_link_order=0")};
  free(absolute);
}

Injection::~Injection() { munmap(table_, sizeof(FaultTable)); }

Fault& Injection::Of(const std::string& call) const {
  for (size_t i = 0; i < kCallCount; ++i) {
    if (call == kCalls[i]) return table_->faults[i];
  }
  LOG(FATAL) << "no such call: " << call;
  __builtin_unreachable();
}

}  // namespace objmapper::faults
