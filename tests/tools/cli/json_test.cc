// Any bytes become valid JSON that a terminal can show.
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

// Characters that a terminal obeys, or nobody sees, are escaped by JSON's rules: every reader gets
// them back.
TEST(JsonLineTest, EscapesWhatIsNotSeen) {
  EXPECT_EQ(Text("\xc2\x9b"
                 "2J"),
            R"({"t":"\u009b2J"})");  // CSI as one character
  EXPECT_EQ(Text("\xe2\x80\xae"
                 "gpj.exe"),
            R"({"t":"\u202egpj.exe"})");  // right to left
  EXPECT_EQ(Text("\xe2\x80\xa8\xe2\x81\xa9"), R"({"t":"\u2028\u2069"})");
  EXPECT_EQ(Text("\xf3\xa0\x81\x81"), R"({"t":"\udb40\udc41"})");  // a tag: two units of UTF-16
}

// Bytes that are not UTF-8 are replaced, and kept whole in a second member.
TEST(JsonLineTest, OtherBytesInHexadecimal) {
  EXPECT_EQ(Text("a\xff"), R"({"t":"a\ufffd","t_hex":"61ff"})");
  EXPECT_EQ(Text("\xe2\x82"), R"({"t":"\ufffd\ufffd","t_hex":"e282"})");
}

}  // namespace
}  // namespace objmapper::tools
