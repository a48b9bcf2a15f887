// HTTP for whoever looks for keys (origin/credentials/http_call.h), by the fetcher's thread.
#pragma once

#include "origin/credentials/http_call.h"
#include "origin/fetch/fetcher.h"

namespace objmapper::origin {

// fetcher: outlives its calls. Of an answer that is no success the status alone is told: errors may
// quote what was sent.
HttpCall CallBy(fetch::Fetcher* fetcher);

}  // namespace objmapper::origin
