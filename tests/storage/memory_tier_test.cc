// An adopted memfd is served itself, with a descriptor of its own for each reader.
#include "storage/memory/memory_tier.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "storage/tree/directory_cache.h"
#include "tests/net/memfd.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

constexpr uint64_t kPage = 4096;

ino_t InodeOf(int fd) {
  struct stat status {};
  EXPECT_EQ(fstat(fd, &status), 0);
  return status.st_ino;
}

// A tree with a tier of eight pages on it.
class MemoryTierTest : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    Make({.bytes_max = 8 * kPage});
  }
  void TearDown() override {
    tree_->SetOverlay(nullptr);
    tier_.reset();
    TreeTest::TearDown();
  }
  void Make(const MemoryTier::Options& options) {
    tree_->SetOverlay(nullptr);
    absl::StatusOr<std::unique_ptr<MemoryTier>> tier = MemoryTier::Create(options);
    ASSERT_TRUE(tier.ok()) << tier.status();
    tier_ = *std::move(tier);
    tree_->SetOverlay(tier_.get());
  }

  // What a store would do to the disk.
  absl::Status Unlink(const std::string& uri) {
    if (unlink(scratch_.PathOf(uri).c_str()) == 0) return absl::OkStatus();
    return errno == ENOENT ? absl::NotFoundError("") : absl::UnavailableError("");
  }
  absl::StatusOr<bool> AdoptFd(const std::string& uri, net::UniqueFd* fd,
                               absl::Duration ttl = absl::InfiniteDuration()) {
    return tier_->Adopt(uri, fd, ttl, [&] { return Unlink(uri); });
  }
  bool Adopt(const std::string& uri, absl::string_view content,
             absl::Duration ttl = absl::InfiniteDuration()) {
    net::UniqueFd fd = net::Memfd(content);
    const absl::StatusOr<bool> adopted = AdoptFd(uri, &fd, ttl);
    EXPECT_TRUE(adopted.ok()) << adopted.status();
    return adopted.value_or(false);
  }

  std::unique_ptr<MemoryTier> tier_;
};

// An adopted memfd is served itself, the same inode: nothing is copied. All ways through the tree
// lead to it, from an event loop too.
TEST_F(MemoryTierTest, ServesTheMemfdItself) {
  net::UniqueFd fd = net::Memfd("in memory");
  const ino_t inode = InodeOf(fd.get());
  absl::StatusOr<bool> adopted = AdoptFd("a/b", &fd);
  ASSERT_TRUE(adopted.ok() && *adopted);
  EXPECT_FALSE(fd.valid());
  ExpectContent("a/b", "in memory");
  for (const Wait wait : {Wait::kMayBlock, Wait::kCachedOnly}) {
    absl::StatusOr<OpenedObject> object = tree_->OpenObject("a/b", wait);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(InodeOf(object->fd.get()), inode);
    EXPECT_EQ(object->info.inode, inode);
  }
  DirectoryCache directories(&*tree_, 8, absl::Seconds(1));
  absl::StatusOr<OpenedObject> object = directories.OpenObject("a/b", 1, Wait::kCachedOnly);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(InodeOf(object->fd.get()), inode);
  EXPECT_FALSE(directories.Locate("a/b", 1, Wait::kMayBlock).has_value());
}

// No two readers share an offset, and none can write or resize.
TEST_F(MemoryTierTest, EachReaderHasItsOwnDescription) {
  ASSERT_TRUE(Adopt("x", "0123456789"));
  absl::StatusOr<OpenedObject> first = Open("x");
  absl::StatusOr<OpenedObject> second = Open("x");
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_EQ(lseek(first->fd.get(), 5, SEEK_SET), 5);
  EXPECT_EQ(lseek(second->fd.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(fcntl(first->fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
  EXPECT_EQ(fcntl(first->fd.get(), F_GETFD), FD_CLOEXEC);
  // Whoever opens it anew for writing cannot write all the same.
  const net::UniqueFd writer(
      open(absl::StrCat("/proc/self/fd/", first->fd.get()).c_str(), O_RDWR | O_CLOEXEC));
  if (writer.valid()) {
    EXPECT_LT(pwrite(writer.get(), "x", 1, 0), 0);
    EXPECT_NE(ftruncate(writer.get(), 0), 0);
    EXPECT_EQ(mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0), MAP_FAILED);
  }
}

// The times, and so the etag, of an object are the same for whoever asks, whenever.
TEST_F(MemoryTierTest, InfoStandsStill) {
  ASSERT_TRUE(Adopt("x", "bytes"));
  const absl::StatusOr<ObjectInfo> before = tree_->Stat("x", Wait::kCachedOnly);
  ASSERT_TRUE(before.ok());
  for (int i = 0; i < 3; ++i) ExpectContent("x", "bytes");
  EXPECT_EQ(*tree_->Stat("x", Wait::kMayBlock), *before);
}

// What could still be changed, or is no memfd, is not adopted, and stays the caller's.
TEST_F(MemoryTierTest, RefusesWhatIsNotSealed) {
  scratch_.Write("file", "on disk");
  std::vector<net::UniqueFd> fds;
  for (const int missing : {F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, net::kSealed})
    fds.push_back(net::Memfd("x", net::kSealed & ~missing));
  fds.push_back(net::Memfd("x", F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK));
  fds.emplace_back(open(scratch_.PathOf("file").c_str(), O_RDONLY | O_CLOEXEC));
  int pipe[2];
  ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  fds.emplace_back(pipe[0]);
  fds.emplace_back(pipe[1]);
  fds.emplace_back();
  // Where there are no huge pages it cannot be written, but be made and sealed.
  net::UniqueFd huge(memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
  if (huge.valid() && fcntl(huge.get(), F_ADD_SEALS, net::kSealed) == 0)
    fds.push_back(std::move(huge));
  for (net::UniqueFd& fd : fds) {
    const int number = fd.get();
    const absl::StatusOr<bool> adopted = AdoptFd("x", &fd);
    ASSERT_TRUE(adopted.ok()) << adopted.status();
    EXPECT_FALSE(*adopted);
    EXPECT_EQ(fd.get(), number);
  }
  EXPECT_EQ(tier_->Read().refusals, fds.size());
  EXPECT_EQ(tier_->Read().objects, 0u);
}

// Seals that forbid more, or leave further seals open, do no harm.
TEST_F(MemoryTierTest, FurtherSealsAreFine) {
  net::UniqueFd fd = net::Memfd("x", net::kSealed | F_SEAL_SEAL);
  const absl::StatusOr<bool> adopted = AdoptFd("x", &fd);
  EXPECT_TRUE(adopted.ok() && *adopted);
}

// An adopted object takes the place of the one on the disk, which does not come back when it has
// been evicted.
TEST_F(MemoryTierTest, TheDiskObjectDoesNotComeBack) {
  scratch_.Write("x", "on disk");
  ASSERT_TRUE(Adopt("x", "in memory"));
  ExpectContent("x", "in memory");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Adopt(absl::StrCat("other", i), "y"));
  EXPECT_EQ(CodeOf("x"), absl::StatusCode::kNotFound);
}

// Where the disk object cannot be removed, the old object stays.
TEST_F(MemoryTierTest, IsTakenBackWhereTheOldOneStays) {
  scratch_.Write("x", "on disk");
  net::UniqueFd fd = net::Memfd("in memory");
  const auto fail = [] { return absl::DataLossError("disk"); };
  EXPECT_EQ(tier_->Adopt("x", &fd, absl::InfiniteDuration(), fail).status().code(),
            absl::StatusCode::kDataLoss);
  ExpectContent("x", "on disk");
}

// What is stored on the disk replaces the object here once it is visible; what could not be stored
// does not.
TEST_F(MemoryTierTest, IsReplacedByTheDisk) {
  ASSERT_TRUE(Adopt("x", "in memory"));
  EXPECT_FALSE(tier_->Replace("x", [] { return absl::UnavailableError("no room"); }).ok());
  ExpectContent("x", "in memory");
  EXPECT_TRUE(tier_
                  ->Replace("x",
                            [&] {
                              scratch_.Write("x", "on disk");
                              return absl::OkStatus();
                            })
                  .ok());
  ExpectContent("x", "on disk");
}

// Removing takes both, and says NOT_FOUND where there is neither.
TEST_F(MemoryTierTest, Removes) {
  ASSERT_TRUE(Adopt("x", "in memory"));
  scratch_.Write("x", "put there by somebody else");
  const auto remove = [&] { return tier_->Remove("x", [&] { return Unlink("x"); }); };
  EXPECT_TRUE(remove().ok());
  EXPECT_EQ(CodeOf("x"), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::IsNotFound(remove()));
  ASSERT_TRUE(Adopt("x", "in memory"));
  EXPECT_TRUE(remove().ok());
  EXPECT_EQ(CodeOf("x"), absl::StatusCode::kNotFound);
}

// A descriptor that a reader has outlives the object's eviction and removal.
TEST_F(MemoryTierTest, HandedOutDescriptorsOutliveTheObject) {
  ASSERT_TRUE(Adopt("evicted", "first"));
  ASSERT_TRUE(Adopt("removed", "second"));
  absl::StatusOr<OpenedObject> first = Open("evicted");
  absl::StatusOr<OpenedObject> second = Open("removed");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(tier_->Remove("removed", [&] { return Unlink("removed"); }).ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Adopt(absl::StrCat(i), "x"));
  EXPECT_EQ(CodeOf("evicted"), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadAll(first->fd.get()), "first");
  EXPECT_EQ(ReadAll(second->fd.get()), "second");
}

// No more bytes are kept than allowed, holes included; what is larger than all the room is refused.
// What went is closed.
TEST_F(MemoryTierTest, KeepsToItsBound) {
  net::UniqueFd hollow(memfd_create("hollow", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(ftruncate(hollow.get(), 8 * kPage + 1), 0);
  ASSERT_EQ(fcntl(hollow.get(), F_ADD_SEALS, net::kSealed), 0);
  const absl::StatusOr<bool> adopted = AdoptFd("hollow", &hollow);
  ASSERT_TRUE(adopted.ok());
  EXPECT_FALSE(*adopted);
  hollow.Reset();
  const ptrdiff_t before = net::OpenFds();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Adopt(absl::StrCat(i), i % 2 == 0 ? "" : "x"));
  const MemoryTier::Counts counts = tier_->Read();
  EXPECT_EQ(counts.objects, 8u);
  EXPECT_EQ(counts.bytes, 8 * kPage);
  EXPECT_EQ(counts.evictions, 92u);
  EXPECT_EQ(counts.adoptions, 100u);
  EXPECT_EQ(net::OpenFds(), before + 8);
}

// What costs its giver nothing takes no room from others: a memfd with a hole in it is not adopted,
// and none goes for it.
TEST_F(MemoryTierTest, RefusesHoles) {
  ASSERT_TRUE(Adopt("there", std::string(4 * kPage, 'x')));
  for (const size_t written : {size_t{0}, size_t{1}, static_cast<size_t>(7 * kPage)}) {
    net::UniqueFd hollow(memfd_create("hollow", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(write(hollow.get(), std::string(written, 'x').data(), written),
              static_cast<ssize_t>(written));
    ASSERT_EQ(ftruncate(hollow.get(), 8 * kPage), 0);
    ASSERT_EQ(fcntl(hollow.get(), F_ADD_SEALS, net::kSealed), 0);
    const absl::StatusOr<bool> adopted = AdoptFd("hollow", &hollow);
    EXPECT_TRUE(adopted.ok() && !*adopted) << written;
    EXPECT_TRUE(hollow.valid());
  }
  ExpectContent("there", std::string(4 * kPage, 'x'));
}

// Nobody pushes others out of their share, with one large object or with many.
TEST_F(MemoryTierTest, EachOwnerHasAShare) {
  const auto adopt = [&](const std::string& owner, const std::string& uri, size_t pages) {
    net::UniqueFd fd = net::Memfd(std::string(pages * kPage, owner[0]));
    const absl::StatusOr<bool> adopted = tier_->Adopt(
        uri, &fd, absl::InfiniteDuration(), [&] { return Unlink(uri); }, owner);
    EXPECT_TRUE(adopted.ok()) << adopted.status();
    EXPECT_NE(fd.valid(), adopted.value_or(false)) << "what is not adopted is still the caller's";
    return adopted.value_or(false);
  };
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(adopt("uid 1", absl::StrCat("mine/", i), 1));
  EXPECT_FALSE(adopt("uid 2", "large", 8));
  EXPECT_FALSE(adopt("uid 2", "large", 5));
  EXPECT_EQ(tier_->Read().evictions, 0u);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(adopt("uid 2", absl::StrCat("theirs/", i), 1));
  EXPECT_EQ(tier_->List("mine/", "").size(), 4u);
  EXPECT_EQ(tier_->List("theirs/", "").size(), 4u);
}

// No more descriptors are kept than allowed, however small the objects.
TEST_F(MemoryTierTest, KeepsToItsDescriptors) {
  Make({.bytes_max = 1 << 30, .objects_max = 3});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Adopt(absl::StrCat(i), "x"));
  EXPECT_EQ(tier_->Read().objects, 3u);
}

// All spellings of a name are one object, as on the disk; what names a directory is none.
TEST_F(MemoryTierTest, SpellingsOfOneName) {
  ASSERT_TRUE(Adopt("//a/./b//c", "x"));
  for (const char* uri : {"a/b/c", "/a/b/c", "./a/b/c", "a//b/././c", "///a/.//b/c"})
    ExpectContent(uri, "x");
  for (const char* uri : {"a/b/c/", "a/b/c/.", "a/b", "b/c", "a/b/c/d"})
    EXPECT_FALSE(tier_->Has(uri)) << uri;
  ASSERT_EQ(tier_->List("", "").size(), 1u);
  EXPECT_EQ(tier_->List("", "")[0].uri, "a/b/c");
}

// When its time has come an object is gone at once, and the room it had is free for the next.
TEST_F(MemoryTierTest, Expires) {
  ASSERT_TRUE(Adopt("short", "x", absl::Nanoseconds(1)));
  EXPECT_EQ(CodeOf("short"), absl::StatusCode::kNotFound);
  EXPECT_TRUE(tier_->List("", "").empty());
  EXPECT_TRUE(absl::IsNotFound(tier_->Remove("short", [] { return absl::NotFoundError(""); })));
  ASSERT_TRUE(Adopt("short", "x", absl::Nanoseconds(1)));
  ASSERT_TRUE(Adopt("long", "x", absl::Hours(1)));
  EXPECT_EQ(tier_->Read().objects, 1u);
  EXPECT_EQ(tier_->Read().expired, 1u);
  ExpectContent("long", "x");
  // A name that is stored again does not inherit the time of the one before.
  ASSERT_TRUE(Adopt("again", "x", absl::Nanoseconds(1)));
  ASSERT_TRUE(Adopt("again", "y"));
  ASSERT_TRUE(Adopt("another", "z"));
  ExpectContent("again", "y");
}

// Listed in order, by prefix, after a name.
TEST_F(MemoryTierTest, Lists) {
  for (const char* uri : {"b/2", "a", "b/1", "b/3", "c"}) ASSERT_TRUE(Adopt(uri, "x"));
  std::vector<std::string> uris;
  for (const MemoryTier::Listed& listed : tier_->List("b/", "b/1")) {
    uris.push_back(listed.uri);
    EXPECT_EQ(listed.info.size, 1u);
  }
  EXPECT_EQ(uris, (std::vector<std::string>{"b/2", "b/3"}));
}

// Readers among adoptions, replacements and removals of one name see one of its objects whole, or
// none.
TEST_F(MemoryTierTest, ReadersSeeWholeObjects) {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!done) {
        absl::StatusOr<OpenedObject> object = Open("x");
        if (!object.ok()) {
          EXPECT_TRUE(absl::IsNotFound(object.status())) << object.status();
          continue;
        }
        const std::string content = ReadAll(object->fd.get());
        EXPECT_EQ(content, std::string(100, content.empty() ? '?' : content[0]));
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    const std::string content(100, static_cast<char>('a' + i % 26));
    EXPECT_TRUE(Adopt("x", content));
    if (i % 3 == 0) {
      EXPECT_TRUE(Adopt(absl::StrCat("other", i), "y"));
    }
    if (i % 5 == 0) {
      EXPECT_TRUE(tier_->Remove("x", [&] { return Unlink("x"); }).ok());
    }
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace objmapper::storage
