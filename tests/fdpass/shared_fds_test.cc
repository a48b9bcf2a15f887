// With --fd_sharing=always an object is opened once for as long as its entry is valid.
#include "fdpass/shared_fds.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"

namespace objmapper::fdpass {
namespace {

using Object = std::shared_ptr<const storage::OpenedObject>;

constexpr int64_t kValidNs = 1000;

class SharedFdsTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    shared_.emplace(&*tree_, /*entries_max=*/2, absl::Nanoseconds(kValidNs));
  }

  Object Open(absl::string_view uri, int64_t now_ns) {
    absl::StatusOr<Object> object = shared_->Open(uri, now_ns);
    EXPECT_TRUE(object.ok()) << object.status();
    return object.ok() ? *object : nullptr;
  }
  void Replace(const std::string& name, const std::string& content) {
    folder_.Write("new", content);
    ASSERT_EQ(rename(folder_.Path("new").c_str(), folder_.Path(name).c_str()), 0);
  }

  const client::TemporaryFolder folder_;
  std::optional<storage::Tree> tree_;
  std::optional<SharedFds> shared_;
};

// An object is opened once, as long as its name is believed to mean the same file.
TEST_F(SharedFdsTest, OpensOnce) {
  folder_.Write("a", "a");
  const Object first = Open("a", 0);
  const ptrdiff_t before = net::OpenFds();
  EXPECT_EQ(Open("a", 0), first);
  EXPECT_EQ(Open("a", kValidNs - 1), first);
  EXPECT_EQ(net::OpenFds(), before);
}

// Once that time is over the name is looked at: unchanged, the descriptor goes on; replaced,
// changed or gone, it does not. Whoever has the old one keeps it.
TEST_F(SharedFdsTest, LooksAgain) {
  folder_.Write("a", "old");
  const Object first = Open("a", 0);
  EXPECT_EQ(Open("a", kValidNs), first);
  EXPECT_EQ(Open("a", 2 * kValidNs - 1), first);  // it was looked at a moment ago

  Replace("a", "newer");
  EXPECT_EQ(Open("a", 2 * kValidNs - 1), first);  // as stale as is allowed
  const Object second = Open("a", 2 * kValidNs);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second, first);
  EXPECT_EQ(second->info.size, 5u);
  char old[4] = "";
  EXPECT_EQ(pread(first->fd.get(), old, 3, 0), 3);
  EXPECT_STREQ(old, "old");

  folder_.Write("a", "longer than before");
  const Object third = Open("a", 3 * kValidNs);
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->info.size, 18u);

  ASSERT_EQ(unlink(folder_.Path("a").c_str()), 0);
  EXPECT_EQ(shared_->Open("a", 4 * kValidNs).status().code(), absl::StatusCode::kNotFound);
}

// An object that is not there is not remembered as absent.
TEST_F(SharedFdsTest, AbsenceIsNotKept) {
  EXPECT_EQ(shared_->Open("a", 0).status().code(), absl::StatusCode::kNotFound);
  folder_.Write("a", "a");
  EXPECT_NE(Open("a", 0), nullptr);
}

// It keeps no more descriptors than it may; an object that has to go is closed when the last of its
// users is done, and opened again when it is asked for.
TEST_F(SharedFdsTest, KeepsNoMoreThanItMay) {
  const ptrdiff_t before = net::OpenFds();
  for (int i = 0; i < 10; ++i) {
    const std::string name = absl::StrCat("object", i);
    folder_.Write(name, name);
    const Object object = Open(name, 0);
    ASSERT_NE(object, nullptr);
    EXPECT_LE(net::OpenFds(), before + 3) << "two kept, and the one in use";
  }
  EXPECT_EQ(net::OpenFds(), before + 2);
  for (int i = 0; i < 10; ++i) {
    const Object object = Open(absl::StrCat("object", i), 0);
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(object->info.size, 7u);
  }
  shared_.reset();
  EXPECT_EQ(net::OpenFds(), before);
}

}  // namespace
}  // namespace objmapper::fdpass
