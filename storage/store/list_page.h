// The pages that Store::List() is made of: from the catalog, from the tree itself, and with what is
// in memory. One may take up the other's cursor.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "storage/catalog/catalog.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/list.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// catalog: complete. Asks the disk for symbolic links alone. What may not be seen is passed over
// where its folder is denied as a whole.
ListPage ListCatalog(const Catalog& catalog, const Tree& tree, const ListQuery& query,
                     const ListFilter& filter);

// Read from the tree: slow where there is much, always right. Waits for the disk. Reads each
// directory whole in which something can match that may be seen, and no other; has a few
// descriptors open, however deep the tree.
//
// Entries come in the order of their URIs as bytes, which is that of a walk in which a directory's
// name is compared as if it ended in '/'. Names that the server keeps for itself, files that have
// expired, what is no regular file and what is deeper than kDepthMax are left out. Directories
// behind symbolic links are not walked, since links can go round in circles; links to files are
// listed.
absl::StatusOr<ListPage> ListByWalking(const Tree& tree, const ListQuery& query,
                                       const ListFilter& filter);

// `disk`: the page that `query` gave of the disk; `others`: what fits the query and is elsewhere,
// in memory or kept for an origin, sorted: all of it, or more than a page. Of a name that is in
// both the other one is told, as readers find it.
ListPage MergeListing(ListPage disk, std::vector<ListEntry> others, const ListQuery& query,
                      const ListFilter& filter);

}  // namespace objmapper::storage
