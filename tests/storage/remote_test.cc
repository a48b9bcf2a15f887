// What a tree does about objects that may be elsewhere: nothing that it was not asked for.
#include "storage/tree/remote.h"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/store/store.h"
#include "storage/tree/bring.h"
#include "storage/tree/directory_cache.h"
#include "storage/tree/small_objects.h"
#include "storage/tree/stat_cache.h"
#include "tests/net/eventually.h"
#include "tests/storage/fake_filling.h"
#include "tests/storage/fake_remote.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

class RemoteTest : public TreeTest {
 protected:
  void SetUp() override {
    scratch_.MakeDirectory("far");
    scratch_.Write("far/here", "here");
    scratch_.Write("near", "near");
    TreeTest::SetUp();
    tree_->SetRemote(&remote_);
  }
  // Opens it on a thread that waits; `meanwhile` ends that.
  absl::StatusOr<OpenedObject> Fetch(absl::string_view uri, absl::FunctionRef<void()> meanwhile) {
    std::optional<absl::StatusOr<OpenedObject>> result;
    std::thread waits([&] { result = tree_->OpenObject(uri, Wait::kMayFetch); });
    EXPECT_TRUE(net::Eventually([this] { return !remote_.Asked().empty(); }));
    meanwhile();
    waits.join();
    return *std::move(result);
  }

  FakeRemote remote_{scratch_.path()};
};

// What is here is never asked for; nor is what cannot be there, or by who does not wait for it.
TEST_F(RemoteTest, AsksOnlyWhereItMust) {
  EXPECT_TRUE(tree_->OpenObject("far/here", Wait::kMayFetch).ok());
  EXPECT_TRUE(tree_->OpenObject("near", Wait::kMayFetch).ok());
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("neither", Wait::kMayFetch).status()));
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("far/away", Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsNotFound(tree_->Stat("far/away", Wait::kMayBlock).status()));
  EXPECT_TRUE(remote_.Asked().empty());
}

// A thread that must not wait is told that it is not known.
TEST_F(RemoteTest, WhoMustNotWaitIsTold) {
  EXPECT_TRUE(absl::IsUnavailable(tree_->OpenObject("far/away", Wait::kCachedOnly).status()));
  EXPECT_TRUE(absl::IsUnavailable(tree_->Stat("far/away", Wait::kCachedOnly).status()));
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("neither", Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsNotFound(tree_->OpenObject("neither", Wait::kCachedOnly).status()))
      << "what the kernel knows of";
  // Also by way of a directory that is kept.
  DirectoryCache directories(&*tree_, 10, absl::Hours(1));
  EXPECT_TRUE(directories.OpenObject("far/here", 1, Wait::kMayBlock).ok());
  EXPECT_TRUE(
      absl::IsUnavailable(directories.OpenObject("far/away", 1, Wait::kCachedOnly).status()));
  EXPECT_TRUE(remote_.Asked().empty());
}

TEST_F(RemoteTest, WaitsAndOpens) {
  const auto object = Fetch("far/away", [this] { remote_.Brought("far/away", "content"); });
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(ReadAll(object->fd.get()), "content");
  EXPECT_TRUE(remote_.Asked().empty());
}

// A remote that shows nothing of what comes brings it whole.
TEST_F(RemoteTest, FollowsByBringing) {
  absl::StatusOr<std::shared_ptr<Filling>> followed = absl::UnknownError("not yet");
  const auto follow = [&] {
    remote_.Follow("far/away", Wanted::Nothing(), [&](auto filling) { followed = filling; });
  };
  follow();
  remote_.Brought("far/away", "content");
  ASSERT_TRUE(followed.ok()) << followed.status();
  EXPECT_EQ(*followed, nullptr);
  follow();
  remote_.End("far/away", absl::NotFoundError("nor there"));
  EXPECT_EQ(followed.status(), absl::NotFoundError("nor there"));
}

// Who can read what comes is given that, or what is found.
TEST_F(RemoteTest, FollowEverywhere) {
  const auto filling = std::make_shared<FakeFilling>("what comes");
  std::string got;
  const auto look = [&](absl::string_view uri) {
    const std::function<absl::StatusOr<OpenedObject>()> open = [this, uri] {
      return tree_->OpenObject(uri, Wait::kMayBlock);
    };
    FollowEverywhere<OpenedObject>(
        &*tree_, std::string(uri), {5, 6}, open, [](auto run) { run(); },
        [&](absl::StatusOr<OpenedObject> object) {
          got = object.ok() ? ReadAll(object->fd.get()) : object.status().ToString();
        },
        [&](const std::shared_ptr<Filling>& comes) {
          got = comes == filling ? "comes" : "another comes";
        });
  };
  look("far/here");
  EXPECT_EQ(got, "here");
  EXPECT_TRUE(remote_.Followed().empty());
  remote_.Show("far/away", filling);
  look("far/away");
  EXPECT_EQ(got, "comes");
  ASSERT_EQ(remote_.Followed().size(), 1u);
  EXPECT_EQ(remote_.Followed()[0].begin, 5u);
  remote_.Show("far/away", nullptr);
  look("far/away");
  remote_.Brought("far/away", "brought");
  EXPECT_EQ(got, "brought");
}

// Why it does not come is what is said; and what came and has gone is no NOT_FOUND.
TEST_F(RemoteTest, SaysWhyNot) {
  const auto trouble = Fetch("far/away", [this] {
    remote_.End("far/away", absl::ResourceExhaustedError("the origin does not answer"));
  });
  EXPECT_TRUE(absl::IsResourceExhausted(trouble.status())) << trouble.status();
  const auto absent =
      Fetch("far/away", [this] { remote_.End("far/away", absl::NotFoundError("nor there")); });
  EXPECT_EQ(absent.status(), absl::NotFoundError("nor there"));
  const auto gone = Fetch("far/away", [this] { remote_.End("far/away", absl::OkStatus()); });
  EXPECT_TRUE(absl::IsResourceExhausted(gone.status())) << gone.status();
}

// Afar there may be an object where this disk has a folder; where there is none, it is a folder.
TEST_F(RemoteTest, AFolderBesideAnObject) {
  scratch_.MakeDirectory("far/folder");
  const auto none =
      Fetch("far/folder", [this] { remote_.End("far/folder", absl::NotFoundError("nor there")); });
  EXPECT_TRUE(absl::IsFailedPrecondition(none.status())) << none.status();
  const auto trouble = Fetch("far/folder", [this] {
    remote_.End("far/folder", absl::ResourceExhaustedError("the origin does not answer"));
  });
  EXPECT_TRUE(absl::IsResourceExhausted(trouble.status())) << trouble.status();
  EXPECT_TRUE(absl::IsUnavailable(tree_->OpenObject("far/folder", Wait::kCachedOnly).status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(tree_->OpenObject("far/folder", Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(tree_->OpenObject("far", Wait::kMayFetch).status()));
}

// What is here is not handed out before the remote has been asked again; who only wants to know
// what is on the disk sees it as it is.
TEST_F(RemoteTest, AsksAgainWhereItMust) {
  remote_.SetDue("far/here", true);
  EXPECT_TRUE(tree_->OpenObject("far/here", Wait::kMayBlock).ok());
  EXPECT_TRUE(absl::IsUnavailable(tree_->OpenObject("far/here", Wait::kCachedOnly).status()));
  EXPECT_TRUE(absl::IsUnavailable(tree_->Stat("far/here", Wait::kCachedOnly).status()));
  EXPECT_TRUE(absl::IsUnavailable(tree_->Describe("far/here", Wait::kCachedOnly).status()));
  EXPECT_TRUE(remote_.Asked().empty());
  // It may be due again at once: it has been asked for this lookup.
  const auto same = Fetch("far/here", [this] { remote_.End("far/here", absl::OkStatus()); });
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(ReadAll(same->fd.get()), "here");
  const auto changed = Fetch("far/here", [this] { remote_.Brought("far/here", "there"); });
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(ReadAll(changed->fd.get()), "there");
  // What is here is no answer when it could not be found out, or when it is there no more.
  const auto trouble = Fetch("far/here", [this] {
    remote_.End("far/here", absl::ResourceExhaustedError("the origin does not answer"));
  });
  EXPECT_TRUE(absl::IsResourceExhausted(trouble.status())) << trouble.status();
  const auto gone =
      Fetch("far/here", [this] { remote_.End("far/here", absl::NotFoundError("no more")); });
  EXPECT_EQ(gone.status(), absl::NotFoundError("no more"));
  remote_.SetDue("far/here", false);
  EXPECT_TRUE(tree_->OpenObject("far/here", Wait::kCachedOnly).ok());
}

// Caches of the tree keep nothing from that; for a hit they ask once.
TEST_F(RemoteTest, CachesAskToo) {
  DirectoryCache directories(&*tree_, 10, absl::Hours(1));
  StatCache index(10, absl::Hours(1));
  SmallObjects small(&*tree_, 10, absl::Hours(1));
  const auto describe = [&](Wait wait) {
    return FindDescription(*tree_, &index, "far/here", 1, wait).status();
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(directories.OpenObject("far/here", 1, Wait::kCachedOnly).ok());
    EXPECT_TRUE(directories.Locate("far/here", 1, Wait::kCachedOnly).has_value());
    EXPECT_TRUE(describe(Wait::kCachedOnly).ok());
    EXPECT_NE(small.Find("far/here", 1), nullptr);
    // The first time they look, and looking is asking.
    const int questions = remote_.TakeQuestions();
    if (i == 1) {
      EXPECT_EQ(questions, 4);
    }
  }
  remote_.SetDue("far/here", true);
  EXPECT_TRUE(
      absl::IsUnavailable(directories.OpenObject("far/here", 1, Wait::kCachedOnly).status()));
  EXPECT_FALSE(directories.Locate("far/here", 1, Wait::kCachedOnly).has_value());
  EXPECT_TRUE(absl::IsUnavailable(describe(Wait::kCachedOnly)));
  EXPECT_TRUE(describe(Wait::kMayBlock).ok());
  EXPECT_EQ(small.Find("far/here", 1), nullptr);
  EXPECT_TRUE(remote_.Asked().empty());
}

// Who may not wait at all has it checked before it is looked for, and looks once.
TEST_F(RemoteTest, LooksOnceWhenItHasBeenChecked) {
  int looked = 0;
  std::vector<std::function<void()>> work;
  std::optional<absl::StatusOr<ObjectInfo>> found;
  const auto look = [&] {
    LookEverywhere<ObjectInfo>(
        &*tree_, "far/here",
        [&] {
          ++looked;
          return tree_->Stat("far/here", Wait::kMayBlock);
        },
        [&](std::function<void()> one) { work.push_back(std::move(one)); },
        [&](absl::StatusOr<ObjectInfo> object) { found = std::move(object); });
  };
  look();
  EXPECT_EQ(looked, 1);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->ok());
  remote_.SetDue("far/here", true);
  found.reset();
  look();
  EXPECT_EQ(looked, 1);
  remote_.Brought("far/here", "another");
  ASSERT_EQ(work.size(), 1u);
  EXPECT_FALSE(found.has_value());
  work[0]();
  EXPECT_EQ(looked, 2);
  ASSERT_TRUE(found->ok());
  EXPECT_EQ((*found)->size, 7u);
  look();
  remote_.End("far/here", absl::ResourceExhaustedError("out of order"));
  EXPECT_EQ(looked, 2);
  EXPECT_EQ(found->status(), absl::ResourceExhaustedError("out of order"));
}

// The remote learns of what is stored here, and of nothing else.
TEST_F(RemoteTest, LearnsWhatIsStored) {
  Store store({.tree = &*tree_, .durability = Durability::kNone});
  absl::StatusOr<std::unique_ptr<NewObject>> object = store.Begin("far/own", 3, {});
  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_TRUE((*object)->WriteWhole("own").ok());
  EXPECT_TRUE(remote_.stored().empty());
  ASSERT_TRUE((*object)->Commit().ok());
  EXPECT_EQ(remote_.stored(), std::vector<std::string>{"far/own"});
  ASSERT_TRUE(store.Delete("far/own").ok());
  EXPECT_EQ(remote_.stored().size(), 1u);
}

}  // namespace
}  // namespace objmapper::storage
