// Batches: each URI gets its own result, in any order of answers and with errors among them.
#include "client/batch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "tests/client/fake_server.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using protocol::Mode;
using Offer = protocol::RequestParser::Offer;

std::vector<std::string> Uris(int count) {
  std::vector<std::string> uris;
  for (int i = 0; i < count; ++i) uris.push_back(absl::StrCat("object/", i));
  return uris;
}

class BatchTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  static Client Connected(const FakeServer& server, const Options& options = Options()) {
    absl::StatusOr<Client> client = Client::Connect(server.url(), options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

 private:
  const ptrdiff_t before_ = net::OpenFds();
};

// A batch of descriptors in several messages, errors among them: each URI gets its own.
TEST_F(BatchTest, DescriptorsInSeveralMessages) {
  FakeServer server([](Peer& peer) {
    std::vector<Asked> asked;
    for (int i = 0; i < 7; ++i) asked.push_back(peer.ReadRequest());
    std::vector<net::UniqueFd> files;
    for (const Asked& one : asked) files.push_back(FileWith(one.uri));
    // Three descriptors on one message, an error between them; one message alone; then an error
    // first and two descriptors behind it.
    peer.Send(Ok(asked[0].id, 8) + Error(asked[1].id, protocol::Status::kNotFound, "no") +
                  Ok(asked[2].id, 8) + Ok(asked[3].id, 8),
              {files[0].get(), files[2].get(), files[3].get()});
    peer.Send(Ok(asked[4].id, 8), {files[4].get()});
    peer.Send(Error(asked[5].id, protocol::Status::kPermissionDenied, "no"));
    peer.Send(Ok(asked[6].id, 8), {files[6].get()});
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const std::vector<std::string> uris = Uris(7);
  const std::vector<absl::StatusOr<FdObject>> objects = BatchGetFd(client, uris);
  ASSERT_EQ(objects.size(), uris.size());
  for (size_t i = 0; i < uris.size(); ++i) {
    if (i == 1 || i == 5) {
      EXPECT_EQ(SourceOf(objects[i].status()), ErrorSource::kServer);
      EXPECT_TRUE(absl::StrContains(objects[i].status().message(), uris[i]));
    } else {
      ASSERT_TRUE(objects[i].ok()) << objects[i].status();
      EXPECT_EQ(ContentOf(objects[i]->fd.get()), uris[i]);
    }
  }
}

// As many are outstanding as was agreed on, and no more; all are answered in the end.
TEST_F(BatchTest, KeepsTheWindowFull) {
  constexpr int kObjects = 50;
  constexpr int kWindow = 8;
  FakeServer server(
      [](Peer& peer) {
        for (int i = 0; i < kObjects;) {
          // The window must arrive before any of it is answered.
          std::vector<Asked> asked;
          while (asked.size() < kWindow && i + static_cast<int>(asked.size()) < kObjects) {
            asked.push_back(peer.ReadRequest());
          }
          EXPECT_FALSE(peer.HasMore());
          i += static_cast<int>(asked.size());
          std::string answers;
          for (const Asked& one : asked) answers += Ok(one.id, one.uri.size()) + one.uri;
          peer.Send(answers);
        }
        peer.AwaitEnd();
      },
      Offer{protocol::kAllCapabilities, kWindow});
  Client client = Connected(server);
  const std::vector<std::string> uris = Uris(kObjects);
  const std::vector<absl::StatusOr<std::string>> bytes = BatchGetBytes(client, uris);
  for (size_t i = 0; i < uris.size(); ++i) {
    ASSERT_TRUE(bytes[i].ok()) << bytes[i].status();
    EXPECT_EQ(*bytes[i], uris[i]);
  }
}

// With OOO_REPLIES answers come in any order and find their URI, descriptors too.
TEST_F(BatchTest, OutOfOrder) {
  FakeServer server([](Peer& peer) {
    for (const bool as_fd : {false, true}) {
      std::vector<Asked> asked;
      for (int i = 0; i < 10; ++i) asked.push_back(peer.ReadRequest());
      std::reverse(asked.begin(), asked.end());
      for (const Asked& one : asked) {
        if (as_fd) {
          const net::UniqueFd file = FileWith(one.uri);
          peer.Send(Ok(one.id, one.uri.size()), {file.get()});
        } else {
          peer.Send(Ok(one.id, one.uri.size()) + one.uri);
        }
      }
    }
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const std::vector<std::string> uris = Uris(10);
  const auto bytes = BatchGetBytes(client, uris, Mode::kSplice);
  const auto objects = BatchGetFd(client, uris);
  for (size_t i = 0; i < uris.size(); ++i) {
    ASSERT_TRUE(bytes[i].ok()) << bytes[i].status();
    EXPECT_EQ(*bytes[i], uris[i]);
    ASSERT_TRUE(objects[i].ok()) << objects[i].status();
    EXPECT_EQ(ContentOf(objects[i]->fd.get()), uris[i]);
  }
}

// Without OOO_REPLIES an answer out of order is a broken server, not somebody else's object.
TEST_F(BatchTest, OutOfOrderMustBeAgreedOn) {
  FakeServer server(
      [](Peer& peer) {
        peer.ReadRequest();
        peer.Send(Ok(peer.ReadRequest().id, 1) + "x");
        peer.AwaitEnd();
      },
      Offer{protocol::kPipelining, 64});
  Client client = Connected(server);
  for (const auto& bytes : BatchGetBytes(client, Uris(2))) {
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kInternal) << bytes.status();
    EXPECT_EQ(SourceOf(bytes.status()), ErrorSource::kConnection);
  }
}

// Where nothing was agreed on, one at a time works the same: V1 and V2 without PIPELINING, the
// descriptor on a byte of its own.
TEST_F(BatchTest, OneByOne) {
  for (const protocol::Dialect dialect : {protocol::Dialect::kV1, protocol::Dialect::kV2}) {
    FakeServer server(
        [dialect](Peer& peer) {
          for (int i = 0; i < 5; ++i) {
            const Asked asked = peer.ReadRequest();
            const net::UniqueFd file = FileWith(asked.uri);
            peer.Send(dialect == protocol::Dialect::kV1 ? OkV1(0) : Ok(asked.id, 0));
            peer.Send("X", {file.get()});
          }
          peer.AwaitEnd();
        },
        Offer{0, 64});
    Options options;
    options.dialect = dialect;
    Client client = Connected(server, options);
    const std::vector<std::string> uris = Uris(5);
    const auto objects = BatchGetFd(client, uris);
    for (size_t i = 0; i < uris.size(); ++i) {
      ASSERT_TRUE(objects[i].ok()) << objects[i].status();
      EXPECT_EQ(ContentOf(objects[i]->fd.get()), uris[i]);
    }
  }
}

// A URI that cannot be asked for gets its error; the others are asked.
TEST_F(BatchTest, BadUrisAreNotAsked) {
  FakeServer server([](Peer& peer) {
    for (int i = 0; i < 2; ++i) {
      const Asked asked = peer.ReadRequest();
      peer.Send(Ok(asked.id, asked.uri.size()) + asked.uri);
    }
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  const std::vector<std::string> uris = {"", "a", std::string(4097, 'u'), "b", ""};
  const auto bytes = BatchGetBytes(client, uris);
  EXPECT_EQ(bytes[0].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bytes[1].value(), "a");
  EXPECT_EQ(bytes[2].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(bytes[3].value(), "b");
  EXPECT_EQ(bytes[4].status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(BatchGetBytes(client, {}).empty());
  EXPECT_EQ(BatchGetBytes(client, uris, Mode::kStat)[1].status().code(),
            absl::StatusCode::kInvalidArgument);
}

// When the connection breaks, what was answered stays, and the rest says what happened.
TEST_F(BatchTest, BreaksInTheMiddle) {
  FakeServer server(
      [](Peer& peer) {
        const Asked first = peer.ReadRequest();
        const Asked second = peer.ReadRequest();
        peer.Send(Ok(first.id, 5) + "hello" + Ok(second.id, 5) + "wor");
      },
      Offer{protocol::kAllCapabilities, 3});
  Client client = Connected(server);
  const auto bytes = BatchGetBytes(client, Uris(5));
  EXPECT_EQ(bytes[0].value(), "hello");
  EXPECT_EQ(bytes[1].status().code(), absl::StatusCode::kDataLoss) << bytes[1].status();
  for (size_t i = 2; i < 5; ++i) {
    EXPECT_EQ(SourceOf(bytes[i].status()), ErrorSource::kConnection) << bytes[i].status();
    EXPECT_TRUE(absl::StrContains(bytes[i].status().message(), absl::StrCat("object/", i)));
  }
  EXPECT_TRUE(absl::StrContains(bytes[4].status().message(), "not asked")) << bytes[4].status();
}

// Both sides may have full sockets: the client reads while it cannot send.
TEST_F(BatchTest, LargeRequestsAndAnswersDoNotDeadlock) {
  constexpr int kObjects = 600;
  const std::string body(20000, 'b');
  FakeServer server(
      [&body](Peer& peer) {
        // Answers each request before it reads the next, and waits with full buffers for a client
        // that does not read.
        for (int i = 0; i < kObjects; ++i) {
          peer.Send(Ok(peer.ReadRequest().id, body.size()) + body);
        }
        peer.AwaitEnd();
      },
      Offer{protocol::kAllCapabilities, 600});
  Client client = Connected(server);
  const std::vector<std::string> uris(kObjects, std::string(4096, 'u'));
  for (const auto& bytes : BatchGetBytes(client, uris)) {
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(*bytes, body);
  }
}

// Behind a lost descriptor nobody can tell whose the next ones are. They are closed, the rest is
// not asked for, and once all is answered the client goes on with the right descriptors.
TEST_F(BatchTest, LostDescriptorsAreNotMixedUp) {
  FakeServer server(
      [](Peer& peer) {
        std::vector<net::UniqueFd> files;
        for (int i = 0; i < 6; ++i) files.push_back(FileWith(absl::StrCat("object/", i)));
        const net::UniqueFd last = FileWith("last");
        std::vector<Asked> asked;
        for (int i = 0; i < 6; ++i) asked.push_back(peer.ReadRequest());
        std::string answers;
        for (int i = 0; i < 4; ++i) answers += Ok(asked[i].id, 8);
        peer.Send(answers, {files[0].get(), files[1].get(), files[2].get(), files[3].get()});
        peer.Send(Ok(asked[4].id, 8), {files[4].get()});
        peer.Send(Ok(asked[5].id, 8), {files[5].get()});
        const Asked again = peer.ReadRequest();
        EXPECT_EQ(again.uri, "last");
        peer.Send(Ok(again.id, 4), {last.get()});
        peer.AwaitEnd();
      },
      Offer{protocol::kAllCapabilities, 6});
  Client client = Connected(server);
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  std::vector<net::UniqueFd> hoard;
  for (int fd; (fd = dup(STDIN_FILENO)) >= 0;) hoard.emplace_back(fd);
  hoard.resize(hoard.size() - 2);  // two fit
  {
    // The sink closes each descriptor at once, so that later ones would fit again.
    size_t results = 0;
    BatchGetFd(client, Uris(8), [&](size_t index, absl::StatusOr<FdObject> object) {
      ++results;
      if (index < 2) {
        ASSERT_TRUE(object.ok()) << object.status();
        EXPECT_EQ(ContentOf(object->fd.get()), absl::StrCat("object/", index));
        return;
      }
      EXPECT_EQ(object.status().code(), absl::StatusCode::kResourceExhausted) << index;
      EXPECT_TRUE(absl::StrContains(object.status().message(), "RLIMIT_NOFILE"));
      EXPECT_EQ(absl::StrContains(object.status().message(), "not asked"), index >= 6)
          << object.status();
    });
    EXPECT_EQ(results, 8u);
  }
  hoard.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old_limit), 0);
  absl::StatusOr<FdObject> object = client.GetFd("last");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(ContentOf(object->fd.get()), "last");
}

}  // namespace
}  // namespace objmapper::client
