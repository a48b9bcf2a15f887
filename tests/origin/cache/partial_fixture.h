// A root with a store, and objects on their way into it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_object.h"
#include "origin/cache/place.h"
#include "storage/store/store.h"
#include "storage/tree/tree.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::origin {

// Bytes that differ from block to block, and are never zeros.
inline std::string Content(size_t bytes, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string content(bytes, '\0');
  for (char& c : content) c = static_cast<char>(1 + random() % 255);
  return content;
}

inline Identity IdentityOf(absl::string_view uri, absl::string_view content,
                           absl::string_view etag = "\"v1\"") {
  return {.uri = std::string(uri),
          .source = absl::StrCat("s3://bucket/", uri),
          .etag = std::string(etag),
          .last_modified_s = 1'600'000'000,
          .size = content.size(),
          .block_bytes = 4096};
}

class PartialTest : public ::testing::Test {
 protected:
  using Part = std::unique_ptr<PartialObject>;
  using Ranges = std::vector<PartialObject::Range>;

  void SetUp() override {
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(scratch_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    if (absl::Status can = CheckMarks(*tree_); !can.ok()) GTEST_SKIP() << can;
    OpenStore(nullptr);
  }
  void OpenStore(storage::Housekeeping* house) {
    store_.emplace(storage::Store::Options{
        .tree = &*tree_, .durability = storage::Durability::kNone, .house = house});
    options_ = {.tree = &*tree_,
                .store = &*store_,
                .house = house,
                .durability = storage::Durability::kNone};
  }

  Part OpenPart(const Identity& identity) {
    absl::StatusOr<Part> part = PartialObject::Open(options_, identity);
    EXPECT_TRUE(part.ok()) << part.status();
    return part.ok() ? *std::move(part) : nullptr;
  }
  // Writes one block and says so.
  static void Fill(PartialObject* part, absl::string_view content, uint64_t block) {
    const uint64_t from = block * part->identity().block_bytes;
    ASSERT_TRUE(part->Write(from, content.substr(from, part->identity().BytesOf(block))).ok());
    ASSERT_TRUE(part->MarkValid(block).ok());
  }
  static void FillAll(PartialObject* part, absl::string_view content) {
    for (uint64_t block = 0; block < part->identity().blocks(); ++block) Fill(part, content, block);
  }
  static Ranges Missing(PartialObject* part) {
    const absl::StatusOr<Ranges> missing = part->Missing(0, part->identity().size);
    EXPECT_TRUE(missing.ok()) << missing.status();
    return missing.value_or(Ranges());
  }
  // Of what the view says is here from `offset` on.
  static std::string Read(const PartialView& view, uint64_t offset) {
    std::string bytes(view.size(), '\0');
    const absl::StatusOr<size_t> got =
        view.Read(offset, absl::MakeSpan(bytes.data(), bytes.size()));
    EXPECT_TRUE(got.ok()) << got.status();
    bytes.resize(got.value_or(0));
    return bytes;
  }
  std::optional<std::string> ContentOf(absl::string_view uri) {
    absl::StatusOr<storage::OpenedObject> object = tree_->OpenObject(uri, storage::Wait::kMayBlock);
    if (!object.ok()) return std::nullopt;
    return storage::ReadAll(object->fd.get());
  }
  std::string PathOfPart(absl::string_view uri) const {
    return absl::StrCat(scratch_.PathOf(PartFolder()), "/", PartFile(PartName(uri)));
  }
  std::string PathOfMap(absl::string_view uri) const {
    return absl::StrCat(scratch_.PathOf(PartFolder()), "/", MapFile(PartName(uri)));
  }

  const storage::ScratchRoot scratch_;
  std::optional<storage::Tree> tree_;
  std::optional<storage::Store> store_;
  PartialObject::Options options_;
};

}  // namespace objmapper::origin
