// A cached object has the file's bytes, and frees what it holds once.
#include "copypath/cached_object.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <optional>
#include <string>
#include <utility>

#include "storage/tree/tree.h"
#include "tests/client/temporary_folder.h"
#include "tests/copypath/pattern.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"

namespace objmapper::copypath {
namespace {

using State = CachedObject::State;

constexpr size_t kBytes = 2 * kWindowBytes + 100'000;  // two whole windows and a part

class CachedObjectTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    folder_.Write("object", content_);
  }

  // An object as the loop has it after loading.
  ObjectRef Loaded(const std::string& name = "object", BlockingPool* closer = nullptr) {
    ObjectRef object(new CachedObject(name, closer));
    absl::StatusOr<storage::LoadedObject> loaded =
        storage::Load(*tree_, name, storage::Wait::kMayBlock);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    if (loaded.ok()) object->Fill(*std::move(loaded), /*now_ns=*/0);
    return object;
  }

  const client::TemporaryFolder folder_;
  const std::string content_ = Pattern(kBytes, 1);
  std::optional<storage::Tree> tree_;
};

// ---- Life ----

// An object is loading until it is filled or has failed, and then says what it is, or why not.
TEST_F(CachedObjectTest, LoadingEndsOneWayOrTheOther) {
  ObjectRef object(new CachedObject("object"));
  EXPECT_EQ(object->state(), State::kLoading);
  EXPECT_EQ(object->uri(), "object");
  absl::StatusOr<storage::LoadedObject> loaded =
      storage::Load(*tree_, "object", storage::Wait::kMayBlock);
  ASSERT_TRUE(loaded.ok());
  const storage::ObjectInfo info = loaded->info;
  object->Fill(*std::move(loaded), /*now_ns=*/77);
  EXPECT_EQ(object->state(), State::kReady);
  EXPECT_TRUE(object->error().ok());
  EXPECT_EQ(object->checked_ns(), 77);
  EXPECT_EQ(object->info(), info);
  EXPECT_EQ(object->size(), kBytes);
  EXPECT_FALSE(object->small());

  ObjectRef failed(new CachedObject("absent"));
  failed->Fail(absl::NotFoundError("no such object"));
  EXPECT_EQ(failed->state(), State::kFailed);
  EXPECT_EQ(failed->error(), absl::NotFoundError("no such object"));
}

// A small object is its copy.
TEST_F(CachedObjectTest, SmallObjects) {
  folder_.Write("small", "a few bytes");
  const ObjectRef object = Loaded("small");
  ASSERT_TRUE(object->small());
  EXPECT_EQ(std::string(object->snapshot(), object->size()), "a few bytes");
}

// It lives as long as anybody refers to it, and takes its descriptor and its mapping with it.
TEST_F(CachedObjectTest, LivesAsLongAsItIsReferredTo) {
  const ptrdiff_t before = net::OpenFds();
  ObjectRef first = Loaded();
  ASSERT_TRUE(first->Map().ok());
  EXPECT_EQ(net::OpenFds(), before + 1);
  ObjectRef copy = first;
  ObjectRef moved = std::move(first);
  EXPECT_FALSE(first);  // NOLINT: a moved-from reference is empty
  EXPECT_EQ(moved.get(), copy.get());
  moved = ObjectRef();
  EXPECT_EQ(net::OpenFds(), before + 1);
  EXPECT_EQ(copy->map()[0], content_[0]);
  copy.reset();
  copy.reset();
  EXPECT_EQ(net::OpenFds(), before);
}

// ---- The mapping ----

// The mapping is the object's bytes, made once.
TEST_F(CachedObjectTest, MapsTheWhole) {
  const ObjectRef object = Loaded();
  EXPECT_EQ(object->map(), nullptr);
  ASSERT_TRUE(object->Map().ok());
  const char* map = object->map();
  ASSERT_TRUE(object->Map().ok());
  EXPECT_EQ(object->map(), map);
  EXPECT_TRUE(std::string(map, kBytes) == content_);
}

// A sparse file of terabytes costs its owner nothing; here it costs no addresses, and nothing for
// windows that nobody asks for (windows_test.cc).
TEST_F(CachedObjectTest, SparseTerabytes) {
  folder_.Write("sparse", "");
  const uint64_t bytes = uint64_t{8} << 40;
  ASSERT_EQ(truncate(folder_.Path("sparse").c_str(), static_cast<off_t>(bytes)), 0);
  const ObjectRef object = Loaded("sparse");
  ASSERT_TRUE(object->Map().ok());
  EXPECT_EQ(object->map(), nullptr);
  EXPECT_EQ(object->windows().known(), 0u);
}

// What is large is let go of by the pool: freeing the blocks of a file that was removed takes its
// time.
TEST_F(CachedObjectTest, TheLargeAreClosedElsewhere) {
  folder_.Write("large", "");
  ASSERT_EQ(truncate(folder_.Path("large").c_str(), 64 << 20), 0);
  BlockingPool pool(1);
  std::promise<void> held;
  pool.Run([&held] { held.get_future().wait(); });
  const ptrdiff_t before = net::OpenFds();
  {
    const ObjectRef object = Loaded("large", &pool);
    ASSERT_TRUE(object->Map().ok());
  }
  EXPECT_EQ(net::OpenFds(), before + 1) << "the pool has not come to it";
  held.set_value();
  EXPECT_TRUE(net::Eventually([&] { return net::OpenFds() == before; }));
  pool.Stop();
}

}  // namespace
}  // namespace objmapper::copypath
