// A fault table, and what makes a server obey it.
//
//   const Injection faults(directory.path());
//   ServerProcess server(root, {.environment = faults.environment()});
//   faults.Of("fsync").error = EIO;
//   faults.Of("fsync").every = 1;   // from now on
//
// The test's $OBJMAPPER_INJECT names the library. Not with tsan: it stands before libc, too. One
// thread.
#pragma once

#include <string>
#include <vector>

#include "tests/faults/fault_table.h"

namespace objmapper::faults {

class Injection {
 public:
  // The table's file is made in `directory`, which outlives this.
  explicit Injection(const std::string& directory);
  ~Injection();
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;

  // For ServerOptions.
  const std::vector<std::string>& environment() const { return environment_; }
  FaultTable& table() const { return *table_; }
  // By its name in kCalls; CHECK-fails if there is none.
  Fault& Of(const std::string& call) const;

 private:
  std::vector<std::string> environment_;
  FaultTable* table_;
};

}  // namespace objmapper::faults
