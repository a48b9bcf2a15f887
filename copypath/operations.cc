// Operations that may wait for the disk, and their answers. They touch no connection.
#include "copypath/operations.h"

#include <errno.h>

#include <algorithm>
#include <future>
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
  // Of what is stored afar, nobody knows here what there is.
  if (!operand.afar) attributes.condition = ConditionOf(operand);
  return attributes;
}

absl::Status MayChange(const Operand& operand) {
  const storage::Remote* const remote = operand.tree->remote();
  if (remote == nullptr) return absl::OkStatus();
  if (absl::Status may = remote->MayChange(operand.uri); !may.ok()) return may;
  if (operand.request.ttl_s == 0 || !operand.afar) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      text::Quoted(operand.uri), " is stored at its origin, which knows no time to live"));
}

// Whose file it is that holds something else than it says is no fault of the server's.
absl::Status OfFile(absl::Status stored) {
  if (absl::IsAborted(stored)) return absl::InvalidArgumentError(stored.message());
  return stored;
}

// What `begin` comes to. The thread waits.
template <typename Begin>
Outcome Await(Begin begin) {
  std::promise<Outcome> promised;
  begin([&promised](Outcome outcome) { promised.set_value(std::move(outcome)); });
  return promised.get_future().get();
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
  session::AppendError(operand.dialect, operand.request, error, &outcome.answer);
  return outcome;
}

absl::StatusOr<std::unique_ptr<storage::NewObject>> BeginPut(const Operand& operand) {
  if (absl::Status may = MayChange(operand); !may.ok()) return may;
  return operand.store->Begin(operand.uri, session::LengthOf(operand.request),
                              AttributesOf(operand));
}

std::optional<Outcome> StepCommitPut(const Operand& operand, storage::NewObject* object) {
  if (operand.afar) {
    return Await(
        [&](std::function<void(Outcome)> done) { PutAfar(operand, object, std::move(done)); });
  }
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
  const absl::StatusOr<std::unique_ptr<storage::NewObject>> object = SpoolWhole(operand, body);
  return object.ok() ? CommitPut(operand, object->get()) : Failed(operand, object.status());
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
  if (operand.afar) {
    const absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
        SpoolFd(operand, std::move(fd));
    return object.ok() ? CommitPut(operand, object->get()) : Failed(operand, object.status());
  }
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
  if (!refused) stored = OfFile(std::move(stored));
  if (!stored.ok()) return Failed(operand, stored);
  // What is in memory may be another's by now.
  if (!now.has_value()) now = operand.tree->Describe(operand.uri, storage::Wait::kMayBlock);
  return Stored(operand, *now, /*replaced=*/false);  // only HTTP tells, which has no descriptors
}

Outcome Delete(const Operand& operand) {
  if (operand.afar) {
    return Await([&](std::function<void(Outcome)> done) { DeleteAfar(operand, std::move(done)); });
  }
  if (const absl::Status may = MayChange(operand); !may.ok()) return Failed(operand, may);
  const absl::Status deleted =
      operand.store->Delete(operand.uri, KeptFolders(operand), ConditionOf(operand));
  if (!deleted.ok()) return Failed(operand, deleted);
  Outcome outcome;
  session::AppendRemoved(operand.dialect, operand.request, &outcome.answer);
  return outcome;
}

bool ChangesAfar(const storage::Tree& tree, absl::string_view uri) {
  return tree.remote() != nullptr && tree.remote()->ChangesAfar(uri);
}

absl::StatusOr<std::unique_ptr<storage::NewObject>> SpoolWhole(const Operand& operand,
                                                               absl::string_view body) {
  if (absl::Status may = MayChange(operand); !may.ok()) return may;
  storage::PutAttributes attributes = AttributesOf(operand);
  // What is sent elsewhere first is not published in a moment.
  attributes.at_hand = !operand.afar;
  absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
      operand.store->Begin(operand.uri, body.size(), attributes);
  if (!object.ok()) return object;
  if (absl::Status written = (*object)->WriteWhole(body); !written.ok()) return written;
  return object;
}

absl::StatusOr<std::unique_ptr<storage::NewObject>> SpoolFd(const Operand& operand,
                                                            net::ForeignFd fd) {
  if (absl::Status may = MayChange(operand); !may.ok()) return may;
  absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
      operand.store->TakeFd(operand.uri, std::move(fd), AttributesOf(operand),
                            [&operand] { return !HasGone(operand.socket); });
  if (!object.ok()) return OfFile(object.status());
  return object;
}

void PutAfar(const Operand& operand, storage::NewObject* object,
             std::function<void(Outcome)> done) {
  struct Here {
    bool here = false;
    bool replaced = false;
  };
  const auto kept = std::make_shared<Here>();
  storage::Remote::Wish wish;
  wish.file = object->fd();
  wish.size = object->size();
  wish.condition = ConditionOf(operand);
  wish.here = [object, kept](const std::string& etag, bool replaced) {
    object->KnownAs(etag);
    absl::Status committed = object->Commit();
    kept->here = committed.ok();
    kept->replaced = replaced || object->replaced();
    return committed;
  };
  operand.tree->remote()->Change(
      operand.uri, std::move(wish),
      [&operand, object, kept, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(Failed(operand, status));
        // What is not here is told of when somebody has had it fetched.
        done(Stored(operand,
                    kept->here ? OnDisk(operand, object->fd())
                               : absl::NotFoundError("it is at its origin alone"),
                    kept->replaced));
      });
}

void DeleteAfar(const Operand& operand, std::function<void(Outcome)> done) {
  if (const absl::Status may = MayChange(operand); !may.ok()) return done(Failed(operand, may));
  storage::Remote::Wish wish;
  wish.condition = ConditionOf(operand);
  wish.here = [&operand](const std::string&, bool) {
    return operand.store->Delete(operand.uri, KeptFolders(operand));
  };
  operand.tree->remote()->Change(
      operand.uri, std::move(wish), [&operand, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(Failed(operand, status));
        Outcome outcome;
        session::AppendRemoved(operand.dialect, operand.request, &outcome.answer);
        done(std::move(outcome));
      });
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
