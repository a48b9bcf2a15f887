// Descriptors sent and received, by how many ride on one message. Time is per message; items are
// descriptors.
#include "net/scm_rights.h"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <sys/socket.h>

#include <vector>

#include "net/unique_fd.h"

namespace objmapper {
namespace {

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
