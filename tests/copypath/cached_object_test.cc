// A cached object has the file's bytes, knows which of them are in the page cache, and frees what
// it holds once.
#include "copypath/cached_object.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <optional>
#include <string>
#include <utility>

#include "storage/tree/tree.h"
#include "tests/client/temporary_folder.h"
#include "tests/copypath/eviction.h"
#include "tests/copypath/pattern.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"

namespace objmapper::copypath {
namespace {

using State = CachedObject::State;

constexpr size_t kTail = 4096;                         // bytes read and checked at the end
constexpr size_t kBytes = 2 * kWindowBytes + 100'000;  // two whole windows and a part
constexpr int64_t kLongNs = 60'000'000'000;

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
  std::string Path() const { return folder_.Path("object"); }

  // Changes one byte in place, and the time that says so.
  void Rewrite(off_t at) {
    const net::UniqueFd fd(open(Path().c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(pwrite(fd.get(), "#", 1, at), 1);
    const timespec times[2] = {{0, UTIME_NOW}, {1'000'000'000, 0}};
    ASSERT_EQ(futimens(fd.get(), times), 0);
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

// Windows cover the object without gap or overlap, and the last ends where it ends.
TEST_F(CachedObjectTest, WindowsCoverTheObject) {
  const ObjectRef object = Loaded();
  ASSERT_TRUE(object->Map().ok());
  using Window = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(WindowOf(object->size(), 0), (Window{0, kWindowBytes}));
  EXPECT_EQ(WindowOf(object->size(), 1), (Window{kWindowBytes, 2 * kWindowBytes}));
  EXPECT_EQ(WindowOf(object->size(), 2), (Window{2 * kWindowBytes, kBytes}));
}

// A sparse file of terabytes costs its owner nothing; here it costs no addresses, and nothing for
// windows that nobody asks for.
TEST_F(CachedObjectTest, SparseTerabytes) {
  folder_.Write("sparse", "");
  const uint64_t bytes = uint64_t{8} << 40;
  ASSERT_EQ(truncate(folder_.Path("sparse").c_str(), static_cast<off_t>(bytes)), 0);
  const ObjectRef object = Loaded("sparse");
  ASSERT_TRUE(object->Map().ok());
  EXPECT_EQ(object->map(), nullptr);
  EXPECT_EQ(object->windows().known(), 0u);
  const size_t last = bytes / kWindowBytes - 1;
  EXPECT_EQ(WindowOf(object->size(), last).second, bytes);
  // Its windows are asked for as any others.
  EXPECT_EQ(object->windows().Of(last, 0), Residency::kUnknown);
  char page[4096];
  for (uint64_t at = WindowOf(object->size(), last).first; at < bytes; at += sizeof(page)) {
    ASSERT_EQ(pread(object->fd(), page, sizeof(page), static_cast<off_t>(at)),
              ssize_t{sizeof(page)});
  }
  EXPECT_EQ(object->windows().Of(last, 0), Residency::kResident);
  // Only those of late are remembered, but for what is on its way.
  object->windows().Set(7, Residency::kComing, 0);
  for (size_t i = 0; i < 10'000; ++i)
    object->windows().Set(100 + i, Residency::kResident, static_cast<int64_t>(i) * 1'000'000);
  EXPECT_LT(object->windows().known(), 1000u);
  EXPECT_EQ(object->windows().Of(7, kLongNs), Residency::kComing);
  object->windows().Set(7, Residency::kResident, 0);
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

// ---- Residency ----

// A window that is in the page cache is known to be; one that is not, is not.
TEST_F(CachedObjectTest, AsksTheKernelForResidency) {
  const ObjectRef object = Loaded();
  ASSERT_TRUE(object->Map().ok());
  if (!Evict(Path())) GTEST_SKIP() << "this file system keeps its pages";
  EXPECT_EQ(object->windows().Of(1, 0), Residency::kUnknown);
  const auto [begin, end] = WindowOf(object->size(), 1);
  ASSERT_EQ(madvise(object->map() + begin, end - begin, MADV_POPULATE_READ), 0);
  EXPECT_EQ(object->windows().Of(1, 0), Residency::kResident);
}

// One missing page makes the whole window not resident, the last one of a cut window too.
TEST_F(CachedObjectTest, OneMissingPageCounts) {
  const ObjectRef object = Loaded();
  ASSERT_TRUE(object->Map().ok());
  if (!Evict(Path())) GTEST_SKIP() << "this file system keeps its pages";
  const net::UniqueFd fd(open(Path().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM), 0);  // no read-ahead
  const auto [begin, end] = WindowOf(object->size(), 2);
  char page[4096];
  for (uint64_t at = begin; at + sizeof(page) < end; at += sizeof(page)) {
    ASSERT_GT(pread(fd.get(), page, sizeof(page), static_cast<off_t>(at)), 0);
  }
  EXPECT_EQ(object->windows().Of(2, 0), Residency::kUnknown);
  ASSERT_GT(pread(fd.get(), page, sizeof(page), static_cast<off_t>(end - 1)), 0);
  EXPECT_EQ(object->windows().Of(2, 0), Residency::kResident);
}

// What is known is believed for a while, and then asked again: the kernel may have taken the pages.
TEST_F(CachedObjectTest, ResidencyIsNotBelievedForEver) {
  const ObjectRef object = Loaded();
  ASSERT_TRUE(object->Map().ok());
  if (!Evict(Path())) GTEST_SKIP() << "this file system keeps its pages";
  object->windows().Set(0, Residency::kResident, /*now_ns=*/0);
  EXPECT_EQ(object->windows().Of(0, 0), Residency::kResident);
  EXPECT_EQ(object->windows().Of(0, kLongNs), Residency::kUnknown);
}

// A window on its way is on its way, however long it takes.
TEST_F(CachedObjectTest, ComingStaysComing) {
  const ObjectRef object = Loaded();
  ASSERT_TRUE(object->Map().ok());
  object->windows().Set(0, Residency::kComing, /*now_ns=*/0);
  EXPECT_EQ(object->windows().Of(0, kLongNs), Residency::kComing);
  object->windows().Set(0, Residency::kResident, kLongNs);
  EXPECT_EQ(object->windows().Of(0, kLongNs), Residency::kResident);
}

// ---- The checked read ----

class ReadCheckedTest : public CachedObjectTest {
 protected:
  void SetUp() override {
    CachedObjectTest::SetUp();
    object_ = Loaded();
    ASSERT_TRUE(object_->Map().ok());
  }
  absl::Status Read(uint64_t offset, size_t bytes) {
    read_.assign(bytes, '\0');
    return object_->ReadChecked(offset, bytes, read_.data());
  }
  absl::Status ReadTail() { return Read(kBytes - kTail, kTail); }

  ObjectRef object_;
  std::string read_;
};

// The version that was promised is read.
TEST_F(ReadCheckedTest, ReadsThePromisedVersion) {
  ASSERT_TRUE(ReadTail().ok());
  EXPECT_EQ(read_, content_.substr(kBytes - kTail));
  ASSERT_TRUE(Read(5, 17).ok());
  EXPECT_EQ(read_, content_.substr(5, 17));
}

// A file that was cut is not that version any more, wherever it was cut: in what is read, before
// it, or behind it.
TEST_F(ReadCheckedTest, CutFileIsAborted) {
  ASSERT_EQ(truncate(Path().c_str(), kBytes - 1), 0);
  EXPECT_EQ(ReadTail().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Read(0, 10).code(), absl::StatusCode::kAborted);
  ASSERT_EQ(truncate(Path().c_str(), 100), 0);
  EXPECT_EQ(ReadTail().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Read(0, 10).code(), absl::StatusCode::kAborted);
}

// What was only appended to still is what was promised.
TEST_F(ReadCheckedTest, AppendedFileIsAsGoodAsItWas) {
  const net::UniqueFd fd(open(Path().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_EQ(write(fd.get(), "more", 4), 4);
  ASSERT_TRUE(ReadTail().ok());
  EXPECT_EQ(read_, content_.substr(kBytes - kTail));
}

// A file that was rewritten at the same length is another version, even where its bytes are the
// same.
TEST_F(ReadCheckedTest, RewrittenFileIsAborted) {
  Rewrite(0);
  const absl::Status status = ReadTail();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_NE(status.message().find("object"), absl::string_view::npos) << "the message names it";
}

// An object that another has replaced, or that was deleted, is still itself.
TEST_F(ReadCheckedTest, ReplacedObjectIsStillItself) {
  folder_.Write("new", "new");
  ASSERT_EQ(rename(folder_.Path("new").c_str(), Path().c_str()), 0);
  ASSERT_TRUE(ReadTail().ok());
  EXPECT_EQ(read_, content_.substr(kBytes - kTail));
  ASSERT_EQ(unlink(Path().c_str()), 0);
  EXPECT_TRUE(ReadTail().ok());
}

// What is not in the page cache is refused rather than waited for.
TEST_F(ReadCheckedTest, ColdBytesAreNotWaitedFor) {
  bool refused = false;
  // The asking makes the kernel read ahead, and a fast disk may have the bytes before it is done.
  for (int attempt = 0; attempt < 50 && !refused; ++attempt) {
    if (!Evict(Path())) GTEST_SKIP() << "this file system keeps its pages";
    const absl::Status status = ReadTail();
    refused = absl::IsUnavailable(status);
    EXPECT_TRUE(refused || (status.ok() && read_ == content_.substr(kBytes - kTail))) << status;
  }
  if (!refused) GTEST_SKIP() << "this disk is never waited for";
}

}  // namespace
}  // namespace objmapper::copypath
