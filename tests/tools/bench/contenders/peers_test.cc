// Other people's servers, where they are installed: each gives the objects in its own language,
// over each of its transports.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/tools/bench/contenders/asker.h"
#include "tests/tools/bench/contenders/served_folder.h"
#include "tools/bench/load/entity_tags.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

std::string RequestFor(Wire wire, const std::string& name) {
  if (wire == Wire::kHttp)
    return absl::StrCat("GET /", name, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (wire == Wire::kRedis) {
    return absl::StrCat("*2\r\n$3\r\nGET\r\n$", name.size(), "\r\n", name, "\r\n");
  }
  return absl::StrCat("get ", name, "\r\n");
}

// Sends the request and reads until the content has come, whatever is around it.
bool Brings(int socket, const std::string& request, const std::string& content) {
  const ssize_t all = request.size();
  EXPECT_EQ(send(socket, request.data(), request.size(), MSG_NOSIGNAL), all);
  std::string input;
  while (!absl::StrContains(input, content)) {
    char piece[65536];
    const ssize_t got = recv(socket, piece, sizeof(piece), 0);
    if (got <= 0) {
      ADD_FAILURE() << "ended after " << input.size() << " bytes: " << input.substr(0, 200);
      return false;
    }
    input.append(piece, got);
  }
  return true;
}

// A method call over the bus; what its descriptor reads.
std::string OpenOverBus(const std::string& path, const std::string& name) {
  sd_bus* bus = nullptr;
  sd_bus_message* reply = nullptr;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  std::string content;
  int fd = -1;
  EXPECT_GE(sd_bus_new(&bus), 0);
  EXPECT_GE(sd_bus_set_address(bus, absl::StrCat("unix:path=", path).c_str()), 0);
  EXPECT_GE(sd_bus_set_bus_client(bus, true), 0);
  EXPECT_GE(sd_bus_negotiate_fds(bus, true), 0);
  EXPECT_GE(sd_bus_start(bus), 0);
  constexpr char kService[] = "org.objmapper.Bench";
  EXPECT_GE(
      sd_bus_call_method(bus, kService, "/", kService, "Open", &error, &reply, "s", name.c_str()),
      0)
      << (error.message == nullptr ? "" : error.message);
  if (reply != nullptr && sd_bus_message_read(reply, "h", &fd) >= 0) content = Asker::ReadAll(fd);
  sd_bus_message_unref(reply);
  sd_bus_error_free(&error);
  sd_bus_flush_close_unref(bus);
  return content;
}

class PeersTest : public testing::TestWithParam<std::string> {};

// It serves a small and a large object over every transport that it has, again and again.
TEST_P(PeersTest, Serves) {
  const ServedFolder folder;
  absl::StatusOr<std::unique_ptr<Contender>> contender = folder.Start(GetParam());
  if (contender.status().code() == absl::StatusCode::kNotFound) {
    GTEST_SKIP() << contender.status().message();
  }
  ASSERT_TRUE(contender.ok()) << contender.status();
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    const absl::StatusOr<Endpoint> endpoint = (*contender)->endpoint(transport);
    if (!endpoint.ok()) {
      EXPECT_TRUE(absl::StartsWith(GetParam(), "dbus")) << endpoint.status();
      continue;
    }
    net::UniqueFd socket;
    if (endpoint->wire != Wire::kDbus) socket = DialEndpoint(*endpoint);
    for (int round = 0; round < 3; ++round) {
      for (const ObjectSet::Object& object : folder.objects().objects) {
        const std::string content = ServedFolder::Content(object);
        if (endpoint->wire == Wire::kDbus) {
          EXPECT_TRUE(OpenOverBus(endpoint->path, object.name) == content);
        } else {
          ASSERT_TRUE(Brings(socket.get(), RequestFor(endpoint->wire, object.name), content));
        }
      }
    }
  }
  const absl::StatusOr<Usage> usage = (*contender)->usage();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_GT(usage->cpu_ns, 0);
}

INSTANTIATE_TEST_SUITE_P(All, PeersTest, testing::ValuesIn(ContenderNames(Kind::kPeer)),
                         [](const auto& info) { return info.param; });
// Ours, where it speaks what the others speak.
INSTANTIATE_TEST_SUITE_P(Ours, PeersTest,
                         testing::Values("mode_routing_http", "mode_routing_http_16"),
                         [](const auto& info) { return info.param; });

// One that is asked many requests at a time says so.
TEST(HttpContendersTest, Depth) {
  const ServedFolder folder;
  for (const auto& [name, depth] :
       {std::pair("mode_routing_http", 0), std::pair("mode_routing_http_16", 16)}) {
    const auto contender = folder.Start(name);
    ASSERT_TRUE(contender.ok()) << contender.status();
    const absl::StatusOr<Endpoint> endpoint = (*contender)->endpoint(Transport::kUnix);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->wire, Wire::kHttp);
    EXPECT_EQ(endpoint->depth, depth);
  }
}

class HttpPeersTest : public testing::TestWithParam<std::string> {};

// It says which version an object is, so that clients can ask whether it is still that one.
TEST_P(HttpPeersTest, SaysVersions) {
  const ServedFolder folder;
  const auto contender = folder.Start(GetParam());
  if (contender.status().code() == absl::StatusCode::kNotFound) {
    GTEST_SKIP() << contender.status().message();
  }
  ASSERT_TRUE(contender.ok()) << contender.status();
  const absl::StatusOr<Endpoint> endpoint = (*contender)->endpoint(Transport::kTcp);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const auto tags = EntityTags(*endpoint, {"small", "large"});
  ASSERT_TRUE(tags.ok()) << tags.status();
  EXPECT_NE(tags->at("small"), tags->at("large"));
  const net::UniqueFd socket = DialEndpoint(*endpoint);
  EXPECT_TRUE(Brings(socket.get(), MakeHttp(*tags)->Request(Ask::kRevalidate, "small", ""),
                     "HTTP/1.1 304 "));
}

INSTANTIATE_TEST_SUITE_P(All, HttpPeersTest,
                         testing::Values("mode_routing_http", "nginx", "lighttpd", "h2o"),
                         [](const auto& info) { return info.param; });

// nginx stores by its dav module: a new object, and one that replaces it, larger than its buffer
// and than what it takes of a body if nobody allows it more.
TEST(NginxTest, Stores) {
  const ServedFolder folder;
  const auto contender = StartContender(
      {.name = "nginx", .connections_max = 20, .stores = true, .work_dir = folder.work_dir()},
      folder.objects());
  if (contender.status().code() == absl::StatusCode::kNotFound) {
    GTEST_SKIP() << contender.status().message();
  }
  ASSERT_TRUE(contender.ok()) << contender.status();
  const std::unique_ptr<WireDriver> http = MakeHttp();
  const net::UniqueFd socket = DialEndpoint((*contender)->endpoint(Transport::kUnix).value());
  for (const auto& [body, status] : {std::pair(std::string("1"), "HTTP/1.1 201 "),
                                     std::pair(std::string(3 << 20, 'b'), "HTTP/1.1 204 ")}) {
    ASSERT_TRUE(Brings(socket.get(), http->Request(Ask::kPut, "new", body), status));
    std::ifstream file(folder.objects().root + "/new");
    EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(file), {}) == body);
  }
}

}  // namespace
}  // namespace objmapper::bench
