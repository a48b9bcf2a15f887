// Requests parsed, answers encoded; and descriptors sent and received, by how many ride on one
// message: there time is per message, and items are descriptors.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "net/scm_rights.h"
#include "net/unique_fd.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"

namespace objmapper {
namespace {

using protocol::RequestParser;

constexpr char kUri[] = "models/llama/70b/shard-00017.bin";

std::string V1Request() {
  std::string bytes = "1";
  bytes.push_back(0);
  bytes.push_back(static_cast<char>(sizeof(kUri) - 1));
  return bytes + kUri;
}

void ParseV1(benchmark::State& state) {
  const std::string bytes = V1Request();
  RequestParser parser({});
  for (auto _ : state) {
    RequestParser::Result result = parser.Next(bytes);
    benchmark::DoNotOptimize(result);
    CHECK(result.kind == RequestParser::Kind::kRequest);
  }
}
BENCHMARK(ParseV1);

void PeekMode(benchmark::State& state) {
  const std::string bytes = V1Request();
  RequestParser parser({});
  parser.Next(bytes);
  for (auto _ : state) {
    protocol::Mode mode;
    benchmark::DoNotOptimize(parser.PeekMode(bytes, &mode));
  }
}
BENCHMARK(PeekMode);

void EncodeResponse(benchmark::State& state) {
  char out[protocol::kResponseBytesMax];
  uint32_t id = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(protocol::EncodeResponse(protocol::Dialect::kV2, ++id,
                                                      protocol::Status::kOk, 4096, "", out));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(EncodeResponse);

void SendAndReceiveFds(benchmark::State& state) {
  int ends[2];
  PCHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const net::UniqueFd ours(ends[0]), theirs(ends[1]);
  const net::UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto count = static_cast<size_t>(state.range(0));
  const std::vector<int> fds(count, file.get());
  std::vector<net::UniqueFd> received;
  char byte;
  for (auto _ : state) {
    PCHECK(net::SendWithFds(ours.get(), "X", fds) == 1);
    CHECK(
        net::RecvWithFds(theirs.get(), absl::MakeSpan(&byte, 1), net::kFdsPerMessageMax, &received)
            .ok());
    CHECK_EQ(received.size(), count);
    received.clear();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(SendAndReceiveFds)->ArgName("fds")->Arg(1)->Arg(16)->Arg(253);

}  // namespace
}  // namespace objmapper
