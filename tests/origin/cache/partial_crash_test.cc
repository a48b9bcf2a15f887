// Fills under SIGKILL: a child fills an object, and is killed at each of its system calls in turn
// (tests/net/killed_at.h). Then the root is looked at as a server that starts again would find it:
// the object is there whole, or it is not there, and a map tells the truth, block by block.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/crc32c.h"
#include "origin/cache/folders.h"
#include "origin/cache/scan.h"
#include "tests/net/killed_at.h"
#include "tests/origin/cache/partial_fixture.h"
#include "tests/storage/names_below.h"

namespace objmapper::origin {
namespace {

using storage::Durability;

// Above all that one of the things below takes.
constexpr int kEdgesMax = 2000;
constexpr size_t kBlock = 4096;

class PartialCrashTest : public testing::TestWithParam<Durability> {
 protected:
  using Part = std::unique_ptr<PartialObject>;

  void SetUp() override {
    alarm(240);
    if (!net::MayTrace()) GTEST_SKIP() << "ptrace(2) is not allowed here";
    const absl::StatusOr<storage::Tree> tree = storage::Tree::Open(scratch_.path());
    if (absl::Status can = CheckMarks(*tree); !can.ok()) GTEST_SKIP() << can;
  }
  void TearDown() override { alarm(0); }

  // A server on the root, as far as this is about one.
  struct Server {
    explicit Server(const std::string& root, Durability durability = Durability::kNone)
        : tree(*storage::Tree::Open(root)),
          store({.tree = &tree, .durability = durability}),
          options({.tree = &tree, .store = &store, .durability = durability}) {}
    Part Open(const Identity& identity) {
      absl::StatusOr<Part> part = PartialObject::Open(options, identity);
      CHECK(part.ok()) << part.status();
      return *std::move(part);
    }
    storage::Tree tree;
    storage::Store store;
    PartialObject::Options options;
  };

  // Fills what is missing, in pieces that end within blocks, and publishes it.
  static void FillAndPublish(PartialObject* part, absl::string_view content) {
    const auto missing = part->Missing(0, content.size());
    CHECK(missing.ok()) << missing.status();
    for (const auto& [begin, end] : *missing) {
      for (uint64_t at = begin; at < end; at += 1536) {
        const uint64_t to = std::min<uint64_t>(end, at + 1536);
        CHECK(part->Write(at, content.substr(at, to - at)).ok());
        for (uint64_t block = at / kBlock; block * kBlock + part->identity().BytesOf(block) <= to;
             ++block) {
          CHECK(part->MarkValid(block).ok());
          if (block + 1 == part->identity().blocks()) break;
        }
      }
    }
    const absl::StatusOr<std::string> place = part->Publish({.expected_crc32c = Crc32c(content)});
    CHECK(place.ok()) << place.status();
  }

  // The object of `uri`, wherever it is kept.
  static std::optional<std::string> ContentOf(const Server& server, const std::string& uri) {
    net::UniqueFd file;
    if (IsPath(uri)) {
      absl::StatusOr<storage::OpenedObject> object =
          server.tree.OpenObject(uri, storage::Wait::kMayBlock);
      if (object.ok()) file = std::move(object->fd);
    }
    if (!file.valid()) {
      file.Reset(openat(server.tree.root().fd(), EncodedPlace(uri).c_str(), O_RDONLY | O_CLOEXEC));
    }
    if (!file.valid()) return std::nullopt;
    return storage::ReadAll(file.get());
  }

  // What its map claims is so, now, without anybody having verified it. Returns how many blocks.
  static uint64_t CheckClaims(const Server& server, const std::string& uri,
                              absl::string_view content, absl::string_view older) {
    const absl::StatusOr<net::UniqueFd> folder = FindFolder(server.tree, PartFolder());
    if (!folder.ok()) return 0;
    const absl::StatusOr<PartialMap> map = PartialMap::Open(folder->get(), MapFile(PartName(uri)));
    const net::UniqueFd file(
        openat(folder->get(), PartFile(PartName(uri)).c_str(), O_RDONLY | O_CLOEXEC));
    // A map whose bytes have become the object is nobody's; a server that starts removes it.
    if (!map.ok() || !file.valid()) return 0;
    const std::string bytes = storage::ReadAll(file.get());
    const absl::string_view expected = map->identity().etag == "\"v1\"" ? older : content;
    uint64_t claims = 0;
    for (uint64_t block = 0; block < map->identity().blocks(); ++block) {
      if (!map->claim(block).has_value()) continue;
      ++claims;
      const absl::string_view its = expected.substr(block * kBlock, map->identity().BytesOf(block));
      EXPECT_EQ(*map->claim(block), Crc32c(its)) << block;
      EXPECT_EQ(bytes.substr(block * kBlock, its.size()), its) << block;
    }
    return claims;
  }

  // Kills `act` at each edge in turn, each time from a root that `prepare` has made anew, and looks
  // at what is left of `uri`, which is to have `content`, and had `older` or nothing.
  void AtEachSystemCall(const std::string& uri, const std::string& content,
                        const std::optional<std::string>& older,
                        const std::function<void(Server*)>& prepare,
                        const std::function<void(Server*)>& act) {
    std::set<uint64_t> seen;
    int rounds = 0;
    for (bool killed = true; killed; ++rounds) {
      ASSERT_LT(rounds, kEdgesMax);
      std::filesystem::remove_all(scratch_.path());
      std::filesystem::create_directory(scratch_.path());
      {
        Server server(scratch_.path());
        prepare(&server);
      }
      killed = net::KilledAt(rounds, [&] {
        Server server(scratch_.path(), GetParam());
        act(&server);
      });
      SCOPED_TRACE(absl::StrCat(killed ? "killed at edge " : "not killed; edges: ", rounds));
      Server server(scratch_.path());
      const std::optional<std::string> there = ContentOf(server, uri);
      EXPECT_TRUE(there == content || (killed && there == older));
      seen.insert(CheckClaims(server, uri, content, older.value_or("")));
      const absl::StatusOr<Scanned> scanned = Scan(server.tree);
      ASSERT_TRUE(scanned.ok()) << scanned.status();
      EXPECT_EQ(scanned->busy, 0u) << "who is dead is at work with nothing";
      CheckClaims(server, uri, content, older.value_or(""));
      // A server that goes on has it whole, and nothing is left of what was begun.
      if (there != content) {
        const Part part = server.Open(IdentityOf(uri, content, "\"v2\""));
        const uint64_t claimed = part->bytes_here();
        EXPECT_TRUE(part->Missing(0, content.size()).ok());
        EXPECT_EQ(part->bytes_here(), claimed) << "what is claimed is here";
        FillAndPublish(part.get(), content);
      }
      EXPECT_EQ(ContentOf(server, uri), content);
      EXPECT_TRUE(server.store.RemoveLeftovers().ok());
      EXPECT_EQ(storage::NamesBelow(scratch_.path(), storage::Which::kFiles),
                std::set<std::string>{IsPath(uri) ? uri : EncodedPlace(uri)});
      if (HasFailure()) return;
    }
    EXPECT_GT(rounds, 40);       // it was looked at from close by
    EXPECT_GE(seen.size(), 3u);  // and on many stages of the way
  }

  const storage::ScratchRoot scratch_;
  const std::string content_ = Content(3 * kBlock + 1000, 2);
};

// A fill from nothing to an object.
TEST_P(PartialCrashTest, Fill) {
  AtEachSystemCall(
      "a/b/object", content_, std::nullopt, [](Server*) {},
      [&](Server* server) {
        FillAndPublish(server->Open(IdentityOf("a/b/object", content_, "\"v2\"")).get(), content_);
      });
}

// A fill that goes on where one was left.
TEST_P(PartialCrashTest, FillThatGoesOn) {
  const Identity identity = IdentityOf("object", content_, "\"v2\"");
  AtEachSystemCall(
      "object", content_, std::nullopt,
      [&](Server* server) {
        const Part part = server->Open(identity);
        CHECK(part->Write(kBlock, content_.substr(kBlock, kBlock)).ok());
        CHECK(part->MarkValid(1).ok());
      },
      [&](Server* server) { FillAndPublish(server->Open(identity).get(), content_); });
}

// A new version, where there is an object of the old one and a part of it, of which nothing may be
// taken for the new one's.
TEST_P(PartialCrashTest, AnotherVersion) {
  const std::string older = Content(2 * kBlock + 5, 1);
  const Identity old_identity = IdentityOf("object", older);
  AtEachSystemCall(
      "object", content_, older,
      [&](Server* server) {
        FillAndPublish(server->Open(old_identity).get(), older);
        const Part part = server->Open(old_identity);
        CHECK(part->Write(0, older.substr(0, kBlock)).ok());
        CHECK(part->MarkValid(0).ok());
      },
      [&](Server* server) {
        FillAndPublish(server->Open(IdentityOf("object", content_, "\"v2\"")).get(), content_);
      });
}

// An object under an encoded name.
TEST_P(PartialCrashTest, AwkwardKey) {
  AtEachSystemCall(
      "x//y", content_, std::nullopt, [](Server*) {},
      [&](Server* server) {
        FillAndPublish(server->Open(IdentityOf("x//y", content_, "\"v2\"")).get(), content_);
      });
}

// A block that turns out to be damaged is revoked before it is written anew.
TEST_P(PartialCrashTest, DamagedBlock) {
  const Identity identity = IdentityOf("object", content_, "\"v2\"");
  int rounds = 0;
  for (bool killed = true; killed; ++rounds) {
    ASSERT_LT(rounds, kEdgesMax);
    std::filesystem::remove_all(scratch_.path());
    std::filesystem::create_directory(scratch_.path());
    Server server(scratch_.path());
    {
      const Part part = server.Open(identity);
      for (const uint64_t block : {0, 1}) {
        CHECK(part->Write(block * kBlock, content_.substr(block * kBlock, kBlock)).ok());
        CHECK(part->MarkValid(block).ok());
      }
      PCHECK(pwrite(part->view()->fd(), "damage", 6, 100) == 6);
    }
    killed = net::KilledAt(rounds, [&] {
      Server child(scratch_.path(), GetParam());
      FillAndPublish(child.Open(identity).get(), content_);
    });
    SCOPED_TRACE(rounds);
    const std::optional<std::string> there = ContentOf(server, "object");
    EXPECT_TRUE(there == content_ || (killed && !there.has_value()));
    ASSERT_TRUE(Scan(server.tree).ok());
    if (!there.has_value()) {
      // Whatever is claimed, what is handed out is right.
      const Part part = server.Open(identity);
      ASSERT_TRUE(part->Missing(0, content_.size()).ok());
      for (uint64_t block = 0; block < identity.blocks(); ++block) {
        if (!part->view()->IsValid(block)) continue;
        std::string bytes(identity.BytesOf(block), '\0');
        ASSERT_TRUE(
            part->view()->Read(block * kBlock, absl::MakeSpan(bytes.data(), bytes.size())).ok());
        EXPECT_EQ(bytes, content_.substr(block * kBlock, bytes.size())) << block;
      }
      FillAndPublish(part.get(), content_);
    }
    EXPECT_EQ(ContentOf(server, "object"), content_);
    if (HasFailure()) return;
  }
  EXPECT_GT(rounds, 40);
}

INSTANTIATE_TEST_SUITE_P(Durabilities, PartialCrashTest,
                         testing::Values(Durability::kNone, Durability::kData, Durability::kFull),
                         [](const auto& info) {
                           return std::string(info.param == Durability::kNone   ? "none"
                                              : info.param == Durability::kData ? "data"
                                                                                : "full");
                         });

}  // namespace
}  // namespace objmapper::origin
