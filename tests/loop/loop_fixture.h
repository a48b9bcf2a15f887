// A Loop on a folder of objects that may be written, with a switchboard that only collects.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "copypath/blocking_pool.h"
#include "copypath/pipe.h"
#include "loop/loop_thread.h"
#include "storage/store/store.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"
#include "tests/session/collecting_switchboard.h"

namespace objmapper::loop {

using protocol::Dialect;
using protocol::Mode;
using protocol::Status;
using session::ClientEnd;
using session::ServerMessage;

class LoopTest : public testing::TestWithParam<EngineKind> {
 protected:
  // No test leaves a descriptor or a session behind.
  ~LoopTest() override {
    if (loop_ != nullptr) loop_->Stop();
    pool_->Stop();
    slow_pool_->Stop();
    loop_.reset();
    // With what they were still to let go of.
    pool_.reset();
    slow_pool_.reset();
    switchboard_.Clear();
    EXPECT_EQ(counters_.open, 0u);
    store_.reset();
    tree_.reset();
    EXPECT_EQ(net::OpenFds(), open_fds_);
  }

  // Begins. Set `limits_` and `options_` before.
  void Start() {
    signal(SIGPIPE, SIG_IGN);  // as the server has it
    absl::StatusOr<storage::Tree> tree = storage::Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
    store_.emplace(
        storage::Store::Options{.tree = &*tree_, .durability = storage::Durability::kNone});
    options_.limits = &limits_;
    options_.tree = &*tree_;
    options_.index = &index_;
    options_.store = &*store_;
    options_.connections = &counters_;
    options_.switchboard = &switchboard_;
    options_.pool = options_.foreign_pool = &*pool_;
    options_.slow_pool = &*slow_pool_;
    options_.engine = GetParam();
    loop_ = std::make_unique<LoopThread>(options_);
    const absl::Status started = loop_->Start(0);
    ASSERT_TRUE(started.ok()) << started;
  }

  // A session on the loop, and its client. unread: what has been received of it.
  ClientEnd Connect(Dialect dialect, uint16_t capabilities = protocol::kFreeCapabilities,
                    absl::string_view unread = "") {
    net::SocketPair pair = net::SocketPair::Unix();
    auto session = MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_,
                               &counters_, dialect, capabilities);
    session->unread.assign(unread.data(), unread.size());
    loop_->Adopt(std::move(session));
    return ClientEnd(std::move(pair.peer), dialect, /*greeted=*/true);
  }

  // Reads an answer and its body, which is to be `wanted`.
  static void ExpectBody(ClientEnd* client, uint32_t id, absl::string_view wanted) {
    const ServerMessage answer = client->Next();
    EXPECT_EQ(answer.status, Status::kOk) << answer.metadata.error.value_or("");
    EXPECT_EQ(answer.id, id);
    ASSERT_EQ(answer.content_length, wanted.size());
    EXPECT_TRUE(client->Body(wanted.size()) == wanted) << "another body";
  }
  void ExpectRetired(ClientEnd* client) {
    EXPECT_TRUE(client->AtEnd());
    EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
    EXPECT_EQ(loop_->load(), 0u);
  }

  const int kept_ = copypath::DevNull();  // opened once, and kept
  const ptrdiff_t open_fds_ = net::OpenFds();
  const client::TemporaryFolder folder_;
  session::SessionLimits limits_{.max_pipeline = 1000, .writable = true};
  session::ConnectionCounters counters_;
  session::CollectingSwitchboard switchboard_;
  storage::StatCache index_{100, absl::Seconds(60)};
  std::optional<storage::Tree> tree_;
  std::optional<storage::Store> store_;
  std::optional<copypath::BlockingPool> pool_{std::in_place, 2};
  std::optional<copypath::BlockingPool> slow_pool_{std::in_place, 0, "slow", 2};
  LoopOptions options_;
  std::unique_ptr<LoopThread> loop_;
};

inline std::string NameOf(const testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::kUring ? "Uring" : "Epoll";
}
inline constexpr EngineKind kEngineKinds[] = {EngineKind::kUring, EngineKind::kEpoll};

}  // namespace objmapper::loop
