// Metadata that is written can be read, and malformed metadata is refused as a whole.
#include "protocol/objm/metadata.h"

#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace objmapper::protocol {
namespace {

using namespace std::string_literals;

constexpr size_t kEntryHeaderBytes = 3;
constexpr size_t kDataBytesMax = kMetadataBytesMax - kEntryHeaderBytes;

// What a reader sees of an ERROR with `text`, which shares the buffer with nothing.
std::string ErrorAsRead(absl::string_view text) {
  MetadataWriter writer;
  writer.AddText(MetadataType::kError, text);
  const std::optional<Metadata> metadata = ParseMetadata(writer.bytes());
  if (!metadata.has_value() || !metadata->error.has_value()) return "(no ERROR)";
  return *metadata->error;
}

// A writer with one entry of every type.
MetadataWriter AllEntries() {
  MetadataWriter writer;
  writer.AddU64(MetadataType::kSize, std::numeric_limits<uint64_t>::max());
  writer.AddU64(MetadataType::kMtime, 1);
  writer.AddText(MetadataType::kEtag, "e-\xFF");
  writer.AddText(MetadataType::kMime, "");
  writer.AddU8(MetadataType::kBackend, 200);
  writer.AddU32(MetadataType::kLatency, 0x01020304);
  writer.AddU64(MetadataType::kExpires, 4'000'000'000);
  writer.AddText(MetadataType::kStale, "");
  writer.AddRange(2, 3);
  writer.AddText(MetadataType::kCursor, "a\0b"s);
  writer.AddU32(MetadataType::kRetryAfter, 250);
  writer.AddU32(MetadataType::kTtl, 3600);
  writer.AddText(MetadataType::kIfMatch, "e-1");
  writer.AddText(MetadataType::kIfAbsent, "");
  writer.AddText(MetadataType::kIfNoneMatch, "e-2");
  writer.AddText(MetadataType::kError, "no such object: caf\xC3\xA9");
  return writer;
}

// Every type of entry is read as it was written.
TEST(MetadataTest, ReadsWhatTheWriterWrites) {
  const MetadataWriter writer = AllEntries();
  const std::optional<Metadata> metadata = ParseMetadata(writer.bytes());
  ASSERT_TRUE(metadata.has_value());
  EXPECT_EQ(metadata->size, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(metadata->mtime, 1u);
  EXPECT_EQ(metadata->etag, "e-\xFF");
  EXPECT_EQ(metadata->mime, "");
  EXPECT_EQ(metadata->backend, 200);
  EXPECT_EQ(metadata->latency_us, 0x01020304u);
  EXPECT_EQ(metadata->expires, 4'000'000'000u);
  EXPECT_TRUE(metadata->stale);
  ASSERT_TRUE(metadata->range.has_value());
  EXPECT_EQ(metadata->range->offset, 2u);
  EXPECT_EQ(metadata->range->length, 3u);
  EXPECT_EQ(metadata->cursor, "a\0b"s);
  EXPECT_EQ(metadata->retry_after_ms, 250u);
  EXPECT_EQ(metadata->ttl_s, 3600u);
  EXPECT_EQ(metadata->if_match, "e-1");
  EXPECT_TRUE(metadata->if_absent);
  EXPECT_EQ(metadata->if_none_match, "e-2");
  EXPECT_EQ(metadata->error, "no such object: caf\xC3\xA9");
}

// No metadata is sound, and every entry of it absent.
TEST(MetadataTest, NothingIsSound) {
  const std::optional<Metadata> metadata = ParseMetadata("");
  ASSERT_TRUE(metadata.has_value());
  EXPECT_FALSE(metadata->size || metadata->mtime || metadata->etag || metadata->mime ||
               metadata->backend || metadata->latency_us || metadata->range || metadata->cursor ||
               metadata->retry_after_ms || metadata->ttl_s || metadata->expires ||
               metadata->if_match || metadata->if_absent || metadata->if_none_match ||
               metadata->error);
}

// Cut anywhere but between two entries, metadata is unsound.
TEST(MetadataTest, ATruncatedEntryIsUnsound) {
  const MetadataWriter writer = AllEntries();
  const absl::string_view bytes = writer.bytes();
  size_t sound = 0;
  size_t next_entry = 0;
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const bool between_entries = cut == next_entry;
    EXPECT_EQ(ParseMetadata(bytes.substr(0, cut)).has_value(), between_entries) << cut;
    if (!between_entries) continue;
    ++sound;
    if (cut == bytes.size()) break;
    next_entry += kEntryHeaderBytes + static_cast<uint8_t>(bytes[cut + 1]) * 256 +
                  static_cast<uint8_t>(bytes[cut + 2]);
  }
  EXPECT_EQ(sound, 17u);  // before, between and after sixteen entries
}

// An entry of a fixed size is unsound with any other.
TEST(MetadataTest, AWrongSizeIsUnsound) {
  struct FixedSize {
    MetadataType type;
    size_t bytes;
  };
  constexpr FixedSize kFixed[] = {{MetadataType::kSize, 8},    {MetadataType::kMtime, 8},
                                  {MetadataType::kBackend, 1}, {MetadataType::kLatency, 4},
                                  {MetadataType::kRange, 16},  {MetadataType::kRetryAfter, 4},
                                  {MetadataType::kTtl, 4}};
  for (const FixedSize& fixed : kFixed) {
    for (size_t bytes = 0; bytes <= 20; ++bytes) {
      MetadataWriter writer;
      writer.AddText(fixed.type, std::string(bytes, '\1'));
      EXPECT_EQ(ParseMetadata(writer.bytes()).has_value(), bytes == fixed.bytes)
          << static_cast<int>(fixed.type) << " with " << bytes << " bytes";
    }
  }
}

// A newer server's entries do not hide those that this reader knows.
TEST(MetadataTest, UnknownTypesAreSkipped) {
  MetadataWriter writer;
  writer.AddText(static_cast<MetadataType>(0x7E), "from the future");
  writer.AddU64(MetadataType::kSize, 5);
  writer.AddText(static_cast<MetadataType>(0x7F), "");
  const std::optional<Metadata> metadata = ParseMetadata(writer.bytes());
  ASSERT_TRUE(metadata.has_value());
  EXPECT_EQ(metadata->size, 5u);
}

// The buffer never overflows: an entry that does not fit whole is left out, a later one that does
// fit is not.
TEST(MetadataWriterTest, LeavesOutWhatDoesNotFit) {
  MetadataWriter writer;
  const std::string cursor(kDataBytesMax - 11 - 1, 'c');  // leaves 11 bytes less than a SIZE needs
  writer.AddText(MetadataType::kCursor, cursor);
  writer.AddText(MetadataType::kEtag, std::string(10, 'e'));
  writer.AddRange(1, 2);
  writer.AddU64(MetadataType::kSize, 1);
  EXPECT_LE(writer.bytes().size(), kMetadataBytesMax);
  writer.AddU64(MetadataType::kMtime, 1);
  writer.AddU32(MetadataType::kLatency, 1);
  writer.AddU8(MetadataType::kBackend, 1);
  writer.AddText(MetadataType::kError, "no room at all");
  EXPECT_LE(writer.bytes().size(), kMetadataBytesMax);
  const std::optional<Metadata> metadata = ParseMetadata(writer.bytes());
  ASSERT_TRUE(metadata.has_value());
  EXPECT_EQ(metadata->cursor, cursor);
  EXPECT_FALSE(metadata->etag.has_value());
  EXPECT_FALSE(metadata->range.has_value());
  EXPECT_EQ(metadata->size, 1u);
  EXPECT_FALSE(metadata->mtime.has_value());
  EXPECT_FALSE(metadata->latency_us.has_value());
  EXPECT_FALSE(metadata->backend.has_value());
  EXPECT_FALSE(metadata->error.has_value());
}

// An entry may fill the buffer to its last byte.
TEST(MetadataWriterTest, FillsTheBuffer) {
  MetadataWriter exact;
  exact.AddText(MetadataType::kEtag, std::string(kDataBytesMax, 'e'));
  EXPECT_EQ(exact.bytes().size(), kMetadataBytesMax);
  MetadataWriter over;
  over.AddText(MetadataType::kEtag, std::string(kDataBytesMax + 1, 'e'));
  EXPECT_EQ(over.bytes().size(), 0u);
  over.AddText(MetadataType::kEtag, std::string(70000, 'e'));  // more than a u16 counts
  EXPECT_EQ(over.bytes().size(), 0u);
}

// A long ERROR is cut, not left out, and never inside a character, wherever the end falls in it.
TEST(MetadataWriterTest, CutsALongErrorBetweenCharacters) {
  for (const std::string& character : {"a"s, "\xC3\xA9"s, "\xE2\x82\xAC"s, "\xF0\x9F\x98\x80"s}) {
    for (size_t lead = 0; lead < 4; ++lead) {
      std::string text(lead, '.');
      while (text.size() <= 2 * kMetadataBytesMax) text += character;
      const size_t whole_characters = (kDataBytesMax - lead) / character.size();
      EXPECT_EQ(ErrorAsRead(text), text.substr(0, lead + whole_characters * character.size()));
    }
  }
}

// ERROR gets the room that other entries left.
TEST(MetadataWriterTest, CutsAnErrorToTheRoomThatIsLeft) {
  MetadataWriter writer;
  writer.AddText(MetadataType::kCursor, std::string(1000, 'c'));
  writer.AddText(MetadataType::kError, std::string(1000, 'e'));
  const std::optional<Metadata> metadata = ParseMetadata(writer.bytes());
  ASSERT_TRUE(metadata.has_value());
  EXPECT_EQ(writer.bytes().size(), kMetadataBytesMax);
  EXPECT_EQ(metadata->error, std::string(kMetadataBytesMax - 1000 - 2 * kEntryHeaderBytes, 'e'));
}

// Every byte of an ERROR that is part of no UTF-8 character comes out as one '?'; those that are
// part of one come out as they went in.
TEST(MetadataWriterTest, AnErrorIsUtf8WhateverItQuotes) {
  EXPECT_EQ(ErrorAsRead(""), "");
  EXPECT_EQ(ErrorAsRead("plain\n\x7F"), "plain\n\x7F");
  EXPECT_EQ(ErrorAsRead("a\0b"s), "a\0b"s);
  EXPECT_EQ(ErrorAsRead("a\xFF\xFE"
                        "b"),
            "a??b");
  EXPECT_EQ(ErrorAsRead("\x80\xBF"), "??");                  // continuations of nothing
  EXPECT_EQ(ErrorAsRead("\xC3"), "?");                       // cut short by the end
  EXPECT_EQ(ErrorAsRead("\xC3z\xE2\x82z"), "?z??z");         // cut short by another character
  EXPECT_EQ(ErrorAsRead("\xE2\x82\xC3\xA9"), "??\xC3\xA9");  // cut short by a longer one
  EXPECT_EQ(ErrorAsRead("\xF0\x9F\x98"), "???");             // four bytes, cut short by the end
  EXPECT_EQ(ErrorAsRead("\xC0\xAF\xC1\xBF"), "????");        // overlong, two bytes
  EXPECT_EQ(ErrorAsRead("\xE0\x9F\xBF"), "???");             // overlong, three
  EXPECT_EQ(ErrorAsRead("\xF0\x8F\xBF\xBF"), "????");        // overlong, four
  EXPECT_EQ(ErrorAsRead("\xED\xA0\x80"), "???");             // a surrogate
  EXPECT_EQ(ErrorAsRead("\xF4\x90\x80\x80"), "????");        // past U+10FFFF
  EXPECT_EQ(ErrorAsRead("\xF5\x80\x80\x80"), "????");        // no lead byte
  // The first and the last character of each length, and the neighbours of the surrogates.
  for (const std::string& character :
       {"\x01"s, "\x7F"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s, "\xEF\xBF\xBF"s,
        "\xED\x9F\xBF"s, "\xEE\x80\x80"s, "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s}) {
    EXPECT_EQ(ErrorAsRead(character), character);
    EXPECT_EQ(ErrorAsRead(absl::StrCat("\xFF", character, "\xFF")),
              absl::StrCat("?", character, "?"));
  }
}

}  // namespace
}  // namespace objmapper::protocol
