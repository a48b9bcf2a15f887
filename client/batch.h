// Many objects over one connection, asked for before the answers come.
//
//   for (auto& object : BatchGetFd(client, uris)) {
//     if (object.ok()) Use(std::move(object->fd));
//   }
//
// Up to Client::max_pipeline() requests are outstanding at a time; a client without PIPELINING (or
// in V1) asks one by one. The server may answer in any order if OOO_REPLIES was agreed on.
//
// Every URI gets its own result: an object, or an error as from the single call. When the
// connection breaks, what was not answered gets the connection's error. When descriptors are lost
// to RLIMIT_NOFILE (RESOURCE_EXHAUSTED), what had not been asked for by then is not asked.
// Not thread-safe, as the client.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/client.h"
#include "client/object.h"
#include "protocol/mode.h"

namespace objmapper::client {

// One result for each of `uris`, in their order. All descriptors are open at the same time: mind
// RLIMIT_NOFILE, or use the form with a sink.
std::vector<absl::StatusOr<FdObject>> BatchGetFd(Client& client,
                                                 absl::Span<const std::string> uris);

// mode: kCopy or kSplice. All bytes are in memory at the same time.
std::vector<absl::StatusOr<std::string>> BatchGetBytes(Client& client,
                                                       absl::Span<const std::string> uris,
                                                       protocol::Mode mode = protocol::Mode::kCopy);

// The same, each result given to `sink` as it arrives, with its URI's index; once for each URI.
// The sink must not use the client.
using FdSink = absl::FunctionRef<void(size_t index, absl::StatusOr<FdObject> object)>;
void BatchGetFd(Client& client, absl::Span<const std::string> uris, FdSink sink);

using BytesSink = absl::FunctionRef<void(size_t index, absl::StatusOr<std::string> bytes)>;
void BatchGetBytes(Client& client, absl::Span<const std::string> uris, protocol::Mode mode,
                   BytesSink sink);

}  // namespace objmapper::client
