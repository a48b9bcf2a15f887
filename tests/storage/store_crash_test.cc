// The store under SIGKILL: a child does one thing with it, and is killed at each of its system
// calls in turn, before it and after it. Then the tree is looked at as a server that starts again
// would find it.
#include <glog/logging.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "storage/store/store.h"
#include "tests/net/killed_at.h"
#include "tests/storage/names_below.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

// Above all that one of the things below takes.
constexpr int kEdgesMax = 2000;

class StoreCrashTest : public testing::TestWithParam<Durability> {
 protected:
  void SetUp() override {
    alarm(240);
    if (!net::MayTrace()) GTEST_SKIP() << "ptrace(2) is not allowed here";
  }
  void TearDown() override { alarm(0); }

  std::optional<std::string> Content(absl::string_view uri) {
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    CHECK(tree.ok());
    absl::StatusOr<OpenedObject> object = tree->OpenObject(uri, Wait::kMayBlock);
    if (!object.ok()) {
      EXPECT_TRUE(absl::IsNotFound(object.status())) << object.status();
      return std::nullopt;
    }
    return ReadAll(object->fd.get());
  }

  // Starts anew with what is left, and returns the names of all files that are on the disk then. A
  // listing has no others, neither before what is left over is removed nor afterwards.
  std::set<std::string> NamesAfterAStart() {
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    CHECK(tree.ok());
    Store::Options options;
    options.tree = &*tree;
    Store store(options);
    const std::set<std::string> listed = Listed(&store);
    EXPECT_TRUE(store.RemoveLeftovers().ok());
    EXPECT_EQ(Listed(&store), listed);
    EXPECT_EQ(NamesBelow(scratch_.path(), Which::kFiles), listed);
    return listed;
  }

  static std::set<std::string> Listed(Store* store) {
    struct Everything : ListFilter {
      bool Permits(absl::string_view) const override { return true; }
      std::optional<std::string> After(absl::string_view) const override { return std::nullopt; }
    };
    const absl::StatusOr<ListPage> page = store->List({}, Everything());
    CHECK(page.ok()) << page.status();
    std::set<std::string> uris;
    for (const ListEntry& entry : page->entries) uris.insert(entry.uri);
    return uris;
  }

  // Kills `act` at each edge in turn, each time from a tree that `prepare` has made anew; `check`
  // looks at what is left. killed: false in the last round, in which nobody was killed.
  void AtEachSystemCall(const std::function<void()>& prepare,
                        const std::function<void(Store*)>& act,
                        const std::function<void(bool killed)>& check) {
    int rounds = 0;
    for (bool killed = true; killed; ++rounds) {
      ASSERT_LT(rounds, kEdgesMax);
      std::filesystem::remove_all(scratch_.path());
      std::filesystem::create_directory(scratch_.path());
      prepare();
      killed = net::KilledAt(rounds, [&] {
        absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
        CHECK(tree.ok());
        Store::Options options;
        options.tree = &*tree;
        options.durability = GetParam();
        Store store(options);
        act(&store);
      });
      SCOPED_TRACE(absl::StrCat(killed ? "killed at edge " : "not killed; edges: ", rounds));
      check(killed);
      if (HasFailure()) return;
    }
    EXPECT_GT(rounds, 20);  // it was looked at from close by
  }

  static void Put(Store* store, absl::string_view uri, absl::string_view content) {
    absl::StatusOr<std::unique_ptr<NewObject>> object = store->Begin(uri, content.size(), {});
    CHECK(object.ok()) << object.status();
    for (size_t at = 0; at < content.size(); at += 4) {
      const absl::string_view piece = content.substr(at, 4);
      PCHECK(pwrite((*object)->fd(), piece.data(), piece.size(), static_cast<off_t>(at)) > 0);
    }
    CHECK((*object)->Commit().ok());
  }

  const ScratchRoot scratch_;
};

// A new object is there whole, or not at all.
TEST_P(StoreCrashTest, NewObject) {
  AtEachSystemCall([] {}, [](Store* store) { Put(store, "a/b/object", "new content"); },
                   [&](bool killed) {
                     const std::optional<std::string> content = Content("a/b/object");
                     if (content.has_value()) {
                       EXPECT_EQ(*content, "new content");
                     }
                     if (!killed) {
                       EXPECT_TRUE(content.has_value());
                     }
                     const std::set<std::string> names = NamesAfterAStart();
                     EXPECT_EQ(names, content.has_value() ? std::set<std::string>{"a/b/object"}
                                                          : std::set<std::string>{});
                     // What directories are left are known as ours, and in nobody's way.
                     if (!content.has_value()) {
                       absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
                       CHECK(tree.ok());
                       Store::Options options;
                       options.tree = &*tree;
                       Store store(options);
                       Put(&store, "a", "in the place of a directory");
                     }
                   });
}

// Of an object that is replaced there is always one, the old or the new.
TEST_P(StoreCrashTest, ReplacedObject) {
  AtEachSystemCall([&] { scratch_.Write("object", "old"); },
                   [](Store* store) { Put(store, "object", "new content"); },
                   [&](bool killed) {
                     const std::optional<std::string> content = Content("object");
                     ASSERT_TRUE(content.has_value());
                     EXPECT_TRUE(*content == "new content" || (killed && *content == "old"))
                         << *content;
                     EXPECT_EQ(NamesAfterAStart(), std::set<std::string>{"object"});
                     // and no more to remove
                     EXPECT_EQ(NamesAfterAStart(), std::set<std::string>{"object"});
                   });
}

// The same for one that is made of a client's descriptor.
TEST_P(StoreCrashTest, ObjectOfADescriptor) {
  AtEachSystemCall([&] { scratch_.Write("object", "old"); },
                   [](Store* store) {
                     net::UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
                     PCHECK(write(fd.get(), "new content", 11) == 11);
                     CHECK(store->PutFd("object", std::move(fd), {}).ok());
                   },
                   [&](bool killed) {
                     const std::optional<std::string> content = Content("object");
                     ASSERT_TRUE(content.has_value());
                     EXPECT_TRUE(*content == "new content" || (killed && *content == "old"))
                         << *content;
                     EXPECT_EQ(NamesAfterAStart(), std::set<std::string>{"object"});
                   });
}

// An object that is deleted is there whole, or gone; its neighbours stay.
TEST_P(StoreCrashTest, DeletedObject) {
  AtEachSystemCall(
      [&] {
        std::filesystem::create_directories(scratch_.PathOf("a/b"));
        scratch_.Write("a/b/object", "old");
        scratch_.Write("a/neighbour", "stays");
      },
      [](Store* store) { CHECK(store->Delete("a/b/object").ok()); },
      [&](bool killed) {
        const std::optional<std::string> content = Content("a/b/object");
        if (content.has_value()) {
          EXPECT_EQ(*content, "old");
        }
        if (!killed) {
          EXPECT_FALSE(content.has_value());
        }
        EXPECT_EQ(Content("a/neighbour"), "stays");
      });
}

INSTANTIATE_TEST_SUITE_P(Durabilities, StoreCrashTest,
                         testing::Values(Durability::kNone, Durability::kData, Durability::kFull),
                         [](const auto& info) {
                           return std::string(info.param == Durability::kNone   ? "none"
                                              : info.param == Durability::kData ? "data"
                                                                                : "full");
                         });

}  // namespace
}  // namespace objmapper::storage
