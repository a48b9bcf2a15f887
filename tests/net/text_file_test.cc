// What is read whole, and what is not read at all.
#include "net/text_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/match.h"

namespace objmapper::net {
namespace {

class TextFileTest : public testing::Test {
 protected:
  TextFileTest() { path_ = testing::TempDir() + "text_file_" + std::to_string(getpid()); }
  ~TextFileTest() override { unlink(path_.c_str()); }
  void Write(const std::string& text, mode_t mode) {
    unlink(path_.c_str());
    std::ofstream(path_) << text;
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }

  std::string path_;
};

// A file of secrets that others may read, or write, is refused, in a sentence that says so; one
// that the group may read is not.
TEST_F(TextFileTest, SecretsAreNotOthers) {
  for (const mode_t mode : {0600, 0640, 0660}) {
    Write("text", mode);
    EXPECT_EQ(ReadTextFile(path_, Readers::kNotOthers).value_or(""), "text") << mode;
  }
  for (const mode_t mode : {0604, 0644, 0602, 0666}) {
    Write("text", mode);
    const absl::Status refused = ReadTextFile(path_, Readers::kNotOthers).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << mode;
    EXPECT_TRUE(absl::StrContains(refused.message(), path_)) << refused;
    EXPECT_TRUE(absl::StrContains(refused.message(), "every user may ")) << refused;
    EXPECT_EQ(ReadTextFile(path_, Readers::kAnybody).value_or(""), "text") << mode;
  }
}

TEST_F(TextFileTest, Bounds) {
  Write(std::string(1 << 20, 'x'), 0600);
  EXPECT_EQ(ReadTextFile(path_, Readers::kAnybody).value_or("").size(), 1u << 20);
  Write(std::string((1 << 20) + 1, 'x'), 0600);
  EXPECT_EQ(ReadTextFile(path_, Readers::kAnybody).status().code(),
            absl::StatusCode::kInvalidArgument);
  unlink(path_.c_str());
  EXPECT_EQ(ReadTextFile(path_, Readers::kAnybody).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace objmapper::net
