// A writable server of its own for each test, on every engine and in every concurrency model.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/matrix.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e/server_process.h"

namespace objmapper::e2e {

inline constexpr uint8_t kMtimeEntry = 0x02;
inline constexpr uint8_t kCursorEntry = 0x11;
inline constexpr Status kConflict = static_cast<Status>(0x09);

inline const std::vector<std::string> kEverything = {"uring",
                                                     "epoll",
                                                     "model_uring",
                                                     "model_epoll",
                                                     "model_seda",
                                                     "model_accept_pool",
                                                     "model_thread_pool",
                                                     "model_work_stealing",
                                                     "model_thread_per_connection",
                                                     "model_thread_per_request"};

class WritableTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(GetParam() == "model_uring" ? "uring" : GetParam());
    if (!why.empty()) GTEST_SKIP() << why;
  }
  // Stops what was started: with 0, or something is wrong.
  void TearDown() override {
    if (server_ != nullptr) {
      EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
    }
  }

  // Starts it; once, before the first Client().
  void Start(std::vector<std::string> flags = {}, const std::string& root = "",
             const std::vector<std::string>& environment = {}) {
    flags.insert(flags.begin(), {"--writable", "--durability=none"});
    server_ = std::make_unique<ServerProcess>(
        root.empty() ? tree_.root() : root,
        ServerOptions{.engine = GetParam(), .flags = flags, .environment = environment});
  }
  ServerProcess& Server() {
    if (server_ == nullptr) Start();
    return *server_;
  }
  RawClient Client(Transport transport = Transport::kUnix, uint16_t capabilities = kInOrder) {
    return RawClient::V2(Connect(Server(), transport), capabilities);
  }

  ObjectTree tree_;
  std::unique_ptr<ServerProcess> server_;
};

inline Question Put(std::string uri, std::string body) {
  return {.mode = kPut, .uri = std::move(uri), .body = std::move(body)};
}

}  // namespace objmapper::e2e
