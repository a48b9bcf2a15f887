// What the floors that send bodies share: one answer at a time on a connection, resumed when its
// socket has room again. How the bytes leave is the floor's.
#pragma once

#include "tools/bench/contenders/floor/loop.h"
#include "tools/bench/contenders/floor/objects.h"
#include "tools/bench/contenders/floor/wire.h"

namespace objmapper::bench {

struct BodyConnection : FloorConnection {
  const Object* object = nullptr;  // being sent; its body may be empty
  char header[kAnswerBytes];
  uint64_t sent = 0;  // of header and body together
  // The body's share.
  uint64_t offset() const { return sent < kAnswerBytes ? 0 : sent - kAnswerBytes; }
  uint64_t total() const { return kAnswerBytes + object->bytes; }
};

class BodyServant : public FloorServant {
 public:
  explicit BodyServant(const Objects& objects) : objects_(objects) {}

  std::unique_ptr<FloorConnection> NewConnection() override {
    return std::make_unique<BodyConnection>();
  }
  ssize_t Serve(FloorConnection* connection, absl::string_view input) final;

 protected:
  // Sends more of `to`, advancing `sent`. False with errno: EAGAIN, or the peer has gone.
  virtual bool Send(BodyConnection* to) = 0;

 private:
  const Objects& objects_;
};

}  // namespace objmapper::bench
