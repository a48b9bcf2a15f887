// Fuzzes the origins file, and what is looked up by it.
//
// How it works: the input is a file. What can be read of it is written again, line by line, and has
// to be the same when it is read again. The input's lines are looked up as URIs too: a key that is
// found has to lead back to a URI that finds it.
//
//   tools/fuzz origins_fuzz 60
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "glog/logging.h"
#include "origin/config/origins.h"

namespace objmapper::origin {
namespace {

void LookUp(const Origins& origins, absl::string_view uri) {
  const absl::StatusOr<Location> found = origins.Find(uri);
  if (!found.ok()) return;
  CHECK(!found->key.empty());
  CHECK(!found->Text().empty());
  if (found->origin->kind == Origin::Kind::kHttp) {
    CHECK_EQ(found->key[0], '/');
    return;
  }
  const std::optional<std::string> again = origins.UriOf(*found->origin, found->key);
  CHECK(again.has_value()) << uri << " is " << found->Text();
  CHECK_EQ(origins.Find(*again)->key, found->key);
}

}  // namespace
}  // namespace objmapper::origin

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace objmapper::origin;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Origins> origins = Origins::Parse(text);
  if (!origins.ok()) {
    CHECK(!origins.status().message().empty());
    return 0;
  }
  std::string written;
  for (const auto& origin : origins->all()) absl::StrAppend(&written, origin->Text(), "\n");
  const absl::StatusOr<Origins> again = Origins::Parse(written);
  CHECK(again.ok()) << again.status() << "\n" << written;
  CHECK_EQ(again->all().size(), origins->all().size());
  for (size_t i = 0; i < origins->all().size(); ++i)
    CHECK(*again->all()[i] == *origins->all()[i]) << written;
  for (const absl::string_view uri : absl::StrSplit(text, absl::ByAnyChar("\n "))) {
    LookUp(*origins, uri);
    for (const auto& origin : origins->all())
      LookUp(*origins, absl::StrCat(origin->prefix, "/", uri));
  }
  return 0;
}
