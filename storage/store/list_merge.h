// One page of a listing, made of a page of what is on the disk and of what is in memory.
#pragma once

#include <vector>

#include "storage/memory/memory_tier.h"
#include "storage/store/list.h"

namespace objmapper::storage {

// `disk`: the page that `query` gave of the disk; `memory`: all objects in memory that fit the
// query, sorted. Of a name that is in both the one in memory is told, as readers find it.
ListPage MergeListing(ListPage disk, std::vector<MemoryTier::Listed> memory, const ListQuery& query,
                      const ListFilter& filter);

}  // namespace objmapper::storage
