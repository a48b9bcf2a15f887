// Folders of this side.
#include "tools/cli/local_tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::tools {
namespace {

class LocalTreeTest : public testing::Test {
 protected:
  void Folder(const std::string& name) { ASSERT_EQ(mkdir(folder_.Path(name).c_str(), 0777), 0); }
  void Link(const std::string& target, const std::string& name) {
    ASSERT_EQ(symlink(target.c_str(), folder_.Path(name).c_str()), 0);
  }

  client::TemporaryFolder folder_;
};

// All files are found, whatever their names are, and everything else is told of, by its name.
TEST_F(LocalTreeTest, Walk) {
  Folder("b");
  Folder("b/empty");
  Folder("outside");
  folder_.Write("a b\n", "12");
  folder_.Write("b/\xff", "");
  folder_.Write("outside/x", "1");
  Link("a b\n", "c-link");
  Link("b", "d-link");
  Link("nowhere", "e-link");
  ASSERT_EQ(mkfifo(folder_.Path("f-fifo").c_str(), 0666), 0);
  std::vector<std::string> seen;
  std::string errors;
  WalkFolder(
      folder_.path(),
      [&](const LocalFile& file) {
        EXPECT_EQ(file.path, folder_.Path(file.name));
        seen.push_back(absl::StrCat(file.name, "=", file.size));
      },
      [&](const std::string&, const absl::Status& error) {
        absl::StrAppend(&errors, error.message(), ";");
      });
  EXPECT_EQ(seen, (std::vector<std::string>{"a b\n=2", "b/\xff=0", "c-link=2", "outside/x=1"}));
  EXPECT_TRUE(absl::StrContains(errors, "d-link is a symbolic link to a folder")) << errors;
  EXPECT_TRUE(absl::StrContains(errors, "e-link: No such file")) << errors;
  EXPECT_TRUE(absl::StrContains(errors, "f-fifo is not a regular file")) << errors;
}

// A folder that is not there is one error.
TEST_F(LocalTreeTest, WalkOfNothing) {
  int errors = 0;
  WalkFolder(
      folder_.Path("none"), [](const LocalFile&) { FAIL(); },
      [&](const std::string&, const absl::Status& error) {
        ++errors;
        EXPECT_TRUE(absl::StrContains(error.message(), "none")) << error;
      });
  EXPECT_EQ(errors, 1);
}

// A place is below the folder, and the folders on the way are there.
TEST_F(LocalTreeTest, Place) {
  EXPECT_EQ(PlaceIn(folder_.path(), "a").value(), folder_.Path("a"));
  EXPECT_EQ(PlaceIn(folder_.path(), "x/..y/\n").value(), folder_.Path("x/..y/\n"));
  EXPECT_TRUE(IsFolder(folder_.Path("x/..y")));
  EXPECT_EQ(PlaceIn(folder_.path(), "x/b").value(), folder_.Path("x/b"));
}

// No name leads out of the folder: not by its parts, and not through a link that lies there.
TEST_F(LocalTreeTest, NoPlace) {
  for (const char* name :
       {"", "..", ".", "../a", "a/../../b", "a/..", "/etc/passwd", "a//b", "a/", "a/./b"}) {
    const absl::Status status = PlaceIn(folder_.path(), name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("\"", name, "\""))) << status;
  }
  EXPECT_FALSE(IsFolder(folder_.Path("a"))) << "a folder was made for a name that was refused";
  Link("/tmp", "link");
  folder_.Write("file", "x");
  EXPECT_EQ(PlaceIn(folder_.path(), "link/a").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(PlaceIn(folder_.path(), "link").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(PlaceIn(folder_.path(), "file/a").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace objmapper::tools
