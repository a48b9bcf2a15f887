// An object that is fetched into a file is there completely, in every mode, or not at all.
#include "client/to_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using protocol::MetadataWriter;
using protocol::Mode;

class ToFileTest : public testing::TestWithParam<Mode> {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  // Answers one request for `object` in the mode and range that it asks for.
  static void Answer(Peer& peer, const std::string& object) {
    const Asked asked = peer.ReadRequest();
    const uint64_t offset = asked.request.offset;
    const uint64_t length = asked.request.has_range() ? asked.request.length : object.size();
    const auto metadata = [&](MetadataWriter& m) {
      m.AddU64(protocol::MetadataType::kSize, object.size());
      if (asked.request.has_range()) m.AddRange(offset, length);
    };
    if (asked.request.mode == Mode::kFdPass) {
      const net::UniqueFd file = FileWith(object);
      peer.Send(Ok(asked.id, length, metadata), {file.get()});
    } else {
      peer.Send(Ok(asked.id, length, metadata) + object.substr(offset, length));
    }
  }

  static Client Connected(const FakeServer& server) {
    absl::StatusOr<Client> client = Client::Connect(server.url());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }

  const ptrdiff_t before_ = net::OpenFds();
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Modes, ToFileTest,
                         testing::Values(Mode::kFdPass, Mode::kCopy, Mode::kSplice),
                         [](const testing::TestParamInfo<Mode>& info) {
                           return std::string(protocol::ModeName(info.param));
                         });

// In every mode the file holds the object, whole or the part that was asked for.
TEST_P(ToFileTest, HoldsTheObject) {
  std::string object(700001, '\0');
  for (size_t i = 0; i < object.size(); ++i) object[i] = static_cast<char>(i % 251);
  FakeServer server([&object](Peer& peer) {
    Answer(peer, object);
    Answer(peer, object);
    Answer(peer, "");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  uint64_t last_done = 0;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, object.size());
    last_done = done;
  };
  absl::StatusOr<FileResult> result = GetToFile(client, "a", folder_.Path("whole"), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->info.size, object.size());
  EXPECT_EQ(result->method == CopyMethod::kSocket, GetParam() != Mode::kFdPass);
  EXPECT_EQ(last_done, object.size());
  EXPECT_TRUE(folder_.Read("whole") == object);

  options.progress = nullptr;
  options.range = Range{1000, 600000};
  result = GetToFile(client, "a", folder_.Path("part"), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->info.offset, 1000u);
  EXPECT_EQ(result->info.length, 600000u);
  EXPECT_TRUE(folder_.Read("part") == object.substr(1000, 600000));

  options.range.reset();
  ASSERT_TRUE(GetToFile(client, "empty", folder_.Path("empty"), options).ok());
  EXPECT_TRUE(std::filesystem::exists(folder_.Path("empty")));
  EXPECT_EQ(folder_.Read("empty"), "");
}

// A get that fails leaves nothing, and does not touch the file that was there.
TEST_P(ToFileTest, FailureLeavesNothing) {
  FakeServer server([](Peer& peer) {
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kNotFound, "no such object"));
    // The object ends before the length that was announced.
    const Asked asked = peer.ReadRequest();
    const net::UniqueFd file = FileWith("short");
    if (asked.request.mode == Mode::kFdPass) {
      peer.Send(Ok(asked.id, 1000), {file.get()});
    } else {
      peer.Send(Ok(asked.id, 1000) + "short");
    }
  });
  Client client = Connected(server);
  folder_.Write("old", "old");
  ToFileOptions options;
  options.mode = GetParam();
  absl::Status status = GetToFile(client, "a", folder_.Path("new"), options).status();
  EXPECT_EQ(SourceOf(status), ErrorSource::kServer) << status;
  status = GetToFile(client, "a", folder_.Path("old"), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "5 of 1000 bytes")) << status;
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"old"});
  EXPECT_EQ(folder_.Read("old"), "old");
}

// An output that takes no bytes is this side's error.
TEST_P(ToFileTest, FullOutputIsLocal) {
  FakeServer server([](Peer& peer) {
    Answer(peer, "hello");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  const absl::Status status = GetToFile(client, "a", "/dev/full", options).status();
  EXPECT_EQ(SourceOf(status), ErrorSource::kLocal) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "write to /dev/full: No space left")) << status;
}

// A descriptor of the caller's gets the bytes where it stands.
TEST_P(ToFileTest, ToADescriptor) {
  FakeServer server([](Peer& peer) {
    Answer(peer, "hello");
    Answer(peer, " world");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  const net::UniqueFd out = FileWith(">");
  ASSERT_TRUE(GetToFd(client, "a", out.get(), options).ok());
  ASSERT_TRUE(GetToFd(client, "b", out.get(), options).ok());
  EXPECT_EQ(ContentOf(out.get()), ">hello world");
}

// A file that cannot be made costs the server no request.
TEST_P(ToFileTest, BadPathAsksNothing) {
  FakeServer server([](Peer& peer) {
    Answer(peer, "good");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  const absl::Status status =
      GetToFile(client, "a", folder_.Path("no/such/folder"), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SourceOf(status), ErrorSource::kLocal);
  ASSERT_TRUE(GetToFile(client, "a", folder_.Path("a"), options).ok());
  EXPECT_EQ(folder_.Read("a"), "good");
}

// A FIFO or a device is written to, not replaced.
TEST_P(ToFileTest, FifoIsWrittenTo) {
  ASSERT_EQ(mkfifo(folder_.Path("fifo").c_str(), 0600), 0);
  const net::UniqueFd reader(open(folder_.Path("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  FakeServer server([](Peer& peer) {
    Answer(peer, "hello");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  const absl::StatusOr<FileResult> result = GetToFile(client, "a", folder_.Path("fifo"), options);
  ASSERT_TRUE(result.ok()) << result.status();
  char buffer[16];
  EXPECT_EQ(std::string(buffer, std::max<ssize_t>(0, read(reader.get(), buffer, 16))), "hello");
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"fifo"});
}

// An open descriptor, by its name in /dev/fd, is written to where it stands; a socket's file, and a
// descriptor that is not open for writing, are refused before anything is asked.
TEST_P(ToFileTest, DescriptorsByName) {
  FakeServer server([](Peer& peer) {
    Answer(peer, "hello");
    Answer(peer, " world");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  folder_.Write("out", ">");
  const net::UniqueFd out(open(folder_.Path("out").c_str(), O_RDWR | O_APPEND));
  const std::string name = absl::StrCat("/dev/fd/", out.get());
  for (const char* uri : {"a", "b"}) ASSERT_TRUE(GetToFile(client, uri, name, options).ok());
  EXPECT_EQ(folder_.Read("out"), ">hello world");
  EXPECT_EQ(ContentOf(out.get()), ">hello world");
  const net::UniqueFd read_only(open(folder_.Path("out").c_str(), O_RDONLY));
  const std::string bad = absl::StrCat("/dev/fd/", read_only.get());
  const absl::string_view socket = absl::string_view(server.url()).substr(strlen("unix:"));
  for (const absl::string_view path :
       {absl::string_view(bad), absl::string_view("/dev/fd/1000000"), socket}) {
    if (path == socket && socket[0] == '@') continue;
    const absl::Status status = GetToFile(client, "c", path, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_TRUE(client.status().ok());
  }
}

// The last bytes of an object, or all of a shorter one; where it changes its size between the
// question and the answer, of the one that is answered.
TEST_P(ToFileTest, LastBytes) {
  const auto size_is = [](Peer& peer, uint64_t size) {
    const Asked asked = peer.ReadRequest();
    EXPECT_EQ(asked.request.mode, Mode::kStat);
    peer.Send(Ok(asked.id, 0,
                 [size](MetadataWriter& m) { m.AddU64(protocol::MetadataType::kSize, size); }));
  };
  const bool asks_first = GetParam() != Mode::kFdPass;
  FakeServer server([&](Peer& peer) {
    if (asks_first) size_is(peer, 5);
    Answer(peer, "hello");
    if (asks_first) size_is(peer, 5);
    Answer(peer, "hello");
    if (asks_first) {
      size_is(peer, 6);
      Answer(peer, "a longer one");
      size_is(peer, 12);
    }
    Answer(peer, "a longer one");
    if (asks_first) size_is(peer, 0);
    Answer(peer, "");
    peer.AwaitEnd();
  });
  Client client = Connected(server);
  ToFileOptions options;
  options.mode = GetParam();
  options.last = 3;
  const auto got = [&] {
    const absl::StatusOr<FileResult> result = GetToFile(client, "a", folder_.Path("a"), options);
    EXPECT_TRUE(result.ok()) << result.status();
    return folder_.Read("a");
  };
  EXPECT_EQ(got(), "llo");
  options.last = ~uint64_t{0};
  EXPECT_EQ(got(), "hello");
  options.last = 3;
  EXPECT_EQ(got(), "one");
  EXPECT_EQ(got(), "");
}

}  // namespace
}  // namespace objmapper::client
