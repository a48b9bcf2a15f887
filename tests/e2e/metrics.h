// What a server counts: the lines of its /metrics, by name.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::e2e {

// The value of the line `name value` of a /metrics page; -1 when there is none.
double MetricIn(absl::string_view metrics, absl::string_view name);

// The same of the server that has the Unix socket `admin` as its --admin_listen. A page that does
// not come is a failure.
double Metric(const std::string& admin, absl::string_view name);

// Whether it becomes `wanted` within kPatience: an answer is counted when it has left, and the
// client may have it before that.
::testing::AssertionResult MetricBecomes(const std::string& admin, absl::string_view name,
                                         double wanted);

}  // namespace objmapper::e2e
