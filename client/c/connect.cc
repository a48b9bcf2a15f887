// om_connect() and om_close(), and what needs no connection.

#include <string.h>

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/c/handle.h"
#include "client/c/outcome.h"
#include "client/client.h"
#include "client/objmapper.h"
#include "client/options.h"
#include "text/version.h"

namespace {

static_assert(objmapper::text::kVersion == OM_VERSION,
              "text/version.h and client/objmapper.h name different versions");

using objmapper::client::Client;
using objmapper::client::Guarded;
using objmapper::client::Options;

// What an older program's options do not have stays 0, the default.
absl::Status Read(const om_options* given, om_options* options) {
  *options = OM_OPTIONS_INIT;
  if (given == nullptr) return absl::OkStatus();
  if (given->struct_bytes < sizeof(size_t) || given->struct_bytes > sizeof(om_options)) {
    return absl::InvalidArgumentError(
        absl::StrCat("om_options.struct_bytes is ", given->struct_bytes, ", not ",
                     sizeof(om_options), ": begin with OM_OPTIONS_INIT"));
  }
  memcpy(options, given, given->struct_bytes);
  if (options->max_pipeline > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "om_options.max_pipeline is ", options->max_pipeline, "; at most ", UINT16_MAX));
  }
  return absl::OkStatus();
}

}  // namespace

extern "C" {

const char* om_version(void) { return OM_VERSION; }

const char* om_code_name(int code) {
  static constexpr const char* kNames[] = {
      "OM_OK",      "OM_NOT_FOUND",  "OM_INVALID",  "OM_UNSUPPORTED",      "OM_PERMISSION_DENIED",
      "OM_RANGE",   "OM_TOO_LARGE",  "OM_CONFLICT", "OM_UNAVAILABLE",      "OM_SERVER",
      "OM_TIMEOUT", "OM_CONNECTION", "OM_PROTOCOL", "OM_DESCRIPTORS_LOST", "OM_NO_MEMORY",
      "OM_LOCAL"};
  static_assert(std::size(kNames) == OM_LOCAL + 1);
  return code >= 0 && code <= OM_LOCAL ? kNames[code] : "unknown";
}

om_code om_connect(const char* url, const om_options* options, om_client** client,
                   om_error* error) {
  if (client != nullptr) *client = nullptr;
  return Guarded(error, [&]() -> absl::Status {
    if (url == nullptr || client == nullptr)
      return absl::InvalidArgumentError("an unexpected null pointer");
    om_options given;
    if (absl::Status bad = Read(options, &given); !bad.ok()) return bad;
    Options native;
    if (given.connect_timeout_ms != 0)
      native.connect_timeout = absl::Milliseconds(given.connect_timeout_ms);
    if (given.request_timeout_ms != 0)
      native.request_timeout = absl::Milliseconds(given.request_timeout_ms);
    if (given.bytes_max != 0) native.bytes_max = given.bytes_max;
    native.max_pipeline = static_cast<uint16_t>(given.max_pipeline);
    if (given.check_server_uid != 0) native.server_uids = {given.server_uid};
    absl::StatusOr<Client> connected = Client::Connect(url, native);
    if (!connected.ok()) return connected.status();
    *client = new om_client(*std::move(connected), native.bytes_max);
    return absl::OkStatus();
  });
}

// Without a goodbye: that would wait for the answer, and a child must not say it for its parent.
void om_close(om_client* client) { delete client; }

}  // extern "C"
