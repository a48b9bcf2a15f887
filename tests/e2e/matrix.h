// What the end-to-end tests are repeated over: engines, transports and dialects; and the servers,
// one for each engine, that the tests of one program share where no flag of theirs matters.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/object_tree.h"
#include "tests/e2e/raw_client.h"
#include "tests/e2e/server_process.h"

namespace objmapper::e2e {

enum class Transport : uint8_t { kUnix, kTcp, kTcp6 };

enum class Dialect : uint8_t {
  kV1,
  kV2,         // answers in order, descriptors after 'X'
  kV2FdBatch,  // answers in order, descriptors on headers, several to a message
};

struct Setup {
  std::string engine;  // "uring", "epoll", "model_seda", ...
  Transport transport = Transport::kUnix;
  Dialect dialect = Dialect::kV1;

  bool is_unix() const { return transport == Transport::kUnix; }
  bool is_v2() const { return dialect != Dialect::kV1; }
};

// All engines with all of `transports` and `dialects`.
std::vector<Setup> Setups(const std::vector<Transport>& transports,
                          const std::vector<Dialect>& dialects);
inline const std::vector<Transport> kAllTransports = {Transport::kUnix, Transport::kTcp,
                                                      Transport::kTcp6};
inline const std::vector<Dialect> kAllDialects = {Dialect::kV1, Dialect::kV2, Dialect::kV2FdBatch};
// What serves, as ServerOptions::engine says it: both engines of mode_routing, or the one
// concurrency model that the environment variable OBJMAPPER_MODEL names.
std::vector<std::string> Engines();
inline const std::vector<std::string> kEngines = Engines();

// "uring_tcp6_v2", for test names and traces.
std::string Name(const Setup& setup);
std::string SetupName(const testing::TestParamInfo<Setup>& info);
std::string EngineName(const testing::TestParamInfo<std::string>& info);
std::ostream& operator<<(std::ostream& out, const Setup& setup);

Wire Connect(const ServerProcess& server, Transport transport);
RawClient Open(const ServerProcess& server, Transport transport, Dialect dialect);
RawClient Open(Wire wire, Dialect dialect);

// Why this machine cannot run the setup (no io_uring, no IPv6); empty when it can.
std::string WhyNot(const Setup& setup);
std::string WhyNotEngine(const std::string& engine);

// A test for each Setup, or for each engine; skipped where the machine cannot run it.
class SetupTest : public testing::TestWithParam<Setup> {
 protected:
  void SetUp() override;
  ServerProcess& Server() const;  // the shared one
  RawClient Client() const;       // a new connection to it
};
class EngineTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  ServerProcess& Server() const;
};

// The tree that all shared servers serve. Lives as long as the program.
ObjectTree& SharedTree();
// The shared server with `engine`, started when first asked for: it pipelines 1000 requests, and
// splices what has 4 KiB or more, so that small objects go both ways, and over TCP has loops of
// their own for bodies of 64 KiB or more. It is stopped when the program's tests are over, and must
// then exit with 0.
ServerProcess& SharedServer(const std::string& engine);

}  // namespace objmapper::e2e
