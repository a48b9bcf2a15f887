// OP_PUT_FD: the one descriptor that a server takes; whatever else comes is closed and refused.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/unique_fd.h"
#include "tests/copypath/eviction.h"
#include "tests/e2e/writable.h"
#include "tests/net/memfd.h"

namespace objmapper::e2e {
namespace {

net::UniqueFd Memory(absl::string_view contents, bool sealed = false) {
  return net::Memfd(contents, sealed ? net::kSealed : 0);
}

class PutFdTest : public WritableTest {
 protected:
  // Sends the question with these descriptors on its first byte, and returns the answer.
  static Answer Get(RawClient* client, const Question& question, const std::vector<int>& fds) {
    Send(client, question, fds);
    return client->Next();
  }
  static void Send(RawClient* client, const Question& question, const std::vector<int>& fds) {
    std::vector<uint32_t> ids;
    client->wire().Send(client->Encode({question}, &ids), fds);
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, PutFdTest, testing::ValuesIn(kEverything), EngineName);

// A file and a memfd, sealed or not, come back as they are, whatever their offset is.
TEST_P(PutFdTest, WhatIsStoredComesBack) {
  RawClient client = Client();
  for (const size_t bytes : {0, 100, 100'000}) {
    for (const bool sealed : {false, true}) {
      const std::string contents = Pattern(bytes, bytes);
      const net::UniqueFd fd = Memory(contents, sealed);
      const Answer stored = Get(&client, {.mode = kPutFd, .uri = "a/memory"}, {fd.get()});
      ASSERT_TRUE(stored.ok()) << stored.status;
      EXPECT_EQ(stored.Number(kSizeEntry), bytes);
      EXPECT_EQ(client.Get({.mode = kStat, .uri = "a/memory"}).metadata, stored.metadata);
      EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/memory"}).body, contents);
      EXPECT_EQ(Contents(client.Get({.mode = kFdPass, .uri = "a/memory"}).fd.get()), contents);
    }
  }
}

// Each of a pipeline gets its own, on whichever lane the connection was, and however many come at
// once.
TEST_P(PutFdTest, APipelineOfThem) {
  RawClient client = Client();
  for (int round = 0; round < 3; ++round) {
    std::vector<net::UniqueFd> fds;
    for (int i = 0; i < 40; ++i) {
      const std::string uri = absl::StrCat("p", i);
      fds.push_back(Memory(absl::StrCat(round, " of ", uri)));
      Send(&client, {.mode = kPutFd, .uri = uri}, {fds.back().get()});
    }
    for (int i = 0; i < 40; ++i) EXPECT_TRUE(client.Next().ok());
    for (int i = 0; i < 40; ++i) {
      const std::string uri = absl::StrCat("p", i);
      EXPECT_EQ(client.Get({.mode = i % 2 == 0 ? kFdPass : kCopy, .uri = uri}).status, Status::kOk);
      EXPECT_EQ(client.Get({.mode = kCopy, .uri = uri}).body, absl::StrCat(round, " of ", uri));
    }
  }
}

// One right behind a body that a splice thread has sent: the client has all of it before the server
// knows that the thread has ended, and by then another process takes the descriptor.
TEST_P(PutFdTest, RightBehindASpliceOfWhatWasCold) {
  const std::string contents = Pattern(1, 200'000);
  tree_.Add("cold", contents);
  RawClient client = Client();
  for (int i = 0; i < 40; ++i) {
    copypath::Evict(tree_.Path("cold"));
    ASSERT_TRUE(client.Get({.mode = kSplice, .uri = "cold"}).body == contents);
    const std::string stored = absl::StrCat("the ", i, "th");
    const net::UniqueFd fd = Memory(stored);
    const Answer answer = Get(&client, {.mode = kPutFd, .uri = "behind"}, {fd.get()});
    ASSERT_TRUE(answer.ok()) << answer.status;
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "behind"}).body, stored);
  }
}

// Other requests before and behind it in the same message, and a message that comes in pieces.
TEST_P(PutFdTest, WhereverItsMessageEnds) {
  RawClient client = Client();
  const net::UniqueFd fd = Memory("contents");
  std::vector<uint32_t> ids;
  client.wire().Send(
      client.Encode({{.mode = kPutFd, .uri = "x"}, {.mode = kCopy, .uri = "x"}, Put("y", "why")},
                    &ids),
      {fd.get()});
  EXPECT_TRUE(client.Next().ok());
  EXPECT_EQ(client.Next().body, "contents");
  EXPECT_TRUE(client.Next().ok());
  const std::string request =
      client.Encode({{.mode = kPutFd, .uri = "z"}, {.mode = kCopy, .uri = "z"}}, &ids);
  client.wire().Send(request.substr(0, 1), {fd.get()});
  client.wire().SendByteByByte(request.substr(1));
  EXPECT_TRUE(client.Next().ok());
  EXPECT_EQ(client.Next().body, "contents");
}

// Not exactly one descriptor, or not of a regular file that can be read, is INVALID_REQUEST, and
// the connection goes on.
TEST_P(PutFdTest, OneRegularFileAndNothingElse) {
  tree_.AddOnce("file", "contents");
  RawClient client = Client();
  const Question put = {.mode = kPutFd, .uri = "x"};
  const net::UniqueFd memory = Memory("m");
  const int one = memory.get();
  ExpectRefused(client.Get(put), Status::kInvalidRequest);
  ExpectRefused(Get(&client, put, {one, one}), Status::kInvalidRequest);
  ExpectRefused(Get(&client, put, {one, one, one}), Status::kInvalidRequest);
  ExpectRefused(Get(&client, put, std::vector<int>(253, one)), Status::kInvalidRequest);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const net::UniqueFd in(pipe_ends[0]), out(pipe_ends[1]);
  const net::UniqueFd path(open(tree_.Path("file").c_str(), O_PATH | O_CLOEXEC));
  const net::UniqueFd write_only(open(tree_.Path("file").c_str(), O_WRONLY | O_CLOEXEC));
  const net::UniqueFd folder(open(tree_.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const net::UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const int fd :
       {in.get(), path.get(), write_only.get(), folder.get(), null.get(), client.wire().fd()}) {
    ExpectRefused(Get(&client, put, {fd}), Status::kInvalidRequest);
  }
  ExpectRefused(client.Get({.mode = kStat, .uri = "x"}), Status::kNotFound);
}

// Descriptors with anything else, a body included, are INVALID_REQUEST; nothing is stored, and none
// leaks.
TEST_P(PutFdTest, NowhereElse) {
  tree_.AddOnce("file", "contents");
  RawClient client = Client();
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "file"}).ok());
  const auto before = SettledDescriptors(Server());
  const net::UniqueFd fd = Memory("m");
  for (const char mode : {kFdPass, kCopy, kSplice, kStat, kDelete, kList}) {
    ExpectRefused(Get(&client, {.mode = mode, .uri = "file"}, {fd.get()}), Status::kInvalidRequest);
  }
  ExpectRefused(Get(&client, Put("x", "body"), {fd.get()}), Status::kInvalidRequest);
  const std::string body = Pattern(1, 100'000);
  std::vector<uint32_t> ids;
  const std::string request = client.Encode({Put("x", body)}, &ids);
  client.wire().Send(request.substr(0, 1000));
  client.wire().Send(request.substr(1000, 1000), {fd.get()});
  client.wire().Send(request.substr(2000));
  ExpectRefused(client.Next(), Status::kInvalidRequest);
  ExpectRefused(client.Get({.mode = kStat, .uri = "x"}), Status::kNotFound);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "file"}).body, "contents");
  ExpectDescriptorsBack(Server(), before);
}

// A client that sends nothing but descriptors costs a bounded number of them, and for no longer
// than it stays.
TEST_P(PutFdTest, AFloodOfDescriptors) {
  tree_.AddOnce("file", "contents");
  RawClient honest = Client();
  EXPECT_TRUE(honest.Get({.mode = kCopy, .uri = "file"}).ok());
  const auto before = SettledDescriptors(Server());
  {
    RawClient client = Client();
    const net::UniqueFd fd = Memory("m");
    const std::string request = V2Request(1, {.mode = kPutFd, .uri = std::string(3000, 'u')});
    for (const char byte : request.substr(0, 2500)) {
      client.wire().Send(absl::string_view(&byte, 1), {fd.get()});
    }
    EXPECT_EQ(honest.Get({.mode = kCopy, .uri = "file"}).body, "contents");
    client.wire().Send(request.substr(2500));
    EXPECT_EQ(client.Next().status, Status::kInvalidRequest);
  }
  ExpectDescriptorsBack(Server(), before);
}

// Descriptors need a Unix socket, and the operations their capability.
TEST_P(PutFdTest, WhereItIsNotOffered) {
  ExpectRefused(Client(Transport::kTcp).Get({.mode = kPutFd, .uri = "x"}), Status::kInvalidMode);
  RawClient plain = Client(Transport::kUnix, kPipelining);
  ExpectRefused(plain.Get({.mode = kPutFd, .uri = "x"}), Status::kCapabilityError);
  // A descriptor is refused to its sender, and nothing has come of its message; a kernel that
  // cannot do that leaves the end of the connection to tell.
  const net::UniqueFd fd = Memory("m");
  if (plain.wire().Send(V2Request(7, {.mode = kPutFd, .uri = "x"}), {fd.get()})) {
    EXPECT_TRUE(plain.wire().AtEnd());
  } else {
    EXPECT_EQ(errno, EPERM);
    ExpectRefused(plain.Get({.mode = kStat, .uri = "x"}), Status::kNotFound);
  }
}

// A file of procfs says that it is empty, one of sysfs that it has a page: neither becomes an
// object of that size.
TEST_P(PutFdTest, FilesThatAreMadeUp) {
  RawClient client = Client();
  for (const char* path : {"/proc/version", "/proc/self/status", "/sys/kernel/uevent_seqnum"}) {
    const net::UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) continue;
    ExpectRefused(Get(&client, {.mode = kPutFd, .uri = "x"}, {fd.get()}), Status::kInvalidRequest);
    ExpectRefused(client.Get({.mode = kStat, .uri = "x"}), Status::kNotFound);
  }
}

}  // namespace
}  // namespace objmapper::e2e
