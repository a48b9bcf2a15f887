// Objects that have been fetched, what their clients get of them later, and how often their origin
// is asked for that.
#pragma once

#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/cache/mark.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {

class ChecksTest : public FlightsTest {
 protected:
  // What a client gets that may wait for it.
  std::string Get(absl::string_view uri) {
    const absl::StatusOr<storage::OpenedObject> object = tree_->OpenObject(uri, Wait::kMayFetch);
    return object.ok() ? storage::ReadAll(object->fd.get()) : object.status().ToString();
  }
  absl::Status StatusOf(absl::string_view uri) {
    return tree_->OpenObject(uri, Wait::kMayFetch).status();
  }
  // Puts it there, and has it fetched.
  void Fetched(const std::string& name, const std::string& content, std::string etag = "") {
    origin_.Put("base/" + name, content, std::move(etag));
    ASSERT_EQ(Get("far/" + name), content);
  }
  // How often the origin has been asked for it since this was last called.
  size_t Asked(const std::string& name) {
    const size_t all = origin_.asked("base/" + name).size();
    return all - std::exchange(asked_[name], all);
  }
  BadOrigin::Asked LastAsked(const std::string& name) {
    return origin_.asked("base/" + name).back();
  }
  std::optional<Mark> MarkOf(const std::string& uri) {
    const absl::StatusOr<storage::OpenedObject> object = tree_->OpenObject(uri, Wait::kMayBlock);
    return object.ok() ? ReadMark(object->fd.get()) : std::nullopt;
  }
  bool IsStale(absl::string_view uri) { return flights_->ProvenanceOf(uri, /*fd=*/-1).stale; }
  // What a client gets that wants it to have been compared so many seconds ago at most.
  std::string GetAged(absl::string_view uri, int64_t age_max_s) {
    if (!flights_->MustCompare(uri, age_max_s)) return Get(uri);
    const absl::Status brought = storage::BringNow(flights_.get(), uri, age_max_s);
    return brought.ok() ? Here(uri) : brought.ToString();
  }
  bool IsHere(const std::string& uri) { return access(scratch_.PathOf(uri).c_str(), F_OK) == 0; }

  std::map<std::string, size_t> asked_;
};

}  // namespace objmapper::origin
