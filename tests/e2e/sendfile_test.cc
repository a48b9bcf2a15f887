// Bodies that sendfile(2) moves on the loop's thread: objects that change in the middle, readers
// that are slow, and readers that ask again at once.
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/send_buffer.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/versions.h"
#include "tests/net/eventually.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kBig = 16 * 1024 * 1024;  // far more than a Unix socket holds
constexpr size_t kMiddle = kBig / 2 + 123;

class SendfileTest : public EngineTest {
 protected:
  ServerOptions Options(std::vector<std::string> flags = {}) const {
    flags.push_back("--sendfile_bytes_min=0");
    return {.engine = GetParam(), .flags = std::move(flags)};
  }

  // COPY of a big object, or of most of it (`begin`), changed once the reader has its beginning; a
  // question for another waits behind it.
  void ReadAcross(uint64_t begin, const std::function<void(const std::string& path)>& change,
                  bool whole) {
    ServerProcess server(tree_.root(), Options());
    const std::string old = VersionOf(1, kBig);
    const std::string path = tree_.Add("big", old);
    tree_.Add("small", "small object");
    RawClient client = RawClient::V2(server.Unix(), kInOrder);
    client.AskAll({{.mode = kCopy,
                    .uri = "big",
                    .flags = begin == 0 ? uint8_t{0} : kWithRange,
                    .offset = begin},
                   {.mode = kCopy, .uri = "small"}});
    Answer answer = client.NextHead();
    ASSERT_TRUE(answer.ok()) << answer.status;
    EXPECT_EQ(answer.content_length, kBig - begin);
    client.ReadBody(&answer, 65536);
    change(path);
    client.ReadBody(&answer, answer.content_length - answer.body.size());
    EXPECT_EQ(answer.cut, !whole) << answer.body.size() << " bytes came";
    const size_t certain =
        whole ? answer.body.size() : std::min(answer.body.size(), kMiddle - begin);
    EXPECT_TRUE(absl::string_view(answer.body).substr(0, certain) ==
                absl::string_view(old).substr(begin, certain))
        << "not the bytes that were asked for";
    if (!whole) {
      EXPECT_TRUE(client.wire().AtEnd());
      return;
    }
    EXPECT_EQ(client.Next().body, "small object");
  }

  ObjectTree tree_;
};

// The rest has gone, so the connection closes short of the length that was announced.
TEST_P(SendfileTest, OfATruncatedObjectIsCutOff) {
  for (const uint64_t begin : {0, 100'001}) {
    SCOPED_TRACE(begin);
    ReadAcross(
        begin, [](const std::string& path) { ASSERT_EQ(truncate(path.c_str(), kMiddle), 0); },
        /*whole=*/false);
  }
}

// The old version comes whole, and the connection goes on.
TEST_P(SendfileTest, OfAReplacedObjectIsTheOldOne) {
  for (const uint64_t begin : {0, 100'001}) {
    SCOPED_TRACE(begin);
    ReadAcross(
        begin, [&](const std::string&) { tree_.Add("big", VersionOf(2, kBig / 4)); },
        /*whole=*/true);
  }
}

// Readers that stop in the middle hold up nobody, and get the rest when they read on.
TEST_P(SendfileTest, SlowReadersHoldUpNobody) {
  const std::string big = VersionOf(1, kBig), large = VersionOf(2, 300'000);
  tree_.Add("big", big);
  tree_.Add("large", large);
  ServerProcess server(tree_.root(), Options());
  for (const char mode : {kCopy, kSplice}) {
    SCOPED_TRACE(mode);
    std::vector<RawClient> slow;
    std::vector<Answer> answers;
    for (int i = 0; i < 6; ++i) {
      slow.push_back(RawClient::V2(server.Unix(), kInOrder));
      slow.back().Ask({.mode = mode, .uri = "big"});
      answers.push_back(slow.back().NextHead());
      ASSERT_TRUE(answers.back().ok());
    }
    RawClient quick = RawClient::V2(server.Unix(), kInOrder);
    for (int i = 0; i < 30; ++i) {
      EXPECT_TRUE(quick.Get({.mode = kCopy, .uri = "large"}).body == large);
      EXPECT_TRUE(quick.Get({.mode = kSplice, .uri = "large"}).body == large);
      EXPECT_TRUE(Contents(quick.Get({.mode = kFdPass, .uri = "large"}).fd.get()) == large);
    }
    for (size_t i = 0; i < slow.size(); ++i) {
      slow[i].ReadBody(&answers[i], kBig);
      EXPECT_TRUE(answers[i].body == big);
    }
  }
}

// What a reader that has stopped finds in its socket in the end. It has asked for `object` as often
// as it may.
size_t HeldFor(const ServerProcess& server, const std::string& object) {
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  client.AskAll(std::vector<Question>(16, {.mode = kCopy, .uri = object}));
  int held = 0, seen = -1;
  const auto settled = [&] {
    // As it was a while ago, and something.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    seen = std::exchange(held, 0);
    return ioctl(client.wire().fd(), FIONREAD, &held) == 0 && held > 0 && held == seen;
  };
  EXPECT_TRUE(net::Eventually(settled));
  return static_cast<size_t>(held);
}

// A socket takes more than it came with once large bodies go there, as the flag says, and no
// sooner.
TEST_P(SendfileTest, SocketsAreWidenedForLargeBodies) {
  constexpr int kWide = 512 * 1024;
  if (net::SendBufferAllowed(kWide) < kWide)
    GTEST_SKIP() << "net.core.wmem_max is less than " << kWide;
  tree_.Add("big", VersionOf(1, kBig));
  tree_.Add("middling", VersionOf(1, 100'000));
  ServerProcess wide(tree_.root(), Options({absl::StrCat("--unix_send_buffer_bytes=", kWide)}));
  ServerProcess as_it_comes(tree_.root(), Options({"--unix_send_buffer_bytes=0"}));
  const size_t usual = HeldFor(as_it_comes, "big");
  EXPECT_LT(usual, size_t{kWide});
  EXPECT_GT(HeldFor(wide, "big"), size_t{kWide});
  EXPECT_LT(HeldFor(wide, "middling"), size_t{kWide});
}

// A client that may have one request outstanding asks again the moment it has the last byte, and is
// never told that it asked too much: a body that has arrived is an answer given, whoever moved it.
TEST_P(SendfileTest, AskingAgainAtOnceIsNotTooMuch) {
  const std::string object = VersionOf(1, 100'000);
  tree_.Add("object", object);
  for (const char* in_loop : {"--splice_in_loop=false", "--splice_in_loop=true"}) {
    ServerProcess server(tree_.root(), Options({in_loop}));
    for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
      SCOPED_TRACE(testing::Message() << in_loop << (transport == Transport::kTcp ? ", TCP" : ""));
      RawClient client = RawClient::V2(Connect(server, transport), kInOrder, /*max_pipeline=*/1);
      EXPECT_EQ(client.max_pipeline(), 1);
      for (int i = 0; i < 500 && !HasFailure(); ++i) {
        const Answer answer = client.Get({.mode = i % 7 == 6 ? kCopy : kSplice, .uri = "object"});
        ASSERT_TRUE(answer.ok()) << "turn " << i << ": " << answer.status;
        EXPECT_TRUE(answer.body == object);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SendfileTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
