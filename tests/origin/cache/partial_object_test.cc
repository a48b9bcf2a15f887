// Part-filled objects: what is here is what was written, over every way that a fill can end.
#include "origin/cache/partial_object.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "net/unique_fd.h"
#include "origin/cache/crc32c.h"
#include "storage/tree/attributes.h"
#include "tests/net/open_fds.h"
#include "tests/origin/cache/partial_fixture.h"
#include "tests/storage/small_disk.h"

namespace objmapper::origin {
namespace {

constexpr size_t kBlock = 4096;

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Overwrites a byte of a file behind its owner's back.
void Damage(const std::string& path, off_t at) {
  const net::UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  char byte;
  ASSERT_EQ(pread(fd.get(), &byte, 1, at), 1);
  byte = static_cast<char>(byte ^ 1);
  ASSERT_EQ(pwrite(fd.get(), &byte, 1, at), 1);
}

// An object that comes in pieces of any size and order is, when all are there, an ordinary object
// with its mark, and nothing is left of the fill.
TEST_F(PartialTest, BecomesAnObject) {
  const std::string content = Content(3 * kBlock + 100);
  const ptrdiff_t before = net::OpenFds();
  {
    const Part part = OpenPart(IdentityOf("models/a.bin", content));
    EXPECT_EQ(Missing(part.get()), (Ranges{{0, content.size()}}));
    EXPECT_EQ(part->Checksum(), std::nullopt);
    std::vector<std::pair<size_t, size_t>> pieces;
    for (size_t at = 0; at < content.size(); at += 700)
      pieces.emplace_back(at, std::min<size_t>(700, content.size() - at));
    std::shuffle(pieces.begin(), pieces.end(), std::mt19937_64(7));
    ASSERT_TRUE(part->Reserve(content.size()).ok());
    for (const auto& [at, bytes] : pieces)
      ASSERT_TRUE(part->Write(at, absl::string_view(content).substr(at, bytes)).ok());
    EXPECT_EQ(part->Publish({}).status().code(), absl::StatusCode::kFailedPrecondition);
    for (uint64_t block = 0; block < 4; ++block) ASSERT_TRUE(part->MarkValid(block).ok());
    EXPECT_TRUE(part->IsWhole());
    EXPECT_EQ(part->Checksum(), Crc32c(content));
    EXPECT_EQ(ContentOf("models/a.bin"), std::nullopt) << "not before it is published";
    const absl::StatusOr<std::string> place =
        part->Publish({.fetched_s = 17, .checked_s = 18, .expected_crc32c = Crc32c(content)});
    ASSERT_TRUE(place.ok()) << place.status();
    EXPECT_EQ(*place, "models/a.bin");
    EXPECT_EQ(Read(*part->view(), 0), content);
  }
  EXPECT_EQ(net::OpenFds(), before);
  EXPECT_EQ(ContentOf("models/a.bin"), content);
  EXPECT_FALSE(Exists(PathOfPart("models/a.bin")));
  EXPECT_FALSE(Exists(PathOfMap("models/a.bin")));
  const absl::StatusOr<storage::OpenedObject> object =
      tree_->OpenObject("models/a.bin", storage::Wait::kMayBlock);
  const std::optional<Mark> mark = ReadMark(object->fd.get());
  ASSERT_TRUE(mark.has_value());
  EXPECT_EQ(mark->uri, "models/a.bin");
  EXPECT_EQ(mark->source, "s3://bucket/models/a.bin");
  EXPECT_EQ(mark->etag, "\"v1\"");
  EXPECT_EQ(mark->crc32c, Crc32c(content));
  EXPECT_EQ(mark->fetched_s, 17);
  EXPECT_EQ(mark->checked_s, 18);
  EXPECT_TRUE(IsUnchanged(object->fd.get(), *mark));
  const absl::StatusOr<storage::Description> told =
      tree_->Describe("models/a.bin", storage::Wait::kMayBlock);
  EXPECT_EQ(told->etag, "v1");
  EXPECT_EQ(told->mtime_s, 1'600'000'000);
}

// Objects of no bytes, of one, and of exactly as many as blocks have.
TEST_F(PartialTest, OfEverySize) {
  for (const size_t size : {size_t{0}, size_t{1}, kBlock - 1, kBlock, kBlock + 1, 2 * kBlock}) {
    const std::string content = Content(size, size);
    const std::string uri = absl::StrCat("size/", size);
    const Part part = OpenPart(IdentityOf(uri, content));
    FillAll(part.get(), content);
    const absl::StatusOr<std::string> place = part->Publish({.expected_crc32c = Crc32c(content)});
    ASSERT_TRUE(place.ok()) << place.status();
    EXPECT_EQ(ContentOf(uri), content);
  }
}

// What one fill has left, the next goes on with; blocks that were not complete are missing.
TEST_F(PartialTest, GoesOnWhereAnotherLeft) {
  const std::string content = Content(5 * kBlock);
  const Identity identity = IdentityOf("a", content);
  {
    const Part part = OpenPart(identity);
    Fill(part.get(), content, 1);
    Fill(part.get(), content, 4);
    ASSERT_TRUE(part->Write(2 * kBlock, absl::string_view(content).substr(2 * kBlock, 100)).ok());
  }
  const Part part = OpenPart(identity);
  EXPECT_EQ(part->bytes_here(), 2 * kBlock);
  EXPECT_EQ(Read(*part->view(), kBlock), "") << "nobody has verified it yet";
  EXPECT_EQ(Missing(part.get()), (Ranges{{0, kBlock}, {2 * kBlock, 4 * kBlock}}));
  EXPECT_EQ(Read(*part->view(), kBlock), content.substr(kBlock, kBlock));
  for (const uint64_t block : {0, 2, 3}) Fill(part.get(), content, block);
  ASSERT_TRUE(part->Publish({.expected_crc32c = Crc32c(content)}).ok());
  EXPECT_EQ(ContentOf("a"), content);
}

// Nothing is kept of a fill that has brought no block, nor of a version that no etag tells.
TEST_F(PartialTest, LeavesNothingThatIsOfNoUse) {
  const std::string content = Content(2 * kBlock);
  for (const char* etag : {"\"v1\"", "W/\"v1\"", ""}) {
    Part part = OpenPart(IdentityOf("a", content, etag));
    ASSERT_TRUE(part->Write(0, "abc").ok());
    if (!IsStrong(etag)) Fill(part.get(), content, 1);
    part.reset();
    EXPECT_FALSE(Exists(PathOfPart("a"))) << etag;
    EXPECT_FALSE(Exists(PathOfMap("a"))) << etag;
  }
}

// Another version, source, size or block size begins anew.
TEST_F(PartialTest, AnotherVersionBeginsAnew) {
  const std::string content = Content(2 * kBlock);
  const Identity old = IdentityOf("a", content);
  std::vector<Identity> others(5, old);
  others[0].etag = "\"v2\"";
  others[1].source = "s3://other/a";
  others[2].size -= 1;
  others[3].block_bytes = 8192;
  others[4].last_modified_s = std::nullopt;
  for (const Identity& other : others) {
    Part part = OpenPart(old);
    Fill(part.get(), content, 0);
    part.reset();
    part = OpenPart(other);
    EXPECT_EQ(part->bytes_here(), 0u);
    EXPECT_EQ(Missing(part.get()), (Ranges{{0, other.size}}));
  }
}

// A block whose bytes, or whose claim, are not what they were is missing, whatever has happened to
// them; the others stay.
TEST_F(PartialTest, ADamagedBlockIsMissing) {
  const std::string content = Content(4 * kBlock);
  const Identity identity = IdentityOf("a", content);
  const auto leave = [&] {
    const Part part = OpenPart(identity);
    FillAll(part.get(), content);
  };
  leave();
  Damage(PathOfPart("a"), kBlock + 5);
  EXPECT_EQ(Missing(OpenPart(identity).get()), (Ranges{{kBlock, 2 * kBlock}}));
  // the claim is gone for good
  EXPECT_EQ(OpenPart(identity)->bytes_here(), 3 * kBlock);
  leave();
  for (const off_t byte : {0, 4, 8, 15}) {
    Damage(PathOfMap("a"), kBlock + 2 * 16 + byte);
    EXPECT_EQ(Missing(OpenPart(identity).get()), (Ranges{{2 * kBlock, 3 * kBlock}})) << byte;
    Damage(PathOfMap("a"), kBlock + 2 * 16 + byte);  // and back
  }
  // one block's claim in another's place
  char entry[16];
  const net::UniqueFd map(open(PathOfMap("a").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(pread(map.get(), entry, 16, kBlock), 16);
  ASSERT_EQ(pwrite(map.get(), entry, 16, kBlock + 3 * 16), 16);
  EXPECT_EQ(Missing(OpenPart(identity).get()), (Ranges{{3 * kBlock, 4 * kBlock}}));
  // bytes that are gone
  ASSERT_EQ(truncate(PathOfPart("a").c_str(), 100), 0);
  EXPECT_EQ(Missing(OpenPart(identity).get()), (Ranges{{0, 4 * kBlock}}));
}

// A map that is cut, garbled, empty or no file is thrown away with what it was of.
TEST_F(PartialTest, ADamagedMapBeginsAnew) {
  const std::string content = Content(2 * kBlock);
  const Identity identity = IdentityOf("a", content);
  const std::vector<void (*)(const std::string&)> ways = {
      [](const std::string& path) { Damage(path, 0); },
      [](const std::string& path) { Damage(path, 12); },
      [](const std::string& path) { Damage(path, 60); },
      [](const std::string& path) { Damage(path, 4095); },
      [](const std::string& path) { ASSERT_EQ(truncate(path.c_str(), 0), 0); },
      [](const std::string& path) { ASSERT_EQ(truncate(path.c_str(), 4000), 0); },
      [](const std::string& path) { ASSERT_EQ(unlink(path.c_str()), 0); },
      [](const std::string& path) {
        ASSERT_EQ(unlink(path.c_str()), 0);
        ASSERT_EQ(symlink("/etc/passwd", path.c_str()), 0);
      }};
  for (size_t i = 0; i < ways.size(); ++i) {
    SCOPED_TRACE(i);
    Part part = OpenPart(identity);
    FillAll(part.get(), content);
    part.reset();
    ways[i](PathOfMap("a"));
    part = OpenPart(identity);
    ASSERT_NE(part, nullptr);
    EXPECT_EQ(Missing(part.get()), (Ranges{{0, content.size()}}));
    FillAll(part.get(), content);
    EXPECT_TRUE(part->Publish({}).ok());
    EXPECT_EQ(ContentOf("a"), content);
    ASSERT_TRUE(store_->Delete("a").ok());
  }
}

// One has it at a time; another waits for its turn or does without.
TEST_F(PartialTest, OneAtATime) {
  const std::string content = Content(2 * kBlock);
  const Identity identity = IdentityOf("a", content);
  Part part = OpenPart(identity);
  EXPECT_EQ(PartialObject::Open(options_, identity).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(PartialObject::Open(options_, IdentityOf("a", content, "\"v2\"")).status().code(),
            absl::StatusCode::kUnavailable);
  Fill(part.get(), content, 0);
  const std::shared_ptr<const PartialView> view = part->view();
  part.reset();
  // a reader that still has it is in nobody's way
  part = OpenPart(identity);
  EXPECT_EQ(Missing(part.get()), (Ranges{{kBlock, 2 * kBlock}}));
  EXPECT_EQ(Read(*view, 0), content.substr(0, kBlock));
  part->Discard();
  EXPECT_EQ(Read(*view, 0), content.substr(0, kBlock));
  EXPECT_FALSE(Exists(PathOfPart("a")));
}

// Bytes that come twice are the first ones; what lies outside is refused.
TEST_F(PartialTest, TheFirstBytesStay) {
  const std::string content = Content(2 * kBlock);
  const Part part = OpenPart(IdentityOf("a", content));
  ASSERT_TRUE(part->Write(10, absl::string_view(content).substr(10, 20)).ok());
  ASSERT_TRUE(part->Write(40, absl::string_view(content).substr(40, 20)).ok());
  ASSERT_TRUE(part->Write(0, absl::string_view(content).substr(0, 10)).ok());
  EXPECT_EQ(Read(*part->view(), 0), content.substr(0, 30));
  std::string others = content;
  for (const size_t at : {12, 41}) others[at] = static_cast<char>(~others[at]);
  ASSERT_TRUE(part->Write(0, others).ok());
  for (const uint64_t block : {0, 1}) ASSERT_TRUE(part->MarkValid(block).ok());
  ASSERT_TRUE(part->Write(0, Content(2 * kBlock, 9)).ok());
  EXPECT_EQ(Read(*part->view(), 0), content);
  EXPECT_EQ(part->Checksum(), Crc32c(content));
  for (const auto& [offset, bytes] : std::vector<std::pair<uint64_t, size_t>>{
           {2 * kBlock, 1}, {2 * kBlock - 1, 2}, {UINT64_MAX, 2}, {UINT64_MAX, 0}}) {
    EXPECT_EQ(part->Write(offset, std::string(bytes, 'x')).code(), absl::StatusCode::kOutOfRange);
  }
  EXPECT_TRUE(part->Write(2 * kBlock, "").ok());
}

// A block is not valid before all its bytes are there, whatever its owner says.
TEST_F(PartialTest, IsNotValidBeforeItIsComplete) {
  const std::string content = Content(2 * kBlock);
  const Part part = OpenPart(IdentityOf("a", content));
  EXPECT_EQ(part->MarkValid(0).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(part->Write(1, absl::string_view(content).substr(1, kBlock)).ok());
  EXPECT_EQ(part->MarkValid(0).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(part->MarkValid(1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read(*part->view(), 0), "") << "a hole is not read as zeros";
  EXPECT_FALSE(part->view()->IsValid(0));
  ASSERT_TRUE(part->Write(0, absl::string_view(content).substr(0, 1)).ok());
  ASSERT_TRUE(part->MarkValid(0).ok());
  EXPECT_TRUE(part->view()->IsValid(0));
  EXPECT_EQ(Read(*part->view(), 0), content.substr(0, kBlock + 1));
}

// Readers on other threads see bytes as soon as they are there, and never anything else.
TEST_F(PartialTest, ReadersFollowTheFill) {
  const std::string content = Content(64 * kBlock);
  const Part part = OpenPart(IdentityOf("a", content));
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, view = part->view()] {
      std::string got;
      char buffer[3000];
      while (got.size() < content.size()) {
        const absl::StatusOr<size_t> some = view->Read(got.size(), absl::MakeSpan(buffer));
        if (!some.ok()) break;
        got.append(buffer, *some);
      }
      if (got != content) wrong.fetch_add(1);
    });
  }
  // two parts at once
  for (size_t at = 0; at < content.size() / 2; at += 512) {
    for (const size_t from : {at, content.size() / 2 + at}) {
      ASSERT_TRUE(part->Write(from, absl::string_view(content).substr(from, 512)).ok());
      if ((from + 512) % kBlock != 0) continue;
      ASSERT_TRUE(part->MarkValid(from / kBlock).ok());
    }
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0);
}

// An object of this disk's own stays, with its name; an older version goes, and its pin stays.
TEST_F(PartialTest, ReplacesAnOlderVersionAndNothingElse) {
  scratch_.Write("a", "local");
  const std::string content = Content(100), newer = Content(200, 2);
  {
    const Part part = OpenPart(IdentityOf("a", content));
    FillAll(part.get(), content);
    EXPECT_EQ(part->Publish({}).status().code(), absl::StatusCode::kAborted);
    EXPECT_EQ(ContentOf("a"), "local");
    ASSERT_TRUE(store_->Delete("a").ok());
    // what was refused is as before
    ASSERT_TRUE(part->Publish({}).ok());
  }
  EXPECT_EQ(ContentOf("a"), content);
  absl::StatusOr<storage::OpenedObject> object = tree_->OpenObject("a", storage::Wait::kMayBlock);
  ASSERT_TRUE(storage::SetPinned(object->fd.get(), true).ok());
  const Part part = OpenPart(IdentityOf("a", newer, "\"v2\""));
  FillAll(part.get(), newer);
  const uint64_t changes = tree_->changes();
  ASSERT_TRUE(part->Publish({}).ok());
  EXPECT_GT(tree_->changes(), changes);
  EXPECT_EQ(ContentOf("a"), newer);
  object = tree_->OpenObject("a", storage::Wait::kMayBlock);
  EXPECT_TRUE(storage::IsPinned(object->fd.get()));
  EXPECT_EQ(ReadMark(object->fd.get())->etag, "\"v2\"");
}

// What is no path, or has something in its way, is kept under its encoded name; when the way is
// free again it is an ordinary object, and one copy of it is enough.
TEST_F(PartialTest, AwkwardKeysHaveAPlaceToo) {
  scratch_.MakeDirectory("a");
  scratch_.Write("a/b", "in the way of a");
  scratch_.Write("c", "in the way of c/d");
  for (const std::string& uri :
       {std::string("a"), std::string("c/d"), std::string("x//y"), std::string("x/"),
        std::string("x/../y"), std::string(".."), std::string(300, 'l'), std::string("x/.")}) {
    const std::string content = Content(5000, uri.size());
    Part part = OpenPart(IdentityOf(uri, content));
    FillAll(part.get(), content);
    const absl::StatusOr<std::string> place = part->Publish({});
    ASSERT_TRUE(place.ok()) << uri << ": " << place.status();
    EXPECT_EQ(*place, EncodedPlace(uri));
    const net::UniqueFd file(open(scratch_.PathOf(*place).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file.valid()) << uri;
    EXPECT_EQ(storage::ReadAll(file.get()), content);
    EXPECT_EQ(ReadMark(file.get())->uri, uri);
    EXPECT_EQ(ContentOf(*place), std::nullopt) << "nobody can ask for it by that name";
  }
  EXPECT_EQ(ContentOf("a/b"), "in the way of a");
  EXPECT_EQ(ContentOf("c"), "in the way of c/d");
  ASSERT_TRUE(store_->Delete("c").ok());
  const std::string content = Content(10);
  const Part part = OpenPart(IdentityOf("c/d", content, "\"v2\""));
  FillAll(part.get(), content);
  ASSERT_TRUE(part->Publish({}).ok());
  EXPECT_EQ(ContentOf("c/d"), content);
  EXPECT_FALSE(Exists(scratch_.PathOf(EncodedPlace("c/d"))));
}

// What is not what its origin says is no object, and nothing of it is used again.
TEST_F(PartialTest, AWrongSumIsAMiss) {
  const std::string content = Content(3 * kBlock);
  const Identity identity = IdentityOf("a", content);
  Part part = OpenPart(identity);
  FillAll(part.get(), content);
  EXPECT_EQ(part->Publish({.expected_crc32c = Crc32c(content) + 1}).status().code(),
            absl::StatusCode::kDataLoss);
  part.reset();
  EXPECT_EQ(ContentOf("a"), std::nullopt);
  EXPECT_EQ(Missing(OpenPart(identity).get()), (Ranges{{0, content.size()}}));
}

// Sizes that nobody has, and block sizes that are none, are refused with the reason.
TEST_F(PartialTest, RefusesWhatCannotBeKept) {
  Identity identity = IdentityOf("a", "");
  identity.size = uint64_t{1} << 60;
  absl::Status refused = PartialObject::Open(options_, identity).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
  EXPECT_TRUE(absl::StrContains(refused.message(), "more than the file system has")) << refused;
  identity = IdentityOf("a", "x");
  for (const uint32_t block_bytes : {0u, 4095u, (1u << 30) + 1}) {
    identity.block_bytes = block_bytes;
    EXPECT_EQ(PartialObject::Open(options_, identity).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(Exists(PathOfPart("a")));
  // somebody's link in the place of our folder is not followed
  const std::string folder = scratch_.PathOf(PartFolder());
  ASSERT_EQ(rmdir(folder.c_str()), 0);
  ASSERT_EQ(symlink(scratch_.outside().c_str(), folder.c_str()), 0);
  EXPECT_EQ(PartialObject::Open(options_, IdentityOf("a", "x")).status().code(),
            absl::StatusCode::kPermissionDenied);
}

// Where the object belongs on another file system, it is copied there with all that is kept beside
// it, and the copy is the only one left.
TEST_F(PartialTest, IsCopiedToAnotherFileSystem) {
  scratch_.MakeDirectory("mounted");
  const storage::SmallDisk disk(scratch_.PathOf("mounted"), "8m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const std::string content = Content(3 * kBlock + 1);
  const Part part = OpenPart(IdentityOf("mounted/a/b", content));
  FillAll(part.get(), content);
  const absl::StatusOr<std::string> place = part->Publish({.fetched_s = 5});
  if (absl::IsUnimplemented(place.status())) GTEST_SKIP() << place.status();
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(*place, "mounted/a/b");
  EXPECT_EQ(ContentOf("mounted/a/b"), content);
  const absl::StatusOr<storage::OpenedObject> object =
      tree_->OpenObject("mounted/a/b", storage::Wait::kMayBlock);
  const std::optional<Mark> mark = ReadMark(object->fd.get());
  ASSERT_TRUE(mark.has_value());
  EXPECT_TRUE(IsUnchanged(object->fd.get(), *mark));
  EXPECT_FALSE(Exists(PathOfPart("mounted/a/b")));
}

// A disk that is full in the midst of it says so; what is here stays, and when there is room the
// fill goes on.
TEST_F(PartialTest, GoesOnAfterAFullDisk) {
  const storage::SmallDisk disk(scratch_.path(), "2m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  absl::StatusOr<storage::Tree> tree = storage::Tree::Open(scratch_.path());
  tree_ = *std::move(tree);
  if (absl::Status can = CheckMarks(*tree_); !can.ok()) GTEST_SKIP() << can;
  OpenStore(nullptr);
  scratch_.Write("ballast", std::string(1 << 20, 'x'));
  const std::string content = Content(1400 * 1024);
  const Part part = OpenPart(IdentityOf("a", content));
  uint64_t block = 0;
  absl::Status put;
  while (true) {
    put = part->Write(block * kBlock, absl::string_view(content).substr(block * kBlock, kBlock));
    if (!put.ok()) break;
    ASSERT_TRUE(part->MarkValid(block++).ok());
  }
  EXPECT_EQ(put.code(), absl::StatusCode::kUnavailable) << put;
  EXPECT_EQ(Read(*part->view(), 0).substr(0, block * kBlock), content.substr(0, block * kBlock));
  ASSERT_EQ(unlink(scratch_.PathOf("ballast").c_str()), 0);
  for (; block < part->identity().blocks(); ++block) Fill(part.get(), content, block);
  ASSERT_TRUE(part->Publish({.expected_crc32c = Crc32c(content)}).ok());
  EXPECT_EQ(ContentOf("a"), content);
}

}  // namespace
}  // namespace objmapper::origin
