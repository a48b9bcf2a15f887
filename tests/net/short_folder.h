// A folder whose path is short: a socket's file has 107 characters (unix(7)), and the test's own
// folder may use them up.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace objmapper::net {

// Lives as long as this does; removed with everything in it.
class ShortFolder {
 public:
  ShortFolder() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~ShortFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ShortFolder(const ShortFolder&) = delete;
  ShortFolder& operator=(const ShortFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/om.XXXXXX";
};

}  // namespace objmapper::net
