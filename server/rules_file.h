// --rules_file: the rules that are in force, where they are from, and reading them again.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "net/mutex.h"
#include "server/admin/vitals.h"
#include "session/access.h"

namespace objmapper::server {

class RulesFile {
 public:
  // path: empty: there is none, and no rules.
  explicit RulesFile(std::string path) : path_(std::move(path)) {}

  // Puts the rules in force, once, before anybody asks. Errors: they cannot be had.
  absl::Status Read();
  // Reads them again: requests from now on go by it. Returns how many rules there are. Errors:
  // there is no file (FAILED_PRECONDITION), or it cannot be had; then the rules stay as they are.
  // Any thread.
  absl::StatusOr<size_t> ReadAgain();

  // What requests are judged by; null: there are no rules.
  session::Access* access() const { return access_.get(); }
  // For the operator; nullopt: there are no rules. Any thread.
  std::optional<Vitals::Rules> figures() const;

 private:
  void Note(const absl::StatusOr<session::AccessRules>& rules);

  const std::string path_;
  std::unique_ptr<session::Access> access_;
  mutable net::Mutex mutex_;
  std::optional<Vitals::Rules> figures_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::server
