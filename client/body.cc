// A body that is being read. If it is destroyed before its end, the rest of the bytes is unread and
// the connection is closed.
#include "client/body.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/error.h"

namespace objmapper::client {

Body::~Body() {
  if (left_ == 0) return;
  channel_->Abandon(absl::StrCat(what_, ": ", left_, " of its bytes were left unread"));
}

absl::StatusOr<size_t> Body::Read(absl::Span<char> out) {
  if (left_ == 0) return 0;
  absl::StatusOr<size_t> got =
      channel_->ReadBody(out.subspan(0, std::min<uint64_t>(out.size(), left_)));
  if (!got.ok()) {
    return About(
        absl::StrCat(what_, ", after ", info_.length - left_, " of ", info_.length, " bytes"),
        got.status());
  }
  left_ -= *got;
  return *got;
}

}  // namespace objmapper::client
