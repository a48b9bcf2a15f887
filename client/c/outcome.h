// From what the C++ client says to what the C library does.
//
// All functions are thread-safe.
#pragma once

#include "absl/status/status.h"
#include "client/object.h"
#include "client/objmapper.h"

namespace objmapper::client {

// Marks a status whose code alone would not tell what it is: its om_code, decimal.
absl::Status AsCode(om_code code, absl::Status status);

// The code for `status`; fills in `error` unless it is null.
om_code Report(const absl::Status& status, om_error* error);

// Fills in `out` unless it is null.
void Describe(const ObjectInfo& info, om_info* out);

}  // namespace objmapper::client
