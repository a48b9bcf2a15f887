// The settings in tools/flagfiles/ are settings that the server takes, and serves with.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e/server_process.h"

namespace objmapper::e2e {
namespace {

class FlagfileTest : public testing::TestWithParam<const char*> {};

// It starts without a warning about a flag, answers in every mode, and stops.
TEST_P(FlagfileTest, Serves) {
  const std::string file =
      absl::StrCat(std::filesystem::current_path().string(), "/tools/flagfiles/", GetParam());
  ASSERT_TRUE(std::filesystem::exists(file)) << file;
  ObjectTree tree;
  const std::string contents = Pattern(1, 300000);
  tree.Add("object", contents);
  ServerProcess server(tree.root(), {.flags = {absl::StrCat("--flagfile=", file)}});
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  for (const char mode : {kCopy, kSplice, kFdPass}) {
    const Answer answer = client.Get({.mode = mode, .uri = "object"});
    ASSERT_TRUE(answer.ok()) << mode;
    EXPECT_TRUE((mode == kFdPass ? Contents(answer.fd.get()) : answer.body) == contents) << mode;
  }
  EXPECT_EQ(server.log().find("has no effect"), std::string::npos) << server.log();
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(All, FlagfileTest,
                         testing::Values("latency.flags", "throughput.flags", "small.flags"),
                         [](const auto& info) {
                           const std::string name = info.param;
                           return name.substr(0, name.find('.'));
                         });

}  // namespace
}  // namespace objmapper::e2e
