// A page of a listing that goes through to the origins (Remote::ListThere()): what they have, and
// what is here of this disk's own.
//
//   ThroughPage page(store, remote, query);
//   bool whole = false;
//   while (!whole) {
//     remote->ListThere(page.asked(), ...);         // and when it has come, where one may wait:
//     whole = *page.Take(std::move(listed), filter);
//   }
//   Send(page.TakePage());
//
// An object of this disk's own hides the origin's of that name. A copy is told of by its origin
// alone: what the origin has no more is not listed, though it be here still. Each page is of one
// page of the origin's that shows something, so in memory is no more than that and as much of what
// is here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/store/list.h"
#include "storage/store/store.h"
#include "storage/tree/remote.h"

namespace objmapper::storage {

// One thread's at a time.
class ThroughPage {
 public:
  // store, remote: outlive it. query: as Store::List()'s.
  ThroughPage(Store* store, Remote* remote, ListQuery query);

  // What the remote is to be asked for next.
  const AskedThere& asked() const { return asked_; }

  // Takes its answer. True: the page is whole; false: nothing of it may be seen, and the remote is
  // to be asked again. Waits for the disk. Errors: as Store::List().
  absl::StatusOr<bool> Take(ListedThere there, const ListFilter& filter);

  ListPage TakePage() { return std::move(page_); }

 private:
  // Adds `here` and what of `there` is before `end` (none: all). False: the page is full.
  bool Merge(const std::vector<ListEntry>& here, const std::optional<std::string>& end,
             const ListFilter& filter);
  bool AddThere(ListedThere::Entry* entry, const ListFilter& filter);

  Store* const store_;
  Remote* const remote_;
  const ListQuery query_;
  AskedThere asked_;
  ListPage page_;
  std::vector<ListedThere::Entry> there_;
  size_t taken_ = 0;  // of them
  // Of what is there nothing before this may be seen; nullopt: nothing at all any more.
  std::optional<std::string> seen_from_ = "";
};

}  // namespace objmapper::storage
