// Reads a figure from /metrics.
#include "tests/e2e/metrics.h"

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/server_process.h"
#include "tools/cli/admin.h"

namespace objmapper::e2e {

double MetricIn(absl::string_view metrics, absl::string_view name) {
  const std::string lines = absl::StrCat("\n", metrics);
  const size_t at = lines.find(absl::StrCat("\n", name, " "));
  double value = -1;
  if (at == std::string::npos) return value;
  const size_t begin = at + name.size() + 2;
  EXPECT_TRUE(absl::SimpleAtod(lines.substr(begin, lines.find('\n', begin) - begin), &value));
  return value;
}

double Metric(const std::string& admin, absl::string_view name) {
  const absl::StatusOr<std::string> text =
      tools::FetchFromAdmin(absl::StrCat("unix:", admin), "/metrics", absl::Seconds(20));
  EXPECT_TRUE(text.ok()) << text.status();
  return MetricIn(text.value_or(""), name);
}

::testing::AssertionResult MetricBecomes(const std::string& admin, absl::string_view name,
                                         double wanted) {
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  double value;
  while ((value = Metric(admin, name)) != wanted && absl::Now() < give_up)
    absl::SleepFor(absl::Milliseconds(5));
  if (value == wanted) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << name << " is " << value << ", not " << wanted;
}

}  // namespace objmapper::e2e
