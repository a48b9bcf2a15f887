// Rules or tokens that cannot be read leave those in force that were read before, and a note that
// they do.
#include "server/rules_file.h"

#include <glog/logging.h>

#include <utility>

#include "absl/time/clock.h"

namespace objmapper::server {

absl::StatusOr<RulesFile::Files> RulesFile::Load() const {
  absl::StatusOr<session::AccessRules> rules = session::AccessRules::Load(path_);
  if (!rules.ok()) return rules.status();
  Files files{*std::move(rules), std::nullopt};
  if (tokens_path_.empty()) return files;
  absl::StatusOr<session::Tokens> tokens = session::Tokens::Load(tokens_path_);
  if (!tokens.ok()) return tokens.status();
  files.tokens = *std::move(tokens);
  return files;
}

absl::Status RulesFile::Read() {
  if (path_.empty()) return absl::OkStatus();
  absl::StatusOr<Files> files = Load();
  if (!files.ok()) return files.status();
  Note(files);
  access_ = std::make_unique<session::Access>(std::move(files->rules), std::move(files->tokens));
  return absl::OkStatus();
}

absl::StatusOr<size_t> RulesFile::ReadAgain() {
  if (access_ == nullptr)
    return absl::FailedPreconditionError("there is no --rules_file to read again");
  absl::StatusOr<Files> files = Load();
  Note(files);
  if (!files.ok()) return files.status();
  for (const std::string& doubt :
       files->rules.Doubts(files->tokens.has_value() ? &*files->tokens : nullptr))
    LOG(WARNING) << "--rules_file=" << path_ << ": " << doubt;
  const size_t count = files->rules.size();
  access_->Replace(std::move(files->rules), std::move(files->tokens));
  return count;
}

std::optional<Vitals::Rules> RulesFile::figures() const {
  const net::MutexLock lock(&mutex_);
  return figures_;
}

void RulesFile::Note(const absl::StatusOr<Files>& files) {
  const net::MutexLock lock(&mutex_);
  const bool first = !figures_.has_value();
  if (first) figures_.emplace(Vitals::Rules{});
  if (files.ok()) {
    figures_->count = files->rules.size();
    figures_->read_unix_s = static_cast<double>(absl::ToUnixMicros(absl::Now())) / 1e6;
    figures_->error.clear();
    if (!first) ++figures_->reloads;
  } else {
    figures_->error = std::string(files.status().message());
    ++figures_->reloads_failed;
  }
}

}  // namespace objmapper::server
