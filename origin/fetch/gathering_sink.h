// A sink that keeps a body in memory until the end, for whoever asks for a document. How large it
// may become is Request::body_bytes_max.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "origin/fetch/request.h"

namespace objmapper::origin::fetch {

class GatheringSink : public Sink {
 public:
  absl::Status OnHead(const Head&) override {
    body_.clear();
    return absl::OkStatus();
  }
  absl::Status OnBytes(absl::Span<const char> bytes) override {
    body_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }

 protected:
  std::string body_;  // the origin thread's until OnDone()
};

}  // namespace objmapper::origin::fetch
