// What S3's documents say, in whatever pieces they come, and what is refused of them.
#include "origin/s3/documents.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::origin::s3 {
namespace {

constexpr char kError[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; "
    "expecting &apos;eu-west-1&#39; &amp; no &lt;other&gt;</Message>"
    "<Region>eu-west-1</Region><RequestId>4442587FB7D0A2F9</RequestId></Error>";

absl::StatusOr<ListPage> ReadList(absl::string_view xml, size_t piece_bytes = 1 << 20) {
  ListReader reader;
  for (; !xml.empty(); xml.remove_prefix(std::min(xml.size(), piece_bytes))) {
    if (absl::Status status = reader.Feed(xml.substr(0, piece_bytes)); !status.ok()) return status;
  }
  return reader.Finish();
}

std::string List(absl::string_view inside) {
  return absl::StrCat(
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<Name>models</Name><KeyCount>1</KeyCount>",
      inside, "</ListBucketResult>");
}

std::string Entry(absl::string_view key) {
  return absl::StrCat("<Contents><Key>", key, "</Key><Size>5</Size></Contents>");
}

TEST(DocumentsTest, Errors) {
  const absl::StatusOr<ErrorDocument> error = ParseError(kError);
  ASSERT_TRUE(error.ok()) << error.status();
  EXPECT_EQ(error->code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error->message, "the region 'us-east-1' is wrong; expecting 'eu-west-1' & no <other>");
  EXPECT_EQ(error->region, "eu-west-1");
  EXPECT_EQ(error->endpoint, "");
  EXPECT_EQ(error->request_id, "4442587FB7D0A2F9");
  // radosgw's, on one line and without a message; STS's, one deeper.
  EXPECT_EQ(ParseError("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchKey</Code>"
                       "<BucketName>b</BucketName><HostId>h</HostId></Error>")
                ->code,
            "NoSuchKey");
  EXPECT_EQ(ParseError("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
                       "<Type>Sender</Type><Code>InvalidIdentityToken</Code></Error>"
                       "<RequestId>x</RequestId></ErrorResponse>")
                ->code,
            "InvalidIdentityToken");
}

TEST(DocumentsTest, NoErrors) {
  const std::string kBad[] = {
      "",
      "<html><body>404</body></html>",
      "<!DOCTYPE html><html></html>",
      "not found",
      "<Error></Error>",
      "<Error><Code>NoSuchKey</Code>",
      "<Error><Code>NoSuchKey</Error></Code>",
      "<Error><Code>\xff</Code></Error>",
      "<Other><Error><Code>NoSuchKey</Code></Error></Other>",
      absl::StrCat("<Error><Code>NoSuchKey</Code><Message>", std::string(64 << 10, 'x'),
                   "</Message></Error>"),
  };
  for (const std::string& xml : kBad) {
    EXPECT_EQ(ParseError(xml).status().code(), absl::StatusCode::kDataLoss)
        << xml.substr(0, 60) << ParseError(xml).status();
  }
}

TEST(DocumentsTest, AListingInAnyPieces) {
  const std::string xml = absl::StrCat(
      "<?xml version=\"1.0\"?>\n",
      List("<Contents><Key>a%2Fb+c%2B%C3%A9%20d</Key><LastModified>2009-10-12T17:50:30.250Z"
           "</LastModified><ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>"
           "<Size>4294967296</Size><Owner><ID>x</ID><DisplayName>Size</DisplayName></Owner>"
           "<StorageClass>STANDARD</StorageClass></Contents>\n"
           "<Contents><Key>%20</Key><Size>0</Size><ETag>x-2</ETag></Contents>"
           "<CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes>"
           "<CommonPrefixes><Prefix>%25%2F</Prefix></CommonPrefixes>"
           "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
           "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</"
           "NextContinuationToken><Prefix>not%20this</Prefix>"));
  for (const size_t piece : {xml.size(), size_t{1}, size_t{7}, size_t{100}}) {
    const absl::StatusOr<ListPage> page = ReadList(xml, piece);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_EQ(page->objects.size(), 2u);
    EXPECT_EQ(page->objects[0].key, "a/b c+\u00e9 d");
    EXPECT_EQ(page->objects[0].size, 4294967296u);
    EXPECT_EQ(page->objects[0].etag, "fba9dede5f27731c9771645a39863328");
    EXPECT_EQ(absl::ToUnixMillis(page->objects[0].mtime), 1255369830250);
    EXPECT_EQ(page->objects[1].key, " ");
    EXPECT_EQ(page->objects[1].etag, "x-2");
    EXPECT_EQ(page->objects[1].mtime, absl::Time());
    EXPECT_EQ(page->prefixes, (std::vector<std::string>{"p/", "%/"}));
    EXPECT_EQ(page->continuation, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
  }
}

// Where nothing says that keys are encoded, they are as they stand; on the last page there is no
// way on, whatever is said.
TEST(DocumentsTest, TheLastPage) {
  const absl::StatusOr<ListPage> page =
      ReadList(List(absl::StrCat(Entry("a+b%2Fc&amp;"),
                                 "<IsTruncated>false</IsTruncated>"
                                 "<NextContinuationToken>x</"
                                 "NextContinuationToken>")));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->objects[0].key, "a+b%2Fc&");
  EXPECT_EQ(page->continuation, "");
  EXPECT_TRUE(ReadList("<ns:ListBucketResult xmlns:ns=\"x\"><ns:Contents><ns:Key>k</ns:Key>"
                       "<ns:Size>1</ns:Size></ns:Contents></ns:ListBucketResult>")
                  ->objects.size() == 1);
  EXPECT_TRUE(ReadList("<ListBucketResult/>")->objects.empty());
}

TEST(DocumentsTest, NoListings) {
  std::string many, deep, long_one;
  while (long_one.size() < 20 << 20) absl::StrAppend(&long_one, "<a/>", std::string(1000, ' '));
  for (size_t i = 0; i <= ListReader::kEntriesMax; ++i) many += Entry("k");
  for (int i = 0; i < 100; ++i) deep += "<a>";
  const std::string billion =
      "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 "
      "\"&lol;&lol;\">]>" +
      List(Entry("&lol2;"));
  const struct {
    std::string xml;
    const char* why;
  } kBad[] = {
      {"", "no element"},
      {kError, "not the listing of a bucket"},
      {billion, "document type"},
      {"<!DOCTYPE x SYSTEM \"http://evil.example/x.dtd\">" + List(""), "document type"},
      {List(Entry("&lol;")), "undefined entity"},
      {List(deep), "8 deep"},
      {List(many), "4096 entries"},
      {List(Entry(std::string(17 << 10, 'k'))), "bytes of text"},
      {List(absl::StrCat("<a b=\"", std::string(64 << 10, 'x'), "\"/>")), "longer than"},
      {List(absl::StrCat("<!--", std::string(64 << 10, 'x'), "-->")), "longer than"},
      {List(long_one), "longer than 16777216 bytes"},
      {List("<Contents><Key>k</Key></Contents>"), "no key or no size"},
      {List("<Contents><Size>1</Size></Contents>"), "no key or no size"},
      {List("<Contents><Key>k</Key><Size>-1</Size></Contents>"), "size"},
      {List("<Contents><Key>k</Key><Size>1e9</Size></Contents>"), "size"},
      {List("<Contents><Key>k</Key><Size>1</Size><LastModified>now</LastModified></Contents>"),
       "time"},
      {List(Entry("a%2") + "<EncodingType>url</EncodingType>"), "encoded"},
      {List("<CommonPrefixes><Prefix>%zz</Prefix></CommonPrefixes><EncodingType>url</"
            "EncodingType>"),
       "encoded"},
      {List("<IsTruncated>true</IsTruncated>"), "no way to ask"},
      {List("<Contents>"), "mismatched"},
      {List("") + List(""), "junk"},
      {List("").substr(0, 80), "unclosed"},
  };
  for (const auto& c : kBad) {
    for (const size_t piece : {size_t{1} << 30, size_t{1000}}) {
      const absl::Status status = ReadList(c.xml, piece).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << c.why;
      EXPECT_TRUE(absl::StrContains(status.message(), c.why)) << c.why << ": " << status;
    }
  }
}

// However much there is between entries, it is no text of theirs.
TEST(DocumentsTest, BlanksBetweenElements) {
  std::string entries;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&entries, std::string(1000, '\n'), Entry("k"));
  EXPECT_EQ(ReadList(List(entries))->objects.size(), 100u);
}

// An error stays: what comes behind it does not make it good.
TEST(DocumentsTest, AnErrorIsTheEnd) {
  ListReader reader;
  const absl::Status first = reader.Feed("<a></b>");
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(reader.Feed(List("")), first);
  EXPECT_EQ(reader.Finish().status(), first);
}

TEST(DocumentsTest, Uploads) {
  EXPECT_EQ(*ParseUploadId("<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
                           "<UploadId>2~abc.d</UploadId></InitiateMultipartUploadResult>"),
            "2~abc.d");
  EXPECT_FALSE(ParseUploadId("<InitiateMultipartUploadResult/>").ok());
  EXPECT_FALSE(ParseUploadId(kError).ok());
  EXPECT_EQ(CompleteMultipartUpload({"abc", "d<e&"}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>&quot;abc&quot;</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&quot;d&lt;e&amp;&quot;</ETag></Part>"
            "</CompleteMultipartUpload>");
}

// How an upload in parts has ended: with an ETag, or none (radosgw); or with an error behind a 200.
TEST(ParseCompletedTest, Document) {
  const auto with_etag = [](const std::string& etag) {
    return absl::StrCat("<?xml version=\"1.0\"?><CompleteMultipartUploadResult><Key>k</Key><ETag>",
                        etag, "</ETag></CompleteMultipartUploadResult>");
  };
  EXPECT_EQ(*ParseCompleted(with_etag("&quot;abc-2&quot;")), "\"abc-2\"");
  EXPECT_EQ(*ParseCompleted(with_etag("abc-2")), "\"abc-2\"");
  EXPECT_EQ(*ParseCompleted("  \n" + with_etag("")), "");
  const absl::Status error = ParseCompleted(kError).status();
  EXPECT_TRUE(absl::IsUnavailable(error)) << error;
  EXPECT_TRUE(absl::StrContains(error.message(), "AuthorizationHeaderMalformed")) << error;
  for (const char* other : {"", "<html/>", "<CompleteMultipartUploadResult>"})
    EXPECT_TRUE(absl::IsDataLoss(ParseCompleted(other).status())) << other;
}

// As S3 does: printf 'a' | md5sum, and of the two digests together.
TEST(MultipartEtagTest, IsS3s) {
  const std::string a = "0cc175b9c0f1b6a831c399e269772661";
  const std::string b = "92eb5ffee6ae2fec3ad71c777531578f";
  EXPECT_EQ(MultipartEtag({a, b}), "\"96e024ba2074fe77e8e965ba43a704be-2\"");
  EXPECT_EQ(MultipartEtag({a, "of another kind"}), "");
}

}  // namespace
}  // namespace objmapper::origin::s3
