#include "copypath/operations.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "net/errno_status.h"
#include "protocol/encode.h"
#include "protocol/limits.h"
#include "router/answers.h"
#include "storage/description.h"
#include "storage/object_info.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {

// type u8, length u16 before the data.
constexpr size_t kMetadataHeaderBytes = 3;

// How many of the folders on its way stay, though they be empty.
size_t KeptFolders(const Operand& operand) {
  return operand.access == nullptr ? 0 : operand.access->KeptFolders(operand.peer, operand.socket, operand.uri);
}

storage::PutAttributes AttributesOf(const Operand& operand) {
  storage::PutAttributes attributes;
  if (operand.request.ttl_s != 0) attributes.ttl = absl::Seconds(operand.request.ttl_s);
  attributes.kept_folders = KeptFolders(operand);
  return attributes;
}

// The answer to what stored an object that is now as `stored` says.
Outcome Stored(const Operand& operand, const absl::StatusOr<storage::Description>& stored) {
  Outcome outcome;
  if (!stored.ok()) {
    // It was stored, and is gone again or cannot be looked at: the client learns that much.
    router::AppendDone(operand.dialect, operand.request.id, &outcome.answer);
    return outcome;
  }
  outcome.bytes = stored->size;
  router::AppendStatOf(operand.dialect, operand.request.id, *stored, &outcome.answer);
  return outcome;
}

}  // namespace

Outcome Failed(const Operand& operand, const absl::Status& error) {
  Outcome outcome;
  outcome.status = router::WireStatus(error);
  router::AppendError(operand.dialect, operand.request.id, outcome.status, error.message(), &outcome.answer);
  return outcome;
}

absl::StatusOr<std::unique_ptr<storage::NewObject>> BeginPut(const Operand& operand) {
  return operand.store->Begin(operand.uri, operand.request.body_length, AttributesOf(operand));
}

Outcome CommitPut(const Operand& operand, storage::NewObject* object) {
  const absl::Status committed = object->Commit();
  if (!committed.ok()) return Failed(operand, committed);
  // Of this very object, whoever has replaced it meanwhile.
  const absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(object->fd(), operand.uri);
  if (!info.ok()) return Stored(operand, info.status());
  return Stored(operand, storage::Describe(object->fd(), *info, storage::Tier::kDisk));
}

absl::Status BodyError(const Operand& operand, int error) {
  const std::string what = absl::StrCat("write ", text::Quoted(operand.uri));
  if (error == ENOSPC || error == EDQUOT) {
    return absl::UnavailableError(absl::StrCat(what, ": no room on the disk (", strerrorname_np(error), ")"));
  }
  return net::ErrnoToStatus(error, what);
}

Outcome PutFd(const Operand& operand, net::UniqueFd fd) {
  const absl::Status stored = operand.store->PutFd(operand.uri, std::move(fd), AttributesOf(operand));
  if (!stored.ok()) return Failed(operand, stored);
  return Stored(operand, operand.tree->Describe(operand.uri, storage::Wait::kMayBlock));
}

Outcome Delete(const Operand& operand) {
  const absl::Status deleted = operand.store->Delete(operand.uri, KeptFolders(operand));
  if (!deleted.ok()) return Failed(operand, deleted);
  Outcome outcome;
  router::AppendDone(operand.dialect, operand.request.id, &outcome.answer);
  return outcome;
}

Outcome List(const Operand& operand, const router::Access* access, const net::PeerCredentials& peer, int socket) {
  storage::ListQuery query;
  const size_t nul = operand.uri.find('\0');
  query.prefix = operand.uri.substr(0, nul);
  if (nul != std::string::npos) query.cursor = operand.uri.substr(nul + 1);
  // The connection's own standing is its owner's thread's.
  std::unique_ptr<router::Standing> standing;
  absl::StatusOr<storage::ListPage> page = operand.store->List(query, [&](absl::string_view uri) {
    return access == nullptr || access->Permits(&standing, peer, socket, uri, router::Right::kRead);
  });
  if (!page.ok()) return Failed(operand, page.status());
  // A page ends with an entry that can be named to go on from: CURSOR is metadata, and comes back behind the prefix.
  const size_t cursor_max = std::min(protocol::kMetadataBytesMax - kMetadataHeaderBytes,
                                     protocol::kUriBytesMax - std::min(protocol::kUriBytesMax, query.prefix.size() + 1));
  while (page->cursor.size() > cursor_max && page->entries.size() > 1) {
    page->entries.pop_back();
    page->cursor = page->entries.back().uri;
  }
  if (page->cursor.size() > cursor_max) {
    return Failed(operand, absl::InternalError(absl::StrCat("a page cannot end at a URI of more than ", cursor_max,
                                                            " bytes; ask with a longer prefix")));
  }
  std::string body;
  for (const storage::ListEntry& entry : page->entries) {
    protocol::AppendListEntry({entry.uri, entry.size, entry.mtime_s}, &body);
  }
  Outcome outcome;
  router::AppendList(operand.dialect, operand.request.id, page->cursor, body, &outcome.answer);
  return outcome;
}

}  // namespace objmapper::copypath
