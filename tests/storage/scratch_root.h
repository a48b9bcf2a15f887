// A folder of files to serve, in a folder of its own that goes when it dies.
//
//   <folder>/root     what a Tree may serve
//   <folder>/outside  what it must never reach; holds the file "secret"
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/net/short_folder.h"

namespace objmapper::storage {

class ScratchRoot {
 public:
  ScratchRoot() {
    EXPECT_EQ(chmod(folder_.path().c_str(), 0755), 0);
    EXPECT_EQ(mkdir(path().c_str(), 0755), 0);
    EXPECT_EQ(mkdir(outside().c_str(), 0755), 0);
    std::ofstream(absl::StrCat(outside(), "/secret")) << "secret";
  }

  std::string path() const { return folder_.Path("root"); }
  std::string outside() const { return folder_.Path("outside"); }
  std::string PathOf(absl::string_view name) const { return absl::StrCat(path(), "/", name); }

  void Write(absl::string_view name, absl::string_view content) const {
    std::ofstream file(PathOf(name), std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    EXPECT_TRUE(file.flush().good()) << name;
  }
  void MakeDirectory(absl::string_view name) const {
    EXPECT_EQ(mkdir(PathOf(name).c_str(), 0755), 0) << name;
  }
  void Link(absl::string_view name, const std::string& target) const {
    EXPECT_EQ(symlink(target.c_str(), PathOf(name).c_str()), 0) << name;
  }

 private:
  const net::ShortFolder folder_;
};

// Everything that `fd` gives from its offset on.
inline std::string ReadAll(int fd) {
  std::string content;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) content.append(buffer, got);
  EXPECT_EQ(got, 0);
  return content;
}

}  // namespace objmapper::storage
