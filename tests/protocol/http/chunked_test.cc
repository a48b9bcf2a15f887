// Bodies in chunks: however they are cut, the same comes of them; and what is refused.
#include "protocol/http/chunked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace objmapper::protocol::http {
namespace {

using Kind = ChunkReader::Kind;

struct Body {
  std::string data;
  Kind end = Kind::kNeedMore;
  size_t consumed = 0;
};

// Offers `input` in pieces of `step` bytes.
Body ReadAll(absl::string_view input, size_t step) {
  ChunkReader reader;
  Body body;
  for (size_t have = std::min(step, input.size());;) {
    const ChunkReader::Result result =
        reader.Next(input.substr(body.consumed, have - body.consumed));
    body.consumed += result.consumed;
    body.data.append(result.data.data(), result.data.size());
    if (result.kind == Kind::kEnd || result.kind == Kind::kBroken) {
      EXPECT_EQ(*result.reason != '\0', result.kind == Kind::kBroken);
      body.end = result.kind;
      return body;
    }
    if (result.kind == Kind::kData) continue;
    if (have == input.size()) return body;
    have = std::min(have + step, input.size());
  }
}

TEST(ChunkedTest, HoweverItIsCut) {
  const std::string input = "5\r\nfirst\r\n006;a=b;c=\"d\"\r\nsecond\r\n0;x\r\nTrailer: y\r\n\r\n";
  for (size_t step = 1; step <= input.size() + 6; ++step) {
    const Body body = ReadAll(input + "behind", step);
    EXPECT_EQ(body.data, "firstsecond") << step;
    EXPECT_EQ(body.end, Kind::kEnd) << step;
    EXPECT_EQ(body.consumed, input.size()) << step;
  }
  EXPECT_EQ(ReadAll("0\r\n\r\n", 1).end, Kind::kEnd);
  EXPECT_EQ(ReadAll("fFfF\r\n" + std::string(0xFFFF, 'x') + "\r\n0\r\n\r\n", 1000).end, Kind::kEnd);
}

TEST(ChunkedTest, WhatIsRefused) {
  for (const char* input : {"\r\n",
                            "+5\r\nfirst",
                            "-5\r\n",
                            "0x5\r\nfirst",
                            " 5\r\nfirst",
                            "5 \r\nfirst",
                            "g\r\n",
                            "5 ;a\r\nfirst",
                            "00000000000000005\r\nfirst",
                            "5\nfirst\r\n",
                            "5\r\nfirstX\r\n",
                            "5\r\nfirst\n0\r\n\r\n",
                            "5\r\nfirst\rX",
                            "5\r\nfirst0\r\n\r\n",
                            "5;\x01\r\nfirst",
                            "5\rX\r\nfirst",
                            "0\r\nno colon\r\n\r\n",
                            "0\r\n folded: x\r\n\r\n",
                            "0\r\nA: b\n\r\n",
                            "0\r\nA : b\r\n\r\n",
                            "0\r\n: b\r\n\r\n",
                            "0\r\nA b: c\r\n\r\n",
                            "\n5\r\nfirst",
                            "5;\r\nfirst",
                            "5;;a\r\nfirst",
                            "5;=a\r\nfirst",
                            "5;a=\r\nfirst",
                            "5;a[=b\r\nfirst",
                            "5;a b\r\nfirst",
                            "5;a=\"b\r\nfirst",
                            "5;a=\"b\\\"\r\nfirst",
                            "5;a=\"b\\\r\nfirst",
                            "5;a=\"b\"c\r\nfirst",
                            "5;a=b\"c\"\r\nfirst",
                            "5;a\rb\r\nfirst"}) {
    for (const size_t step : {1, 2, 100})
      EXPECT_EQ(ReadAll(input, step).end, Kind::kBroken) << input;
  }
}

TEST(ChunkedTest, ExtensionsThatAreSome) {
  for (const char* extensions : {";a", ";a=b", "; a = b ; c", ";a=\"\"", ";a=\"b;c=\\\"d\\\\\";e",
                                 ";!#$%&'*+-.^_`|~=1", ";a=\"\xc3\xa9\""}) {
    const Body body = ReadAll(absl::StrCat("5", extensions, "\r\nfirst\r\n0\r\n\r\n"), 7);
    EXPECT_EQ(body.end, Kind::kEnd) << extensions;
    EXPECT_EQ(body.data, "first") << extensions;
  }
}

TEST(ChunkedTest, Bounds) {
  EXPECT_EQ(ReadAll("5;" + std::string(5000, 'x'), 5002).end, Kind::kBroken);
  EXPECT_EQ(ReadAll("0\r\nA: " + std::string(5000, 'x'), 5006).end, Kind::kBroken);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "1;" + std::string(1000, 'x') + "\r\ny\r\n";
  EXPECT_EQ(ReadAll(many, many.size()).end, Kind::kBroken) << "100 KB of extensions";
  std::string trailers = "0\r\n";
  for (int i = 0; i < 100; ++i) trailers += "A: " + std::string(1000, 'x') + "\r\n";
  EXPECT_EQ(ReadAll(trailers, trailers.size()).end, Kind::kBroken) << "100 KB of trailers";
}

// The largest size that can be said is waited for, not added to anything.
TEST(ChunkedTest, AHugeChunk) {
  const Body body = ReadAll("ffffffffffffffff\r\nsome", 3);
  EXPECT_EQ(body.data, "some");
  EXPECT_EQ(body.end, Kind::kNeedMore);
}

}  // namespace
}  // namespace objmapper::protocol::http
