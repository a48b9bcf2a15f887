// What an attempt's end means: whether there is an object, what was wrong, whether to try again.
// Functions of what was seen; no state.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "origin/fetch/error_document.h"
#include "origin/fetch/request.h"

namespace objmapper::origin::fetch {

enum class Again : uint8_t {
  kNever,
  kRetry,    // as RetryPolicy says
  kRefused,  // the same, of what is not idempotent too: the origin has not done it
  kRefresh,  // once, with other credentials
};

struct Judgement {
  Verdict verdict = Verdict::kTrouble;
  Cause cause = Cause::kNone;
  Again again = Again::kNever;
  std::string reason;  // "503 SlowDown: Please reduce your request rate."
};

// An answer whose status is not 2xx, whole. error: its body. skew: the origin's clock (its Date
// header) minus ours; zero: unknown.
Judgement JudgeStatus(const Request& request, int status, const ErrorDocument& error,
                      absl::Duration skew);

// What libcurl says, other than CURLE_OK, of an attempt that brought no whole answer. text:
// libcurl's own words (CURLOPT_ERRORBUFFER).
Judgement JudgeTransport(CURLcode code, absl::string_view text);

}  // namespace objmapper::origin::fetch
