// A folder with two objects, and somewhere to work: what a contender's test starts one on.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/short_folder.h"
#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

class ServedFolder {
 public:
  ServedFolder() {
    Add("small", 1000);
    Add("large", 1 << 20);
  }

  const ObjectSet& objects() const { return objects_; }
  const std::string& work_dir() const { return work_dir_.path(); }

  // Position-dependent, so that a piece in the wrong place shows.
  static std::string Content(const std::string& name, size_t bytes) {
    std::string content(bytes, 0);
    for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>(i * 31 + i / 251 + name[0]);
    return content;
  }
  static std::string Content(const ObjectSet::Object& object) {
    return Content(object.name, object.bytes);
  }

  absl::StatusOr<std::unique_ptr<Contender>> Start(const std::string& name) const {
    return StartContender({.name = name, .connections_max = 20, .work_dir = work_dir()}, objects_);
  }

 private:
  void Add(const std::string& name, size_t bytes) {
    objects_.root = root_.path();
    objects_.objects.push_back({name, bytes});
    std::ofstream(root_.path() + "/" + name) << Content(name, bytes);
  }

  client::TemporaryFolder root_;
  const net::ShortFolder work_dir_;
  ObjectSet objects_;
};

}  // namespace objmapper::bench
