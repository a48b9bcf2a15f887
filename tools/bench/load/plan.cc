#include "tools/bench/load/plan.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <utility>

namespace objmapper::bench {
namespace {

constexpr uint64_t kOne = uint64_t{1} << 32;

std::string BodyToStore(const LoadOptions& options) {
  std::string body(options.Any(Stores) ? options.stored_bytes : 0, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 23);
  return body;
}

net::UniqueFd SealedMemory(absl::string_view bytes) {
  net::UniqueFd fd(memfd_create("stored", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  PCHECK(fd.valid()) << "memfd_create";
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t written = write(fd.get(), bytes.data() + at, bytes.size() - at);
    PCHECK(written > 0) << "write to a memfd";
    at += static_cast<size_t>(written);
  }
  PCHECK(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) ==
         0)
      << "seal";
  return fd;
}

}  // namespace

Plan::Plan(const WireDriver& driver, const LoadOptions& options)
    : first_count_(options.first_names.size()),
      ratio_(options.mix_ratio),
      per_connection_(options.mix_per_connection) {
  const std::string body = BodyToStore(options);
  for (const std::string& name : options.first_names) Add(driver, options.first, true, name, body);
  if (options.mix_ratio >= 1) return;
  for (const std::string& name : options.second_names)
    Add(driver, options.second, false, name, body);
}

void Plan::Add(const WireDriver& driver, Ask ask, bool first, const std::string& name,
               absl::string_view body) {
  Item item{ask, first, driver.Request(ask, name, ask == Ask::kPut ? body : absl::string_view())};
  if (Stores(ask)) item.stored_bytes = body.size();
  if (ask == Ask::kPutFd) {
    if (!memory_.valid()) memory_ = SealedMemory(body);
    item.fd = memory_.get();
  }
  items_.push_back(std::move(item));
}

double Plan::RatioOf(int index) const {
  if (!per_connection_) return ratio_;
  return std::floor((index + 1) * ratio_) > std::floor(index * ratio_) ? 1 : 0;
}

Turn::Turn(const Plan& plan, int index)
    : first_count_(plan.first_count()),
      second_count_(plan.second_count()),
      step_(static_cast<uint64_t>(plan.RatioOf(index) * kOne)),
      // Multiples of the golden ratio never bunch up.
      phase_(static_cast<uint32_t>(index) * 2654435769u),
      next_first_(index % first_count_),
      next_second_(second_count_ == 0 ? 0 : index % second_count_) {}

uint32_t Turn::Next() {
  phase_ += step_;
  if (phase_ >= kOne) {
    phase_ -= kOne;
    const uint32_t item = next_first_;
    if (++next_first_ == first_count_) next_first_ = 0;
    return item;
  }
  const uint32_t item = first_count_ + next_second_;
  if (++next_second_ == second_count_) next_second_ = 0;
  return item;
}

}  // namespace objmapper::bench
