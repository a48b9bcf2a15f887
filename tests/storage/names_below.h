// What is in a folder while others put things there and take them away.
//
//   EXPECT_EQ(NamesBelow(root, Which::kAll), (std::set<std::string>{"a", "a/object"}));
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>

namespace objmapper::storage {

enum class Which : uint8_t {
  kAll,    // directories too
  kFiles,  // what is none: symbolic links are not followed
};

// Paths below `root`. What goes meanwhile may be among them or not:
// std::filesystem::recursive_directory_iterator throws then.
inline std::set<std::string> NamesBelow(const std::string& root, Which which) {
  std::set<std::string> names;
  const auto walk = [&](const auto& self, const std::string& directory) -> void {
    std::error_code error;
    const std::filesystem::path path = std::filesystem::path(root) / directory;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name =
          (std::filesystem::path(directory) / entry->path().filename()).string();
      std::error_code gone;
      const bool is_directory =
          entry->symlink_status(gone).type() == std::filesystem::file_type::directory;
      if (which == Which::kAll || !is_directory) names.insert(name);
      if (is_directory) self(self, name);
    }
    EXPECT_TRUE(!error || (error == std::errc::no_such_file_or_directory && !directory.empty()))
        << path << ": " << error.message();
  };
  walk(walk, "");
  return names;
}

}  // namespace objmapper::storage
