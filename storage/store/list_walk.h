// One page of a listing, read from the tree itself: slow where there is much, always right.
//
// Entries come in the order of their URIs as bytes, which is that of a walk in which a directory's
// name is compared as if it ended in '/'. Names that the server keeps for itself, files that have
// expired and what is no regular file are left out. Directories behind symbolic links are not
// walked, since links can go round in circles; links to files are listed.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/store/list.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// As Store::List(). Waits for the disk. Reads each directory whole in which something can match
// that may be seen, and no other; has a few descriptors open, however deep the tree. What is deeper
// than kDepthMax is left out.
absl::StatusOr<ListPage> ListByWalking(const Tree& tree, const ListQuery& query,
                                       const ListFilter& filter);

}  // namespace objmapper::storage
