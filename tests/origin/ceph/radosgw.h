// A real S3 for tests: Ceph's radosgw on loopback, with all of Ceph in memory (radosgw.py).
//
//   void SetUp() override {
//     NeedRadosGw();
//     if (IsSkipped() || HasFatalFailure()) return;
//     ... RadosGw::Shared().url() ...
//
// One for all tests of a program: started when it is first asked for, which takes some seconds, and
// gone with the program however that ends. Tests have buckets of their own (s3_client.h).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "origin/s3/keys.h"

namespace objmapper::origin::testing {

// Skips the test that calls it where Ceph is not installed (tools/setup --ceph), or fails it where
// OBJMAPPER_CEPH is "required", as in .ci/run.
void NeedRadosGw();

// Whether tests that take long, or much memory, are wanted: tools/test --long.
bool IsLongRun();

// Thread-safe.
class RadosGw {
 public:
  // The program ends if it cannot be started.
  static RadosGw& Shared();

  // "http://127.0.0.1:PORT"
  const std::string& url() const { return url_; }
  // Those of a user who may make buckets and users.
  static s3::Keys Admin();

  // One request that has been answered, as radosgw's own log has it.
  struct Asked {
    std::string user;  // "anonymous" too
    std::string method;
    std::string target;  // as in the request line
    int status = 0;
    uint64_t bytes = 0;  // of bodies, received and sent

    std::string path() const { return target.substr(0, target.find('?')); }
  };
  // All that were answered before now, in the order in which their answers ended.
  std::vector<Asked> asked() const;
  // Those for this path (encoded, with its first slash; whatever the query).
  std::vector<Asked> asked(absl::string_view path) const;
  // Of the successful GETs among them, how many bytes they took from here.
  uint64_t bytes_sent(absl::string_view path) const;

  RadosGw(const RadosGw&) = delete;
  RadosGw& operator=(const RadosGw&) = delete;

 private:
  RadosGw();
  ~RadosGw();
  std::string folder_, url_;
  net::UniqueFd life_;  // the input of radosgw.py, which ends with it
  pid_t pid_ = -1;
};

}  // namespace objmapper::origin::testing
