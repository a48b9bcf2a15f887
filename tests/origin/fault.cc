// The faults that have names.
#include "tests/origin/fault.h"

#include <utility>

namespace objmapper::origin::testing {
namespace {

Fault At(std::optional<uint64_t> n, Fault::Then then) {
  Fault fault;
  fault.before_head = !n.has_value();
  fault.at = n;
  fault.then = then;
  return fault;
}

}  // namespace

Fault Fault::Error(int status, std::string code) {
  Fault fault;
  fault.status = status;
  fault.code = std::move(code);
  return fault;
}
Fault Fault::SilentBeforeHead() { return At({}, Then::kStay); }
Fault Fault::SilentAt(uint64_t n) { return At(n, Then::kStay); }
Fault Fault::DripFrom(uint64_t n) { return At(n, Then::kDrip); }
Fault Fault::CutBeforeHead() { return At({}, Then::kClose); }
Fault Fault::CutAt(uint64_t n) { return At(n, Then::kClose); }
Fault Fault::ResetBeforeHead() { return At({}, Then::kReset); }
Fault Fault::ResetAt(uint64_t n) { return At(n, Then::kReset); }
Fault Fault::Raw(std::string bytes) {
  Fault fault;
  fault.raw = std::move(bytes);
  return fault;
}
Fault Fault::Says(std::string header, std::string value) {
  Fault fault;
  fault.headers.push_back({std::move(header), std::move(value)});
  return fault;
}
Fault Fault::IgnoresRange() {
  Fault fault;
  fault.ignores_range = true;
  return fault;
}
Fault Fault::Redirects(int status, std::string location) {
  Fault fault = Error(status);
  fault.headers.push_back({"Location", std::move(location)});
  return fault;
}
Fault Fault::Endless(uint64_t said_bytes) {
  Fault fault;
  fault.endless = said_bytes;
  return fault;
}
Fault Fault::Does(uint64_t n, std::function<void()> run) {
  Fault fault = At(n, Then::kGoOn);
  fault.run = std::move(run);
  return fault;
}

}  // namespace objmapper::origin::testing
