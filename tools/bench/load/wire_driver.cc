// Which language an endpoint is asked in, and what cannot be asked there.
#include "tools/bench/load/wire_driver.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/bench/load/entity_tags.h"

namespace objmapper::bench {

namespace {

absl::StatusOr<std::unique_ptr<WireDriver>> MakeHttpFor(const Endpoint& endpoint,
                                                        const LoadOptions& options) {
  if (!options.Any([](Ask ask) { return ask == Ask::kRevalidate; })) return MakeHttp();
  std::vector<std::string> names = options.first_names;
  names.insert(names.end(), options.second_names.begin(), options.second_names.end());
  absl::StatusOr<std::map<std::string, std::string>> tags = EntityTags(endpoint, names);
  if (!tags.ok()) return tags.status();
  return MakeHttp(*std::move(tags));
}

}  // namespace

absl::StatusOr<std::unique_ptr<WireDriver>> MakeWireDriver(const Endpoint& endpoint,
                                                           const LoadOptions& options) {
  const bool asks_fd = options.Any([](Ask ask) { return ask == Ask::kFdPass; });
  const bool asks_bytes = options.Any([](Ask ask) { return ask != Ask::kFdPass; });
  const bool gives_fd = options.Any([](Ask ask) { return ask == Ask::kPutFd; });
  const bool stores = options.Any(Stores);
  const auto is_http = [](Ask ask) { return ask == Ask::kHead || ask == Ask::kRevalidate; };
  const bool on_unix = endpoint.transport == Transport::kUnix;
  const bool ours = endpoint.wire == Wire::kObjmapper;
  const bool bus = endpoint.wire == Wire::kDbus;
  const std::pair<bool, const char*> refusals[] = {
      {gives_fd && !(on_unix && ours), "PUT_FD is objmapper's alone, on a Unix socket"},
      {stores && (bus || options.v1),
       "objects can be stored by V2, HTTP, redis and memcached alone"},
      {options.Any(is_http) && endpoint.wire != Wire::kHttp,
       "HEAD and If-None-Match are HTTP's alone"},
      {asks_fd && !on_unix, "FDPASS needs a Unix socket: TCP carries no descriptors"},
      {asks_fd && !ours && !bus, "FDPASS is asked of a server that passes no descriptors"},
      {(options.v1 || options.batch) && !ours, "V1 and FD_BATCH are objmapper's alone"},
      {options.v1 && options.batch, "V1 has no FD_BATCH: choose one of them"},
      {bus && (asks_bytes || !on_unix), "the bus passes descriptors alone, on a Unix socket"},
  };
  for (const auto& [refused, why] : refusals) {
    if (refused) return absl::InvalidArgumentError(why);
  }
  switch (endpoint.wire) {
    case Wire::kObjmapper:
      if (options.v1) return MakeObjmapperV1();
      if (options.depth > UINT16_MAX) {
        return absl::InvalidArgumentError(
            absl::StrCat("depth ", options.depth, ": V2's max_pipeline is at most ", UINT16_MAX));
      }
      return MakeObjmapperV2(on_unix, options.batch, stores, options.depth);
    case Wire::kHttp:
      return MakeHttpFor(endpoint, options);
    case Wire::kRedis:
      return MakeRedis();
    case Wire::kMemcached:
      return MakeMemcached();
    case Wire::kDbus:
      return MakeDbus();
  }
  return absl::InvalidArgumentError("an endpoint of an unknown wire");
}

}  // namespace objmapper::bench
