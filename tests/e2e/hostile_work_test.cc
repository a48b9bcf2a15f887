// Clients that ask for much with little: descriptors of files that are nearly all holes, copies
// that nobody waits for any more, URIs of thousands of levels, listings that are not read. Others
// are served meanwhile, and what it costs the server has a bound.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"
#include "tests/net/sanitized.h"

namespace objmapper::e2e {
namespace {

constexpr uint64_t kMiB = 1024 * 1024;
constexpr uint64_t kTiB = kMiB * kMiB;

std::string Levels(size_t levels) {
  std::string uri = "d";
  for (size_t i = 1; i < levels; ++i) absl::StrAppend(&uri, "/d");
  return uri;
}

class HostileWorkTest : public WritableTest {
 protected:
  static Answer PutFd(RawClient* client, const std::string& uri, int fd) {
    Send(client, uri, fd);
    return client->Next();
  }
  static void Send(RawClient* client, const std::string& uri, int fd) {
    std::vector<uint32_t> ids;
    client->wire().Send(client->Encode({{.mode = kPutFd, .uri = uri}}, &ids), std::vector<int>{fd});
  }
  static net::UniqueFd Sparse(uint64_t bytes) {
    net::UniqueFd fd = net::Memfd("beginning", /*seals=*/0);
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
    EXPECT_EQ(pwrite(fd.get(), "end", 3, static_cast<off_t>(bytes - 3)), 3);
    return fd;
  }
  int64_t BlocksOf(const std::string& uri) const {
    struct stat status;
    return stat(tree_.Path(uri).c_str(), &status) == 0 ? status.st_blocks * 512 : -1;
  }
  // All that there is, page by page.
  static std::set<std::string> ListAll(RawClient* client) {
    std::set<std::string> uris;
    std::string uri;
    for (int pages = 0; pages < 10'000; ++pages) {
      const Answer page = client->Get({.mode = kList, .uri = uri});
      EXPECT_TRUE(page.ok()) << page.status;
      for (absl::string_view body = page.body; body.size() >= 18;) {
        const size_t bytes = BigEndian(body.substr(0, 2));
        uris.emplace(body.substr(2, bytes));
        body.remove_prefix(18 + bytes);
      }
      if (!page.Has(kCursorEntry)) break;
      uri = absl::StrCat(absl::string_view("\0", 1), page.metadata.at(kCursorEntry));
    }
    return uris;
  }
  bool IsRing() const {
    return GetParam().find("uring") != std::string::npos ||
           GetParam().find("epoll") != std::string::npos;
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, HostileWorkTest, testing::ValuesIn(kEverything), EngineName);

// What takes no room with the client takes none here, nor time: its holes stay holes. What is read
// of it are its bytes.
TEST_P(HostileWorkTest, HolesStayHoles) {
  RawClient client = Client();
  for (const uint64_t bytes : {300 * kMiB, 20 * 1024 * kMiB, 15 * kTiB}) {
    SCOPED_TRACE(bytes);
    const net::UniqueFd fd = Sparse(bytes);
    const Answer stored = PutFd(&client, "a/sparse", fd.get());
    ASSERT_TRUE(stored.ok()) << stored.status;
    EXPECT_EQ(stored.Number(kSizeEntry), bytes);
    EXPECT_LE(BlocksOf("a/sparse"), 64 * 1024);
    for (const char mode : {kCopy, kSplice}) {
      EXPECT_EQ(
          client
              .Get({.mode = mode, .uri = "a/sparse", .flags = kWithRange, .offset = 0, .length = 9})
              .body,
          "beginning");
      EXPECT_EQ(
          client.Get({.mode = mode, .uri = "a/sparse", .flags = kWithRange, .offset = bytes - 4})
              .body,
          std::string("\0end", 4));
    }
  }
}

// A file of terabytes that holds nothing costs no memory for its size, whatever is asked of it.
TEST_P(HostileWorkTest, SparseTerabytesCostNothing) {
  tree_.AddSparseOnce("warm", 10 * kMiB);
  for (int i = 0; i < 10; ++i) tree_.AddSparseOnce(absl::StrCat("huge", i), 15 * kTiB);
  RawClient client = Client();
  const auto ask = [&](const std::string& uri, uint64_t at) {
    for (const char mode : {kCopy, kSplice}) {
      for (const uint64_t length : {uint64_t{1}, 100 * uint64_t{1024}, 3 * kMiB}) {
        const Answer answer = client.Get(
            {.mode = mode, .uri = uri, .flags = kWithRange, .offset = at, .length = length});
        EXPECT_TRUE(answer.ok()) << answer.status;
        EXPECT_EQ(answer.body.size(), length);
      }
    }
    EXPECT_TRUE(client.Get({.mode = kStat, .uri = uri}).ok());
    EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = uri}).ok());
  };
  ask("warm", kMiB);
  const int64_t before = Server().resident_bytes();
  for (int i = 0; i < 10; ++i) ask(absl::StrCat("huge", i), 7 * kTiB);
  EXPECT_LT(Server().resident_bytes() - before,
            static_cast<int64_t>((net::kSanitized ? 400 : 40) * kMiB));
}

// Nobody's copy is not finished, and others do not wait for it.
TEST_P(HostileWorkTest, ClientsThatHaveLeftAreNotWorkedFor) {
  tree_.AddOnce("file", "contents");
  RawClient honest = Client();
  EXPECT_EQ(honest.Get({.mode = kCopy, .uri = "file"}).body, "contents");
  const auto before = SettledDescriptors(Server());
  const net::UniqueFd fd = net::Memfd(std::string(192 * kMiB, 'x'), /*seals=*/0);
  for (int i = 0; i < 4; ++i) {
    RawClient client = Client();
    Send(&client, absl::StrCat("left", i), fd.get());
  }
  EXPECT_TRUE(honest.Get({.mode = kList, .uri = ""}).ok());
  EXPECT_TRUE(PutFd(&honest, "small", Sparse(1000).get()).ok());
  ExpectDescriptorsBack(Server(), before);
  int stored = 0;
  for (int i = 0; i < 4; ++i) {
    const Answer answer = honest.Get({.mode = kDelete, .uri = absl::StrCat("left", i)});
    stored += answer.ok() ? 1 : 0;
  }
  EXPECT_LT(stored, 4);
}

// One that has only said all it will is still owed its answer.
TEST_P(HostileWorkTest, AClientThatHasSaidAllIsWorkedFor) {
  RawClient client = Client();
  const net::UniqueFd fd = net::Memfd(std::string(40 * kMiB, 'x'), /*seals=*/0);
  Send(&client, "object", fd.get());
  client.wire().HalfClose();
  EXPECT_TRUE(client.Next().ok());
}

// More levels than anybody needs are refused as too long by every operation; the connection goes
// on, and nothing is left.
TEST_P(HostileWorkTest, DepthHasABound) {
  RawClient client = Client();
  const net::UniqueFd fd = Sparse(1000);
  for (const std::string& uri : {Levels(2000), Levels(257)}) {
    for (const char mode : {kCopy, kSplice, kStat, kFdPass, kDelete}) {
      ExpectRefused(client.Get({.mode = mode, .uri = uri}), Status::kUriTooLong);
    }
    ExpectRefused(client.Get(Put(uri, "body")), Status::kUriTooLong);
    ExpectRefused(PutFd(&client, uri, fd.get()), Status::kUriTooLong);
  }
  EXPECT_EQ(BlocksOf("d"), -1);
  const std::string deepest = Levels(256);
  EXPECT_TRUE(client.Get(Put(deepest, "body")).ok());
  for (const char mode : {kCopy, kSplice})
    EXPECT_EQ(client.Get({.mode = mode, .uri = deepest}).body, "body");
  EXPECT_EQ(Contents(client.Get({.mode = kFdPass, .uri = deepest}).fd.get()), "body");
  EXPECT_EQ(ListAll(&client), std::set<std::string>{deepest});
  EXPECT_TRUE(client.Get({.mode = kDelete, .uri = deepest}).ok());
  EXPECT_EQ(BlocksOf("d"), -1);
}

// A tree that others have made deeper keeps nobody from listing what is beside it, with a catalog
// or without.
TEST_P(HostileWorkTest, DeepTreesOfOthersBreakNoListing) {
  tree_.AddOnce("a", "x");
  net::UniqueFd at(open(tree_.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int level = 0; level < 400; ++level) {
    ASSERT_EQ(mkdirat(at.get(), "deep", 0755), 0);
    at.Reset(openat(at.get(), "deep", O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  net::UniqueFd(openat(at.get(), "object", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  at.Reset();
  Start({"--catalog=false"});
  Server().LimitDescriptors(200);
  RawClient client = Client();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ListAll(&client), std::set<std::string>{"a"});
  EXPECT_EQ(server_->Stop(SIGTERM), 0);
  server_.reset();
  Start();
  RawClient other = Client();
  EXPECT_EQ(ListAll(&other), std::set<std::string>{"a"});
}

// Listings that nobody reads take a bounded amount of memory together; who does read gets all, page
// by page.
TEST_P(HostileWorkTest, UnreadListingsHaveABound) {
  if (!IsRing()) GTEST_SKIP() << "its threads wait for who does not read, one each";
  std::set<std::string> all;
  for (int i = 0; i < 1500; ++i) {
    all.insert(absl::StrCat("pages/", 10'000 + i, std::string(220, 'n'), "/", std::string(240, 'n'),
                            "/", std::string(240, 'n')));
    tree_.AddOnce(*all.rbegin(), "");
  }
  RawClient honest = Client();
  EXPECT_EQ(ListAll(&honest), all);
  const int64_t before = Server().resident_bytes();
  std::vector<RawClient> clients;
  for (int i = 0; i < 120; ++i) {
    clients.push_back(Client());
    clients.back().Ask({.mode = kList, .uri = ""});
  }
  // Answered, as far as the sockets take it.
  EXPECT_EQ(ListAll(&honest), all);
  EXPECT_LT(Server().resident_bytes() - before,
            static_cast<int64_t>((net::kSanitized ? 640 : 110) * kMiB));
  for (RawClient& client : clients) EXPECT_TRUE(client.Next().ok());
  EXPECT_EQ(ListAll(&honest), all);
}

// More objects than the catalog may hold are not stored; those that are there can be replaced, and
// those that others put there are listed all the same.
TEST_P(HostileWorkTest, TheCatalogHasABound) {
  Start({"--catalog_memory=64K"});
  RawClient client = Client();
  const auto uri = [](int i) {
    return absl::StrCat(std::string(200, 'n'), "/", std::string(200, 'n'), "/", i);
  };
  std::set<std::string> all;
  Answer last;
  for (int i = 0; i < 1000; ++i) {
    last = client.Get(Put(uri(i), "x"));
    if (!last.ok()) break;
    all.insert(uri(i));
  }
  ExpectRefused(last, Status::kUnavailable);
  EXPECT_GT(all.size(), 50u);
  EXPECT_LT(all.size(), 200u);
  EXPECT_TRUE(client.Get(Put(uri(0), "replaced")).ok());
  EXPECT_EQ(ListAll(&client), all);
  for (int i = 0; i < 300; ++i) {
    all.insert(absl::StrCat("others/", i, std::string(200, 'o')));
    tree_.AddOnce(absl::StrCat("others/", i, std::string(200, 'o')), "x");
  }
  EXPECT_TRUE(Server().WaitForLog("catalog: full"));
  EXPECT_EQ(ListAll(&client), all);
}

}  // namespace
}  // namespace objmapper::e2e
