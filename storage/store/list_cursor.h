// CURSOR: where a listing goes on, in a few bytes, for URIs of any length.
//
// A cursor comes back behind the prefix, in a field of 4096 bytes, and goes out as metadata, which
// have 1024; a URI may be as long as the field. So it says one of these, the first that fits:
//
//   the last URI of the page: also what servers before this one said, and may still have told a
//     client
//   what follows the prefix in it
//   what the next URI has in common with the last one, and its next byte: enough to tell all that
//     comes from all that came
//   the same, of which only the beginning is told, and a hash of all of it: who has it finds the
//     rest among the URIs that begin so, as long as one of those that have all of it in common is
//     still there, whatever else has gone
//
// The hash is of this process's own, so that nobody can make two names that share one.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/store/list.h"

namespace objmapper::storage {

// What is told after a page of `prefix` that ended with `last`, where `next`, the least URI behind
// it, is still to come. Not empty; with the prefix and one byte more at most 4096 bytes, and by
// itself at most 1021. Both begin with the prefix and not with a slash, and have at most
// 4095 bytes.
std::string EncodeCursor(absl::string_view prefix, absl::string_view last, absl::string_view next);

// What ListQuery::cursor is for one that has come back. list: gives a page of what may be seen,
// asked only where the cursor does not say it all. INVALID_ARGUMENT: it is none of ours.
// UNAVAILABLE: all objects beside the place have gone, and with them the place; the listing has to
// begin anew. Else as `list`.
absl::StatusOr<std::string> DecodeCursor(
    absl::string_view prefix, absl::string_view cursor,
    absl::FunctionRef<absl::StatusOr<ListPage>(const ListQuery& query)> list);

// A cursor as ListQuery has it, behind which `place` and all that comes after it are, and nothing
// before. Empty: all of it is.
std::string CursorBefore(std::string place);

}  // namespace objmapper::storage
