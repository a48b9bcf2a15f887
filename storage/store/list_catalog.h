// LIST from the catalog.
#pragma once

#include "storage/catalog/catalog.h"
#include "storage/store/list.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// As Store::List(), and as ListByWalking() pages: one may take up the other's cursor. catalog:
// complete. Asks the disk for symbolic links alone. What may not be seen is passed over where its
// folder is denied as a whole.
ListPage ListCatalog(const Catalog& catalog, const Tree& tree, const ListQuery& query,
                     const ListFilter& filter);

}  // namespace objmapper::storage
