// The listing of a folder on its way out (OP_LIST in HTTP), one piece at a time: however large the
// folder is, no more of it is in memory than a page of its names and a piece of text.
//
//   FolderListing listing(operand);
//   Outcome outcome = listing.Next();
//   while (outcome.kind == Outcome::Kind::kPiece) {
//     ...                               // send outcome.answer; when it has gone:
//     outcome = listing.Next();
//   }
//
// Both sizes are bounded by its share of what all listings may take (storage::ListRoom).
#pragma once

#include <cstddef>

#include "copypath/operations.h"
#include "session/listing.h"
#include "storage/store/folder.h"
#include "storage/store/list_room.h"

namespace objmapper::copypath {

// One thread's at a time.
class FolderListing {
 public:
  // The store, the tree, the rules and the socket outlive it.
  explicit FolderListing(Operand operand);

  // What comes next; after anything but a kPiece it is not called again. Waits for the disk, for a
  // page at most.
  Outcome Next();

 private:
  Outcome Begin(const storage::ListFilter& filter);
  Outcome GoOn(const storage::ListFilter& filter);

  const Operand operand_;
  session::FolderText text_;
  storage::ListRoom::Lease room_;
  storage::FolderQuery query_;
  storage::FolderPage page_;  // the last one read
  size_t added_ = 0;          // of its entries
  bool begun_ = false;        // a piece has gone
};

}  // namespace objmapper::copypath
