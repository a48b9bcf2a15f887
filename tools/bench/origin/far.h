// An origin to fetch from, on this machine, in processes of its own, which knows what it has sent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench/contenders/process.h"
#include "tools/bench/origin/content.h"

namespace objmapper::bench {

// Keys are [a-z0-9._]. One thread's, but for url().
class Far {
 public:
  virtual ~Far() = default;

  const std::string& kind() const { return kind_; }  // "nginx"
  // What --origin takes, without further words; keys stand behind it. What credentials that needs
  // are in this process's environment, which servers and programs inherit.
  virtual std::string line() const = 0;
  // Where anybody may GET it.
  virtual std::string url(absl::string_view key) const = 0;
  // For aws and rclone. aws: empty: they do not understand each other.
  virtual std::vector<std::string> AwsSource(absl::string_view key) const = 0;
  virtual std::string RcloneSource(absl::string_view key) const = 0;
  // Whether its ETags are MD5s of what was stored in one piece, so that there is something to
  // check.
  virtual bool tells_md5() const = 0;

  virtual absl::Status Put(absl::string_view key, const Content& content) = 0;
  // In parts, where tells_md5(): its ETag is then none of an MD5.
  virtual absl::Status PutInParts(absl::string_view key, const Content& content) = 0;
  // A further name, which takes no room.
  virtual absl::Status Alias(absl::string_view key, absl::string_view existing) = 0;

  // Bytes of bodies that it has sent of this key's object, in answer to GETs, since it began; once
  // it says nothing more for a while.
  absl::StatusOr<uint64_t> BytesSent(absl::string_view key) const;

 protected:
  explicit Far(std::string kind, std::string log) : kind_(std::move(kind)), log_(std::move(log)) {}
  // A line of the log; false: it is about something else.
  struct Sent {
    absl::string_view path;  // as in the request line
    uint64_t bytes = 0;
  };
  virtual bool ParseLine(absl::string_view line, Sent* sent) const = 0;
  virtual std::string PathOf(absl::string_view key) const = 0;

 private:
  const std::string kind_;
  const std::string log_;
};

// Starts one of OriginKinds() with its files in `folder`, which exists and is a short path.
// NOT_FOUND: it is not installed; names the Debian package. Else what went wrong, with the end of
// its log.
absl::StatusOr<std::unique_ptr<Far>> StartFar(const std::string& kind, const std::string& folder);

// far_nginx.cc, far_radosgw.cc
absl::StatusOr<std::unique_ptr<Far>> StartNginxFar(const std::string& folder);
absl::StatusOr<std::unique_ptr<Far>> StartRadosgwFar(const std::string& folder);

}  // namespace objmapper::bench
