// The client for datagrams against the real server, over a way that drops, doubles and reorders
// them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/udp.h"
#include "net/unique_fd.h"
#include "tests/e2e/datagrams.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/versions.h"

namespace objmapper::e2e {
namespace {

using client::ErrorSource;
using client::SourceOf;
using client::UdpClient;
using client::UdpOptions;

// Of 100 datagrams of each direction, so many are dropped, doubled, or overtaken by the next.
struct Faults {
  unsigned drop = 0, twice = 0, late = 0;
};

// Stands between one client and the server, and does to datagrams what its seed says. A thread of
// its own.
class BadWay {
 public:
  BadWay(uint16_t server_port, Faults faults, unsigned seed) : faults_(faults), random_(seed) {
    front_ = Socket();
    back_ = Socket();
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(bind(front_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(front_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    address = Loopback(server_port);
    EXPECT_EQ(connect(back_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~BadWay() {
    stop_ = true;
    thread_.join();
  }
  std::string url() const { return absl::StrCat("udp://127.0.0.1:", port_); }

 private:
  static net::UniqueFd Socket() {
    return net::UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  }
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void Run() {
    std::string late[2];
    while (!stop_) {
      pollfd both[2] = {{front_.get(), POLLIN, 0}, {back_.get(), POLLIN, 0}};
      const bool quiet = poll(both, 2, 5) == 0;
      for (const bool to_server : {true, false}) {
        std::string buffer(70'000, '\0');
        sockaddr_in from{};
        socklen_t size = sizeof(from);
        const ssize_t got = recvfrom(to_server ? front_.get() : back_.get(), &buffer[0],
                                     buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
        if (got >= 0 && to_server) client_ = from;
        std::string& held = late[to_server ? 1 : 0];
        if (got >= 0) {
          buffer.resize(static_cast<size_t>(got));
          const unsigned fate = random_() % 100;
          if (fate >= faults_.drop + faults_.twice + faults_.late) {
            Pass(to_server, buffer);
          } else if (fate >= faults_.drop + faults_.twice) {
            if (!held.empty()) Pass(to_server, held);
            held = buffer;
            continue;
          } else if (fate >= faults_.drop) {
            Pass(to_server, buffer);
            Pass(to_server, buffer);
          }
        }
        if ((got >= 0 || quiet) && !held.empty()) {
          Pass(to_server, held);
          held.clear();
        }
      }
    }
  }
  void Pass(bool to_server, const std::string& datagram) {
    if (to_server) {
      send(back_.get(), datagram.data(), datagram.size(), 0);
    } else {
      sendto(front_.get(), datagram.data(), datagram.size(), 0,
             reinterpret_cast<const sockaddr*>(&client_), sizeof(client_));
    }
  }

  const Faults faults_;
  std::minstd_rand random_;
  net::UniqueFd front_, back_;
  uint16_t port_ = 0;
  sockaddr_in client_{};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class UdpClientTest : public testing::Test {
 protected:
  UdpClientTest() {
    tree_.Add("small", Pattern(1, 1000));
    tree_.Add("empty", "");
    tree_.Add("large", large_);
  }
  static UdpClient Open(const std::string& url, const UdpOptions& options = Patient()) {
    absl::StatusOr<UdpClient> client = UdpClient::Open(url, options);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  std::string Url() const { return absl::StrCat("udp://127.0.0.1:", UdpPort(server_)); }
  static UdpOptions Patient() {
    UdpOptions options;
    options.first_wait = absl::Milliseconds(20);
    options.wait_max = absl::Milliseconds(200);
    options.request_timeout = absl::FromChrono(kPatience);
    return options;
  }

  const std::string large_ = Pattern(2, 300'000);
  ObjectTree tree_;
  ServerProcess server_{tree_.root(), {.flags = {"--listen_udp=127.0.0.1:0"}}};
};

// Whole objects, parts of them, and what is said of them.
TEST_F(UdpClientTest, GetsAndStats) {
  UdpClient client = Open(Url());
  EXPECT_EQ(client.Get("small")->bytes, Pattern(1, 1000));
  EXPECT_EQ(client.Get("empty")->bytes, "");
  const absl::StatusOr<client::UdpObject> large = client.Get("large");
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ(large->bytes, large_);
  EXPECT_EQ(large->info.size, large_.size());
  EXPECT_EQ(large->info.length, large_.size());
  const absl::StatusOr<client::ObjectInfo> info = client.Stat("large");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->size, large_.size());
  EXPECT_EQ(info->etag, large->info.etag);
  const absl::StatusOr<client::UdpObject> part = client.Get("large", client::Range{5, 100'000});
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->bytes, large_.substr(5, 100'000));
  EXPECT_EQ(part->info.offset, 5u);
  EXPECT_EQ(part->info.length, 100'000u);
  EXPECT_EQ(client.Get("large", client::Range{299'000, 0})->bytes, large_.substr(299'000));
  EXPECT_EQ(client.Get("missing").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client.Get("large", client::Range{300'001, 0}).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(client.Get("").status().code(), absl::StatusCode::kInvalidArgument);
}

// However datagrams get lost, doubled and out of order, the bytes are right.
TEST_F(UdpClientTest, ABadWayBringsTheSameBytes) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    BadWay way(UdpPort(server_), {.drop = 10, .twice = 10, .late = 20}, seed);
    UdpClient client = Open(way.url());
    for (int i = 0; i < 2; ++i) {
      const absl::StatusOr<client::UdpObject> large = client.Get("large");
      ASSERT_TRUE(large.ok()) << large.status();
      EXPECT_TRUE(large->bytes == large_);
      EXPECT_EQ(client.Stat("small")->size, 1000u);
      EXPECT_EQ(client.Get("small")->bytes, Pattern(1, 1000));
    }
  }
}

// Where nothing arrives the call ends when its time is over, and says so.
TEST_F(UdpClientTest, NothingArrives) {
  BadWay way(UdpPort(server_), {.drop = 100}, 1);
  UdpOptions options = Patient();
  options.request_timeout = absl::Milliseconds(300);
  UdpClient client = Open(way.url(), options);
  const absl::Status status = client.Get("large").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
  EXPECT_EQ(client.Stat("large").status().code(), absl::StatusCode::kDeadlineExceeded);
}

// Nobody there is known at once, where the kernel says so.
TEST_F(UdpClientTest, NobodyListens) {
  const std::string url = Url();
  server_.Stop(SIGTERM);
  UdpClient client = Open(url);
  const absl::Status status = client.Stat("large").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_EQ(SourceOf(status), ErrorSource::kConnection);
  for (const char* bad : {"udp://", "udp://127.0.0.1", "udp://:7", "udp://127.0.0.1:0",
                          "udp://[::1]", "tcp://a:1", "x"}) {
    EXPECT_EQ(UdpClient::Open(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

// An object that is replaced while it is fetched comes in one version, or not at all.
TEST_F(UdpClientTest, VersionsDoNotMix) {
  constexpr size_t kBytes = 64'000;
  tree_.Add("changing", VersionOf(1, kBytes));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint32_t version = 2; !stop; ++version) tree_.Add("changing", VersionOf(version, kBytes));
  });
  UdpClient client = Open(Url());
  int whole = 0, given_up = 0;
  for (int i = 0; i < 60; ++i) {
    const absl::StatusOr<client::UdpObject> object = client.Get("changing");
    if (!object.ok()) {
      EXPECT_EQ(object.status().code(), absl::StatusCode::kAborted) << object.status();
      ++given_up;
      continue;
    }
    std::string problem;
    EXPECT_EQ(object->bytes.size(), kBytes);
    EXPECT_TRUE(OneVersion(object->bytes, &problem).has_value()) << problem;
    ++whole;
  }
  stop = true;
  writer.join();
  EXPECT_EQ(client.Get("changing")->bytes.size(), kBytes);
  EXPECT_EQ(whole + given_up, 60);
}

// What is larger than the client allows is not begun.
TEST_F(UdpClientTest, RefusesWhatIsTooMuch) {
  UdpOptions options = Patient();
  options.bytes_max = 299'999;
  EXPECT_EQ(Open(Url(), options).Get("large").status().code(),
            absl::StatusCode::kResourceExhausted);
}

// With datagrams as large as there are, too.
TEST_F(UdpClientTest, TheLargestDatagrams) {
  const ServerProcess server(tree_.root(),
                             {.flags = {"--listen_udp=127.0.0.1:0", "--udp_max_payload=65507"}});
  UdpClient client = Open(absl::StrCat("udp://127.0.0.1:", UdpPort(server)));
  const absl::StatusOr<client::UdpObject> large = client.Get("large");
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_TRUE(large->bytes == large_);
}

// The command line speaks it.
TEST_F(UdpClientTest, CommandLine) {
  const char* const cli = getenv("OBJMAPPER_CLI");
  ASSERT_NE(cli, nullptr);
  const std::string file = tree_.outside() + "/got";
  const auto run = [&](const std::string& arguments) {
    return WEXITSTATUS(
        system(absl::StrCat(cli, " ", arguments, " --server=", Url(), " 2>&1").c_str()));
  };
  EXPECT_EQ(run("get large -o " + file), 0);
  std::stringstream got;
  got << std::ifstream(file).rdbuf();
  EXPECT_TRUE(got.str() == large_);
  EXPECT_EQ(run("get large --range=5:10 -o /dev/null"), 0);
  EXPECT_EQ(run("stat large small"), 0);
  EXPECT_EQ(run("stat large missing --json"), 1);
  EXPECT_EQ(run("get large --mode=fdpass"), 2);
  EXPECT_EQ(run("get large --mode=splice"), 2);
  EXPECT_EQ(run("ping"), 2);
  server_.Stop(SIGTERM);
  EXPECT_EQ(run("stat large"), 4);
}

}  // namespace
}  // namespace objmapper::e2e
