// A listing's filter that asks for each name.
#pragma once

#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "storage/store/list.h"

namespace objmapper::storage {

class Each : public ListFilter {
 public:
  explicit Each(absl::FunctionRef<bool(absl::string_view uri)> permitted) : permitted_(permitted) {}
  bool Permits(absl::string_view uri) const override { return permitted_(uri); }
  std::optional<std::string> After(absl::string_view uri) const override {
    return std::string(uri) + '\0';
  }

 private:
  const absl::FunctionRef<bool(absl::string_view uri)> permitted_;
};

}  // namespace objmapper::storage
