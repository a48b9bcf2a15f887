// A Tree on a root of its own, and the words to speak of what it answers.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "storage/tree/tree.h"
#include "tests/net/open_fds.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::storage {

// A root with a Tree on it. No test leaves a descriptor behind, and none waits for ever: an open
// that blocks is ended by SIGALRM.
class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    alarm(50);
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    fds_before_ = net::OpenFds();
  }
  void TearDown() override {
    EXPECT_EQ(net::OpenFds(), fds_before_);
    alarm(0);
  }

  absl::StatusOr<OpenedObject> Open(absl::string_view uri) {
    return tree_->OpenObject(uri, Wait::kMayBlock);
  }

  // What opening `uri` says. A failure's message is fit for a client: it does not tell where the
  // root is, and is printable. Stat() says the same.
  absl::Status Outcome(absl::string_view uri) {
    absl::Status status = Open(uri).status();
    EXPECT_FALSE(absl::StrContains(status.message(), scratch_.path())) << status;
    for (const char c : status.message()) EXPECT_TRUE(c >= ' ' && c <= '~') << status;
    EXPECT_EQ(tree_->Stat(uri, Wait::kMayBlock).status().code(), status.code()) << status;
    return status;
  }
  absl::StatusCode CodeOf(absl::string_view uri) { return Outcome(uri).code(); }

  void ExpectContent(absl::string_view uri, absl::string_view content) {
    absl::StatusOr<OpenedObject> object = Open(uri);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(ReadAll(object->fd.get()), content);
    EXPECT_EQ(object->info.size, content.size());
    absl::StatusOr<ObjectInfo> info = tree_->Stat(uri, Wait::kMayBlock);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(*info, object->info);
  }

  const ScratchRoot scratch_;
  std::optional<Tree> tree_;

 private:
  ptrdiff_t fds_before_ = 0;
};

}  // namespace objmapper::storage
