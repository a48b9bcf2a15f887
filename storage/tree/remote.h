// Where objects may be that are not here, or are newer than here: an origin. The tree asks for
// nothing itself; whoever looks for an object and may wait for one from afar does
// (Wait::kMayFetch, or Bring() where no thread is to wait).
//
//   absl::StatusOr<OpenedObject> object = absl::UnavailableError("not looked for yet");
//   const bool must = tree.MustCheck(uri);   // then what is here is not to be handed out
//   if (!must) object = tree.OpenObject(uri, Wait::kMayBlock);
//   if (must || MayBeFetched(tree, uri, object.status())) {
//     tree.remote()->Bring(uri, [...](absl::Status brought) { ... });   // and look again, once
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/tree/description.h"
#include "storage/tree/disk_tier.h"
#include "storage/tree/filling.h"
#include "storage/tree/overlay.h"

namespace objmapper::storage {

// What somebody wants of an object of which nothing is known yet: [begin, end), cut at its end.
// Nothing: only what it is.
struct Wanted {
  uint64_t begin = 0;
  uint64_t end = UINT64_MAX;
  // Only if it has been compared with its origin so many seconds ago at most, or is by then; 0: it
  // is by then. nullopt: as the remote thinks right.
  std::optional<int64_t> age_max_s;
  bool only_here = false;  // no remote is asked

  static Wanted Nothing() { return {0, 0}; }
  bool all() const { return begin == 0 && end == UINT64_MAX; }
};

// Where an object that is here comes from, as far as that is to be told.
struct Provenance {
  // How what is here came to be, or to be good, last.
  enum class Came : uint8_t {
    kUnknown,
    kFetched,      // there was none here
    kReplaced,     // another version was
    kNotModified,  // it was here, and the remote has said so
    kConfirmed,    // the same, found out from what else it said
  };
  bool remote = false;  // it is the remote's; else the rest means nothing
  bool stale = false;   // it is handed out though it is due, since the remote cannot be asked
  Came came = Came::kUnknown;
  // Seconds since the epoch: when it was fetched, or found to be the same there, and until when it
  // is not due; INT64_MAX: it never is.
  int64_t checked_s = 0;
  int64_t due_s = INT64_MAX;
};

// A listing of what there is elsewhere, page by page, in the order of the URIs as bytes. What has
// been told of is not remembered between pages: each says where the next begins.
struct AskedThere {
  std::string prefix;  // of URIs, bytes
  std::string from;    // no URI before this is wanted; it need not be one. Empty: all
};
struct ListedThere {
  struct Entry {
    std::string uri;
    uint64_t size = 0;
    int64_t mtime_s = 0;  // since the epoch
  };
  std::vector<Entry> entries;  // sorted; perhaps none although there are more
  // AskedThere::from of the next page: all that is there before it is in `entries`. Behind the last
  // of them, and begins with the prefix. Empty: there are no more.
  std::string from;
};

// Thread-safe.
class Remote {
 public:
  virtual ~Remote() = default;

  // Whether `uri`, which is not here, may be there. Never waits: asked for every miss.
  virtual bool MayHave(absl::string_view uri) const = 0;

  // Whether what is here under that name, if anything is, may be handed out only after its origin
  // has been asked again: by Bring(), after which it is looked up once more without this question.
  // Never waits: asked before each lookup, and again before each answer from a cache.
  virtual bool MustCheck(absl::string_view uri) const;

  // Whether what is here under that name is older than Wanted::age_max_s allows, so that it is to
  // be had by Follow() or BringChecked() alone, where MustCheck() would let it be handed out. Never
  // of what has no origin. Who says that too often in a second has to do with what is here. Never
  // waits.
  virtual bool MustCompare(absl::string_view uri, int64_t age_max_s);
  // As Bring(), for whom age_max_s is Wanted's: he gets no object that is older, but the reason why
  // it cannot be compared.
  virtual void BringChecked(absl::string_view uri, int64_t age_max_s,
                            std::function<void(absl::Status)> done);

  // Of what has just been found here, and need not be checked. fd: the object, open for reading,
  // for what is told of it alone; borrowed; -1: there is none to look at, so less may be known.
  // Never waits for the remote: a lock, or one fgetxattr(2).
  virtual Provenance ProvenanceOf(absl::string_view uri, int fd);

  // Has the object brought into the tree, or what is here compared with what is there, once for all
  // that ask meanwhile.
  //
  // done: called once, on any thread and perhaps inside this call, when it is here and may be
  // handed out (OK), or with why it will not be, or may not be:
  //
  //   NOT_FOUND           there is none there either; what was here has been removed
  //   PERMISSION_DENIED   the origin, or the place for it here, forbids it
  //   RESOURCE_EXHAUSTED  the origin does not answer as it should, or there is no room here: try
  //                       again later; when, may be said (net/retry_after.h)
  //   DATA_LOSS           what came was not what the origin says that it is
  //
  // It must not wait. Bounded in time by the remote, which also calls those that wait when it
  // stops.
  virtual void Bring(absl::string_view uri, std::function<void(absl::Status)> done) = 0;

  // Whether what there is of `uri` here is kept by the remote, in a place that is not that URI's
  // path: there it answers to exactly this URI, which the kernel would read as another one. Never
  // waits: asked for every lookup.
  virtual bool KeepsApart(absl::string_view uri) const;
  // What KeepsApart() is true of: errors and `wait` as Tree::OpenObject()'s, which has it called.
  virtual absl::StatusOr<OpenedObject> OpenKept(absl::string_view uri, Wait wait);

  // What is kept so, and here whole: all whose URIs begin with `prefix` and come after `after`,
  // sorted. For listings. Never waits.
  struct Kept {
    std::string uri;
    uint64_t size = 0;
    int64_t mtime_s = 0;  // since the epoch
  };
  virtual std::vector<Kept> ListKept(absl::string_view prefix, absl::string_view after) const;

  // A page of what there is elsewhere, as it is there now; whether it is here does not matter.
  // Names that nobody may have (DiskTier::CheckName()) are left out.
  //
  // done: called once, on any thread and perhaps inside this call, like Bring()'s, with the page or
  //
  //   UNIMPLEMENTED       not where those objects come from; a sentence
  //   PERMISSION_DENIED   the origin forbids it
  //   RESOURCE_EXHAUSTED  as Bring()'s; never is trouble a page without entries
  virtual void ListThere(const AskedThere& asked,
                         std::function<void(absl::StatusOr<ListedThere>)> done);
  // Whether what is here under that name is a copy of what there was elsewhere, and not this disk's
  // own: then a listing of what is elsewhere is right about it. Waits for the disk.
  virtual bool IsCopy(absl::string_view uri) const;

  // Whether clients may store and delete objects of that name here. UNIMPLEMENTED: not where they
  // come from elsewhere; a sentence.
  virtual absl::Status MayChange(absl::string_view uri) const;

  // Whether what they change of that name is changed afar first, by Change(). Never waits.
  virtual bool ChangesAfar(absl::string_view uri) const;

  // What is to become of an object.
  struct Wish {
    // What it is to be: a file that is whole, borrowed until `done`; it may be given attributes
    // meanwhile. -1: there is to be none.
    int file = -1;
    uint64_t size = 0;
    // Whether it may be, of what is there now, afar; null: nothing is. OK or ABORTED. Empty:
    // always.
    std::function<absl::Status(const Description* there)> condition;
    // Makes it so here. Called once it is so afar, if it is to be so here; at most once, by a
    // thread that may wait for the disk. etag: what clients are to be told of the object. replaced:
    // there was one before, as far as that is known.
    std::function<absl::Status(const std::string& etag, bool replaced)> here;
  };
  // Has it changed afar, and then here; those who ask for the object meanwhile wait. What is here
  // of an earlier version goes before anything else, so that whatever happens it is not taken for
  // the new one.
  //
  // done: called once, on any thread and perhaps inside this call, with OK when it is so afar:
  //
  //   NOT_FOUND           it was to be deleted, and is neither there nor here
  //   ABORTED             the condition does not hold
  //   PERMISSION_DENIED   the origin, or the place for it here, forbids it
  //   RESOURCE_EXHAUSTED  trouble; the message says where it is unknown whether it has been done
  //   DATA_LOSS           the disk failed
  virtual void Change(absl::string_view uri, Wish wish, std::function<void(absl::Status)> done);

  // Somebody has stored an object under that name, here: what is remembered of it is of another
  // one. Called after it can be found, before anybody is told.
  virtual void Stored(absl::string_view uri);

  // For whoever can read an object while it comes: `wanted` is fetched, and of a large object no
  // more than that need be. Its age_max_s: as BringChecked()'s.
  //
  // done: as Bring()'s, but as soon as it is known which object comes: with what is read. Null: it
  // is here already.
  //
  // A remote that cannot show what comes brings it whole.
  virtual void Follow(absl::string_view uri, const Wanted& wanted,
                      std::function<void(absl::StatusOr<std::shared_ptr<Filling>>)> done);
};

// Says that it is for want of room here that an object could not be brought: who can read what
// passes (Filling::passes()) may have it all the same.
absl::Status NoRoom(absl::Status why);
bool IsNoRoom(const absl::Status& status);

class Tree;
// Whether what was looked for with `result` is to be looked for in the tree's remote.
bool MayBeFetched(const Tree& tree, absl::string_view uri, const absl::Status& result);
// Bring(), and the thread waits for it; or BringChecked().
absl::Status BringNow(Remote* remote, absl::string_view uri,
                      std::optional<int64_t> age_max_s = std::nullopt);
// For a thread that waits, and can read what passes: what there is of `uri`, which could not be
// brought, where that is since there is no room for it (Filling::passes()). Null: it is not.
std::shared_ptr<Filling> PassingNow(Remote* remote, absl::string_view uri);
// What is said of what may not be handed out, or is not here, to who wants nothing from elsewhere
// (Wanted::only_here). UNAVAILABLE.
absl::Status OnlyElsewhere(absl::string_view uri);
// What an object that has been brought is when it is gone again: evicted at once, or deleted.
absl::Status GoneAgain(absl::string_view uri);

// What is said of `uri`, which was to be brought, with `brought`, and has been looked for `again`.
// Gone again by then is no NOT_FOUND. Of a folder it is said that it is one, if there is no object
// of its name afar either.
template <typename Found>
absl::StatusOr<Found> AfterBringing(absl::string_view uri, const absl::Status& brought,
                                    absl::StatusOr<Found> again) {
  if (!brought.ok() && !absl::IsFailedPrecondition(again.status())) return brought;
  if (absl::IsNotFound(again.status())) return GoneAgain(uri);
  return again;
}

}  // namespace objmapper::storage
