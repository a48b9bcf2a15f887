// Gathered pieces are sent in order, and their objects live until then.
#include "copypath/gather.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace objmapper::copypath {
namespace {

std::string Read(absl::Span<const iovec> pieces) {
  std::string bytes;
  for (const iovec& piece : pieces) {
    bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return bytes;
}

class GatherTest : public testing::Test {
 protected:
  // An object whose copy is `bytes`.
  static ObjectRef NewObject(const std::string& bytes) {
    ObjectRef object(new CachedObject("object"));
    storage::LoadedObject loaded;
    loaded.info.size = bytes.size();
    loaded.snapshot = std::make_unique<char[]>(bytes.size());
    bytes.copy(loaded.snapshot.get(), bytes.size());
    object->Fill(std::move(loaded), 0);
    return object;
  }
  void AddObject(const std::string& bytes) {
    const ObjectRef object = NewObject(bytes);
    gather_.Bytes(object, object->snapshot(), object->size());
  }

  Gather gather_;
};

// What is gathered comes out in order; the objects live until it has gone, although nobody else
// refers to them, and the text stays what it was, although more is added.
TEST_F(GatherTest, KeepsOrderAndObjects) {
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    const std::string header = absl::StrCat("header ", i, std::string(100, 'h'));
    const std::string body = absl::StrCat("body ", i);
    gather_.Text(header);
    AddObject(body);
    gather_.EndAnswer({});
    expected += header + body;
  }
  EXPECT_EQ(gather_.bytes(), expected.size());
  EXPECT_EQ(gather_.answers(), 20u);
  EXPECT_EQ(gather_.piece_count(), 40u);
  EXPECT_EQ(Read(gather_.Seal()), expected);
}

// Texts in a row are one piece: pieces are few.
TEST_F(GatherTest, TextsInARowAreOnePiece) {
  EXPECT_TRUE(gather_.empty());
  for (int i = 0; i < 100; ++i) gather_.Text("a short answer;");
  gather_.Text("");
  EXPECT_EQ(gather_.piece_count(), 1u);
  EXPECT_FALSE(gather_.empty());
  EXPECT_EQ(gather_.Seal().size(), 1u);
}

// What it is given is its own until Clear(), and counts apart.
TEST_F(GatherTest, OwnsWhatItIsGiven) {
  gather_.Text("header ");
  auto bytes = std::make_unique<char[]>(4);
  std::string("part").copy(bytes.get(), 4);
  gather_.Own(std::move(bytes), 4);
  AddObject(" object");
  EXPECT_EQ(gather_.owned_bytes(), 4u);
  EXPECT_EQ(gather_.bytes(), 18u);
  EXPECT_EQ(Read(gather_.Seal()), "header part object");
  gather_.Clear();
  EXPECT_EQ(gather_.owned_bytes(), 0u);
}

// However a send is cut short, what is left is what has not gone, to the last byte.
TEST_F(GatherTest, AdvanceLeavesWhatHasNotGone) {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    gather_.Clear();
    std::string expected;
    for (int i = 0; i < 5; ++i) {
      const std::string text(1 + random() % 20, static_cast<char>('a' + i));
      gather_.Text(text);
      const std::string body(1 + random() % 20, static_cast<char>('A' + i));
      AddObject(body);
      expected += text + body;
    }
    absl::Span<iovec> left = gather_.Seal();
    while (!left.empty()) {
      ASSERT_EQ(Read(left), expected);
      const size_t sent = random() % (expected.size() + 1);
      expected.erase(0, sent);
      left = gather_.Advance(sent);
    }
    EXPECT_EQ(expected, "");
  }
}

// Cleared, it is as good as new.
TEST_F(GatherTest, ClearForgets) {
  gather_.Text("text");
  AddObject("body");
  gather_.EndAnswer({});
  gather_.Seal();
  gather_.Advance(5);
  gather_.Clear();
  EXPECT_TRUE(gather_.empty());
  EXPECT_EQ(gather_.bytes(), 0u);
  EXPECT_EQ(gather_.answers(), 0u);
  gather_.Text("new");
  EXPECT_EQ(Read(gather_.Seal()), "new");
}

}  // namespace
}  // namespace objmapper::copypath
