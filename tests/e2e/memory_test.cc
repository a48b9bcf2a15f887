// Objects in memory, over the wire: docs/memory.md, sentence by sentence.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kPage = 4096;

// Whether both are the same file: the same memory.
bool SameFile(int a, int b) {
  struct stat one {
  }, other{};
  return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

class MemoryTest : public WritableTest {
 protected:
  void StartWith(absl::string_view limit, std::vector<std::string> flags = {}) {
    flags.push_back(absl::StrCat("--memory_limit=", limit));
    Start(flags);
  }
  RawClient MemoryClient() { return Client(Transport::kUnix, kInOrder | kMetadata); }

  // ttl_s: 0, none.
  static Answer Give(RawClient* client, const std::string& uri, int fd, uint32_t ttl_s = 0) {
    Question question{.mode = kPutFd, .uri = uri};
    if (ttl_s != 0) {
      question.flags = kWithMetadata;
      question.metadata = TimeToLive(ttl_s);
    }
    std::vector<uint32_t> ids;
    client->wire().Send(client->Encode({question}, &ids), {fd});
    return client->Next();
  }
  static net::UniqueFd Open(RawClient* client, const std::string& uri) {
    Answer answer = client->Get({.mode = kFdPass, .uri = uri});
    EXPECT_TRUE(answer.ok()) << uri << " " << answer.status;
    return std::move(answer.fd);
  }
  // The names that OP_LIST tells.
  static std::set<std::string> Listed(RawClient* client) {
    const Answer listed = client->Get({.mode = kList, .uri = ""});
    EXPECT_TRUE(listed.ok()) << listed.status;
    std::set<std::string> uris;
    for (size_t at = 0; at < listed.body.size();) {
      const size_t bytes = BigEndian(absl::string_view(listed.body).substr(at, 2));
      uris.insert(listed.body.substr(at + 2, bytes));
      at += 18 + bytes;
    }
    return uris;
  }
  // Whatever is below the root, directories included.
  bool DiskIsEmpty() const { return std::filesystem::is_empty(tree_.root()); }
  bool OnDisk(const std::string& uri) const { return access(tree_.Path(uri).c_str(), F_OK) == 0; }
};
INSTANTIATE_TEST_SUITE_P(Everything, MemoryTest, testing::ValuesIn(kEverything), EngineName);

// A sealed memfd is the object: what FDPASS hands out is that very file, read-only, with an offset
// of each receiver's own. Every mode and lane serves it, LIST has it, and the disk knows nothing of
// it.
TEST_P(MemoryTest, ASealedMemfdIsTheObjectItself) {
  StartWith("16M");
  RawClient client = MemoryClient();
  RawClient tcp = Client(Transport::kTcp);
  for (const size_t bytes : {0, 100, 300'000}) {
    const std::string uri = absl::StrCat("in/memory/", bytes);
    const std::string contents = Pattern(bytes + 1, bytes);
    const net::UniqueFd fd = net::Memfd(contents);
    const off_t offset = lseek(fd.get(), 0, SEEK_CUR);
    const Answer stored = Give(&client, uri, fd.get());
    ASSERT_TRUE(stored.ok()) << stored.status;
    EXPECT_EQ(stored.Number(kSizeEntry), bytes);

    const net::UniqueFd one = Open(&client, uri), other = Open(&client, uri);
    for (const int passed : {one.get(), other.get()}) {
      EXPECT_TRUE(SameFile(passed, fd.get()));
      EXPECT_EQ(fcntl(passed, F_GET_SEALS) & net::kSealed, net::kSealed);
      EXPECT_EQ(fcntl(passed, F_GETFL) & O_ACCMODE, O_RDONLY);
      EXPECT_EQ(lseek(passed, 0, SEEK_CUR), 0);
    }
    std::string half(bytes / 2, '\0');
    EXPECT_EQ(read(one.get(), half.data(), half.size()), static_cast<ssize_t>(half.size()));
    EXPECT_TRUE(half == contents.substr(0, half.size()));
    EXPECT_EQ(lseek(other.get(), 0, SEEK_CUR), 0) << "two receivers share an offset";
    EXPECT_EQ(lseek(fd.get(), 0, SEEK_CUR), offset)
        << "a receiver shares its offset with the giver";
    EXPECT_TRUE(Contents(other.get()) == contents);

    for (RawClient* reader : {&client, &tcp}) {
      EXPECT_TRUE(reader->Get({.mode = kCopy, .uri = uri}).body == contents);
      EXPECT_TRUE(reader->Get({.mode = kSplice, .uri = uri}).body == contents);
      EXPECT_EQ(reader->Get({.mode = kStat, .uri = uri}).metadata, stored.metadata);
    }
  }
  const Answer range = client.Get(
      {.mode = kCopy, .uri = "in/memory/300000", .flags = kWithRange, .offset = 7, .length = 9});
  EXPECT_EQ(range.body, Pattern(300'001, 300'000).substr(7, 9));
  EXPECT_EQ(Listed(&client),
            (std::set<std::string>{"in/memory/0", "in/memory/100", "in/memory/300000"}));
  EXPECT_TRUE(DiskIsEmpty());
}

// What somebody could still write, and what is too large, is copied to the disk: served as well,
// but no longer the client's.
TEST_P(MemoryTest, WhatIsNotAdoptedIsCopied) {
  StartWith(absl::StrCat(16 * kPage));
  RawClient client = MemoryClient();
  const std::pair<std::string, net::UniqueFd> files[] = {
      {"unsealed", net::Memfd(Pattern(1, 5000), 0)},
      {"may-grow", net::Memfd(Pattern(2, 5000), F_SEAL_WRITE | F_SEAL_SHRINK)},
      {"may-shrink", net::Memfd(Pattern(3, 5000), F_SEAL_WRITE | F_SEAL_GROW)},
      {"mapped-may-write",
       net::Memfd(Pattern(4, 5000), F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)},
      {"too-large", net::Memfd(Pattern(5, 16 * kPage + 1))}};
  std::set<std::string> names;
  for (const auto& [name, fd] : files) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(Give(&client, name, fd.get()).ok());
    const net::UniqueFd passed = Open(&client, name);
    EXPECT_FALSE(SameFile(passed.get(), fd.get()));
    EXPECT_TRUE(Contents(passed.get()) == Contents(fd.get()));
    EXPECT_TRUE(client.Get({.mode = kCopy, .uri = name}).body == Contents(fd.get()));
    EXPECT_TRUE(OnDisk(name));
    names.insert(name);
  }
  // A byte less, and it fits.
  const net::UniqueFd fits = net::Memfd(Pattern(5, 16 * kPage));
  ASSERT_TRUE(Give(&client, "fits", fits.get()).ok());
  EXPECT_TRUE(SameFile(Open(&client, "fits").get(), fits.get()));
  EXPECT_FALSE(OnDisk("fits"));
  names.insert("fits");
  EXPECT_EQ(Listed(&client), names);
}

// When there is no more room, what came and was used once goes, and what is used again and again
// stays. What has gone is NOT_FOUND, is not on the disk, and whoever holds it open reads on.
TEST_P(MemoryTest, WhatIsUsedStaysAndTheOthersGo) {
  // Twenty objects of a page; nothing but the tier remembers what is in it.
  StartWith(absl::StrCat(20 * kPage), {"--fd_cache_entries=0", "--index_entries=0"});
  RawClient client = MemoryClient();
  ASSERT_TRUE(Give(&client, "hot", net::Memfd("used again and again").get()).ok());
  for (int i = 0; i < 3; ++i) Open(&client, "hot");
  ASSERT_TRUE(Give(&client, "first", net::Memfd("used once").get()).ok());
  const net::UniqueFd held = Open(&client, "first");
  for (int i = 0; i < 100; ++i) {
    const std::string uri = absl::StrCat("once/", i);
    const net::UniqueFd fd = net::Memfd(uri);
    ASSERT_TRUE(Give(&client, uri, fd.get()).ok());
    ASSERT_TRUE(SameFile(Open(&client, uri).get(), fd.get()))
        << uri << " is on the disk, though it fits";
  }
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "hot"}).body, "used again and again");
  for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "first"}), Status::kNotFound);
  }
  EXPECT_EQ(Contents(held.get()), "used once");
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "once/99"}).ok());
  const std::set<std::string> listed = Listed(&client);
  EXPECT_EQ(listed.size(), 20u);
  EXPECT_EQ(listed.count("hot"), 1u);
  EXPECT_EQ(listed.count("first"), 0u);
  EXPECT_TRUE(DiskIsEmpty());
}

// Of each name there is one object, wherever it is: the last one that was stored. DELETE leaves
// none of an older one.
TEST_P(MemoryTest, OneObjectOfAName) {
  StartWith("16M");
  RawClient client = MemoryClient();
  RawClient other = Client(Transport::kTcp);
  const auto expect = [&](const std::string& contents) {
    for (RawClient* reader : {&client, &other}) {
      EXPECT_EQ(reader->Get({.mode = kCopy, .uri = "a/x"}).body, contents);
      EXPECT_EQ(reader->Get({.mode = kStat, .uri = "a/x"}).Number(kSizeEntry), contents.size());
    }
    EXPECT_EQ(Contents(Open(&client, "a/x").get()), contents);
    EXPECT_EQ(Listed(&client), std::set<std::string>{"a/x"});
  };
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(client.Get(Put("a/x", "on the disk")).ok());
    expect("on the disk");
    const net::UniqueFd file = Open(&client, "a/x");
    ASSERT_TRUE(Give(&client, "a/x", net::Memfd("in memory").get()).ok());
    expect("in memory");
    EXPECT_TRUE(DiskIsEmpty());
    const net::UniqueFd memory = Open(&client, "a/x");
    ASSERT_TRUE(Give(&client, "a/x", net::Memfd("another one in memory").get()).ok());
    expect("another one in memory");
    const net::UniqueFd another = Open(&client, "a/x");
    ASSERT_TRUE(client.Get(Put("a/x", "on the disk again")).ok());
    expect("on the disk again");
    ASSERT_TRUE(Give(&client, "a/x", net::Memfd("the last one").get()).ok());
    expect("the last one");
    const net::UniqueFd last = Open(&client, "a/x");
    ASSERT_TRUE(client.Get({.mode = kDelete, .uri = "a/x"}).ok());
    for (RawClient* reader : {&client, &other}) {
      ExpectRefused(reader->Get({.mode = kCopy, .uri = "a/x"}), Status::kNotFound);
      ExpectRefused(reader->Get({.mode = kStat, .uri = "a/x"}), Status::kNotFound);
    }
    ExpectRefused(client.Get({.mode = kFdPass, .uri = "a/x"}), Status::kNotFound);
    ExpectRefused(client.Get({.mode = kDelete, .uri = "a/x"}), Status::kNotFound);
    EXPECT_EQ(Listed(&client), std::set<std::string>{});
    // Whoever opened one of them before keeps it.
    EXPECT_EQ(Contents(file.get()), "on the disk");
    EXPECT_EQ(Contents(memory.get()), "in memory");
    EXPECT_EQ(Contents(another.get()), "another one in memory");
    EXPECT_EQ(Contents(last.get()), "the last one");
  }
}

// What has gone gives its descriptor back, and so its memory, also where a loop's cache had it
// open: until its next sweep.
TEST_P(MemoryTest, WhatHasGoneIsHeldNoLonger) {
  StartWith("16M");
  RawClient client = MemoryClient();
  ASSERT_TRUE(client.Get(Put("x", "on the disk")).ok());
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "x"}).ok());
  const auto before = SettledDescriptors(Server());
  for (int i = 0; i < 20; ++i) {
    const std::string uri = absl::StrCat("gone/", i);
    ASSERT_TRUE(Give(&client, uri, net::Memfd(uri).get()).ok());
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = uri}).body, uri);
  }
  int held = 0;
  for (const auto& [kind, count] : Server().Descriptors())
    held += kind.find("memfd:object") != kind.npos ? count : 0;
  EXPECT_GE(held, 20);
  for (int i = 0; i < 20; ++i) {
    const std::string uri = absl::StrCat("gone/", i);
    // By each of the ways to go.
    ASSERT_TRUE(
        client.Get(i % 2 == 0 ? Question{.mode = kDelete, .uri = uri} : Put(uri, "on the disk"))
            .ok());
  }
  ExpectDescriptorsBack(Server(), before);
}

// A server that starts again has the objects of the disk, and none of memory, not even what it
// replaced there.
TEST_P(MemoryTest, IsEphemeral) {
  StartWith("16M");
  net::UniqueFd held;
  {
    RawClient client = MemoryClient();
    ASSERT_TRUE(client.Get(Put("disk", "stays")).ok());
    ASSERT_TRUE(Give(&client, "unsealed", net::Memfd("stays, too", 0).get()).ok());
    ASSERT_TRUE(client.Get(Put("both", "replaced")).ok());
    ASSERT_TRUE(Give(&client, "both", net::Memfd("goes").get()).ok());
    ASSERT_TRUE(Give(&client, "memory", net::Memfd("goes, too").get()).ok());
    EXPECT_EQ(Listed(&client), (std::set<std::string>{"both", "disk", "memory", "unsealed"}));
    held = Open(&client, "memory");
  }
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  server_.reset();
  StartWith("16M");
  RawClient client = MemoryClient();
  EXPECT_EQ(Listed(&client), (std::set<std::string>{"disk", "unsealed"}));
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "disk"}).body, "stays");
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "unsealed"}).body, "stays, too");
  for (const std::string uri : {"memory", "both"}) {
    for (const char mode : {kFdPass, kCopy, kStat, kDelete}) {
      ExpectRefused(client.Get({.mode = mode, .uri = uri}), Status::kNotFound);
    }
  }
  EXPECT_EQ(Contents(held.get()), "goes, too") << "a descriptor does not outlive the server";
}

// An object with a time to live is there until then and not afterwards, in memory as on the disk; a
// longer one stays.
TEST_P(MemoryTest, ATimeToLive) {
  StartWith("16M");
  RawClient client = MemoryClient();
  const absl::Time before = absl::Now();
  ASSERT_TRUE(Give(&client, "memory", net::Memfd("mortal").get(), 1).ok());
  ASSERT_TRUE(Give(&client, "lasting", net::Memfd("less mortal").get(), 3600).ok());
  const Answer on_disk = Give(&client, "disk", net::Memfd("mortal", 0).get(), 1);
  const net::UniqueFd held = Open(&client, "memory");
  std::set<std::string> left = {"memory"};
  if (on_disk.ok()) left.insert("disk");  // a file system without extended attributes cannot
  const absl::Time give_up = before + absl::FromChrono(kPatience);
  while (!left.empty() && absl::Now() < give_up) {
    for (auto uri = left.begin(); uri != left.end();) {
      const Answer answer = client.Get({.mode = kCopy, .uri = *uri});
      if (answer.ok()) {
        EXPECT_EQ(answer.body, "mortal");
        ++uri;
        continue;
      }
      ExpectRefused(answer, Status::kNotFound);
      EXPECT_GE(absl::Now() - before, absl::Seconds(1)) << *uri << " is gone before its time";
      for (const char mode : {kFdPass, kStat})
        ExpectRefused(client.Get({.mode = mode, .uri = *uri}), Status::kNotFound);
      EXPECT_EQ(Listed(&client).count(*uri), 0u);
      uri = left.erase(uri);
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(left, std::set<std::string>{});
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "lasting"}).body, "less mortal");
  EXPECT_EQ(Contents(held.get()), "mortal");
}

}  // namespace
}  // namespace objmapper::e2e
