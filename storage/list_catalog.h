// LIST from the catalog.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "storage/catalog.h"
#include "storage/store.h"
#include "storage/tree.h"

namespace objmapper::storage {

// As Store::List(), and as ListByWalking() pages: one may take up the other's cursor. catalog: complete. Asks the disk for
// symbolic links alone.
ListPage ListCatalog(const Catalog& catalog, const Tree& tree, const ListQuery& query,
                     absl::FunctionRef<bool(absl::string_view uri)> permitted);

}  // namespace objmapper::storage
