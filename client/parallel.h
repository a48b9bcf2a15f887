// Work on many objects over several connections, each used by a thread of its own.
//
//   InParallel(uris.size(), {.connections = 4, .connect = [&] { return Client::Connect(url); }},
//              [&](size_t i, Client& client) { Use(i, client.GetBytes(uris[i])); },
//              [&](size_t i, const absl::Status& why) { Report(i, why); });
//
// For what a batch (client/batch.h) does not do: bodies that go out, and work between the requests,
// such as on files. A server reads one connection's bodies one after the other, so only several
// connections overlap.
#pragma once

#include <cstddef>
#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client.h"

namespace objmapper::client {

struct ParallelOptions {
  size_t connections = 4;  // 1 or more; never more than there is work
  // Makes a connection; called from any of the threads.
  std::function<absl::StatusOr<Client>()> connect;
};

// Calls `work` once for each of 0..count-1, in this order but several at a time, each from one
// thread with a connection of that thread's. A client that was broken by then is replaced by a new
// connection before the next call. When no connection can be made any more, `skip` is told of all
// that is left, with the reason; a thread whose connection cannot be made while others have theirs
// (a server's limit) ends quietly. Returns when all is done.
//
// Both must be thread-safe.
void InParallel(size_t count, const ParallelOptions& options,
                absl::FunctionRef<void(size_t index, Client& client)> work,
                absl::FunctionRef<void(size_t index, const absl::Status& why)> skip);

}  // namespace objmapper::client
