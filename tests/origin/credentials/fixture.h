// Variables, a home and servers, all made up, so that nothing of this machine's is found.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "origin/credentials/chain.h"

namespace objmapper::origin {

class CredentialsFixture : public testing::Test {
 protected:
  CredentialsFixture() {
    std::string pattern = testing::TempDir() + "home_XXXXXX";
    home_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(home_ + "/.aws");
    variables_["HOME"] = home_;
  }
  ~CredentialsFixture() override { std::filesystem::remove_all(home_); }

  // Below the home.
  std::string Write(const std::string& name, absl::string_view text) {
    const std::string path = absl::StrCat(home_, "/", name);
    std::ofstream(path, std::ios::trunc) << text;
    return path;
  }

  Environment environment() {
    return [this](const char* name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::string() : found->second;
    };
  }

  // Answers with what is next in `answers_`, and an error where nothing is.
  ChainOptions options() {
    return {.environment = environment(),
            .http = [this](const HttpRequest& request) -> absl::StatusOr<HttpAnswer> {
              asked_.push_back(request);
              if (answers_.empty()) return absl::UnavailableError("connection refused");
              absl::StatusOr<HttpAnswer> answer = answers_.front();
              answers_.pop_front();
              return answer;
            },
            .profile = profile_,
            .region = region_,
            .now = [this] { return now_; }};
  }

  // As an agent or a metadata service answers.
  static std::string Json(absl::string_view id, absl::Time expires) {
    return absl::StrCat(
        "{\"Code\": \"Success\", \"AccessKeyId\": \"", id, "\", \"SecretAccessKey\": \"secret-of-",
        id, "\", \"Token\": \"token-of-", id, "\", \"Expiration\": \"",
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", expires, absl::UTCTimeZone()), "\"}");
  }

  static std::string Field(const HttpRequest& request, absl::string_view name) {
    for (const auto& field : request.fields) {
      if (field.first == name) return field.second;
    }
    return "";
  }

  std::string home_;
  std::map<std::string, std::string> variables_;
  std::string profile_, region_;
  std::deque<absl::StatusOr<HttpAnswer>> answers_;
  std::vector<HttpRequest> asked_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

}  // namespace objmapper::origin
