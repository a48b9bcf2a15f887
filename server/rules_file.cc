// Rules that cannot be read leave those in force that were read before, and a note that they do.
#include "server/rules_file.h"

#include <glog/logging.h>

#include <utility>

#include "absl/time/clock.h"

namespace objmapper::server {

absl::Status RulesFile::Read() {
  if (path_.empty()) return absl::OkStatus();
  absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(path_);
  if (!rules.ok()) return rules.status();
  Note(rules);
  access_ = std::make_unique<session::Access>(*std::move(rules));
  return absl::OkStatus();
}

absl::StatusOr<size_t> RulesFile::ReadAgain() {
  if (access_ == nullptr)
    return absl::FailedPreconditionError("there is no --rules_file to read again");
  absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(path_);
  Note(rules);
  if (!rules.ok()) return rules.status();
  for (const std::string& doubt : rules->Doubts())
    LOG(WARNING) << "--rules_file=" << path_ << ": " << doubt;
  const size_t count = rules->size();
  access_->Replace(*std::move(rules));
  return count;
}

std::optional<Vitals::Rules> RulesFile::figures() const {
  const net::MutexLock lock(&mutex_);
  return figures_;
}

void RulesFile::Note(const absl::StatusOr<session::AccessRules>& rules) {
  const net::MutexLock lock(&mutex_);
  const bool first = !figures_.has_value();
  if (first) figures_.emplace(Vitals::Rules{});
  if (rules.ok()) {
    figures_->count = rules->size();
    figures_->read_unix_s = static_cast<double>(absl::ToUnixMicros(absl::Now())) / 1e6;
    figures_->error.clear();
    if (!first) ++figures_->reloads;
  } else {
    figures_->error = std::string(rules.status().message());
    ++figures_->reloads_failed;
  }
}

}  // namespace objmapper::server
