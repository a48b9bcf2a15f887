// A Worker on a folder of objects, with a switchboard that only collects.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fdpass/worker.h"
#include "session/lane.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"
#include "tests/session/collecting_switchboard.h"

namespace objmapper::fdpass {

using protocol::Dialect;
using protocol::Mode;
using protocol::Status;
using session::ClientEnd;
using session::CollectingSwitchboard;
using session::RequestBytes;

// A way to ask for descriptors: the dialect, and what HELLO has agreed on.
struct Speech {
  const char* name;
  Dialect dialect;
  uint16_t capabilities;

  bool in_header() const { return (capabilities & protocol::kFdInHeader) != 0; }
};
inline constexpr uint16_t kInHeader =
    protocol::kFdInHeader | protocol::kPipelining | protocol::kRange;
inline constexpr uint16_t kBatch = kInHeader | protocol::kFdBatch;
inline constexpr Speech kSpeeches[] = {{"V1", Dialect::kV1, 0},
                                       {"V2", Dialect::kV2, protocol::kPipelining},
                                       {"V2FdInHeader", Dialect::kV2, kInHeader},
                                       {"V2FdBatch", Dialect::kV2, kBatch}};

// What `fd` holds, read without moving its offset.
inline std::string ContentOf(const net::UniqueFd& fd) {
  char buffer[4096];
  const ssize_t got = pread(fd.get(), buffer, sizeof(buffer), 0);
  return got < 0 ? "not readable" : std::string(buffer, static_cast<size_t>(got));
}

// What the workers of a test run on.
inline std::string NameOf(Engine engine) { return engine == Engine::kUring ? "Uring" : "Epoll"; }
inline constexpr Engine kEngines[] = {Engine::kUring, Engine::kEpoll};

class WorkerTestOn : public testing::Test {
 protected:
  explicit WorkerTestOn(Engine engine) : engine_(engine) {}

  // No test leaves a descriptor or a session behind.
  ~WorkerTestOn() override {
    if (worker_ != nullptr) worker_->Stop();
    worker_.reset();
    switchboard_.Clear();
    EXPECT_EQ(counters_.open, 0u);
    tree_.reset();
    EXPECT_EQ(net::OpenFds(), open_fds_);
  }

  // Begins. Set `limits_` and `options_` before.
  void Start() {
    Prepare();
    worker_ = std::make_unique<Worker>(options_);
    const absl::Status started = worker_->Start(0, engine_);
    ASSERT_TRUE(started.ok()) << started;
  }
  // What Start() does before there is a worker.
  void Prepare() {
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    options_.limits = &limits_;
    options_.tree = &*tree_;
    options_.index = &index_;
    options_.connections = &counters_;
    options_.switchboard = &switchboard_;
  }

  // A session on the worker, and its client. send_bytes: a small send buffer, to be full soon.
  ClientEnd Connect(Dialect dialect, uint16_t capabilities = protocol::kFreeCapabilities,
                    int send_bytes = 0) {
    net::SocketPair pair = net::SocketPair::Unix();
    if (send_bytes != 0) {
      EXPECT_EQ(setsockopt(pair.ours.get(), SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)),
                0);
    }
    worker_->Adopt(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                               &counters_, dialect, capabilities));
    return ClientEnd(std::move(pair.peer), dialect, /*greeted=*/true);
  }

  // The objects "0" .. "9": each holds its own name, said at some length.
  void WriteObjects() {
    for (int i = 0; i < 10; ++i) folder_.Write(absl::StrCat(i), Content(i));
  }
  static std::string Content(int i) { return absl::StrCat("object ", i % 10); }
  static std::string Uri(int i) { return absl::StrCat(i % 10); }

  // `count` requests for objects in turn, with ids from 0 on.
  static std::string Requests(Dialect dialect, int count, Mode mode = Mode::kFdPass) {
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      bytes += RequestBytes(dialect, {.mode = mode, .uri = Uri(i), .id = static_cast<uint32_t>(i)});
    }
    return bytes;
  }

  // Reads the answer to the i-th of them. `in_header`: FD_IN_HEADER was agreed on.
  void ExpectAnswer(ClientEnd* client, int i, bool in_header) {
    const session::ServerMessage answer = client->Next();
    ASSERT_EQ(answer.kind, session::ServerMessage::Kind::kResponse) << "in place of answer " << i;
    EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
    EXPECT_TRUE(answer.id == 0 || answer.id == static_cast<uint32_t>(i)) << answer.id;
    EXPECT_EQ(answer.content_length, in_header ? Content(i).size() : 0u);
    EXPECT_TRUE(in_header || client->Body(1) == "X");
    const net::UniqueFd fd = client->TakeFd();
    ASSERT_TRUE(fd.valid()) << "answer " << i << " came without its descriptor";
    EXPECT_EQ(ContentOf(fd), Content(i)) << "answer " << i;
  }

  const Engine engine_;
  const ptrdiff_t open_fds_ = net::OpenFds();
  const client::TemporaryFolder folder_;
  session::SessionLimits limits_{.max_pipeline = 60000};
  session::ConnectionCounters counters_;
  CollectingSwitchboard switchboard_;
  storage::StatCache index_{100, absl::Seconds(60)};
  std::optional<storage::Tree> tree_;
  Worker::Options options_;
  std::unique_ptr<Worker> worker_;
};

// On both.
class WorkerTest : public WorkerTestOn, public testing::WithParamInterface<Engine> {
 protected:
  WorkerTest() : WorkerTestOn(GetParam()) {}
};

// The same, with something that varies.
template <typename T>
class WorkerTestWith : public WorkerTestOn,
                       public testing::WithParamInterface<std::tuple<Engine, T>> {
 protected:
  WorkerTestWith() : WorkerTestOn(std::get<0>(WorkerTestWith::GetParam())) {}
  const T& what() const { return std::get<1>(this->GetParam()); }
};

}  // namespace objmapper::fdpass
