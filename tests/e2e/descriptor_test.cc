// What FDPASS hands out, and on which byte it rides.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class DescriptorTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    SharedTree().AddOnce("file", kContents);
    for (int i = 0; i < kNumbered; ++i) {
      SharedTree().AddOnce(absl::StrCat("numbered/", i), absl::StrCat("number ", i));
    }
  }

  static constexpr char kContents[] = "0123456789abcdef";
  static constexpr int kNumbered = 50;
};

// The old client: read(2) for the 11 bytes of the header, recvmsg(2) for one byte more. The
// descriptor must not ride on the header, where read(2) would drop it, and nothing else may stand
// between.
TEST_P(DescriptorTest, ReadsThenOneByteGetsTheDescriptor) {
  Wire wire = Server().Unix();
  for (int round = 0; round < 3; ++round) {
    wire.Send(V1Request(kFdPass, "file"));
    EXPECT_EQ(wire.PlainRead(kV1HeaderBytes), std::string(kV1HeaderBytes, '\0'))
        << "OK, no content, no metadata";
    EXPECT_EQ(wire.Read(1), "X");
    ASSERT_EQ(wire.fds_queued(), 1u);
    EXPECT_EQ(Contents(wire.TakeFd().get()), kContents);
  }
}

// The same client with its next questions written early: the kernel must not join what it reads
// with read(2) and what carries a descriptor.
TEST_P(DescriptorTest, OldClientMayWriteAhead) {
  Wire wire = Server().Unix();
  std::string questions;
  for (int i = 0; i < kNumbered; ++i) {
    questions += V1Request(kFdPass, absl::StrCat("numbered/", i));
  }
  wire.Send(questions);
  for (int i = 0; i < kNumbered; ++i) {
    ASSERT_EQ(wire.PlainRead(kV1HeaderBytes), std::string(kV1HeaderBytes, '\0'));
    ASSERT_EQ(wire.Read(1), "X");
    ASSERT_EQ(wire.fds_queued(), 1u);
    EXPECT_EQ(Contents(wire.TakeFd().get()), absl::StrCat("number ", i));
  }
}

// With FD_IN_HEADER the very first byte of the RESPONSE brings the descriptor.
TEST_P(DescriptorTest, RidesOnTheFirstByteOfItsHeader) {
  RawClient client = RawClient::V2(Server().Unix(), kInOrder | kFdInHeader);
  ASSERT_NE(client.capabilities() & kFdInHeader, 0);
  client.wire().Send(V2Request(1, {.mode = kFdPass, .uri = "file"}));
  EXPECT_EQ(client.wire().Read(1), "\x02");
  ASSERT_EQ(client.wire().fds_queued(), 1u);
  EXPECT_EQ(Contents(client.wire().TakeFd().get()), kContents);
  const std::string rest = client.wire().Read(kV2HeaderBytes - 1);
  EXPECT_EQ(BigEndian(rest.substr(5, 8)), sizeof(kContents) - 1);
  client.wire().Read(BigEndian(rest.substr(13)));
  // No 'X': the next answer follows.
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "file"}).body, kContents);
}

// One descriptor to an answer, on its own header, with bodies and errors between them.
TEST_P(DescriptorTest, InHeaderAmongBodies) {
  RawClient client = RawClient::V2(Server().Unix(), kInOrder | kFdInHeader, 1000);
  std::vector<Question> questions;
  for (int i = 0; i < 4 * kNumbered; ++i) {
    const std::string uri = absl::StrCat("numbered/", i % kNumbered);
    questions.push_back({.mode = i % 3 == 0 ? kCopy : kFdPass, .uri = i % 7 == 0 ? "no" : uri});
  }
  client.AskAll(questions);
  for (int i = 0; i < 4 * kNumbered; ++i) {
    const Answer answer = client.Next();  // checks that exactly one descriptor came with it
    if (i % 7 == 0) {
      ExpectRefused(answer, Status::kNotFound);
    } else {
      EXPECT_EQ(i % 3 == 0 ? answer.body : Contents(answer.fd.get()),
                absl::StrCat("number ", i % kNumbered));
    }
  }
}

// With FD_BATCH descriptors come in request order, however many share a message: the k-th belongs
// to the k-th OK answer. More than two full messages' worth, errors and bodies among them.
TEST_P(DescriptorTest, BatchKeepsDescriptorsInOrder) {
  RawClient client = RawClient::V2(Server().Unix(), kInOrder | kFdInHeader | kFdBatch, 1000);
  ASSERT_NE(client.capabilities() & kFdBatch, 0);
  for (const int bodies_every : {0, 11}) {
    std::vector<Question> questions;
    for (int i = 0; i < 700; ++i) {
      const bool body = bodies_every != 0 && i % bodies_every == 0;
      questions.push_back({.mode = body ? kCopy : kFdPass,
                           .uri = i % 7 == 0 ? "no" : absl::StrCat("numbered/", i % kNumbered)});
    }
    const std::vector<uint32_t> ids = client.AskAll(questions);
    for (int i = 0; i < 700; ++i) {
      const Answer answer = client.Next();
      ASSERT_EQ(answer.id, ids[i]);
      if (i % 7 == 0) {
        ExpectRefused(answer, Status::kNotFound);
      } else {
        ASSERT_EQ(answer.mode == kCopy ? answer.body : Contents(answer.fd.get()),
                  absl::StrCat("number ", i % kNumbered));
      }
    }
    EXPECT_EQ(client.wire().fds_queued(), 0u);
  }
}

// FD_BATCH implies FD_IN_HEADER, also for a client that names it alone.
TEST_P(DescriptorTest, BatchAloneMeansInHeader) {
  RawClient client = RawClient::V2(Server().Unix(), kInOrder | kFdBatch);
  if ((client.capabilities() & kFdBatch) == 0) return;  // then it is not agreed on, and 'X' comes
  const Answer answer = client.Get({.mode = kFdPass, .uri = "file"});
  EXPECT_EQ(Contents(answer.fd.get()), kContents);
  EXPECT_EQ(answer.content_length, sizeof(kContents) - 1);
}

// Nobody can write through it, and it is an ordinary blocking descriptor of a regular file.
TEST_P(DescriptorTest, IsReadOnlyAndPlain) {
  const Answer answer = RawClient::V1(Server().Unix()).Get({.mode = kFdPass, .uri = "file"});
  const int flags = fcntl(answer.fd.get(), F_GETFL);
  ASSERT_GE(flags, 0);
  EXPECT_EQ(flags & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(flags & (O_NONBLOCK | O_APPEND | O_DIRECT | O_PATH), 0);
  struct stat info {};
  ASSERT_EQ(fstat(answer.fd.get(), &info), 0);
  EXPECT_TRUE(S_ISREG(info.st_mode));
  EXPECT_EQ(lseek(answer.fd.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(write(answer.fd.get(), "x", 1), -1);
  EXPECT_EQ(errno, EBADF);
}

// Each answer has an open file description of its own: what one client does to its offset, flags
// and locks, no other client and not the server feels.
TEST_P(DescriptorTest, IsFreshForEachAnswer) {
  RawClient mine = RawClient::V1(Server().Unix());
  RawClient theirs = RawClient::V1(Server().Unix());
  const Answer first = mine.Get({.mode = kFdPass, .uri = "file"});
  ASSERT_EQ(lseek(first.fd.get(), 5, SEEK_SET), 5);
  ASSERT_EQ(fcntl(first.fd.get(), F_SETFL, O_NONBLOCK), 0);
  // Not every file system takes this one; where it does, it would spoil the server's own reads.
  fcntl(first.fd.get(), F_SETFL, O_NONBLOCK | O_DIRECT);
  ASSERT_EQ(flock(first.fd.get(), LOCK_EX | LOCK_NB), 0);
  for (RawClient* client : {&mine, &theirs}) {
    const Answer next = client->Get({.mode = kFdPass, .uri = "file"});
    EXPECT_EQ(lseek(next.fd.get(), 0, SEEK_CUR), 0);
    EXPECT_EQ(fcntl(next.fd.get(), F_GETFL) & (O_NONBLOCK | O_DIRECT), 0);
    // A lock belongs to the open file description (flock(2)): another one does not have it.
    EXPECT_NE(flock(next.fd.get(), LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(client->Get({.mode = kCopy, .uri = "file"}).body, kContents);
    EXPECT_EQ(client->Get({.mode = kSplice, .uri = "file"}).body, kContents);
  }
}

// --fd_sharing=always: all get the same open file description, and so one offset (the flag's text
// warns of that); it is still the object, read-only, and nobody else's.
TEST_P(DescriptorTest, IsTheSameForAllWhenShared) {
  ServerProcess server(SharedTree().root(), {.engine = GetParam(),
                                             .flags = {"--fd_sharing=always",
                                                       "--fdpass_engine=epoll", "--pool_size=1"}});
  RawClient mine = RawClient::V1(server.Unix());
  RawClient theirs = RawClient::V1(server.Unix());
  const Answer first = mine.Get({.mode = kFdPass, .uri = "file"});
  ASSERT_EQ(lseek(first.fd.get(), 5, SEEK_SET), 5);
  const Answer second = theirs.Get({.mode = kFdPass, .uri = "file"});
  EXPECT_EQ(lseek(second.fd.get(), 0, SEEK_CUR), 5);
  EXPECT_EQ(Contents(second.fd.get()), kContents);
  EXPECT_EQ(fcntl(second.fd.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  for (int i = 0; i < kNumbered; ++i) {
    const Answer other = mine.Get({.mode = kFdPass, .uri = absl::StrCat("numbered/", i)});
    EXPECT_EQ(Contents(other.fd.get()), absl::StrCat("number ", i));
  }
}

// The server keeps nothing of what it passed.
TEST_P(DescriptorTest, AreNotKeptByTheServer) {
  RawClient client = RawClient::V2(Server().Unix(), kInOrder | kFdInHeader | kFdBatch, 1000);
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "file"}).ok());
  const auto before = SettledDescriptors(Server());
  std::vector<Answer> held;
  client.AskAll(std::vector<Question>(600, Question{.mode = kFdPass, .uri = "file"}));
  for (int i = 0; i < 600; ++i) held.push_back(client.Next());
  ExpectDescriptorsBack(Server(), before);
}

INSTANTIATE_TEST_SUITE_P(All, DescriptorTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
