// Which language an endpoint is asked in, and what cannot be asked there.
#include "tools/bench/load/wire_driver.h"

#include "absl/strings/str_cat.h"

namespace objmapper::bench {

absl::StatusOr<std::unique_ptr<WireDriver>> MakeWireDriver(const Endpoint& endpoint,
                                                           const LoadOptions& options) {
  const bool asks_fd = options.Any([](Ask ask) { return ask == Ask::kFdPass; });
  const bool asks_bytes = options.Any([](Ask ask) { return ask != Ask::kFdPass; });
  const bool gives_fd = options.Any([](Ask ask) { return ask == Ask::kPutFd; });
  const bool stores = options.Any(Stores);
  if (gives_fd && (endpoint.transport != Transport::kUnix || endpoint.wire != Wire::kObjmapper)) {
    return absl::InvalidArgumentError("PUT_FD is objmapper's alone, on a Unix socket");
  }
  if (stores && (endpoint.wire == Wire::kHttp || endpoint.wire == Wire::kDbus || options.v1)) {
    return absl::InvalidArgumentError("objects can be stored by V2, redis and memcached alone");
  }
  if (asks_fd && endpoint.transport != Transport::kUnix) {
    return absl::InvalidArgumentError("FDPASS needs a Unix socket: TCP carries no descriptors");
  }
  if (asks_fd && endpoint.wire != Wire::kObjmapper && endpoint.wire != Wire::kDbus) {
    return absl::InvalidArgumentError("FDPASS is asked of a server that passes no descriptors");
  }
  if ((options.v1 || options.batch) && endpoint.wire != Wire::kObjmapper) {
    return absl::InvalidArgumentError("V1 and FD_BATCH are objmapper's alone");
  }
  switch (endpoint.wire) {
    case Wire::kObjmapper:
      if (options.v1 && options.batch) {
        return absl::InvalidArgumentError("V1 has no FD_BATCH: choose one of them");
      }
      if (options.v1) return MakeObjmapperV1();
      if (options.depth > UINT16_MAX) {
        return absl::InvalidArgumentError(
            absl::StrCat("depth ", options.depth, ": V2's max_pipeline is at most ", UINT16_MAX));
      }
      return MakeObjmapperV2(endpoint.transport == Transport::kUnix, options.batch, stores,
                             options.depth);
    case Wire::kHttp:
      return MakeHttp();
    case Wire::kRedis:
      return MakeRedis();
    case Wire::kMemcached:
      return MakeMemcached();
    case Wire::kDbus:
      if (asks_bytes || endpoint.transport != Transport::kUnix) {
        return absl::InvalidArgumentError("the bus passes descriptors alone, on a Unix socket");
      }
      return MakeDbus();
  }
  return absl::InvalidArgumentError("an endpoint of an unknown wire");
}

}  // namespace objmapper::bench
