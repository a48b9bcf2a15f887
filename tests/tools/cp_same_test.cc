// cp -r skips what is the same on both sides, and nothing else. Against the real server.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/client/temporary_folder.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/server_process.h"
#include "tests/net/eventually.h"
#include "tests/tools/program.h"

namespace objmapper::tools {
namespace {

namespace fs = std::filesystem;

class CpSameTest : public testing::Test {
 protected:
  void SetUp() override {
    Start({"--writable"});
    fs::create_directories(folder_.Path("d/e"));
    folder_.Write("d/a", "of one version");
    folder_.Write("d/e/b", e2e::Pattern(3, 700'000));
    folder_.Write("d/empty", "");
  }
  void Start(std::vector<std::string> flags) {
    server_.emplace(tree_.root(), e2e::ServerOptions{.flags = std::move(flags)});
  }
  Outcome Run(const std::string& arguments) {
    return RunShell(absl::StrCat("cd ", folder_.path(), " && OBJMAPPER_SERVER=unix:",
                                 server_->socket_path(), " ", program_, " ", arguments),
                    folder_.Path("stderr"));
  }
  // Where all must go well. Returns stdout.
  std::string Good(const std::string& arguments) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.err, "") << arguments;
    return outcome.out;
  }
  static std::string Summary(int copied, int skipped) {
    if (skipped == 0) return "";
    return absl::StrCat(copied, " copied, ", skipped,
                        " skipped: the same already (--force copies them, too)\n");
  }
  // What a copy changes in any case: which file it is.
  static ino_t Inode(const std::string& path) {
    struct stat attributes {};
    EXPECT_EQ(stat(path.c_str(), &attributes), 0) << path;
    return attributes.st_ino;
  }
  std::string Stored(const std::string& uri) const { return absl::StrCat(tree_.root(), "/", uri); }
  // Other bytes, as many as before, with the time that the file had.
  static void ChangeUnseen(const std::string& path, const std::string& bytes) {
    ASSERT_EQ(fs::file_size(path), bytes.size());
    const fs::file_time_type time = fs::last_write_time(path);
    std::ofstream(path, std::ios::binary) << bytes;
    fs::last_write_time(path, time);
  }

  const std::string program_ = fs::absolute("tools/objmapper").string();
  client::TemporaryFolder folder_;
  e2e::ObjectTree tree_;
  std::optional<e2e::ServerProcess> server_;
};

// The second time nothing is copied, either way: each side keeps the very files that it has.
TEST_F(CpSameTest, NothingTwice) {
  EXPECT_EQ(Good("cp -r d obj:p"), "");
  const ino_t object = Inode(Stored("p/e/b"));
  for (const char* flags : {"", "--fd", "--jobs=1", "-v"}) {
    EXPECT_EQ(Good(absl::StrCat("cp -r d obj:p ", flags)), Summary(0, 3)) << flags;
    EXPECT_EQ(Inode(Stored("p/e/b")), object) << flags;
  }
  EXPECT_EQ(Good("cp -r obj:p out"), "");
  const ino_t file = Inode(folder_.Path("out/e/b"));
  for (const char* flags : {"", "--mode=copy", "--mode=splice --jobs=1", "-v"}) {
    EXPECT_EQ(Good(absl::StrCat("cp -r obj:p out ", flags)), Summary(0, 3)) << flags;
    EXPECT_EQ(Inode(folder_.Path("out/e/b")), file) << flags;
  }
  EXPECT_EQ(Good("cp -r d obj:p --force"), "");
  EXPECT_NE(Inode(Stored("p/e/b")), object);
  EXPECT_EQ(Good("cp -r obj:p out --force"), "");
  EXPECT_NE(Inode(folder_.Path("out/e/b")), file);
}

// What has changed is copied, be it as long and as old as before; what is new, too.
TEST_F(CpSameTest, Changes) {
  Good("cp -r d obj:p");
  Good("cp -r obj:p out");
  ChangeUnseen(folder_.Path("d/a"), "of 1st version");
  folder_.Write("d/new", "");
  EXPECT_EQ(Good("cp -r d obj:p"), Summary(2, 2));
  EXPECT_EQ(Good("get p/a"), "of 1st version");
  EXPECT_EQ(Good("cp -r obj:p out"), Summary(2, 2));
  EXPECT_EQ(folder_.Read("out/a"), "of 1st version");
  // On the other side: the copy, and the object's file under the server's hands.
  ChangeUnseen(folder_.Path("out/a"), "of 2nd version");
  EXPECT_EQ(Good("cp -r obj:p out"), Summary(1, 3));
  EXPECT_EQ(folder_.Read("out/a"), "of 1st version");
  // What the server has looked at is believed for a moment (--fd_cache_valid_ms).
  absl::SleepFor(absl::Milliseconds(100));
  std::ofstream(Stored("p/a"), std::ios::binary) << "of 3rd version";
  EXPECT_EQ(Good("cp -r d obj:p"), Summary(1, 3));
  EXPECT_EQ(Good("get p/a"), "of 1st version");
  // Longer by what a hash of the beginning would not see.
  std::ofstream(folder_.Path("out/e/b"), std::ios::app) << "x";
  EXPECT_EQ(Good("cp -r obj:p out"), Summary(1, 3));
  EXPECT_EQ(folder_.Read("out/e/b"), folder_.Read("d/e/b"));
}

// An object whose ETAG tells nothing of its content is copied each time.
TEST_F(CpSameTest, WithoutAHash) {
  tree_.Add("by_others/a", "of one version");
  // What others put there is listed a moment later.
  EXPECT_TRUE(net::Eventually([&] { return Run("cp -r obj:by_others out").exit_code == 0; }));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Good("cp -r obj:by_others out"), "");
  fs::create_directories(folder_.Path("one"));
  folder_.Write("one/a", "of one version");
  EXPECT_EQ(Good("cp -r one obj:by_others"), "");
  EXPECT_EQ(Good("cp -r one obj:by_others"), Summary(0, 1));
}

// What expires is not what stays: it is stored anew; with --ttl all is. To fetch it makes no
// difference.
TEST_F(CpSameTest, WhatExpires) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Good("cp -r d obj:p --ttl=1h"), "");
  EXPECT_TRUE(absl::StrContains(Good("stat p/a --json"), "\"expires\":"));
  Good("cp -r obj:p out");
  EXPECT_EQ(Good("cp -r obj:p out"), Summary(0, 3));
  EXPECT_EQ(Good("cp -r d obj:p"), "");
  EXPECT_FALSE(absl::StrContains(Good("stat p/a --json"), "\"expires\":"));
  EXPECT_EQ(Good("cp -r d obj:p"), Summary(0, 3));
}

// Who may store but not look does so.
TEST_F(CpSameTest, WhoMayNotLook) {
  const std::string rules = tree_.outside() + "/rules";
  std::ofstream(rules) << "any /p write\n";
  server_.reset();
  Start({"--writable", "--rules_file=" + rules});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Good("cp -r d obj:p"), "");
}

// With --json each says whether it was skipped, and there is no other line.
TEST_F(CpSameTest, Json) {
  Good("cp -r d obj:p");
  folder_.Write("d/a", "changed");
  const std::string out = Good("cp -r d obj:p --json --jobs=1");
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3) << out;
  EXPECT_TRUE(absl::StrContains(
      out, "{\"uri\":\"p/empty\",\"ok\":true,\"file\":\"d/empty\",\"skipped\":true}\n"))
      << out;
  EXPECT_TRUE(absl::StrContains(out, "{\"uri\":\"p/a\",\"ok\":true,\"file\":\"d/a\",\"size\":7,"))
      << out;
}

// One that fails does not make the others' sum wrong.
TEST_F(CpSameTest, Failures) {
  Good("cp -r d obj:p");
  Good("cp -r obj:p out");
  folder_.Write("d/a", "changed");
  Good("cp -r d obj:p");
  fs::remove(folder_.Path("out/e/b"));
  fs::create_directories(folder_.Path("out/e/b/full"));
  const Outcome outcome = Run("cp -r obj:p out");
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  EXPECT_EQ(outcome.out, Summary(1, 1));
  EXPECT_TRUE(absl::StrContains(outcome.err, "objmapper: 1 of 3 failed")) << outcome.err;
}

// Only cp -r skips: who names one object, or puts, means it.
TEST_F(CpSameTest, OtherCommands) {
  Good("cp -r d obj:p");
  ino_t before = Inode(Stored("p/a"));
  EXPECT_EQ(Good("cp d/a obj:p/a"), "");
  EXPECT_NE(Inode(Stored("p/a")), before);
  before = Inode(Stored("p/a"));
  EXPECT_EQ(Good("put -r d p"), "");
  EXPECT_NE(Inode(Stored("p/a")), before);
  EXPECT_EQ(Run("put -r d p --force").exit_code, 2);
}

}  // namespace
}  // namespace objmapper::tools
