// Threads that take items from one counter; each has a connection of its own and makes a new one
// when that breaks.
#include "client/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

namespace objmapper::client {

void InParallel(size_t count, const ParallelOptions& options,
                absl::FunctionRef<void(size_t index, Client& client)> work,
                absl::FunctionRef<void(size_t index, const absl::Status& why)> skip) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  absl::Status last_error;  // guarded by mutex

  // Connects before it takes an index, so that one that cannot leaves the work to the others.
  const auto run = [&] {
    absl::StatusOr<Client> client = absl::UnknownError("not connected yet");
    while (next.load() < count) {
      if (!client.ok() || !client->status().ok()) client = options.connect();
      if (!client.ok()) {
        const std::lock_guard<std::mutex> lock(mutex);
        last_error = client.status();
        return;
      }
      const size_t index = next.fetch_add(1);
      if (index < count) work(index, *client);
    }
  };
  std::vector<std::thread> threads;
  // The caller's own thread is one of them.
  const size_t connections = std::min(options.connections, count);
  for (size_t i = 1; i < connections; ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  for (size_t index = next.load(); index < count; ++index) skip(index, last_error);
}

}  // namespace objmapper::client
