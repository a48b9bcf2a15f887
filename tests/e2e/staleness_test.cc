// --fd_cache_valid_ms: no cache makes the server's view of the tree older than that.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr int kValidMs = 100;

class StalenessTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    if (IsSkipped()) return;
    server_ = std::make_unique<ServerProcess>(
        tree_.root(), ServerOptions{.engine = GetParam(),
                                    .flags = {absl::StrCat("--fd_cache_valid_ms=", kValidMs)}});
  }

  // One connection for each mode, kept: what a lane remembers, it remembers for all.
  RawClient& Client(char mode) {
    const auto [client, fresh] = clients_.try_emplace(mode, nullptr);
    if (fresh) {
      client->second = std::make_unique<RawClient>(RawClient::V2(server_->Unix(), kInOrder));
    }
    return *client->second;
  }

  void ExpectContents(const std::string& uri, const std::string& contents) {
    for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
      SCOPED_TRACE(testing::Message() << "mode " << mode << " of " << uri);
      const Answer answer = Client(mode).Get({.mode = mode, .uri = uri});
      EXPECT_TRUE(answer.ok()) << answer.status;
      if (mode == kFdPass) {
        EXPECT_EQ(Contents(answer.fd.get()), contents);
      } else if (mode == kStat) {
        EXPECT_EQ(answer.Number(kSizeEntry), contents.size());
      } else {
        EXPECT_EQ(answer.body, contents);
      }
    }
  }
  void ExpectStatus(const std::string& uri, Status status) {
    for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
      SCOPED_TRACE(testing::Message() << "mode " << mode << " of " << uri);
      ExpectRefused(Client(mode).Get({.mode = mode, .uri = uri}), status);
    }
  }

  // Until nothing that was looked up before now may be believed any more.
  static void GrowOld() { absl::SleepFor(absl::Milliseconds(kValidMs + 1)); }

  ObjectTree tree_;
  std::unique_ptr<ServerProcess> server_;
  std::map<char, std::unique_ptr<RawClient>> clients_;
};

TEST_P(StalenessTest, ReplacedObjectIsSeen) {
  for (int version = 0; version < 5; ++version) {
    const std::string contents = absl::StrCat("version ", version, std::string(version, '!'));
    tree_.Add("object", contents);
    if (version > 0) GrowOld();
    ExpectContents("object", contents);
  }
}

// Size and times alone do not tell two versions apart; the file does.
TEST_P(StalenessTest, ReplacementOfTheSameSizeAndTimeIsSeen) {
  std::string etag;
  for (const std::string contents : {"first", "secnd", "third"}) {
    const std::string path = tree_.Add("twin", contents);
    const timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    GrowOld();
    ExpectContents("twin", contents);
    const Answer stat = Client(kStat).Get({.mode = kStat, .uri = "twin"});
    ASSERT_TRUE(stat.Has(kEtagEntry));
    EXPECT_NE(stat.metadata.at(kEtagEntry), etag);
    etag = stat.metadata.at(kEtagEntry);
    EXPECT_EQ(Client(kStat).Get({.mode = kStat, .uri = "twin"}).metadata.at(kEtagEntry), etag)
        << "a new ETAG for the same content";
  }
}

TEST_P(StalenessTest, DeletedObjectIsGoneAndMadeAgainIsBack) {
  for (int round = 0; round < 3; ++round) {
    const std::string contents = absl::StrCat("round ", round);
    tree_.Add("object", contents);
    GrowOld();
    ExpectContents("object", contents);
    unlink(tree_.Path("object").c_str());
    GrowOld();
    ExpectStatus("object", Status::kNotFound);
  }
}

TEST_P(StalenessTest, ObjectThatGrewOrShrankInPlaceIsSeen) {
  const std::string path = tree_.Add("object", "0123456789");
  ExpectContents("object", "0123456789");
  ASSERT_EQ(truncate(path.c_str(), 4), 0);
  GrowOld();
  ExpectContents("object", "0123");
  net::UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_EQ(write(file.get(), "abcdefgh", 8), 8);
  GrowOld();
  ExpectContents("object", "0123abcdefgh");
}

// The path decides, not the file that was once found there.
TEST_P(StalenessTest, RenamedDirectoryIsSeen) {
  tree_.Add("here/object", "old");
  tree_.Add("there/object", "new");
  ExpectContents("here/object", "old");
  std::filesystem::rename(tree_.Path("here"), tree_.Path("gone"));
  GrowOld();
  ExpectStatus("here/object", Status::kNotFound);
  std::filesystem::rename(tree_.Path("there"), tree_.Path("here"));
  GrowOld();
  ExpectContents("here/object", "new");
  ExpectContents("gone/object", "old");
}

// A parent directory that is replaced by a link out of the tree takes its objects along.
TEST_P(StalenessTest, DirectoryThatBecameALinkOutIsDenied) {
  tree_.Add("directory/object", "public");
  std::filesystem::create_directory(tree_.outside() + "/outside");
  std::filesystem::copy(tree_.Path("directory/object"), tree_.outside() + "/outside/object");
  ExpectContents("directory/object", "public");
  std::filesystem::rename(tree_.Path("directory"), tree_.Path("moved"));
  std::filesystem::create_symlink("../outside", tree_.Path("directory"));
  GrowOld();
  ExpectStatus("directory/object", Status::kPermissionDenied);
}

// What may no longer be served is not, however well a cache remembers it.
TEST_P(StalenessTest, ObjectThatBecameForbiddenIsDenied) {
  tree_.Add("object", "public");
  ExpectContents("object", "public");
  const std::string path = tree_.Path("object");
  std::filesystem::remove(path);
  std::filesystem::create_symlink("/etc/hostname", path);
  GrowOld();
  ExpectStatus("object", Status::kPermissionDenied);
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  GrowOld();
  ExpectStatus("object", static_cast<Status>(0x09));  // CONFLICT
}

// Descriptors that are shared are no older than the rest.
TEST_P(StalenessTest, SharedDescriptorsFollowTheTree) {
  clients_.clear();
  server_ = std::make_unique<ServerProcess>(
      tree_.root(), ServerOptions{.engine = GetParam(),
                                  .flags = {absl::StrCat("--fd_cache_valid_ms=", kValidMs),
                                            "--fd_sharing=always", "--fdpass_engine=epoll"}});
  for (int version = 0; version < 4; ++version) {
    const std::string contents = absl::StrCat("version ", version);
    tree_.Add("object", contents);
    GrowOld();
    ExpectContents("object", contents);
  }
  unlink(tree_.Path("object").c_str());
  GrowOld();
  ExpectStatus("object", Status::kNotFound);
}

// 0 trusts nothing for any time: each answer is of the tree as it is.
TEST_P(StalenessTest, ZeroSeesEveryChangeAtOnce) {
  clients_.clear();
  server_ = std::make_unique<ServerProcess>(
      tree_.root(), ServerOptions{.engine = GetParam(), .flags = {"--fd_cache_valid_ms=0"}});
  for (int version = 0; version < 20; ++version) {
    const std::string contents = absl::StrCat("version ", version);
    tree_.Add("object", contents);
    ExpectContents("object", contents);
  }
  unlink(tree_.Path("object").c_str());
  ExpectStatus("object", Status::kNotFound);
}

// Without a cache, too.
TEST_P(StalenessTest, NoCacheEntriesServeAsWell) {
  clients_.clear();
  server_ = std::make_unique<ServerProcess>(
      tree_.root(), ServerOptions{.engine = GetParam(), .flags = {"--fd_cache_entries=0"}});
  for (int i = 0; i < 20; ++i) {
    tree_.Add(absl::StrCat("o", i), absl::StrCat("object ", i));
    ExpectContents(absl::StrCat("o", i), absl::StrCat("object ", i));
  }
}

// A cache that is far too small for the tree forgets, but never confuses.
TEST_P(StalenessTest, FewCacheEntriesNeverConfuseObjects) {
  clients_.clear();
  server_ = std::make_unique<ServerProcess>(
      tree_.root(), ServerOptions{.engine = GetParam(), .flags = {"--fd_cache_entries=2"}});
  for (int i = 0; i < 30; ++i) tree_.Add(absl::StrCat("o", i), absl::StrCat("object ", i));
  for (int i = 0; i < 300; ++i) {
    ExpectContents(absl::StrCat("o", i * 7 % 30), absl::StrCat("object ", i * 7 % 30));
  }
}

INSTANTIATE_TEST_SUITE_P(All, StalenessTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
