// What is shown can be read, and what a terminal would obey is escaped.
#include "text/printable.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace objmapper::text {
namespace {

// The UTF-8 of a code point.
std::string Utf8(char32_t c) {
  const auto tail = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return std::string{static_cast<char>(c)};
  if (c < 0x800) return std::string{static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return std::string{static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return std::string{static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
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

// What people write stays as it is, backslashes too.
TEST(PrintableTest, KeepsText) {
  for (const char* text : {"", "a b\\c\"", "caf\xc3\xa9", "\xe6\x97\xa5\xe6\x9c\xac",
                           "\xd7\xa9\xd7\x9c", "\xf0\x9f\x98\x80"}) {
    EXPECT_EQ(Printable(text), text);
  }
}

// Every byte that is no text on its own, and every character that a terminal obeys or that cannot
// be seen, is escaped; what is escaped once is not a second time.
TEST(PrintableTest, EscapesTheRest) {
  EXPECT_EQ(Printable("\x1b[2J\r\n"), "\\x1b[2J\\x0d\\x0a");
  EXPECT_EQ(Printable(absl::string_view("a\0b\x7f", 4)), "a\\x00b\\x7f");
  EXPECT_EQ(Printable("\x9b"
                      "2J"),
            "\\x9b2J");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "gpj"),
            "\\xe2\\x80\\xaegpj");
  EXPECT_EQ(Printable("caf\xc3"), "caf\\xc3");
  for (int byte = 0x80; byte < 0x100; ++byte) {
    const std::string shown = Printable(std::string(1, static_cast<char>(byte)));
    EXPECT_EQ(shown.size(), 4u) << byte;
    EXPECT_EQ(Printable(shown), shown);
  }
}

// The header's list, by its edges.
TEST(PrintableTest, Edges) {
  const struct {
    char32_t first, last;
  } hidden[] = {{0x80, 0x9F},     {0xAD, 0xAD},     {0x61C, 0x61C},     {0x200B, 0x200F},
                {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},
                {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
  for (const auto& span : hidden) {
    for (const char32_t c :
         std::initializer_list<char32_t>{span.first, (span.first + span.last) / 2, span.last}) {
      EXPECT_FALSE(FirstCharacter(Utf8(c)).printable) << std::hex << static_cast<uint32_t>(c);
      EXPECT_EQ(FirstCharacter(Utf8(c)).code_point, c);
    }
    for (const char32_t c : std::initializer_list<char32_t>{span.first - 1, span.last + 1}) {
      if (c == 0x7F || c == 0xFFFD + 1 || c > 0xFFFD) continue;
      EXPECT_TRUE(FirstCharacter(Utf8(c)).printable) << std::hex << static_cast<uint32_t>(c);
    }
  }
  EXPECT_TRUE(FirstCharacter(Utf8(0xFFFD)).printable);
  EXPECT_TRUE(FirstCharacter(Utf8(0x10FFFD)).printable);
  EXPECT_FALSE(FirstCharacter(Utf8(0x10FFFF)).printable);
}

// A name in quotes cannot pass for what stands around it, however long it is and wherever it is
// cut.
TEST(QuotedTest, IsOneWord) {
  EXPECT_EQ(Quoted("a b"), "\"a b\"");
  EXPECT_EQ(Quoted("a\": OK \\\n"), "\"a\\\": OK \\\\\\n\"");
  EXPECT_EQ(Quoted("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(Quoted("abc", 3), "\"abc\"");
  EXPECT_EQ(Quoted("ab\xc3\xa9", 3), "\"ab...\"");
  EXPECT_EQ(Quoted(std::string(100, '\x80'), 10), Quoted(std::string(7, '\x80') + "x", 7));
}

}  // namespace
}  // namespace objmapper::text
