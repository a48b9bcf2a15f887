// Operations that may wait for the disk, and their answers. They touch no connection.
#include "copypath/operations.h"

#include <errno.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "copypath/may_read.h"
#include "net/errno_status.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"
#include "session/answers.h"
#include "session/body.h"
#include "session/caller.h"
#include "session/stored.h"
#include "storage/store/list_cursor.h"
#include "storage/tree/description.h"
#include "storage/tree/object_info.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {

// Of an entry of a listing, beside its URI.
constexpr size_t kEntryBytes = 18;

// How many of the folders on its way stay, though they be empty.
size_t KeptFolders(const Operand& operand) {
  return operand.access == nullptr
             ? 0
             : operand.access->KeptFolders(
                   {operand.peer, operand.socket, session::CallerOf(operand.request)}, operand.uri);
}

storage::Condition ConditionOf(const Operand& operand) {
  session::Precondition precondition = session::PreconditionOf(operand.request);
  if (precondition == nullptr) return {};
  return [precondition = std::move(precondition),
          what = text::Quoted(operand.uri)](const storage::Description* there) {
    session::ObjectFacts facts;
    if (there != nullptr) facts = {there->size, there->mtime_s, there->etag};
    const absl::Status judged = precondition(there == nullptr ? nullptr : &facts);
    if (judged.ok()) return judged;
    return absl::Status(judged.code(), absl::StrCat(what, ": ", judged.message()));
  };
}

storage::PutAttributes AttributesOf(const Operand& operand) {
  storage::PutAttributes attributes;
  if (operand.request.ttl_s != 0) attributes.ttl = absl::Seconds(operand.request.ttl_s);
  attributes.kept_folders = KeptFolders(operand);
  attributes.peer = operand.peer_key;
  attributes.condition = ConditionOf(operand);
  return attributes;
}

absl::Status MayChange(const Operand& operand) {
  const storage::Remote* const remote = operand.tree->remote();
  return remote == nullptr ? absl::OkStatus() : remote->MayChange(operand.uri);
}

// What has just been stored, whoever has replaced it meanwhile.
absl::StatusOr<storage::Description> OnDisk(const Operand& operand, int file) {
  const absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(file, operand.uri);
  if (!info.ok()) return info.status();
  return storage::Describe(file, *info, storage::Tier::kDisk);
}

// The answer to what stored an object that is now as `stored` says. replaced: another had its name.
Outcome Stored(const Operand& operand, const absl::StatusOr<storage::Description>& stored,
               bool replaced) {
  Outcome outcome;
  session::ObjectFacts facts;
  if (stored.ok()) {
    outcome.bytes = stored->size;
    facts = session::FactsOf(*stored, operand.uri);
  }
  // Else it was stored, and is gone again or cannot be looked at: the client learns that much.
  session::AppendStored(operand.dialect, operand.request, stored.ok() ? &facts : nullptr, replaced,
                        &outcome.answer);
  return outcome;
}

}  // namespace

Outcome Failed(const Operand& operand, const absl::Status& error) {
  Outcome outcome;
  outcome.status = session::WireStatus(error);
  if (operand.request.mode == protocol::Mode::kPut && absl::IsUnavailable(error)) {
    session::AppendNoRoom(operand.dialect, operand.request, error.message(), &outcome.answer);
    return outcome;
  }
  session::AppendError(operand.dialect, operand.request, outcome.status, error.message(),
                       &outcome.answer);
  return outcome;
}

absl::StatusOr<std::unique_ptr<storage::NewObject>> BeginPut(const Operand& operand) {
  if (absl::Status may = MayChange(operand); !may.ok()) return may;
  return operand.store->Begin(operand.uri, session::LengthOf(operand.request),
                              AttributesOf(operand));
}

std::optional<Outcome> StepCommitPut(const Operand& operand, storage::NewObject* object) {
  const absl::StatusOr<bool> prepared = object->Prepare();
  if (!prepared.ok()) return Failed(operand, prepared.status());
  if (!*prepared) return std::nullopt;
  const absl::Status committed = object->Commit();
  if (!committed.ok()) return Failed(operand, committed);
  return Stored(operand, OnDisk(operand, object->fd()), object->replaced());
}

Outcome CommitPut(const Operand& operand, storage::NewObject* object) {
  while (true) {
    std::optional<Outcome> outcome = StepCommitPut(operand, object);
    if (outcome.has_value()) return *std::move(outcome);
  }
}

Outcome PutWhole(const Operand& operand, absl::string_view body) {
  storage::PutAttributes attributes = AttributesOf(operand);
  attributes.at_hand = true;
  if (const absl::Status may = MayChange(operand); !may.ok()) return Failed(operand, may);
  const absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
      operand.store->Begin(operand.uri, body.size(), attributes);
  if (!object.ok()) return Failed(operand, object.status());
  if (const absl::Status written = (*object)->WriteWhole(body); !written.ok())
    return Failed(operand, written);
  return CommitPut(operand, object->get());
}

absl::Status BodyError(const Operand& operand, int error) {
  const std::string what = absl::StrCat("write ", text::Quoted(operand.uri));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return absl::UnavailableError(
        absl::StrCat(what, ": no room on the disk (", strerrorname_np(error), ")"));
  }
  return net::ErrnoToStatus(error, what);
}

Outcome PutFd(const Operand& operand, net::ForeignFd fd) {
  if (const absl::Status may = MayChange(operand); !may.ok()) return Failed(operand, may);
  storage::PutAttributes attributes = AttributesOf(operand);
  bool refused = false;  // by the condition
  if (attributes.condition != nullptr) {
    attributes.condition = [condition = std::move(attributes.condition),
                            &refused](const storage::Description* there) {
      absl::Status judged = condition(there);
      refused = !judged.ok();
      return judged;
    };
  }
  std::optional<absl::StatusOr<storage::Description>> now;
  absl::Status stored = operand.store->PutFd(
      operand.uri, std::move(fd), attributes, [&operand] { return !HasGone(operand.socket); },
      [&](int copy) { now = OnDisk(operand, copy); });
  // Whose file it is that holds something else than it says is no fault of the server's.
  if (absl::IsAborted(stored) && !refused) stored = absl::InvalidArgumentError(stored.message());
  if (!stored.ok()) return Failed(operand, stored);
  // What is in memory may be another's by now.
  if (!now.has_value()) now = operand.tree->Describe(operand.uri, storage::Wait::kMayBlock);
  return Stored(operand, *now, /*replaced=*/false);  // only HTTP tells, which has no descriptors
}

Outcome Delete(const Operand& operand) {
  if (const absl::Status may = MayChange(operand); !may.ok()) return Failed(operand, may);
  const absl::Status deleted =
      operand.store->Delete(operand.uri, KeptFolders(operand), ConditionOf(operand));
  if (!deleted.ok()) return Failed(operand, deleted);
  Outcome outcome;
  session::AppendRemoved(operand.dialect, operand.request, &outcome.answer);
  return outcome;
}

Outcome List(const Operand& operand, const session::Access* access,
             const net::PeerCredentials& peer, int socket) {
  const MayRead filter(access, {peer, socket, session::CallerOf(operand.request)});
  storage::ListQuery query;
  const size_t nul = operand.uri.find('\0');
  query.prefix = operand.uri.substr(0, nul);
  if (nul != std::string::npos) {
    absl::StatusOr<std::string> place = storage::DecodeCursor(
        query.prefix, absl::string_view(operand.uri).substr(nul + 1),
        [&](const storage::ListQuery& searched) { return operand.store->List(searched, filter); });
    if (!place.ok()) return Failed(operand, place.status());
    query.cursor = *std::move(place);
  }
  Outcome outcome;
  outcome.room = operand.store->list_room()->Take(kListPageBytes);
  query.bytes_max = outcome.room.bytes();
  absl::StatusOr<storage::ListPage> page = operand.store->List(query, filter);
  if (!page.ok()) return Failed(operand, page.status());
  return Listed(operand, *std::move(page), std::move(outcome.room));
}

Outcome Listed(const Operand& operand, storage::ListPage page, storage::ListRoom::Lease room) {
  const absl::string_view prefix = absl::string_view(operand.uri).substr(0, operand.uri.find('\0'));
  const std::string cursor =
      page.cursor.empty() ? "" : storage::EncodeCursor(prefix, page.cursor, page.next);
  Outcome outcome;
  outcome.room = std::move(room);
  size_t bytes = 0;
  for (const storage::ListEntry& entry : page.entries) bytes += kEntryBytes + entry.uri.size();
  std::string body;
  body.reserve(bytes);
  for (const storage::ListEntry& entry : page.entries) {
    protocol::AppendListEntry({entry.uri, entry.size, static_cast<uint64_t>(entry.mtime_s)}, &body);
  }
  page.entries.clear();
  // It may wait for its reader for long: in a piece of memory of its own size.
  outcome.answer.reserve(bytes + protocol::kResponseBytesMax);
  session::AppendList(operand.dialect, operand.request.id, cursor, body, &outcome.answer);
  outcome.room.Shrink(outcome.answer.size());
  return outcome;
}

}  // namespace objmapper::copypath
