// The names that SDKs and curl share. libcurl itself would leave HTTP_PROXY alone (a CGI script's
// caller can set it) and is told all of them, so that it reads none.
#include "origin/fetch/options.h"

#include <stdlib.h>

#include <initializer_list>

namespace objmapper::origin::fetch {
namespace {

void AddFirst(std::string* value, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (!value->empty()) return;
    const char* found = getenv(name);
    if (found != nullptr) *value = found;
  }
}

}  // namespace

void AddEnvironment(Options* options) {
  AddFirst(&options->http_proxy, {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  AddFirst(&options->https_proxy, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  AddFirst(&options->no_proxy, {"no_proxy", "NO_PROXY"});
  AddFirst(&options->ca_file, {"AWS_CA_BUNDLE", "SSL_CERT_FILE"});
  AddFirst(&options->ca_path, {"SSL_CERT_DIR"});
}

}  // namespace objmapper::origin::fetch
