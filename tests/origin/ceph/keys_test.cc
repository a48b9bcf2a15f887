// Keys as S3 allows them: each comes as what it is, and answers to exactly its URI.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/origin/ceph/ceph_fixture.h"
#include "text/printable.h"

namespace objmapper::origin::testing {
namespace {

std::vector<std::string> AwkwardKeys() {
  using std::string_literals::operator""s;
  std::vector<std::string> keys = {
      // An object beside a folder of its name, in both orders (by the alphabet, "b/c" is first).
      "a",
      "a/b",
      "a/b/c",
      "b/c",
      "b",
      // What a path would read as another one.
      "x//y",
      "x/y",
      "/x",
      "//x",
      "x/",
      "x//",
      "x/./y",
      ".",
      "./x",
      "x/.",
      "x/..",
      "x/../y",
      "..",
      "../x",
      "../../etc/passwd",
      "%2e%2e/x",
      // What URLs, forms and XML give a meaning to.
      "a+b",
      "a b",
      " a",
      "a ",
      "a  b",
      "a=b",
      "a&b",
      "a?b",
      "a#b",
      "a%b",
      "%",
      "%41",
      "%2F",
      "%00",
      "a%2Fb",
      "a;b",
      "a:b",
      "a@b",
      "a,b",
      "a$b",
      "'()!*",
      "a\"b",
      "a\\b",
      "a<b>&amp;c",
      "[a]{b}|^`",
      "~",
      "-._~",
      "a~b",
      "?versionId=1",
      "?uploads",
      "a?uploadId=1&partNumber=2",
      // What is not ASCII, or cannot be seen.
      "na\u00efve",
      "nai\u0308ve",
      "\u65e5\u672c\u8a9e/\u5bfe\u8c61",
      "\U0001f642",
      "\u202ereversed",
      "\t",
      "a\nb",
      "a\r\nb",
      "\x01\x02\x1f\x7f",
      "\x1b[31mred",
      // Parts that no file system takes, and the longest key that there is.
      std::string(255, 'l'),
      std::string(256, 'l'),
      std::string(300, 'm') + "/n",
      std::string(1024, 'k'),
      "deep/" + std::string(1019, '/'),
  };
  std::string deepest = "d";
  while (deepest.size() + 2 <= 1024) deepest += "/d";
  keys.push_back(deepest);
  return keys;
}

// Whatever a key is made of, the object comes whole and is found again, and S3 itself has stored it
// under that very key: its own listing says so.
TEST_F(CephTest, EveryKeyIsItself) {
  const std::vector<std::string> keys = AwkwardKeys();
  std::vector<std::pair<std::string, std::string>> objects;
  for (size_t i = 0; i < keys.size(); ++i)
    objects.emplace_back(keys[i], absl::StrCat("content ", i, " of ", keys[i]));
  bucket_->PutAll(objects);

  std::vector<std::string> listed, sorted = keys;
  for (const s3::ListedObject& object : bucket_->ListAll("")) listed.push_back(object.key);
  std::sort(listed.begin(), listed.end());
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(listed, sorted);

  for (const auto& [key, content] : objects) {
    SCOPED_TRACE(text::Quoted(key));
    ExpectBrought(key, content);
    const std::optional<Mark> mark = MarkOf(key);
    ASSERT_TRUE(mark.has_value());
    EXPECT_EQ(mark->uri, UriOf(key));
    EXPECT_EQ(mark->source, bucket_->bucket().Object(key).Text());
    EXPECT_EQ(mark->etag, Md5Etag(content));
  }
  // None has taken another's place.
  for (const auto& [key, content] : objects) EXPECT_EQ(Here(key), content) << text::Quoted(key);
  // None was asked for in other words.
  std::map<std::string, uint64_t> sent;
  for (const RadosGw::Asked& one : gateway_->asked()) {
    if (one.method == "GET" && one.status / 100 == 2) sent[one.path()] += one.bytes;
  }
  for (const auto& [key, content] : objects)
    EXPECT_EQ(sent[bucket_->PathOf(key)], content.size()) << text::Quoted(key);
}

// What is no object to S3 is none here, however near to one it is.
TEST_F(CephTest, NeighboursOfKeysAreAbsent) {
  bucket_->PutAll({{"a/b", "content"}, {"x//y", "content"}, {"d/", ""}, {"p%41", "content"}});
  for (const char* key : {"a", "a/", "a/b/", "a//b", "x/y", "x/", "x//", "d", "d//", "pA", "p%2541",
                          "A/b", "a/b ", "a/./b", "a/../a/b"}) {
    SCOPED_TRACE(key);
    const absl::Status status = Bring(key);
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
  }
}

// What S3 cannot have is refused without asking for it, or by S3; it is never another object.
TEST_F(CephTest, KeysThatCannotBe) {
  EXPECT_EQ(Bring(std::string(1025, 'k')).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Bring(absl::string_view("a\0b", 3)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Bring("").code(), absl::StatusCode::kFailedPrecondition);
  // Not UTF-8.
  const absl::Status status = Bring("\xff\xfe");
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
}

// The server's rules for URIs are those of all URIs: what holds ".." is refused by the tree before
// anything is asked.
TEST_F(CephTest, TheTreeRefusesWaysUp) {
  bucket_->PutAll({{"x/../y", "content"}, {"../far/a", "content"}, {"a", "content"}});
  for (const char* key : {"x/../y", "../far/a", "..", "a/../a"}) {
    SCOPED_TRACE(key);
    const absl::StatusOr<storage::OpenedObject> object =
        tree_->OpenObject(UriOf(key), storage::Wait::kMayFetch);
    EXPECT_TRUE(absl::IsPermissionDenied(object.status())) << object.status();
    EXPECT_EQ(gateway_->bytes_sent(bucket_->PathOf(key)), 0u);
  }
}

}  // namespace
}  // namespace objmapper::origin::testing
