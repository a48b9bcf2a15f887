// What a tree does about objects that may be elsewhere: nothing that it was not asked for.
#include "storage/tree/remote.h"

#include <atomic>
#include <optional>
#include <thread>

#include "storage/tree/directory_cache.h"
#include "tests/net/eventually.h"
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

}  // namespace
}  // namespace objmapper::storage
