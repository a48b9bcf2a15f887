#include "tools/cli/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace objmapper::tools {
namespace {

std::string Text(absl::string_view value) {
  JsonLine line;
  line.AddText("t", value);
  return line.ToString();
}

// Members keep their order and their types.
TEST(JsonLineTest, MembersInOrder) {
  JsonLine line;
  EXPECT_EQ(line.ToString(), "{}");
  line.AddText("uri", "a/b");
  line.AddBool("ok", true);
  line.AddNumber("size", std::numeric_limits<uint64_t>::max());
  line.AddNumber("seconds", 0.25);
  line.AddNumber("rate", std::numeric_limits<double>::infinity());
  EXPECT_EQ(line.ToString(),
            R"({"uri":"a/b","ok":true,"size":18446744073709551615,"seconds":0.25,"rate":null})");
}

// What JSON reserves is escaped, and so is what a terminal would obey; the line stays one line.
TEST(JsonLineTest, EscapesReservedBytes) {
  EXPECT_EQ(Text("a\"b\\c\n\t\x1b\x7f"), R"({"t":"a\"b\\c\n\t\u001b\u007f"})");
  EXPECT_EQ(Text(absl::string_view("\0", 1)), R"({"t":"\u0000"})");
}

// UTF-8 stays as it is.
TEST(JsonLineTest, KeepsUtf8) {
  EXPECT_EQ(Text("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "{\"t\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}");
}

// Bytes that are not UTF-8 are replaced, and kept whole in a second member.
TEST(JsonLineTest, OtherBytesInHexadecimal) {
  EXPECT_EQ(Text("a\xff"), R"({"t":"a\ufffd","t_hex":"61ff"})");
  EXPECT_EQ(Text("\xe2\x82"), R"({"t":"\ufffd\ufffd","t_hex":"e282"})");
}

// The edges of RFC 3629: overlong forms, surrogates and what is past U+10FFFF are no characters.
TEST(Utf8LengthTest, Edges) {
  EXPECT_EQ(Utf8Length(""), 0u);
  EXPECT_EQ(Utf8Length("\x7f"), 1u);
  EXPECT_EQ(Utf8Length("\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xc1\xbf"), 0u);
  EXPECT_EQ(Utf8Length("\xc2\x80"), 2u);
  EXPECT_EQ(Utf8Length("\xc2"), 0u);
  EXPECT_EQ(Utf8Length("\xc2\x41"), 0u);
  EXPECT_EQ(Utf8Length("\xe0\x9f\xbf"), 0u);
  EXPECT_EQ(Utf8Length("\xe0\xa0\x80"), 3u);
  EXPECT_EQ(Utf8Length("\xed\x9f\xbf"), 3u);
  EXPECT_EQ(Utf8Length("\xed\xa0\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xef\xbf\xbf"), 3u);
  EXPECT_EQ(Utf8Length("\xf0\x8f\xbf\xbf"), 0u);
  EXPECT_EQ(Utf8Length("\xf0\x90\x80\x80"), 4u);
  EXPECT_EQ(Utf8Length("\xf4\x8f\xbf\xbf"), 4u);
  EXPECT_EQ(Utf8Length("\xf4\x90\x80\x80"), 0u);
  EXPECT_EQ(Utf8Length("\xf5\x80\x80\x80"), 0u);
}

}  // namespace
}  // namespace objmapper::tools
