// An object appears when it is committed, completely, and a failure leaves nothing.
#include "storage/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/tree/attributes.h"
#include "storage/tree/description.h"
#include "storage/tree/reserved_name.h"
#include "tests/net/memfd.h"
#include "tests/storage/each.h"
#include "tests/storage/names_below.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

bool Everything(absl::string_view) { return true; }

class StoreTest : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    Store::Options options;
    options.tree = &*tree_;
    store_.emplace(options);
  }
  void TearDown() override {
    store_.reset();
    TreeTest::TearDown();
  }

  absl::Status Put(absl::string_view uri, absl::string_view content,
                   const PutAttributes& attributes = {}) {
    absl::StatusOr<std::unique_ptr<NewObject>> object =
        store_->Begin(uri, content.size(), attributes);
    if (!object.ok()) return object.status();
    CHECK_EQ(pwrite((*object)->fd(), content.data(), content.size(), 0),
             static_cast<ssize_t>(content.size()));
    return (*object)->Commit();
  }

  std::string List(const ListQuery& query) {
    absl::StatusOr<ListPage> page = store_->List(query, Each(Everything));
    if (!page.ok()) return page.status().ToString();
    return absl::StrJoin(page->entries, " ", [](std::string* out, const ListEntry& entry) {
      absl::StrAppend(out, entry.uri);
    });
  }

  // All names below the root, reserved ones too.
  std::set<std::string> Names() const { return NamesBelow(scratch_.path(), Which::kAll); }

  std::optional<Store> store_;
};

// An object is not there until it is committed, then whole, with the directories on its way.
TEST_F(StoreTest, AppearsWithTheCommit) {
  absl::StatusOr<std::unique_ptr<NewObject>> object = store_->Begin("a/b/c", 5, {});
  ASSERT_TRUE(object.ok()) << object.status();
  ASSERT_EQ(pwrite((*object)->fd(), "hello", 5, 0), 5);
  EXPECT_EQ(CodeOf("a/b/c"), absl::StatusCode::kNotFound);
  const uint64_t before = tree_->changes();
  ASSERT_TRUE((*object)->Commit().ok());
  EXPECT_GT(tree_->changes(), before);
  ExpectContent("a/b/c", "hello");
  struct stat status;
  ASSERT_EQ(stat(scratch_.PathOf("a/b/c").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777 & ~0022, mode_t{0644} & ~mode_t{0022});
}

// Who has opened the old one keeps it; who opens the name finds the new one. Nothing else is left.
TEST_F(StoreTest, ReplacesWithoutTouchingTheOldOne) {
  ASSERT_TRUE(Put("a", "old").ok());
  absl::StatusOr<OpenedObject> old = Open("a");
  ASSERT_TRUE(old.ok());
  ASSERT_TRUE(Put("a", "the new one").ok());
  EXPECT_EQ(ReadAll(old->fd.get()), "old");
  ExpectContent("a", "the new one");
  EXPECT_EQ(Names(), std::set<std::string>{"a"});
}

// One that is given up, or is short of bytes, leaves nothing: no name, no directory, no change of
// what was there.
TEST_F(StoreTest, LeavesNothingOfWhatIsGivenUp) {
  ASSERT_TRUE(Put("kept", "kept").ok());
  const std::set<std::string> before = Names();
  const uint64_t changes = tree_->changes();
  for (const char* uri : {"kept", "new", "x/y/z"}) {
    ASSERT_TRUE(store_->Begin(uri, 3, {}).ok());
    absl::StatusOr<std::unique_ptr<NewObject>> object = store_->Begin(uri, 3, {});
    ASSERT_TRUE(object.ok());
    ASSERT_EQ(pwrite((*object)->fd(), "ab", 2, 0), 2);
    EXPECT_EQ((*object)->Commit().code(), absl::StatusCode::kInternal);
  }
  EXPECT_EQ(Names(), before);
  EXPECT_EQ(tree_->changes(), changes);
  ExpectContent("kept", "kept");
}

// What could never be read is not stored, and what is in the way is named.
TEST_F(StoreTest, RefusesNames) {
  ASSERT_TRUE(Put("object", "x").ok());
  scratch_.MakeDirectory("directory");
  scratch_.Write("directory/full", "x");
  const auto code = [this](absl::string_view uri) { return Put(uri, "x").code(); };
  EXPECT_EQ(code(""), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(absl::string_view("a\0b", 3)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("../up"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("a/../b"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("a/"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("."), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(".objmapper-mine"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("a/.objmapper-mine/b"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(std::string(300, 'n')), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code("object/below"), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(code("directory"), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Names(), (std::set<std::string>{"directory", "directory/full", "object"}));
}

// No disk has room for it: it is refused before a byte of it is sent.
TEST_F(StoreTest, RefusesWhatHasNoRoom) {
  for (const uint64_t size : {uint64_t{1} << 62, UINT64_MAX}) {
    const absl::Status status = store_->Begin("x/big", size, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  }
  EXPECT_TRUE(Names().empty());
}

// An announced size takes no room; what comes is the object all the same.
TEST_F(StoreTest, AnAnnouncedSizeTakesNoRoom) {
  absl::StatusOr<std::unique_ptr<NewObject>> object = store_->Begin("x", 1 << 20, {});
  ASSERT_TRUE(object.ok()) << object.status();
  struct stat status;
  ASSERT_EQ(fstat((*object)->fd(), &status), 0);
  EXPECT_EQ(status.st_blocks, 0);
  EXPECT_TRUE((*object)->Extend(1).ok());
  EXPECT_FALSE((*object)->Commit().ok()) << "a byte of a million";
}

// A link is replaced, not written through; a directory behind a link is found as readers find it,
// and none outside.
TEST_F(StoreTest, FollowsNoLinkOut) {
  ASSERT_TRUE(Put("target", "target").ok());
  ASSERT_EQ(symlink("target", scratch_.PathOf("link").c_str()), 0);
  ASSERT_TRUE(Put("link", "mine").ok());
  ExpectContent("target", "target");
  ExpectContent("link", "mine");

  scratch_.MakeDirectory("real");
  ASSERT_EQ(symlink("real", scratch_.PathOf("way").c_str()), 0);
  ASSERT_TRUE(Put("way/x", "x").ok());
  ExpectContent("real/x", "x");

  ASSERT_EQ(symlink(scratch_.outside().c_str(), scratch_.PathOf("out").c_str()), 0);
  EXPECT_EQ(Put("out/x", "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(store_->Delete("out/secret").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(access(absl::StrCat(scratch_.outside(), "/secret").c_str(), F_OK), 0);
}

// What is deleted is gone at once, with the directories that it leaves empty; descriptors stay
// good.
TEST_F(StoreTest, DeletesWithEmptyDirectories) {
  ASSERT_TRUE(Put("a/b/c/object", "x").ok());
  ASSERT_TRUE(Put("a/other", "x").ok());
  absl::StatusOr<OpenedObject> open = Open("a/b/c/object");
  ASSERT_TRUE(open.ok());
  const uint64_t before = tree_->changes();
  ASSERT_TRUE(store_->Delete("a/b/c/object").ok());
  EXPECT_GT(tree_->changes(), before);
  EXPECT_EQ(ReadAll(open->fd.get()), "x");
  EXPECT_EQ(Names(), (std::set<std::string>{"a", "a/other"}));
  EXPECT_EQ(store_->Delete("a/b/c/object").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Delete("a").code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store_->Delete("a/other").ok());
  EXPECT_TRUE(Names().empty());
  EXPECT_EQ(access(scratch_.path().c_str(), F_OK), 0);
}

// A directory that is pruned while an object is on its way into it is made again.
TEST_F(StoreTest, OutlivesThePruningOfItsDirectory) {
  absl::StatusOr<std::unique_ptr<NewObject>> object = store_->Begin("a/b/object", 1, {});
  ASSERT_TRUE(object.ok());
  ASSERT_EQ(pwrite((*object)->fd(), "x", 1, 0), 1);
  ASSERT_EQ(rmdir(scratch_.PathOf("a/b").c_str()), 0);
  ASSERT_EQ(rmdir(scratch_.PathOf("a").c_str()), 0);
  ASSERT_TRUE((*object)->Commit().ok());
  ExpectContent("a/b/object", "x");
}

// A client's file becomes an object without a use of its offset; the object is not the client's
// file.
TEST_F(StoreTest, TakesDescriptors) {
  scratch_.Write("file", "a file");
  const net::UniqueFd file(open(scratch_.PathOf("file").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(lseek(file.get(), 3, SEEK_SET), 3);
  ASSERT_TRUE(store_->PutFd("from_file", net::UniqueFd(dup(file.get())), {}).ok());
  EXPECT_EQ(lseek(file.get(), 0, SEEK_CUR), 3);
  ASSERT_EQ(pwrite(file.get(), "X", 1, 0), 1);
  ExpectContent("from_file", "a file");

  std::string large(3'000'000, 'm');
  large[1'234'567] = '!';
  ASSERT_TRUE(store_->PutFd("from_memory", net::Memfd(large, /*seals=*/0), {}).ok());
  absl::StatusOr<OpenedObject> object = Open("from_memory");
  ASSERT_TRUE(object.ok());
  EXPECT_TRUE(ReadAll(object->fd.get()) == large);
  ASSERT_TRUE(store_->PutFd("empty", net::Memfd("", /*seals=*/0), {}).ok());
  ExpectContent("empty", "");
}

// The etag is that of the content, whether its zeros take room or not; where the holes are more
// than may be hashed it is the version's.
TEST_F(StoreTest, HolesHashAsTheZerosThatTheyAre) {
  std::string content(3'000'000, '\0');
  content.replace(1'000'000, 5, "bytes");
  const net::UniqueFd sparse = net::Memfd("", /*seals=*/0);
  ASSERT_EQ(ftruncate(sparse.get(), static_cast<off_t>(content.size())), 0);
  ASSERT_EQ(pwrite(sparse.get(), "bytes", 5, 1'000'000), 5);
  ASSERT_TRUE(store_->PutFd("sparse", net::UniqueFd(dup(sparse.get())), {}).ok());
  ASSERT_TRUE(Put("dense", content).ok());
  ExpectContent("sparse", content);
  const absl::StatusOr<Description> one = tree_->Describe("sparse", Wait::kMayBlock);
  const absl::StatusOr<Description> other = tree_->Describe("dense", Wait::kMayBlock);
  ASSERT_TRUE(one.ok() && other.ok());
  if (!absl::StartsWith(other->etag, "xxh3-")) GTEST_SKIP() << "no extended attributes here";
  EXPECT_EQ(one->etag, other->etag);
  ASSERT_EQ(ftruncate(sparse.get(), off_t{15} << 40), 0);
  ASSERT_TRUE(store_->PutFd("huge", net::UniqueFd(dup(sparse.get())), {}).ok());
  const absl::StatusOr<Description> huge = tree_->Describe("huge", Wait::kMayBlock);
  ASSERT_TRUE(huge.ok());
  EXPECT_FALSE(absl::StartsWith(huge->etag, "xxh3-"));
}

// A client that cuts and grows its file while it is copied gets an object of one of the sizes, or
// is told so; there is never one of another size, and nothing else is left.
TEST_F(StoreTest, CopiesAFileThatChangesOrSaysSo) {
  constexpr off_t kSmall = 1'000, kLarge = 700'000;
  const net::UniqueFd file = net::Memfd(std::string(kLarge, 'x'), /*seals=*/0);
  std::atomic<bool> stop{false};
  std::thread changing([&] {
    while (!stop) {
      EXPECT_EQ(ftruncate(file.get(), kSmall), 0);
      EXPECT_EQ(ftruncate(file.get(), kLarge), 0);
    }
  });
  for (int i = 0; i < 100; ++i) {
    const absl::Status put =
        store_->PutFd("object", net::UniqueFd(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), {});
    EXPECT_TRUE(put.ok() || absl::IsAborted(put)) << put;
    if (!put.ok()) continue;
    const absl::StatusOr<ObjectInfo> info = tree_->Stat("object", Wait::kMayBlock);
    EXPECT_TRUE(info.ok() && (info->size == kSmall || info->size == kLarge));
  }
  stop = true;
  changing.join();
  for (const std::string& name : Names()) EXPECT_EQ(name, "object");
}

// What is no regular file open for reading is refused, by what it is.
TEST_F(StoreTest, RefusesOtherDescriptorsByName) {
  int pipe_ends[2], sockets[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  net::UniqueFd other_ends[] = {net::UniqueFd(pipe_ends[1]), net::UniqueFd(sockets[1])};
  scratch_.Write("file", "x");
  const std::string path = scratch_.PathOf("file");
  struct {
    int fd;
    const char* word;
  } cases[] = {{pipe_ends[0], "a pipe"},
               {sockets[0], "a socket"},
               {open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "a directory"},
               {open("/dev/null", O_RDONLY | O_CLOEXEC), "a device"},
               {open(path.c_str(), O_PATH | O_CLOEXEC), "O_PATH"},
               {open(path.c_str(), O_WRONLY | O_CLOEXEC), "only for writing"},
               {eventfd(0, EFD_CLOEXEC), "not a file"}};
  for (const auto& c : cases) {
    const absl::Status status = store_->PutFd("x/y", net::UniqueFd(c.fd), {});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), c.word)) << status;
  }
  EXPECT_EQ(Names(), std::set<std::string>{"file"});
}

// An object that has expired is not found by any opener, nor listed; one that has not is as any
// other.
TEST_F(StoreTest, EndsWithItsTime) {
  PutAttributes attributes;
  attributes.ttl = absl::Hours(1);
  const absl::Status put = Put("a/object", "x", attributes);
  if (absl::IsUnimplemented(put)) GTEST_SKIP() << put;
  ASSERT_TRUE(put.ok()) << put;
  ExpectContent("a/object", "x");
  EXPECT_EQ(List({}), "a/object");
  // Its time comes: the past is put in its place.
  const net::UniqueFd fd(open(scratch_.PathOf("a/object").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(SetExpiry(fd.get(), 1'000'000'000).ok());
  EXPECT_EQ(CodeOf("a/object"), absl::StatusCode::kNotFound);
  EXPECT_EQ(List({}), "");
  ASSERT_TRUE(Put("a/object", "for ever").ok());
  ExpectContent("a/object", "for ever");
}

// The content's etag depends on the content alone, is kept with the file, and is forgotten when the
// file is rewritten in place, even by somebody who turns its mtime back.
TEST_F(StoreTest, KnowsTheContentsEtag) {
  const auto etag = [this](absl::string_view uri) {
    absl::StatusOr<OpenedObject> object = Open(uri);
    CHECK(object.ok());
    return EtagOf(object->fd.get(), object->info, object->tier);
  };
  ASSERT_TRUE(Put("one", "same bytes").ok());
  ASSERT_TRUE(Put("two", "same bytes").ok());
  ASSERT_TRUE(Put("three", "other bytes").ok());
  if (!absl::StartsWith(etag("one"), "xxh3-")) GTEST_SKIP() << "no extended attributes here";
  EXPECT_EQ(etag("one"), etag("two"));
  EXPECT_NE(etag("one"), etag("three"));
  ASSERT_TRUE(Put("one", "other bytes").ok());
  EXPECT_EQ(etag("one"), etag("three"));

  const std::string kept = etag("two");
  const std::string path = scratch_.PathOf("two");
  struct stat before, after;
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  const timespec times[2] = {before.st_atim, before.st_mtim};
  const net::UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  const auto ns = [](const timespec& time) {
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  // Once more until it happens later than the instant in which the store's own changes count as
  // such.
  do {
    ASSERT_EQ(pwrite(fd.get(), "SAME bytes", 10, 0), 10);
    ASSERT_EQ(futimens(fd.get(), times), 0);
    ASSERT_EQ(fstat(fd.get(), &after), 0);
  } while (ns(after.st_ctim) - ns(before.st_ctim) < 50'000'000);
  ASSERT_EQ(ns(after.st_mtim), ns(before.st_mtim));
  const absl::StatusOr<ObjectInfo> info = InfoOf(fd.get(), "two");
  ASSERT_TRUE(info.ok());
  EXPECT_FALSE(KnownContentEtag(fd.get(), *info).has_value());
  EXPECT_NE(EtagOf(fd.get(), *info, Tier::kDisk), kept);
}

// What is at hand is written at once, over what has its name or not: the same object comes of it,
// and nothing beside it; one that is given up leaves nothing.
TEST_F(StoreTest, WritesWhatIsAtHand) {
  const std::string content(100'000, 'x');
  ASSERT_TRUE(Put("by_parts", content).ok());
  PutAttributes attributes;
  attributes.at_hand = true;
  for (const bool replaced : {false, true, true}) {
    const auto object = store_->Begin("whole", content.size(), attributes);
    ASSERT_TRUE(object.ok()) << object.status();
    ASSERT_TRUE((*object)->WriteWhole(content).ok());
    ASSERT_TRUE((*object)->Commit().ok());
    EXPECT_EQ((*object)->replaced(), replaced);
  }
  ExpectContent("whole", content);
  const absl::StatusOr<Description> parts = tree_->Describe("by_parts", Wait::kMayBlock);
  const absl::StatusOr<Description> whole = tree_->Describe("whole", Wait::kMayBlock);
  ASSERT_TRUE(parts.ok() && whole.ok());
  EXPECT_EQ(whole->etag, parts->etag);
  {
    const auto given_up = store_->Begin("whole", 5, attributes);
    ASSERT_TRUE(given_up.ok());
    ASSERT_TRUE((*given_up)->WriteWhole("other").ok());
  }
  ExpectContent("whole", content);
  EXPECT_EQ(Names(), (std::set<std::string>{"by_parts", "whole"}));
}

// Whoever removes what killed puts have left behind, as a server does when it starts, takes nothing
// of one that lives for such.
TEST_F(StoreTest, IsNotTakenForALeftover) {
  ASSERT_TRUE(Put("one", "bytes").ok());
  std::atomic<bool> stop{false};
  std::thread sweeps([&] {
    const net::UniqueFd root(open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    while (!stop) {
      for (const std::string& name : Names()) {
        if (IsReservedName(name)) RemoveIfAbandoned(root.get(), name);
      }
    }
  });
  PutAttributes attributes;
  attributes.at_hand = true;
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    const auto object = store_->Begin("one", 5, attributes);
    ASSERT_TRUE(object.ok()) << object.status();
    ASSERT_TRUE((*object)->WriteWhole("other").ok());
    const absl::Status committed = (*object)->Commit();
    EXPECT_TRUE(committed.ok()) << committed;
  }
  stop = true;
  sweeps.join();
  EXPECT_EQ(Names(), std::set<std::string>{"one"});
}

// What is kept of our own etags has room in an inode; what older servers kept, as text, is read on.
TEST_F(StoreTest, KeptEtagsAreShort) {
  ASSERT_TRUE(Put("one", "bytes").ok());
  const net::UniqueFd fd(open(scratch_.PathOf("one").c_str(), O_RDWR | O_CLOEXEC));
  char value[256];
  const ssize_t size = fgetxattr(fd.get(), "user.objmapper.etag", value, sizeof(value));
  if (size < 0) GTEST_SKIP() << "no extended attributes here";
  EXPECT_LE(size, 56) << "ext4 has 88 bytes in an inode: 16, the name, and this";
  const absl::StatusOr<ObjectInfo> info = InfoOf(fd.get(), "one");
  ASSERT_TRUE(info.ok());
  const std::optional<std::string> etag = KnownContentEtag(fd.get(), *info);
  ASSERT_TRUE(etag.has_value());
  EXPECT_EQ(etag->substr(0, 5), "xxh3-");
  EXPECT_EQ(etag->size(), 37u);
  bool known = false;
  for (int attempt = 0; attempt < 8 && !known; ++attempt) {  // an instant may be over too soon
    const std::string text = absl::StrCat(*etag, " ", info->size, " ", info->mtime_ns, " ",
                                          net::NowNs(CLOCK_REALTIME_COARSE));
    ASSERT_EQ(fsetxattr(fd.get(), "user.objmapper.etag", text.data(), text.size(), 0), 0);
    const absl::StatusOr<ObjectInfo> now = InfoOf(fd.get(), "one");
    ASSERT_TRUE(now.ok());
    known = KnownContentEtag(fd.get(), *now) == etag;
  }
  EXPECT_TRUE(known);
  // Cut or mixed up, it is none.
  for (const absl::string_view bad : {absl::string_view("\1", 1), absl::string_view("\1 1 1 1", 7),
                                      absl::string_view("xxh3-00 5", 9)}) {
    ASSERT_EQ(fsetxattr(fd.get(), "user.objmapper.etag", bad.data(), bad.size(), 0), 0);
    EXPECT_FALSE(KnownContentEtag(fd.get(), *info).has_value()) << bad;
  }
}

// What lies in a file's attribute may be anybody's writing: only what an etag can be is taken for
// one.
TEST_F(StoreTest, ForeignEtags) {
  ASSERT_TRUE(Put("one", "bytes").ok());
  const net::UniqueFd fd(open(scratch_.PathOf("one").c_str(), O_RDWR | O_CLOEXEC));
  if (!KeepContentEtag(fd.get(), "fine")) GTEST_SKIP() << "no extended attributes here";
  for (const std::string& bad : {std::string("e\x1b[2J"), std::string("\xc2\x9b"),
                                 std::string("caf\xc3\xa9"), std::string(), std::string(65, 'e')}) {
    EXPECT_FALSE(KeepContentEtag(fd.get(), bad)) << bad.size();
  }
  const absl::StatusOr<ObjectInfo> info = InfoOf(fd.get(), "one");
  ASSERT_TRUE(info.ok());
  // A time so long ago that a difference to it overflows.
  const std::string value =
      absl::StrCat("e ", info->size, " ", info->mtime_ns, " ", std::numeric_limits<int64_t>::min());
  ASSERT_EQ(fsetxattr(fd.get(), "user.objmapper.etag", value.data(), value.size(), 0), 0);
  EXPECT_FALSE(KnownContentEtag(fd.get(), *info).has_value());
}

// Empty directories that a store has made, such as a put that was killed leaves, are in nobody's
// way, however many; with an object in one they are.
TEST_F(StoreTest, TakesTheNameOfEmptyDirectories) {
  for (const char* uri : {"a/x", "b/c/d/x", "b/e/x", "f/g/x"}) {
    ASSERT_TRUE(Put(uri, "x").ok());
    ASSERT_EQ(unlink(scratch_.PathOf(uri).c_str()), 0);
  }
  for (const char* uri : {"a", "b"}) {
    ASSERT_TRUE(Put(uri, "x").ok()) << uri;
    ExpectContent(uri, "x");
  }
  ASSERT_TRUE(Put("f/g/object", "x").ok());
  EXPECT_EQ(Put("f", "y").code(), absl::StatusCode::kAlreadyExists);
  ExpectContent("f/g/object", "x");
}

// A directory that somebody else has made is never removed, though it be empty, or become so: not
// by a put of its name, nor by a delete, a put that comes to nothing, or one of the store's own
// directories going.
TEST_F(StoreTest, LeavesDirectoriesOfOthers) {
  for (const char* directory : {"inbox", "inbox/theirs", "other", "other/way"})
    scratch_.MakeDirectory(directory);
  const std::set<std::string> before = Names();
  for (const char* uri : {"inbox", "inbox/theirs", "other/way", "inbox//theirs", "./inbox"}) {
    EXPECT_EQ(Put(uri, "x").code(), absl::StatusCode::kAlreadyExists) << uri;
    EXPECT_EQ(store_->PutFd(uri, net::Memfd("x", /*seals=*/0), {}).code(),
              absl::StatusCode::kAlreadyExists)
        << uri;
    EXPECT_EQ(store_->Delete(uri).code(), absl::StatusCode::kFailedPrecondition) << uri;
  }
  EXPECT_EQ(Names(), before);
  ASSERT_TRUE(Put("inbox/theirs/a", "x").ok());
  ASSERT_TRUE(Put("other/way/ours/a", "x").ok());
  scratch_.Write("inbox/file", "not by a store");
  for (const char* uri : {"inbox/theirs/a", "other/way/ours/a", "inbox/file"})
    EXPECT_TRUE(store_->Delete(uri).ok()) << uri;
  ASSERT_TRUE(store_->Begin("inbox/theirs/ours/a", 1, {}).ok());  // and given up
  EXPECT_EQ(Names(), before);
  // Made anew by somebody else, under a name that was the store's.
  ASSERT_TRUE(Put("inbox/made/a", "x").ok());
  ASSERT_EQ(unlink(scratch_.PathOf("inbox/made/a").c_str()), 0);
  ASSERT_EQ(rmdir(scratch_.PathOf("inbox/made").c_str()), 0);
  scratch_.MakeDirectory("inbox/made");
  EXPECT_EQ(Put("inbox/made", "x").code(), absl::StatusCode::kAlreadyExists);
}

// Directories that a caller is not to remove stay, though the store has made them; but what a put
// has made it takes back, if it comes to nothing.
TEST_F(StoreTest, KeepsTheDirectoriesItIsTold) {
  ASSERT_TRUE(Put("a/b/c/one", "x").ok());
  ASSERT_TRUE(store_->Delete("a/b/c/one", /*kept_folders=*/2).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"a", "a/b"}));
  ASSERT_TRUE(Put("a/b/c/one", "x").ok());
  ASSERT_TRUE(store_->Delete("//a/./b//c/one", /*kept_folders=*/1).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"a"}));
  PutAttributes keeps;
  keeps.kept_folders = 2;
  ASSERT_TRUE(store_->Begin("a/b/c/one", 1, keeps).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"a"}));
  ASSERT_TRUE(store_->Begin("x/y/z/one", 1, keeps).ok());
  EXPECT_EQ(Names(), (std::set<std::string>{"a"}));
}

// Where a file system keeps no marks, the process remembers what it has made.
TEST_F(StoreTest, KnowsItsDirectoriesWithoutAttributesToo) {
  scratch_.MakeDirectory("plain");
  const std::string mount_point = scratch_.PathOf("plain");
  if (mount("ramfs", mount_point.c_str(), "ramfs", 0, "") != 0)
    GTEST_SKIP() << "only root can mount";
  scratch_.MakeDirectory("plain/theirs");
  const absl::Status put = Put("plain/ours/a/b", "x");
  const absl::Status put_theirs = Put("plain/theirs/a", "x");
  const absl::Status deleted = store_->Delete("plain/ours/a/b");
  const absl::Status deleted_theirs = store_->Delete("plain/theirs/a");
  const absl::Status over = Put("plain/theirs", "x");
  const std::set<std::string> names = Names();
  ASSERT_EQ(umount(mount_point.c_str()), 0);
  for (const absl::Status& status : {put, put_theirs, deleted, deleted_theirs})
    EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(over.code(), absl::StatusCode::kAlreadyExists) << over;
  EXPECT_EQ(names, (std::set<std::string>{"plain", "plain/theirs"}));
}

// A way that cannot be made to its end is not made at all.
TEST_F(StoreTest, MakesNoDirectoriesInVain) {
  const std::string long_name(300, 'n');
  EXPECT_EQ(Put(absl::StrCat("a/b/", long_name, "/c"), "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(Names().empty());
  ASSERT_EQ(symlink("nowhere", scratch_.PathOf("dangling").c_str()), 0);
  EXPECT_EQ(Put("dangling/x", "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Names(), std::set<std::string>{"dangling"});
}

// More than the process may write (RLIMIT_FSIZE) is refused at once; nobody is killed by SIGXFSZ.
TEST_F(StoreTest, RefusesMoreThanTheProcessMayWrite) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status begun = store_->Begin("x/y", 1001, {}).status();
  const absl::Status passed =
      store_->PutFd("x/y", net::Memfd(std::string(900, 'x'), /*seals=*/0), {});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(begun.code(), absl::StatusCode::kUnavailable) << begun;
  EXPECT_TRUE(passed.ok()) << passed;
  EXPECT_EQ(Names(), (std::set<std::string>{"x", "x/y"}));
}

// Pages follow each other in the order of bytes, each URI once, whatever the pages' size; "a-b"
// comes before "a/b".
TEST_F(StoreTest, ListsInOrderPageByPage) {
  const std::set<std::string> uris = {"a-b", "a/b",     "a/b.c",  "a/b-/x",
                                      "a0",  "b/c/d/e", "b/c/d0", "z"};
  for (const std::string& uri : uris) ASSERT_TRUE(Put(uri, "xy").ok());
  scratch_.MakeDirectory("hollow");
  scratch_.Write(".objmapper-1-2-3", "not listed");
  const std::string all = absl::StrJoin(uris, " ");
  EXPECT_EQ(List({}), all);
  for (size_t bytes = 1; bytes < 200; bytes += 13) {
    ListQuery query;
    query.bytes_max = bytes;
    std::vector<std::string> seen;
    do {
      absl::StatusOr<ListPage> page = store_->List(query, Each(Everything));
      ASSERT_TRUE(page.ok()) << page.status();
      for (const ListEntry& entry : page->entries) seen.push_back(entry.uri);
      EXPECT_EQ(page->entries.front().size, 2u);
      query.cursor = page->cursor;
    } while (!query.cursor.empty());
    EXPECT_EQ(absl::StrJoin(seen, " "), all) << bytes;
  }
  EXPECT_EQ(List({.prefix = "a/"}), "a/b a/b-/x a/b.c");
  EXPECT_EQ(List({.prefix = "a/b-"}), "a/b-/x");
  EXPECT_EQ(List({.prefix = "b/c/d"}), "b/c/d/e b/c/d0");
  EXPECT_EQ(List({.prefix = "nothing"}), "");
}

// Only what is permitted is listed.
TEST_F(StoreTest, ListsWhatIsPermitted) {
  for (const char* uri : {"mine/1", "yours/1", "yours/2"}) ASSERT_TRUE(Put(uri, "x").ok());
  const auto permitted = [](absl::string_view uri) { return absl::StartsWith(uri, "mine/"); };
  absl::StatusOr<ListPage> page = store_->List({}, Each(permitted));
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->entries.size(), 1u);
  EXPECT_EQ(page->entries[0].uri, "mine/1");
  EXPECT_EQ(page->cursor, "");
}

// Putting, deleting and reading one name at once: whoever finds it finds one whole version of it.
TEST_F(StoreTest, ShowsWholeVersionsToThoseWhoRace) {
  constexpr int kVersions = 150;
  const auto content = [](int version) {
    return std::string(1000 + 37 * version, static_cast<char>('a' + version % 26));
  };
  std::atomic<int> writers{3};
  std::vector<std::thread> threads;
  for (int w = 0; w < 2; ++w) {
    threads.emplace_back([&, w] {
      for (int v = w; v < kVersions; v += 2) EXPECT_TRUE(Put("d/e/object", content(v)).ok());
      --writers;
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < kVersions; ++i) {
      const absl::Status status = store_->Delete("d/e/object");
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
    }
    --writers;
  });
  int found = 0;
  while (writers > 0) {
    absl::StatusOr<OpenedObject> object = Open("d/e/object");
    if (!object.ok()) {
      EXPECT_TRUE(absl::IsNotFound(object.status())) << object.status();
      continue;
    }
    const std::string bytes = ReadAll(object->fd.get());
    ASSERT_EQ((bytes.size() - 1000) % 37, 0u);
    EXPECT_EQ(bytes, content(static_cast<int>(bytes.size() - 1000) / 37));
    ++found;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(found, 0);
  for (const std::string& name : Names())
    EXPECT_FALSE(absl::StrContains(name, ".objmapper-")) << name;
}

// What is left of a process that was killed goes; what one is at work with stays.
TEST_F(StoreTest, RemovesAbandonedNamesAlone) {
  const net::UniqueFd root(open(scratch_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  scratch_.Write(".objmapper-1-1-1", "abandoned");
  scratch_.Write(".objmapper-2-2-2", "in work");
  const net::UniqueFd held(open(scratch_.PathOf(".objmapper-2-2-2").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(LockReserved(held.get()));
  EXPECT_TRUE(RemoveIfAbandoned(root.get(), ".objmapper-1-1-1"));
  EXPECT_FALSE(RemoveIfAbandoned(root.get(), ".objmapper-2-2-2"));
  EXPECT_EQ(Names(), std::set<std::string>{".objmapper-2-2-2"});
}

// A start finds what is left anywhere in the tree, and takes nothing else.
TEST_F(StoreTest, RemovesLeftoversEverywhere) {
  ASSERT_TRUE(Put("a/b/object", "x").ok());
  for (const char* name : {".objmapper-1-1-1", "a/.objmapper-1-1-2"}) scratch_.Write(name, "left");
  scratch_.MakeDirectory("a/b/.objmapper-1-1-3");  // a directory on its way to its name
  scratch_.Write("a/.objmapper", "no such name");
  ASSERT_EQ(symlink("..", scratch_.PathOf("a/round").c_str()), 0);
  const absl::StatusOr<size_t> removed = store_->RemoveLeftovers();
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, 3u);
  EXPECT_EQ(Names(), (std::set<std::string>{"a", "a/.objmapper", "a/b", "a/b/object", "a/round"}));
  EXPECT_EQ(List({}), "a/.objmapper a/b/object");
}

// A disk that is full refuses an object before its bytes come, and keeps nothing of it.
TEST_F(StoreTest, AFullDiskRefusesAtOnce) {
  scratch_.MakeDirectory("small");
  const std::string mount_point = scratch_.PathOf("small");
  if (mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "only root can mount";
  const absl::Status begun = store_->Begin("small/a/big", 1'000'000, {}).status();
  const absl::Status passed =
      store_->PutFd("small/a/big", net::Memfd(std::string(1'000'000, 'x'), /*seals=*/0), {});
  const absl::Status fits = Put("small/a/fits", "x");
  const std::set<std::string> names = Names();
  ASSERT_EQ(umount(mount_point.c_str()), 0);
  EXPECT_EQ(begun.code(), absl::StatusCode::kUnavailable) << begun;
  EXPECT_EQ(passed.code(), absl::StatusCode::kUnavailable) << passed;
  EXPECT_TRUE(fits.ok()) << fits;
  EXPECT_EQ(names, (std::set<std::string>{"small", "small/a", "small/a/fits"}));
}

// A URI may be so deep and no deeper, for every operation; what is made on the way for nothing is
// not left.
TEST_F(StoreTest, DepthHasABound) {
  const auto deep = [](size_t levels) {
    std::string uri = "d";
    for (size_t i = 1; i < levels; ++i) absl::StrAppend(&uri, "/d");
    return uri;
  };
  ASSERT_TRUE(Put(deep(kDepthMax), "deepest").ok());
  ExpectContent(deep(kDepthMax), "deepest");
  EXPECT_EQ(List({}), deep(kDepthMax));
  EXPECT_TRUE(store_->Delete(deep(kDepthMax)).ok());
  EXPECT_EQ(Names(), std::set<std::string>{});
  const std::string deeper = deep(kDepthMax + 1);
  EXPECT_EQ(CodeOf(deeper), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Put(deeper, "x").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(store_->Delete(deeper).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(store_->PutFd(deeper, net::Memfd("x"), {}).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Names(), std::set<std::string>{});
  // Doubled slashes make no levels.
  ASSERT_TRUE(Put("a" + std::string(2000, '/') + "b", "x").ok());
  ExpectContent("a/b", "x");
}

// What others have made deeper than that is nobody's object, and keeps no listing from what is; a
// listing has a few descriptors open.
TEST_F(StoreTest, ListsBesideTreesOfAnyDepth) {
  ASSERT_TRUE(Put("a", "x").ok());
  ASSERT_TRUE(Put("z/z", "x").ok());
  net::UniqueFd at(open(scratch_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int level = 0; level < 3000; ++level) {
    ASSERT_EQ(mkdirat(at.get(), "m", 0755), 0);
    at.Reset(openat(at.get(), "m", O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid());
    if (level % 100 == 0)
      net::UniqueFd file(openat(at.get(), "object", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  }
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = static_cast<rlim_t>(net::UniqueFd(dup(at.get())).get()) + 5;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  ListQuery query;
  const absl::StatusOr<ListPage> page = store_->List(query, Each(Everything));
  const absl::StatusOr<size_t> removed = store_->RemoveLeftovers();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(removed.ok()) << removed.status();
  ASSERT_TRUE(page.ok()) << page.status();
  // The root's, "m"'s, and those at 101 and 201 levels.
  ASSERT_EQ(page->entries.size(), 5u);
  EXPECT_EQ(page->entries.front().uri, "a");
  EXPECT_EQ(page->entries.back().uri, "z/z");
  // rm(1) would not do it by paths.
  at.Reset();
  ASSERT_EQ(system(("rm -rf '" + scratch_.PathOf("m") + "'").c_str()), 0);
}

// Folders that a peer may see nothing of are not read, and those that the prefix does not lead to
// neither.
TEST_F(StoreTest, ListReadsOnlyWhatMayBeSeen) {
  for (const char* uri : {"closed/a", "open/a", "open/b/c", "open/secret/d"})
    ASSERT_TRUE(Put(uri, "x").ok());
  class Open : public ListFilter {
   public:
    bool Permits(absl::string_view uri) const override {
      asked.emplace_back(uri);
      return absl::StartsWith(uri, "open/") && !absl::StartsWith(uri, "open/secret/");
    }
    std::optional<std::string> After(absl::string_view uri) const override {
      if (uri < "open/") return "open/";
      if (absl::StartsWith(uri, "open/secret/")) return "open/secret0";
      return std::nullopt;
    }
    mutable std::vector<std::string> asked;
  };
  const Open filter;
  const absl::StatusOr<ListPage> page = store_->List({}, filter);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->entries[0].uri, "open/a");
  EXPECT_EQ(page->entries[1].uri, "open/b/c");
  for (const std::string& uri : filter.asked) {
    EXPECT_TRUE(uri != "closed/a" && uri != "open/secret/d") << uri << " was looked at";
  }
  ListQuery query;
  query.prefix = "open/b/";
  const Open other;
  ASSERT_TRUE(store_->List(query, other).ok());
  EXPECT_EQ(other.asked, (std::vector<std::string>{"open/", "open/b/", "open/b/c"}));
}

// Attributes are anybody's who may write to the file: numbers that fit nothing are no accident.
TEST_F(StoreTest, ForeignAttributesAreOnlyNumbers) {
  scratch_.Write("object", "content");
  const std::string path = scratch_.PathOf("object");
  ASSERT_EQ(chmod(path.c_str(), 01644), 0);
  const auto set = [&](const char* name, const std::string& value) {
    return setxattr(path.c_str(), name, value.data(), value.size(), 0) == 0;
  };
  if (!set("user.objmapper.expires", "9223372036854775807"))
    GTEST_SKIP() << "no extended attributes here";
  ExpectContent("object", "content");
  for (const char* expired : {"-9223372036854775808", "-1", "0", "1"}) {
    ASSERT_TRUE(set("user.objmapper.expires", expired));
    EXPECT_EQ(CodeOf("object"), absl::StatusCode::kNotFound) << expired;
  }
  // no number: it never expires
  ASSERT_TRUE(set("user.objmapper.expires", "99999999999999999999999"));
  ExpectContent("object", "content");
  for (const char* kept : {"-9223372036854775808", "9223372036854775807"}) {
    ASSERT_TRUE(set("user.objmapper.etag", absl::StrCat("xxh3-0 7 0 ", kept)));
    EXPECT_TRUE(tree_->Describe("object", Wait::kMayBlock).ok());
  }
}

}  // namespace
}  // namespace objmapper::storage
