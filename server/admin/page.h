// The status page: one self-contained document that reads /stats each second and draws it with
// Chart.js.
#pragma once

#include <string>

namespace objmapper::server {

// Nothing from elsewhere, and talk to this server alone (Content-Security-Policy).
inline constexpr char kPagePolicy[] =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src "
    "'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Made once. Any thread.
const std::string& Page();

}  // namespace objmapper::server
