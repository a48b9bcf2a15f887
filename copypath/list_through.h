// OP_LIST with THROUGH: what there is at the origins, and what is here of this disk's own
// (storage/store/list_through.h). Its answer is as List()'s, errors too, and
//
//   UNSUPPORTED_OP  there is no origin behind that prefix which could be listed
//   UNAVAILABLE     the origin does not answer as it should, with when to come again
#pragma once

#include <functional>

#include "copypath/operations.h"

namespace objmapper::copypath {

// No thread waits for an origin. run: has something done by a thread that may wait for the disk.
// done: called once, by any thread. What operand points to outlives that.
void ListThrough(const Operand& operand, std::function<void(std::function<void()>)> run,
                 std::function<void(Outcome)> done);

// The same, and this thread waits.
Outcome ListThrough(const Operand& operand);

}  // namespace objmapper::copypath
