// Floors and models: they serve what they should, are counted, and end.
#include "tools/bench/contenders/contender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "absl/strings/match.h"
#include "net/scm_rights.h"
#include "net/unique_fd.h"
#include "tests/tools/bench/contenders/asker.h"
#include "tests/tools/bench/contenders/served_folder.h"

namespace objmapper::bench {
namespace {

using testing::Contains;
using testing::HasSubstr;

struct Case {
  const char* name;
  char mode;
  bool exact = true;  // the bytes are the object's own
};

class ServingTest : public testing::TestWithParam<Case> {
 protected:
  // Asks for every object, several at once, and for one that is not there.
  void AskAll(const Endpoint& endpoint) {
    const Case& it = GetParam();
    const bool descriptor = it.mode == '1';
    Asker asker(endpoint, /*batch=*/absl::StrContains(it.name, "batch"));
    uint32_t asked = 0, answered = 0;
    for (int round = 0; round < 8; ++round) {
      for (const ObjectSet::Object& object : folder_.objects().objects) {
        asker.Ask(it.mode, object.name, ++asked);
      }
    }
    while (answered < asked) {
      const ObjectSet::Object& object =
          folder_.objects().objects[answered % folder_.objects().objects.size()];
      Asker::Answer answer = asker.Next(descriptor);
      ASSERT_EQ(answer.status, 0);
      ASSERT_EQ(answer.id, ++answered);
      const std::string got = descriptor ? Asker::ReadAll(answer.fd.get()) : answer.body;
      ASSERT_EQ(got.size(), object.bytes);
      ASSERT_TRUE(!it.exact || got == ServedFolder::Content(object));
    }
    asker.Ask(it.mode, "missing");
    EXPECT_EQ(asker.Next(descriptor).status, 1);
    asker.Ask(it.mode, "small");
    EXPECT_EQ(asker.Next(descriptor).status, 0);
  }

  ServedFolder folder_;
};

// Every object arrives whole and in order over each transport, many requests at once.
TEST_P(ServingTest, Serves) {
  absl::StatusOr<std::unique_ptr<Contender>> contender = folder_.Start(GetParam().name);
  ASSERT_TRUE(contender.ok()) << contender.status();
  EXPECT_EQ((*contender)->name(), GetParam().name);
  absl::StatusOr<Endpoint> on_unix = (*contender)->endpoint(Transport::kUnix);
  ASSERT_TRUE(on_unix.ok()) << on_unix.status();
  AskAll(*on_unix);
  absl::StatusOr<Endpoint> on_tcp = (*contender)->endpoint(Transport::kTcp);
  if (GetParam().mode != '1') {
    ASSERT_TRUE(on_tcp.ok()) << on_tcp.status();
    AskAll(*on_tcp);
  } else if ((*contender)->kind() == Kind::kFloor) {
    EXPECT_EQ(on_tcp.status().code(), absl::StatusCode::kNotFound);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ServingTest,
    testing::Values(Case{"mode_routing", '1'}, Case{"mode_routing", '2'}, Case{"mode_routing", '3'},
                    Case{"auto", '2'}, Case{"floor_fdpass", '1'}, Case{"floor_fdpass_poll", '1'},
                    Case{"floor_fdpass_batch", '1'}, Case{"floor_copy_buffer", '2', false},
                    Case{"floor_copy_map", '2'}, Case{"floor_copy_ring", '2'},
                    Case{"floor_splice", '3'}, Case{"floor_sendfile", '3'}),
    [](const auto& info) {
      return std::string(info.param.name) + "_" + std::string(1, info.param.mode);
    });

struct V1Case {
  const char* name;
  int threads;
};

class V1FloorTest : public testing::TestWithParam<V1Case> {};

// Several connections are each answered in V1, header and then 'X' with the descriptor, by as many
// threads as the name says beside the one that accepts.
TEST_P(V1FloorTest, Answers) {
  const ServedFolder folder;
  auto contender = folder.Start(GetParam().name);
  ASSERT_TRUE(contender.ok()) << contender.status();
  const Endpoint endpoint = (*contender)->endpoint(Transport::kUnix).value();
  for (int connection = 0; connection < 3; ++connection) {
    const net::UniqueFd socket = DialEndpoint(endpoint);
    for (const bool known : {true, false, true}) {
      const std::string name = known ? "small" : "missing";
      const std::string request = std::string("1\0", 2) + static_cast<char>(name.size()) + name;
      ASSERT_GT(send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
      char header[11];
      ASSERT_EQ(recv(socket.get(), header, sizeof(header), MSG_WAITALL), 11);
      EXPECT_EQ(header[0], known ? 0 : 1);
      if (!known) continue;
      char byte = 0;
      std::vector<net::UniqueFd> fds;
      ASSERT_TRUE(net::RecvWithFds(socket.get(), absl::MakeSpan(&byte, 1), 2, &fds).ok());
      EXPECT_EQ(byte, 'X');
      ASSERT_EQ(fds.size(), 1u);
      EXPECT_EQ(Asker::ReadAll(fds[0].get()), ServedFolder::Content("small", 1000));
    }
  }
  EXPECT_EQ((*contender)->usage()->threads, 1 + GetParam().threads);
}

INSTANTIATE_TEST_SUITE_P(All, V1FloorTest,
                         testing::Values(V1Case{"floor_fdpass_v1", 1},
                                         V1Case{"floor_fdpass_v1_two", 2}),
                         [](const auto& info) { return std::string(info.param.name); });

class ContenderTest : public testing::Test {
 protected:
  ServedFolder folder_;
};

// What a contender uses grows with what it does, and its threads are counted.
TEST_F(ContenderTest, UsageGrowsWithWork) {
  auto contender = folder_.Start("floor_copy_map");
  ASSERT_TRUE(contender.ok()) << contender.status();
  const absl::StatusOr<Usage> before = (*contender)->usage();
  ASSERT_TRUE(before.ok()) << before.status();
  Asker asker((*contender)->endpoint(Transport::kUnix).value());
  for (int i = 0; i < 50; ++i) {
    asker.Ask('2', "large");
    ASSERT_EQ(asker.Next(false).status, 0);
  }
  const absl::StatusOr<Usage> after = (*contender)->usage();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(after->cpu_ns, before->cpu_ns);
  EXPECT_GE(after->threads, 2);  // one accepts, one for each core serves
  EXPECT_GT(after->rss_bytes, 1u << 20);
  EXPECT_GT(after->descriptors, 3);
}

// A name that nobody has is refused, and the names that there are are said.
TEST_F(ContenderTest, UnknownName) {
  const absl::Status status = folder_.Start("apache").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("mode_routing"));
}

// A server that refuses its flags says so in the error.
TEST_F(ContenderTest, RefusedStartHasTheLog) {
  const absl::Status status =
      StartContender(
          {.name = "mode_routing", .flags = {"--io_engine=steam"}, .work_dir = folder_.work_dir()},
          folder_.objects())
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("steam"));
}

// Names are listed by kind.
TEST_F(ContenderTest, Names) {
  EXPECT_THAT(ContenderNames(Kind::kModel), Contains("mode_routing"));
  EXPECT_THAT(ContenderNames(Kind::kFloor), Contains("floor_sendfile"));
  EXPECT_THAT(ContenderNames(Kind::kPeer), Contains("nginx"));
}

}  // namespace
}  // namespace objmapper::bench
