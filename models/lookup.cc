// Finds what a request asks for: the object, opened anew, or its description.
#include <functional>
#include <optional>

#include "absl/status/statusor.h"
#include "models/conversation.h"
#include "net/clock.h"
#include "net/retry_after.h"
#include "storage/tree/bring.h"
#include "storage/tree/remote.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::models {
namespace {

Found RefusedAs(protocol::Status status, absl::string_view message) {
  Found refused;
  refused.status = status;
  refused.message = std::string(message);
  return refused;
}

// What `look` finds. Where opening takes long, or the object comes from elsewhere, somebody takes
// this thread's place meanwhile.
template <typename Look>
auto LookUp(const Context& context, Look look) -> decltype(look(storage::Wait::kMayFetch)) {
  const storage::Tree& tree = *context.options.tree;
  const bool may_take_long = tree.slow_opens().any() || tree.remote() != nullptr;
  if (context.stand_ins == nullptr || !may_take_long) return look(storage::Wait::kMayFetch);
  auto at_hand = look(storage::Wait::kCachedOnly);
  if (!absl::IsUnavailable(at_hand.status())) return at_hand;
  const StandIns::Waiting waiting(context.stand_ins);
  const storage::SlowOpens::Elsewhere elsewhere(&tree.slow_opens());
  return look(storage::Wait::kMayFetch);
}

// What passes of an object that `error` says of that it is not to be had here; null: nothing does.
std::shared_ptr<storage::Filling> FindPassing(const protocol::Request& request,
                                              const absl::Status& error, const Context& context) {
  storage::Remote* const remote = context.options.tree->remote();
  // Who wants only what is here is told something else.
  if (remote == nullptr || !storage::IsNoRoom(error)) return nullptr;
  if (context.stand_ins == nullptr) return storage::PassingNow(remote, request.uri);
  const StandIns::Waiting waiting(context.stand_ins);
  return storage::PassingNow(remote, request.uri);
}

Found FindForStat(const protocol::Request& request, const Context& context) {
  const Options& options = context.options;
  absl::StatusOr<storage::Description> description = LookUp(context, [&](storage::Wait wait) {
    return storage::FindDescription(*options.tree, options.index, request.uri, net::NowNs(), wait);
  });
  Found found;
  if (description.ok()) {
    found.description = *std::move(description);
  } else if (const auto passing = FindPassing(request, description.status(), context)) {
    found.description = passing->description();
  } else {
    return Refused(description.status());
  }
  return found;
}

// As Tree::OpenObject() with kMayFetch, as HTTP's Cache-Control wants it. *asked: whether the
// remote was. compares: Remote::MustCompare(), which is asked once.
absl::StatusOr<storage::OpenedObject> OpenAs(const protocol::Request& request,
                                             const storage::Tree& tree, bool compares,
                                             session::AskedRemote* asked) {
  const absl::string_view uri = request.uri;
  const std::function<absl::StatusOr<storage::OpenedObject>()> look = [&] {
    return tree.OpenObject(uri, storage::Wait::kMayBlock);
  };
  if (session::IsOnlyFromHere(request))
    return compares ? storage::OnlyElsewhere(uri) : storage::LookHere(tree, uri, look);
  if (!compares && !tree.MustCheck(uri)) {
    absl::StatusOr<storage::OpenedObject> object = look();
    if (!storage::MayBeFetched(tree, uri, object.status())) return object;
  }
  asked->asked = true;
  asked->at_wish = compares && !tree.MustCheck(uri);
  const absl::Status brought =
      storage::BringNow(tree.remote(), uri, compares ? session::AgeMaxOf(request) : std::nullopt);
  if (!brought.ok() && !absl::IsNotFound(brought)) return brought;
  return storage::AfterBringing(uri, brought, look());
}

absl::StatusOr<storage::OpenedObject> Open(const protocol::Request& request, const Context& context,
                                           session::AskedRemote* asked) {
  const storage::Tree& tree = *context.options.tree;
  if (tree.remote() == nullptr || request.http == nullptr) {
    return LookUp(context, [&](storage::Wait wait) { return tree.OpenObject(request.uri, wait); });
  }
  const std::optional<int64_t> age_max_s = session::AgeMaxOf(request);
  const bool compares =
      age_max_s.has_value() && tree.remote()->MustCompare(request.uri, *age_max_s);
  return LookUp(context, [&](storage::Wait wait) -> absl::StatusOr<storage::OpenedObject> {
    if (wait == storage::Wait::kMayFetch) return OpenAs(request, tree, compares, asked);
    if (compares) return absl::UnavailableError("it is compared first");
    return tree.OpenObject(request.uri, wait);
  });
}

}  // namespace

Found Refused(const absl::Status& error) {
  Found refused = RefusedAs(session::WireStatus(error), error.message());
  refused.retry_after_ms = net::RetryAfterMs(error);
  return refused;
}

Found Find(const protocol::Request& request, const Context& context) {
  if (request.refusal != protocol::Status::kOk) return RefusedAs(request.refusal, request.reason);
  if (request.mode == protocol::Mode::kStat) return FindForStat(request, context);
  Found found;
  absl::StatusOr<storage::OpenedObject> object = Open(request, context, &found.asked_remote);
  if (!object.ok()) {
    if (request.mode != protocol::Mode::kFdPass)
      found.passing = FindPassing(request, object.status(), context);
    if (found.passing == nullptr) return Refused(object.status());
    found.description = found.passing->description();
    found.size = found.info.size = found.description.size;
    found.info.mtime_s = found.description.mtime_s;
    return found;
  }
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
