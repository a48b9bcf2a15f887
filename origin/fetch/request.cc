// Names, and bodies that are in memory.
#include "origin/fetch/request.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace objmapper::origin::fetch {
namespace {

class BodyInMemory final : public BodySource {
 public:
  explicit BodyInMemory(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> to) override {
    const size_t n = std::min<size_t>(to.size(), bytes_.size() - offset);
    memcpy(to.data(), bytes_.data() + offset, n);
    return n;
  }

 private:
  const std::string bytes_;
};

}  // namespace

absl::string_view MethodName(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kHead:
      return "HEAD";
    case Method::kPut:
      return "PUT";
    case Method::kPost:
      return "POST";
    case Method::kDelete:
      return "DELETE";
  }
  return "";
}

absl::string_view CauseName(Cause cause) {
  static constexpr absl::string_view kNames[kCauses] = {
      "none",        "unknown_host", "refused",   "connect_timeout", "tls",       "silence",
      "stall",       "broken",       "malformed", "server_error",    "throttled", "expired",
      "credentials", "too_large",    "redirect",  "status",          "ours"};
  return kNames[static_cast<size_t>(cause)];
}

std::shared_ptr<BodySource> BodyOf(std::string bytes) {
  return std::make_shared<BodyInMemory>(std::move(bytes));
}

absl::string_view Head::Find(absl::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

}  // namespace objmapper::origin::fetch
