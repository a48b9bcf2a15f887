// --rules_file and --tokens_file: the rules and the tokens that are in force, where they are from,
// and reading them again. Of two files that are read both come into force, or neither.
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
#include "session/tokens.h"

namespace objmapper::server {

class RulesFile {
 public:
  // path: empty: there is none, and no rules. tokens_path: empty: there are no tokens.
  explicit RulesFile(std::string path, std::string tokens_path = "")
      : path_(std::move(path)), tokens_path_(std::move(tokens_path)) {}

  // Puts them in force, once, before anybody asks. Errors: they cannot be had.
  absl::Status Read();
  // Reads them again: requests from now on go by it. Returns how many rules there are. Errors:
  // there is no file (FAILED_PRECONDITION), or it cannot be had; then all stays as it is.
  // Any thread.
  absl::StatusOr<size_t> ReadAgain();

  // What requests are judged by; null: there are no rules.
  session::Access* access() const { return access_.get(); }
  // For the operator; nullopt: there are no rules. Any thread.
  std::optional<Vitals::Rules> figures() const;

 private:
  struct Files {
    session::AccessRules rules;
    std::optional<session::Tokens> tokens;
  };
  absl::StatusOr<Files> Load() const;
  void Note(const absl::StatusOr<Files>& files);

  const std::string path_;
  const std::string tokens_path_;
  std::unique_ptr<session::Access> access_;
  mutable net::Mutex mutex_;
  std::optional<Vitals::Rules> figures_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::server
