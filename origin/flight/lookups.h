// Counts who asks for objects of origins, whether or not they are here: once for each request, so
// it costs a lock that no other thread wants, and the search for the origin's line.
//
//   lookups.SetOrigins(origins, account_of);
//   lookups.Count(uri);                        // its origin's Account::LookedUp()
//
// Thread-safe. Never waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "net/mutex.h"
#include "origin/config/origins.h"
#include "origin/flight/account.h"

namespace objmapper::origin {

class Lookups {
 public:
  void SetOrigins(const Origins& origins,
                  absl::FunctionRef<std::shared_ptr<Account>(const Origin&)> account_of) {
    any_.store(!origins.empty(), std::memory_order_relaxed);
    for (Shard& shard : shards_) {
      absl::flat_hash_map<const Origin*, std::shared_ptr<Account>> accounts;
      for (const auto& origin : origins.all()) accounts[origin.get()] = account_of(*origin);
      const net::MutexLock lock(&shard.mutex);
      shard.origins = origins;
      shard.accounts = std::move(accounts);
    }
  }

  void Count(absl::string_view uri) {
    if (!any_.load(std::memory_order_relaxed)) return;
    // Threads share a shard where there are more of them than shards.
    static std::atomic<size_t> threads{0};
    thread_local const size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
    const size_t i = mine % Account::kShards;
    Shard& shard = shards_[i];
    const net::MutexLock lock(&shard.mutex);
    const Origin* const origin = shard.origins.LineOf(uri);
    if (origin != nullptr) shard.accounts.at(origin)->LookedUp(i);
  }

 private:
  struct alignas(64) Shard {
    net::Mutex mutex;
    Origins origins GUARDED_BY(mutex);
    absl::flat_hash_map<const Origin*, std::shared_ptr<Account>> accounts GUARDED_BY(mutex);
  };

  std::atomic<bool> any_{false};
  std::array<Shard, Account::kShards> shards_;
};

}  // namespace objmapper::origin
