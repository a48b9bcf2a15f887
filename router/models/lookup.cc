#include "router/models/lookup.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/clock.h"
#include "storage/index.h"
#include "storage/tree.h"

namespace objmapper::router::models {
namespace {

Found Refused(protocol::Status status, absl::string_view message) {
  Found refused;
  refused.status = status;
  refused.message = std::string(message);
  return refused;
}

Found Refused(const absl::Status& error) { return Refused(WireStatus(error), error.message()); }

Found FindInfo(const protocol::Request& request, const Options& options) {
  const int64_t now_ns = net::NowNs();
  const uint64_t changes = options.tree->changes();
  Found found;
  if (std::optional<storage::ObjectInfo> known = options.index->Find(request.uri, now_ns, changes)) {
    found.info = *known;
    return found;
  }
  const absl::StatusOr<storage::ObjectInfo> info =
      options.tree->Stat(request.uri, storage::Wait::kMayBlock);
  if (!info.ok()) return Refused(info.status());
  options.index->Put(request.uri, *info, now_ns, changes);
  found.info = *info;
  return found;
}

}  // namespace

Found Find(const protocol::Request& request, const Options& options) {
  if (request.refusal != protocol::Status::kOk) return Refused(request.refusal, request.reason);
  if (request.mode == protocol::Mode::kStat) return FindInfo(request, options);
  absl::StatusOr<storage::OpenedObject> object =
      options.tree->OpenObject(request.uri, storage::Wait::kMayBlock);
  if (!object.ok()) return Refused(object.status());
  const std::optional<Extent> extent = ResolveExtent(request, object->info.size);
  if (!extent.has_value()) {
    return Refused(protocol::Status::kRangeNotSatisfiable,
                   RangeMessage(request, object->info.size));
  }
  Found found;
  found.info = object->info;
  found.fd = std::move(object->fd);
  found.extent = *extent;
  return found;
}

}  // namespace objmapper::router::models
