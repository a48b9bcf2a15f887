// The cache has limits on objects and on bytes, and drops the least recently used first.
#include "copypath/object_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"

namespace objmapper::copypath {
namespace {

// Each object has a descriptor of its own, so counting those counts the living objects.
class ObjectCacheTest : public testing::Test {
 protected:
  ~ObjectCacheTest() override { EXPECT_EQ(Living(), 0); }

  static ObjectRef NewObject(absl::string_view uri) {
    ObjectRef object(new CachedObject(uri));
    storage::LoadedObject loaded;
    loaded.fd = net::UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    object->Fill(std::move(loaded), 0);
    return object;
  }
  // One with a copy of `bytes` in memory.
  static ObjectRef NewCopied(absl::string_view uri, size_t bytes) {
    ObjectRef object(new CachedObject(uri));
    object->Fill(Copied(bytes), 0);
    return object;
  }
  static storage::LoadedObject Copied(size_t bytes) {
    storage::LoadedObject loaded;
    loaded.fd = net::UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    loaded.info.size = bytes;
    loaded.snapshot = std::make_unique<char[]>(bytes);
    return loaded;
  }
  ptrdiff_t Living() const { return net::OpenFds() - open_fds_; }

  const ptrdiff_t open_fds_ = net::OpenFds();
};

// What is inserted is found under its URI, and nothing else is.
TEST_F(ObjectCacheTest, FindsWhatWasInserted) {
  ObjectCache cache(10);
  EXPECT_EQ(cache.Find("a"), nullptr);
  CachedObject* a;
  {
    const ObjectRef object = NewObject("a");
    a = object.get();
    cache.Insert(a);
  }
  EXPECT_EQ(cache.Find("a"), a);
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_EQ(cache.Find(""), nullptr);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(Living(), 1);
}

// It keeps no more than it may; the least recently used goes first, and a look makes recent.
TEST_F(ObjectCacheTest, LeastRecentlyUsedGoesFirst) {
  ObjectCache cache(3);
  for (const char* uri : {"a", "b", "c"}) cache.Insert(NewObject(uri).get());
  EXPECT_NE(cache.Find("a"), nullptr);
  cache.Insert(NewObject("d").get());
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(Living(), 3);
  EXPECT_EQ(cache.Find("b"), nullptr);
  for (const char* uri : {"a", "c", "d"}) EXPECT_NE(cache.Find(uri), nullptr) << uri;
}

// However many pass through, the bound holds.
TEST_F(ObjectCacheTest, TheBoundHolds) {
  ObjectCache cache(5);
  for (int i = 0; i < 1000; ++i) {
    cache.Insert(NewObject(absl::StrCat(i % 37)).get());
    EXPECT_LE(cache.size(), 5u);
    EXPECT_LE(Living(), 5);
    EXPECT_NE(cache.Find(absl::StrCat(i % 37)), nullptr);
  }
}

// Copies in memory are bounded by what they take, however few they are; the least recently used go
// first.
TEST_F(ObjectCacheTest, CopiesAreBoundedByTheirBytes) {
  ObjectCache cache(100, /*copies_max=*/1000);
  for (const char* uri : {"a", "b", "c"}) cache.Insert(NewCopied(uri, 300).get());
  EXPECT_EQ(cache.copies_bytes(), 900u);
  EXPECT_NE(cache.Find("a"), nullptr);
  cache.Insert(NewCopied("d", 400).get());
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_EQ(cache.copies_bytes(), 1000u);
  // What has no copy counts nothing, and what is replaced or erased counts no longer.
  cache.Insert(NewObject("e").get());
  cache.Insert(NewCopied("a", 100).get());
  EXPECT_EQ(cache.copies_bytes(), 800u);
  cache.Erase(cache.Find("d"));
  EXPECT_EQ(cache.copies_bytes(), 400u);
  // One that is larger than all of them may be is not kept.
  {
    const ObjectRef large = NewCopied("f", 1001);
    cache.Insert(large.get());
    EXPECT_EQ(cache.Find("f"), nullptr);
  }
  EXPECT_LE(cache.copies_bytes(), 1000u);
}

// What is kept while it is loaded counts from when it is there.
TEST_F(ObjectCacheTest, CopiesCountWhenTheyAreThere) {
  ObjectCache cache(100, /*copies_max=*/1000);
  cache.Insert(NewCopied("older", 600).get());
  const ObjectRef coming(new CachedObject("coming"));
  cache.Insert(coming.get());
  EXPECT_EQ(cache.copies_bytes(), 600u);
  coming->Fill(Copied(500), 0);
  cache.NoteFilled(coming.get());
  EXPECT_EQ(cache.copies_bytes(), 500u);
  EXPECT_EQ(cache.Find("older"), nullptr);
  // Told of one that it does not keep, it counts nothing.
  cache.NoteFilled(NewCopied("stranger", 300).get());
  EXPECT_EQ(cache.copies_bytes(), 500u);
}

// What has lost its name is forgotten, and what still has one, or is still being opened, is not.
TEST_F(ObjectCacheTest, DropsWhatHasNoName) {
  ObjectCache cache(10);
  const client::TemporaryFolder folder;
  const std::string kept = folder.path() + "/kept", gone = folder.path() + "/gone";
  for (const std::string& path : {kept, gone}) {
    ObjectRef object(new CachedObject(path));
    storage::LoadedObject loaded;
    loaded.fd = net::UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_TRUE(loaded.fd.valid());
    object->Fill(std::move(loaded), 0);
    cache.Insert(object.get());
  }
  cache.Insert(ObjectRef(new CachedObject("loading")).get());
  cache.DropNameless();
  EXPECT_EQ(cache.size(), 3u);
  ASSERT_EQ(unlink(gone.c_str()), 0);
  cache.DropNameless();
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find(gone), nullptr);
  EXPECT_NE(cache.Find(kept), nullptr);
  EXPECT_NE(cache.Find("loading"), nullptr);
  EXPECT_EQ(Living(), 1);
}

// Whoever has a reference keeps the object, whatever the cache does.
TEST_F(ObjectCacheTest, ReferencesOutliveEviction) {
  const ObjectRef a = NewObject("a");
  {
    ObjectCache cache(1);
    cache.Insert(a.get());
    cache.Insert(NewObject("b").get());
    EXPECT_EQ(cache.Find("a"), nullptr);
    EXPECT_EQ(Living(), 2);
  }
  EXPECT_EQ(Living(), 1);
  EXPECT_EQ(a->uri(), "a");
  EXPECT_GE(a->fd(), 0);
}

// Another version takes the place of the one under the same URI, which goes.
TEST_F(ObjectCacheTest, ReplacesUnderTheSameUri) {
  ObjectCache cache(3);
  cache.Insert(NewObject("a").get());
  cache.Insert(NewObject("b").get());
  const ObjectRef newer = NewObject("a");
  cache.Insert(newer.get());
  EXPECT_EQ(cache.Find("a"), newer.get());
  EXPECT_NE(cache.Find("b"), nullptr);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(Living(), 2);
}

// Erasing an object leaves another one that has taken its place.
TEST_F(ObjectCacheTest, ErasesThatObjectAlone) {
  ObjectCache cache(3);
  const ObjectRef older = NewObject("a");
  cache.Insert(older.get());
  const ObjectRef newer = NewObject("a");
  cache.Insert(newer.get());
  cache.Erase(older.get());
  EXPECT_EQ(cache.Find("a"), newer.get());
  cache.Erase(newer.get());
  EXPECT_EQ(cache.Find("a"), nullptr);
  cache.Erase(newer.get());
  EXPECT_EQ(cache.size(), 0u);
}

// A cache of nothing keeps nothing.
TEST_F(ObjectCacheTest, NoEntries) {
  ObjectCache cache(0);
  const ObjectRef a = NewObject("a");
  cache.Insert(a.get());
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_EQ(cache.size(), 0u);
  cache.Erase(a.get());
}

}  // namespace
}  // namespace objmapper::copypath
