// Sums that an origin tells of an object: what is not what they say is no object.
#include "origin/flight/sums.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/crc64nvme.h"
#include "tests/origin/flight/flights_fixture.h"

namespace objmapper::origin {
namespace {

std::string Md5Of(absl::string_view bytes) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

// Which ETags are one.
TEST(SaidSumsTest, Md5) {
  const std::string md5 = "5d41402abc4b2a76b9719d911017c592";
  EXPECT_EQ(Md5Of("hello"), md5);
  const struct {
    std::string etag;
    fetch::Headers headers;
    bool is_one;
  } kCases[] = {
      {absl::StrCat("\"", md5, "\""), {}, true},
      {"\"5D41402ABC4B2A76B9719D911017C592\"", {}, true},
      {absl::StrCat("\"", md5, "\""), {{"x-amz-server-side-encryption", "AES256"}}, true},
      {absl::StrCat("\"", md5, "\""), {{"x-amz-server-side-encryption", "aws:kms"}}, false},
      {absl::StrCat("\"", md5, "\""), {{"x-amz-server-side-encryption", "aws:kms:dsse"}}, false},
      {absl::StrCat("\"", md5, "\""),
       {{"x-amz-server-side-encryption-customer-algorithm", "AES256"}},
       false},
      {absl::StrCat("\"", md5, "-2\""), {}, false},
      {absl::StrCat("W/\"", md5, "\""), {}, false},
      {md5, {}, false},
      {"\"5d41402abc4b2a76b9719d911017c59g\"", {}, false},
      {"\"5d41402abc4b2a76b9719d911017c59\"", {}, false},
      {"", {}, false},
  };
  for (const auto& test : kCases) {
    fetch::Head head;
    head.etag = test.etag;
    head.headers = test.headers;
    EXPECT_EQ(SaidSums::Of(head, /*whole=*/false).md5,
              test.is_one ? std::optional(md5) : std::nullopt)
        << test.etag << " " << (test.headers.empty() ? "" : test.headers[0].value);
  }
}

// S3's header of the whole, which says nothing where the answer is a part.
TEST(SaidSumsTest, Crc64) {
  const struct {
    std::string field;
    std::optional<uint64_t> sum;
  } kCases[] = {{"rosUhgp5mIg=", 0xAE8B14860A799888u},
                {"rosUhgp5mIg=-2", std::nullopt},
                {"rosUhgp5mA==", std::nullopt},
                {"nothing of the kind", std::nullopt},
                {"", std::nullopt}};
  for (const auto& test : kCases) {
    fetch::Head head;
    head.headers = {{"x-amz-checksum-crc64nvme", test.field}};
    EXPECT_EQ(SaidSums::Of(head, /*whole=*/true).crc64nvme, test.sum) << test.field;
    EXPECT_FALSE(SaidSums::Of(head, /*whole=*/false).any());
  }
}

class SumsFlightsTest : public FlightsTest {
 protected:
  void SetUp() override {
    FlightsTest::SetUp();
    if (!IsSkipped()) SetS3("");
  }
  void SetS3(absl::string_view words) {
    const absl::StatusOr<Origins> origins = Origins::Parse(
        absl::StrCat("/far s3://bucket endpoint=http://127.0.0.1:", origin_.port(),
                     " path_style anonymous parallel=4 part=64K block=64K ", words, "\n"));
    ASSERT_TRUE(origins.ok()) << origins.status();
    ASSERT_TRUE(flights_->SetOrigins(*origins).ok());
  }
  void Put(const std::string& name, const std::string& bytes, const std::string& hashed) {
    origin_.Put("bucket/" + name, bytes, absl::StrCat("\"", Md5Of(hashed), "\""));
  }
  size_t Asked(const std::string& name) { return origin_.asked("bucket/" + name).size(); }
};

// What is as its ETag says is brought, whichever way its parts come.
TEST_F(SumsFlightsTest, Right) {
  for (const size_t size : {size_t{0}, size_t{5}, kPart, 9 * kPart + 17}) {
    SCOPED_TRACE(size);
    const std::string content = Content(size), name = absl::StrCat("of_", size);
    Put(name, content, content);
    ExpectBrought(name, content);
  }
}

// What is not is begun anew, a few times, and then given up; nothing of it is ever here.
TEST_F(SumsFlightsTest, Wrong) {
  const std::string content = Content(5 * kPart);
  std::string damaged = content;
  damaged[3 * kPart] ^= 1;
  Put("a", damaged, content);
  const absl::Status status = Bring("far/a");
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), Md5Of(content))) << status;
  EXPECT_FALSE(tree_->OpenObject("far/a", Wait::kMayBlock).ok());
  const size_t asked = Asked("a");
  EXPECT_GT(asked, 5u);
  EXPECT_LE(asked, 5u * 5);
  // Nor is it asked for again at once.
  EXPECT_TRUE(absl::IsDataLoss(Bring("far/a")));
  EXPECT_EQ(Asked("a"), asked);
  // What was damaged on its way once is fetched once more.
  Put("b", damaged, content);
  origin_.Misbehave("bucket/b", 5, Fault::Does(kPart, [&] { Put("b", content, content); }));
  ExpectBrought("b", content);
}

// Sums that are not of the object's bytes, and other servers' ETags, say nothing.
TEST_F(SumsFlightsTest, NotChecked) {
  Put("kms", "content", "something else");
  origin_.Misbehave("bucket/kms", 0, Fault::Says("x-amz-server-side-encryption", "aws:kms"));
  ExpectBrought("kms", "content");
  SetOrigins("");
  origin_.Put("base/a", "content", absl::StrCat("\"", Md5Of("something else"), "\""));
  ExpectBrought("a", "content");
}

// The other sum is compared by itself, whoever tells it.
TEST_F(SumsFlightsTest, Crc64) {
  SetOrigins("");
  const std::string content = Content(kPart - 100);
  const auto says = [this](const std::string& name, const std::string& of) {
    std::string bytes;
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<char>(Crc64Nvme(of) >> shift));
    origin_.Misbehave("base/" + name, 0,
                      Fault::Says("x-amz-checksum-crc64nvme", absl::Base64Escape(bytes)));
  };
  origin_.Put("base/right", content);
  says("right", content);
  ExpectBrought("right", content);
  origin_.Put("base/wrong", content);
  says("wrong", "another");
  const absl::Status status = Bring("far/wrong");
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "CRC-64/NVME")) << status;
}

}  // namespace
}  // namespace objmapper::origin
