// What is told of an object of an origin's before it is here.
#pragma once

#include "absl/time/time.h"
#include "origin/cache/partial_map.h"
#include "origin/cache/partial_view.h"
#include "storage/tree/description.h"

namespace objmapper::origin {

// What OP_STAT will tell of the object. Two versions whose origin does not tell them apart are not
// called the same: such a one has its file's etag, and one that is not kept has that of a file made
// now. view: null, if it is not kept.
storage::Description DescriptionOf(const Identity& identity, const PartialView* view,
                                   absl::Time now);

}  // namespace objmapper::origin
