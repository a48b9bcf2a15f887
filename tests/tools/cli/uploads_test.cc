// Which object each file becomes.
#include "tools/cli/uploads.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::tools {
namespace {

class UploadsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.Write("a", "1");
    folder_.Write("b", "22");
    for (const char* name : {"d", "d/e", "d2"})
      ASSERT_EQ(mkdir(folder_.Path(name).c_str(), 0777), 0);
    folder_.Write("d/a", "333");
    folder_.Write("d/e/f", "");
    folder_.Write("d2/a", "");
  }

  absl::StatusOr<UploadPlan> Plan(const std::vector<std::string>& names,
                                  std::optional<std::string> uri, bool recursive = false) {
    std::vector<std::string> sources;
    for (const std::string& name : names)
      sources.push_back(name == "-" ? name : folder_.Path(name));
    return PlanUploads(sources, uri, recursive);
  }

  // The URIs, each with its file's name and size.
  std::string Good(const std::vector<std::string>& names, std::optional<std::string> uri,
                   bool recursive = false) {
    const absl::StatusOr<UploadPlan> plan = Plan(names, uri, recursive);
    if (!plan.ok()) return plan.status().ToString();
    EXPECT_TRUE(plan->failures.empty());
    std::string text;
    for (const Item& item : plan->items) {
      absl::StrAppend(&text, item.uri, "<",
                      item.path.substr(item.path == "-" ? 0 : folder_.path().size() + 1), ":",
                      item.size, " ");
    }
    return text;
  }

  client::TemporaryFolder folder_;
};

// Files go where the URI says: as it, or below it.
TEST_F(UploadsTest, Files) {
  EXPECT_EQ(Good({"a"}, "x/y"), "x/y<a:1 ");
  EXPECT_EQ(Good({"a"}, "x/"), "x/a<a:1 ");
  EXPECT_EQ(Good({"a"}, ""), "a<a:1 ");
  EXPECT_EQ(Good({"d/a"}, std::nullopt), "a<d/a:3 ");
  EXPECT_EQ(Good({"a", "b"}, "x/"), "x/a<a:1 x/b<b:2 ");
  EXPECT_EQ(Good({"-"}, "x"), "x<-:0 ");
}

// A folder's files keep their names below it.
TEST_F(UploadsTest, Folders) {
  EXPECT_EQ(Good({"d"}, "x/", true), "x/a<d/a:3 x/e/f<d/e/f:0 ");
  EXPECT_EQ(Good({"d/"}, "x", true), "x/a<d//a:3 x/e/f<d//e/f:0 ");
  EXPECT_EQ(Good({"d"}, "", true), "a<d/a:3 e/f<d/e/f:0 ");
  EXPECT_EQ(Good({"d"}, std::nullopt, true), "d/a<d/a:3 d/e/f<d/e/f:0 ");
  EXPECT_EQ(Good({"d/e", "b"}, "x/", true), "x/f<d/e/f:0 x/b<b:2 ");
}

// What makes no sense is refused as a whole, in words that name it.
TEST_F(UploadsTest, Mistakes) {
  const auto expect = [this](const std::vector<std::string>& names, std::optional<std::string> uri,
                             bool recursive, const char* text) {
    const absl::Status status = Plan(names, uri, recursive).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StrContains(status.message(), text)) << status;
  };
  expect({"d"}, "x", false, "/d is a folder: -r");
  expect({"a", "b"}, "x", false, "URI that ends in /, which x does not");
  expect({"a", "d/a"}, "x/", false, "would both become object \"x/a\"");
  expect({"d", "d2"}, "x/", true, "would both become object \"x/a\"");
  expect({"-"}, std::nullopt, false, "standard input (-)");
  expect({"-"}, "x/", false, "standard input (-)");
  expect({"d/e/.."}, std::nullopt, true, "has no name of its own");
  expect({"a"}, std::string(4097, 'u'), false, "at most 4096 bytes");
}

// A file that is missing does not keep the others from being sent.
TEST_F(UploadsTest, MissingFiles) {
  const UploadPlan plan = Plan({"none", "a"}, "x/").value();
  ASSERT_EQ(plan.failures.size(), 1u);
  EXPECT_EQ(plan.failures[0].first, folder_.Path("none"));
  EXPECT_TRUE(absl::StrContains(plan.failures[0].second.message(), "none: No such file"));
  ASSERT_EQ(plan.items.size(), 1u);
  EXPECT_EQ(plan.items[0].uri, "x/a");
}

}  // namespace
}  // namespace objmapper::tools
