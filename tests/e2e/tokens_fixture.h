// A server whose clients have names by tokens, and what each of them may read.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/writable.h"

namespace objmapper::e2e {

class TokensFixture : public WritableTest {
 protected:
  void SetUp() override {
    WritableTest::SetUp();
    if (IsSkipped()) return;
    tree_.Add("open/a", "anybody's");
    tree_.Add("alice/a", "of alice");
    tree_.Add("bob/a", "of bob");
    WriteRules("name alice /alice read,write\nname bob /bob read\nany /open read\n");
    WriteTokens("alice secret-of-alice-0\nbob secret-of-bob-xyz\n");
  }
  std::string Path(const char* name) const { return absl::StrCat(tree_.outside(), "/", name); }
  void WriteRules(const std::string& text) const {
    std::ofstream(Path("rules"), std::ios::trunc) << text;
  }
  void WriteTokens(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(Path("tokens"), std::ios::trunc) << text;
    ASSERT_EQ(chmod(Path("tokens").c_str(), mode), 0);
  }
  std::vector<std::string> WithTokens(std::vector<std::string> flags) const {
    flags.push_back("--rules_file=" + Path("rules"));
    flags.push_back("--tokens_file=" + Path("tokens"));
    return flags;
  }
  void StartWithTokens(std::vector<std::string> flags = {}) { Start(WithTokens(std::move(flags))); }
};

}  // namespace objmapper::e2e
