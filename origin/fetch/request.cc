// Names, and bodies that are in memory or in a file.
#include "origin/fetch/request.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/errno_status.h"

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

class BodyInFile final : public BodySource {
 public:
  BodyInFile(std::shared_ptr<const net::UniqueFd> file, uint64_t begin, uint64_t size)
      : file_(std::move(file)), begin_(begin), size_(size) {}
  uint64_t size() const override { return size_; }
  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> to) override {
    const ssize_t n = TEMP_FAILURE_RETRY(pread(file_->get(), to.data(),
                                               std::min<uint64_t>(to.size(), size_ - offset),
                                               static_cast<off_t>(begin_ + offset)));
    if (n < 0) return net::ErrnoToStatus(errno, "read the file that is sent");
    return static_cast<size_t>(n);
  }

 private:
  const std::shared_ptr<const net::UniqueFd> file_;
  const uint64_t begin_, size_;
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

std::shared_ptr<BodySource> BodyOf(std::shared_ptr<const net::UniqueFd> file, uint64_t begin,
                                   uint64_t size) {
  return std::make_shared<BodyInFile>(std::move(file), begin, size);
}

absl::string_view Head::Find(absl::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

}  // namespace objmapper::origin::fetch
