// The bytes of objects can be made anew from any place on, and tell where they belong.
#include "tools/bench/origin/content.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "origin/cache/crc32c.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::bench {
namespace {

constexpr uint64_t kBytes = 300'001;

std::string All(const Content& content) {
  std::string all(content.bytes(), 0);
  content.Fill(0, absl::MakeSpan(all));
  return all;
}

// What a piece holds, wherever it begins and ends, is what the whole has there, and the sums are
// those of these bytes.
TEST(ContentTest, APieceIsPartOfTheWhole) {
  const Content content(7, kBytes);
  const std::string all = All(content);
  EXPECT_EQ(content.crc32c(), origin::Crc32c(all));
  for (const uint64_t offset : {0, 1, 7, 8, 65'535, 65'536, 65'540, 200'000, 300'000}) {
    for (const size_t bytes : {size_t{1}, size_t{9}, size_t{70'000}}) {
      if (offset + bytes > kBytes) continue;
      std::string piece(bytes, 0);
      content.Fill(offset, absl::MakeSpan(piece));
      EXPECT_TRUE(piece == all.substr(offset, bytes)) << bytes << " bytes at " << offset;
      EXPECT_EQ(content.Crc32cOf(offset, bytes), origin::Crc32c(piece));
    }
  }
}

// A block in another's place shows, and so does one of another object.
TEST(ContentTest, NoTwoBlocksAreAlike) {
  const Content content(7, kBytes);
  EXPECT_NE(content.Crc32cOf(0, 65'536), content.Crc32cOf(65'536, 65'536));
  EXPECT_NE(content.crc32c(), Content(8, kBytes).crc32c());
  EXPECT_EQ(content.crc32c(), Content(7, kBytes).crc32c());
}

TEST(ContentTest, WritesAFile) {
  const client::TemporaryFolder folder;
  const Content content(7, kBytes);
  ASSERT_TRUE(content.WriteTo(folder.Path("object")).ok());
  std::ifstream file(folder.Path("object"), std::ios::binary);
  const std::string written{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(written == All(content));
  const absl::Status refused = content.WriteTo(folder.Path("no/such/folder"));
  EXPECT_NE(refused.message().find("no/such/folder"), absl::string_view::npos) << refused;
}

}  // namespace
}  // namespace objmapper::bench
