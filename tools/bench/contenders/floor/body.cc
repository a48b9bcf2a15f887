#include "tools/bench/contenders/floor/body.h"

#include <errno.h>

namespace objmapper::bench {

ssize_t BodyServant::Serve(FloorConnection* connection, absl::string_view input) {
  static const Object kNone;
  auto* to = static_cast<BodyConnection*>(connection);
  const size_t all = input.size();
  while (true) {
    if (to->object == nullptr) {
      FloorRequest request;
      if (!TakeRequest(&input, &request)) break;
      const auto found = objects_.find(request.name);
      const bool known = found != objects_.end();
      to->object = known ? &found->second : &kNone;
      to->sent = 0;
      WriteAnswer(request.id, known ? kAnswerOk : kAnswerNotFound, to->object->bytes, to->header);
    }
    while (to->sent < to->total()) {
      if (Send(to)) continue;
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return -1;
      to->blocked = true;
      return all - input.size();
    }
    to->object = nullptr;
  }
  return all - input.size();
}

}  // namespace objmapper::bench
