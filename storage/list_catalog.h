// LIST from the catalog.
#pragma once

#include "storage/catalog.h"
#include "storage/store.h"
#include "storage/tree.h"

namespace objmapper::storage {

// As Store::List(), and as ListByWalking() pages: one may take up the other's cursor. catalog:
// complete. Asks the disk for symbolic links alone. What may not be seen is passed over where its
// folder is denied as a whole.
ListPage ListCatalog(const Catalog& catalog, const Tree& tree, const ListQuery& query,
                     const ListFilter& filter);

}  // namespace objmapper::storage
