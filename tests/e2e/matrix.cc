// Registers a test for every combination of model and engine.
#include "tests/e2e/matrix.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"

namespace objmapper::e2e {
namespace {

class SharedServers : public testing::Environment {
 public:
  // Tests hold and have in flight more descriptors than the usual soft limit of 1024 allows; the
  // servers inherit this.
  void SetUp() override {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  void TearDown() override {
    for (const auto& [engine, server] : servers_) {
      EXPECT_EQ(server->Stop(SIGTERM), 0) << engine << ":\n" << server->log();
    }
    servers_.clear();
  }

  ServerProcess& Get(const std::string& engine) {
    std::unique_ptr<ServerProcess>& server = servers_[engine];
    if (server == nullptr) {
      server = std::make_unique<ServerProcess>(
          SharedTree().root(),
          ServerOptions{.engine = engine,
                        .flags = {"--max_pipeline=1000", "--splice_bytes_min=4096",
                                  "--bulk_bytes_min=65536"}});
    }
    return *server;
  }

 private:
  std::map<std::string, std::unique_ptr<ServerProcess>> servers_;
};

// Owned by GoogleTest once registered.
SharedServers* const shared_servers = [] {
  auto* servers = new SharedServers;
  testing::AddGlobalTestEnvironment(servers);
  return servers;
}();

}  // namespace

std::vector<std::string> Engines() {
  const char* model = getenv("OBJMAPPER_MODEL");
  if (model != nullptr) return {absl::StrCat("model_", model)};
  return {"uring", "epoll"};
}

std::vector<Setup> Setups(const std::vector<Transport>& transports,
                          const std::vector<Dialect>& dialects) {
  std::vector<Setup> setups;
  for (const std::string& engine : kEngines) {
    for (const Transport transport : transports) {
      for (const Dialect dialect : dialects) setups.push_back({engine, transport, dialect});
    }
  }
  return setups;
}

std::string Name(const Setup& setup) {
  constexpr const char* kTransports[] = {"unix", "tcp", "tcp6"};
  constexpr const char* kDialects[] = {"v1", "v2", "v2batch"};
  return absl::StrCat(setup.engine, "_", kTransports[static_cast<int>(setup.transport)], "_",
                      kDialects[static_cast<int>(setup.dialect)]);
}

std::string SetupName(const testing::TestParamInfo<Setup>& info) { return Name(info.param); }

std::string EngineName(const testing::TestParamInfo<std::string>& info) { return info.param; }

std::ostream& operator<<(std::ostream& out, const Setup& setup) { return out << Name(setup); }

Wire Connect(const ServerProcess& server, Transport transport) {
  switch (transport) {
    case Transport::kTcp:
      return server.Tcp();
    case Transport::kTcp6:
      return server.Tcp6();
    case Transport::kUnix:
      break;
  }
  return server.Unix();
}

RawClient Open(const ServerProcess& server, Transport transport, Dialect dialect) {
  return Open(Connect(server, transport), dialect);
}

RawClient Open(Wire wire, Dialect dialect) {
  switch (dialect) {
    case Dialect::kV2:
      return RawClient::V2(std::move(wire), kInOrder);
    case Dialect::kV2FdBatch:
      return RawClient::V2(std::move(wire), kInOrder | kFdInHeader | kFdBatch);
    case Dialect::kV1:
      break;
  }
  return RawClient::V1(std::move(wire));
}

std::string WhyNotEngine(const std::string& engine) {
  static const int error = [] {
    alignas(8) char parameters[256] = {};  // io_uring_params is 120 bytes
    const int ring = syscall(SYS_io_uring_setup, 4, parameters);
    if (ring < 0) return errno;
    close(ring);
    return 0;
  }();
  if (engine != "uring" || error == 0) return "";
  return absl::StrCat("io_uring_setup: ", strerror(error));
}

std::string WhyNot(const Setup& setup) {
  if (setup.transport == Transport::kTcp6 && !ServerProcess::HasIpv6()) return "no IPv6 here";
  return WhyNotEngine(setup.engine);
}

ObjectTree& SharedTree() {
  static ObjectTree tree;
  return tree;
}

ServerProcess& SharedServer(const std::string& engine) { return shared_servers->Get(engine); }

void SetupTest::SetUp() {
  if (const std::string why = WhyNot(GetParam()); !why.empty()) GTEST_SKIP() << why;
}

ServerProcess& SetupTest::Server() const { return SharedServer(GetParam().engine); }

RawClient SetupTest::Client() const {
  return Open(Server(), GetParam().transport, GetParam().dialect);
}

void EngineTest::SetUp() {
  if (const std::string why = WhyNotEngine(GetParam()); !why.empty()) GTEST_SKIP() << why;
}

ServerProcess& EngineTest::Server() const { return SharedServer(GetParam()); }

}  // namespace objmapper::e2e
