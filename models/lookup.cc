// Finds what a request asks for: the object, opened anew, or its description.
#include "absl/status/statusor.h"
#include "models/conversation.h"
#include "net/clock.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::models {
namespace {

Found Refused(protocol::Status status, absl::string_view message) {
  Found refused;
  refused.status = status;
  refused.message = std::string(message);
  return refused;
}

Found Refused(const absl::Status& error) {
  return Refused(session::WireStatus(error), error.message());
}

Found FindForStat(const protocol::Request& request, const Options& options) {
  absl::StatusOr<storage::Description> description = storage::FindDescription(
      *options.tree, options.index, request.uri, net::NowNs(), storage::Wait::kMayBlock);
  if (!description.ok()) return Refused(description.status());
  Found found;
  found.description = *std::move(description);
  return found;
}

// Where opening takes long, or the object comes from elsewhere, somebody takes this thread's place
// meanwhile.
absl::StatusOr<storage::OpenedObject> Open(absl::string_view uri, const Context& context) {
  const storage::Tree& tree = *context.options.tree;
  const bool may_take_long = tree.slow_opens().any() || tree.remote() != nullptr;
  if (context.stand_ins == nullptr || !may_take_long)
    return tree.OpenObject(uri, storage::Wait::kMayFetch);
  absl::StatusOr<storage::OpenedObject> at_hand = tree.OpenObject(uri, storage::Wait::kCachedOnly);
  if (!absl::IsUnavailable(at_hand.status())) return at_hand;
  const StandIns::Waiting waiting(context.stand_ins);
  const storage::SlowOpens::Elsewhere elsewhere(&tree.slow_opens());
  return tree.OpenObject(uri, storage::Wait::kMayFetch);
}

}  // namespace

Found Find(const protocol::Request& request, const Context& context) {
  const Options& options = context.options;
  if (request.refusal != protocol::Status::kOk) return Refused(request.refusal, request.reason);
  if (request.mode == protocol::Mode::kStat) return FindForStat(request, options);
  absl::StatusOr<storage::OpenedObject> object = Open(request.uri, context);
  if (!object.ok()) return Refused(object.status());
  Found found;
  found.info = object->info;
  found.size = object->info.size;
  found.fd = std::move(object->fd);
  found.description.tier = object->tier;
  // Where a descriptor is passed, who passes it finds that out.
  if (session::NeedsEtag(request) && request.mode != protocol::Mode::kFdPass)
    found.description.etag = storage::EtagOf(found.fd.get(), object->info, object->tier);
  return found;
}

}  // namespace objmapper::models
