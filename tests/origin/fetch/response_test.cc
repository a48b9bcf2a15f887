// Heads of answers, line by line; Content-Range; S3's errors.
#include "origin/fetch/response.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "origin/fetch/error_document.h"

namespace objmapper::origin::fetch {
namespace {

using State = HeadReader::State;

State Take(HeadReader* reader, const std::vector<std::string>& lines) {
  State state = State::kReading;
  for (const std::string& line : lines) state = reader->Take(line + "\r\n");
  return state;
}

TEST(HeadReaderTest, AHead) {
  HeadReader reader;
  EXPECT_EQ(Take(&reader, {"HTTP/1.1 200 OK", "Content-Length: 12", "ETag:  \"x\" ",
                           "X-Y:", "x-amz-checksum-CRC32C: abcd=="}),
            State::kReading);
  EXPECT_EQ(reader.status(), 0);
  EXPECT_EQ(Take(&reader, {""}), State::kWhole);
  const Head& head = reader.head();
  EXPECT_EQ(reader.status(), 200);
  EXPECT_EQ(head.etag, "\"x\"");
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_EQ(head.object_bytes, 12u);
  EXPECT_EQ(head.first, 0u);
  EXPECT_EQ(head.Find("x-amz-checksum-crc32c"), "abcd==");
  EXPECT_EQ(head.Find("x-y"), "");
  EXPECT_EQ(head.Find("age"), "");
}

TEST(HeadReaderTest, APart) {
  HeadReader reader;
  EXPECT_EQ(Take(&reader, {"HTTP/1.1 206 Partial Content", "Content-Length: 10",
                           "Content-Range: bytes 10-19/1234", ""}),
            State::kWhole);
  EXPECT_EQ(reader.head().first, 10u);
  EXPECT_EQ(reader.head().object_bytes, 1234u);
  EXPECT_EQ(reader.range()->last, 19u);
}

// 1xx is no answer yet; nothing of its head stays. What comes behind the final head is ignored.
TEST(HeadReaderTest, ProvisionalHeadsAndTrailers) {
  HeadReader reader;
  EXPECT_EQ(Take(&reader, {"HTTP/1.1 100 Continue", "ETag: \"no\"", "", "HTTP/1.1 204 No Content",
                           "Date: x", ""}),
            State::kWhole);
  EXPECT_EQ(reader.status(), 204);
  EXPECT_EQ(reader.head().etag, "");
  EXPECT_EQ(Take(&reader, {"ETag: \"trailer\"", ""}), State::kWhole);
  EXPECT_EQ(reader.head().etag, "");
}

TEST(HeadReaderTest, BadHeads) {
  for (const char* line : {"HTTP/1.1", "HTTP/1.1 abc", "HTTP/1.1 99", "HTTP/1.1 600 x"}) {
    HeadReader reader;
    EXPECT_EQ(Take(&reader, {line}), State::kBad) << line;
    EXPECT_NE(reader.why().find("status line"), std::string::npos);
    EXPECT_EQ(reader.status(), 0);
  }
  HeadReader reader;
  EXPECT_EQ(Take(&reader, {"HTTP/1.1 206 x", "Content-Range: bytes 5-4/10", ""}), State::kBad);
}

TEST(HeadReaderTest, NumbersThatAreNone) {
  HeadReader reader;
  Take(&reader, {"HTTP/1.1 200 OK", "Content-Length: +5", ""});
  EXPECT_EQ(reader.head().content_length, std::nullopt);
}

TEST(ContentRangeTest, AllForms) {
  std::optional<ByteRange> range;
  std::optional<uint64_t> bytes;
  ASSERT_TRUE(ParseContentRange("bytes 0-99/100", &range, &bytes));
  EXPECT_EQ(range->last, 99u);
  EXPECT_EQ(bytes, 100u);
  ASSERT_TRUE(ParseContentRange("Bytes 5-18446744073709551615/*", &range, &bytes));
  EXPECT_EQ(range->last, UINT64_MAX);
  EXPECT_EQ(bytes, std::nullopt);
  ASSERT_TRUE(ParseContentRange("bytes */0", &range, &bytes));
  EXPECT_EQ(range, std::nullopt);
  EXPECT_EQ(bytes, 0u);
  for (const char* bad : {"", "bytes", "bytes */*", "bytes 0-99", "bytes 0-100/100", "bytes 9-8/10",
                          "bytes 0-18446744073709551616/*", "bytes a-b/c", "lines 0-9/10",
                          "bytes -5/10", "bytes 5-/10", "bytes +1-2/10"}) {
    EXPECT_FALSE(ParseContentRange(bad, &range, &bytes)) << bad;
  }
}

TEST(ErrorDocumentTest, WhatS3Says) {
  const ErrorDocument error = ParseErrorDocument(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>PermanentRedirect</Code>"
      "<Message>a &lt;b&gt; &amp;lt; c</Message>\n <Region>eu-west-1</Region>"
      "<Endpoint> s3.eu-west-1.example </Endpoint><RequestId>4</RequestId></Error>");
  EXPECT_EQ(error.code, "PermanentRedirect");
  EXPECT_EQ(error.message, "a <b> &lt; c");
  EXPECT_EQ(error.region, "eu-west-1");
  EXPECT_EQ(error.endpoint, "s3.eu-west-1.example");

  const ErrorDocument sts = ParseErrorDocument(
      "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error xmlns=\"x\">"
      "<Type>Sender</Type><Code>ExpiredTokenException</Code></Error></ErrorResponse>");
  EXPECT_EQ(sts.code, "ExpiredTokenException");
  EXPECT_EQ(sts.message, "");
}

TEST(ErrorDocumentTest, WhatIsNone) {
  for (const char* other :
       {"", "<html><body>404</body></html>", "{\"Code\": \"x\"}", "<Error>", "<Error><Code>x",
        "<Error><Code/></Error>", "<Error><CodeName>x</CodeName></Error>", "<Code>x</Code>", "<",
        "<Error", "<Error><Code></Error>"}) {
    EXPECT_EQ(ParseErrorDocument(other).code, "") << other;
  }
}

}  // namespace
}  // namespace objmapper::origin::fetch
