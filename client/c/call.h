// What an om_client is, the shape of every call on one, and how what the C++ client says looks in
// C.
#pragma once

#include <unistd.h>

#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/object.h"
#include "client/objmapper.h"

struct om_client {
  om_client(objmapper::client::Client connected, uint64_t bytes_max)
      : client(std::move(connected)), bytes_max(bytes_max) {}

  objmapper::client::Client client;
  const uint64_t bytes_max;
  objmapper::client::ObjectInfo last;  // what om_last_details() tells of
  const pid_t process = getpid();
};

namespace objmapper::client {

// The code for `status`; fills in `error` unless it is null.
om_code Report(const absl::Status& status, om_error* error);

// Fills in `out` unless it is null, and keeps the rest for om_last_details().
void Describe(const ObjectInfo& info, om_client* client, om_info* out);
// The rest.
absl::Status Describe(const ObjectInfo& info, om_details* out);

// Runs `body`, which returns an absl::Status, and reports how it ended: exceptions end here. `body`
// leaves the caller's results alone when it fails.
template <typename Body>
om_code Guarded(om_error* error, Body&& body) noexcept {
  try {
    return Report(body(), error);
  } catch (const std::bad_alloc&) {
    if (error != nullptr) *error = {OM_NO_MEMORY, -1, 0, "out of memory"};
    return OM_NO_MEMORY;
  } catch (...) {
    if (error != nullptr) *error = {OM_LOCAL, -1, 0, "an unexpected exception"};
    return OM_LOCAL;
  }
}

// The same for a call on `handle` about `name`, a URI or a prefix; `complete`: no pointer that must
// not be null is.
template <typename Body>
om_code Call(om_client* handle, const char* name, bool complete, om_error* error,
             Body&& body) noexcept {
  return Guarded(error, [&]() -> absl::Status {
    if (handle == nullptr || name == nullptr || !complete) {
      return absl::InvalidArgumentError("an unexpected null pointer");
    }
    if (handle->process != getpid()) {
      return absl::InvalidArgumentError(
          absl::StrCat("this client belongs to process ", handle->process,
                       ", which forked this one: call om_close() and om_connect() again"));
    }
    return body(handle->client);
  });
}

}  // namespace objmapper::client
