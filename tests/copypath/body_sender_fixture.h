// Objects on a real tree, and the sender of their bodies on a real socket, with a loop's part
// played by the test.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copypath/blocking_pool.h"
#include "copypath/body_sender.h"
#include "copypath/objects.h"
#include "net/clock.h"
#include "net/mailbox.h"
#include "tests/net/eventually.h"
#include "tests/net/socket_pair.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::copypath {

class BodySenderTest : public storage::TreeTest, public ObjectWaiter {
 protected:
  void SetUp() override {
    storage::TreeTest::SetUp();
    signal(SIGPIPE, SIG_IGN);  // as the server has it: sendfile(2) has no flag against it
    options_.pipes = &pipes_;
    pool_.emplace(1);
    objects_.emplace(Objects::Options{&*tree_, &*pool_, &*pool_, 16, absl::Hours(1), 16 * 1024},
                     [this](Objects::Work* work) { done_.Put(work); });
    Connect(net::SocketPair::Unix(), /*unix_socket=*/true);
  }
  void TearDown() override {
    sender_.reset();
    objects_.reset();
    pool_->Stop();
    pool_.reset();
    pair_ = {};
    while (pipes_.Take() != nullptr) {
    }
  }
  void OnObjectChanged(CachedObject*) override { ++told_; }

  void Connect(net::SocketPair pair, bool unix_socket) {
    sender_.reset();
    pair_ = std::move(pair);
    sender_.emplace(pair_.ours.get(), unix_socket, &options_, &*objects_, this);
  }
  // The object, loaded.
  ObjectRef Find(absl::string_view uri) {
    absl::StatusOr<ObjectRef> object = objects_->Lookup(uri, ++now_ns_);
    EXPECT_TRUE(object.ok()) << object.status();
    while (object.ok() && (*object)->state() == CachedObject::State::kLoading && TakeOne()) {
    }
    return object.ok() ? *std::move(object) : ObjectRef();
  }
  // Waits for what a pool has been asked for.
  bool TakeOne() {
    std::vector<Objects::Work*> works;
    EXPECT_TRUE(net::Eventually([&] {
      works = done_.TakeAll();
      return !works.empty();
    }));
    for (Objects::Work* work : works) objects_->Done(work, ++now_ns_);
    return !works.empty();
  }
  // The bytes of what has been gathered, which is sent.
  static std::string TakeGathered(Gather* out) {
    std::string gathered;
    for (const iovec& piece : out->Seal())
      gathered.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    out->Clear();
    return gathered;
  }
  // All of the body, as a loop sends it; `read` what the peer reads while the socket is full.
  BodySender::Step SendAll(std::string* read, size_t bytes) {
    Gather out;
    BodySender::Step step = BodySender::Step::kGathered;
    while (sender_->busy()) {
      step = sender_->Continue(&out, now_ns_);
      const bool stuck = step == BodySender::Step::kStop && out.empty();
      *read += TakeGathered(&out);
      if (stuck && !TakeOne()) return step;
      if (step == BodySender::Step::kFull || step == BodySender::Step::kMoved)
        *read += net::ReadSome(pair_.peer.get(), bytes);
      if (step == BodySender::Step::kBroken || step == BodySender::Step::kGone) return step;
    }
    return step;
  }
  protocol::Request Get(protocol::Mode mode) {
    protocol::Request request;
    request.mode = mode;
    return request;
  }

  PipePool pipes_;
  BodySender::Options options_;
  std::optional<BlockingPool> pool_;
  net::Mailbox<Objects::Work*> done_;
  std::optional<Objects> objects_;
  net::SocketPair pair_;
  std::optional<BodySender> sender_;
  Gather out_;
  int64_t now_ns_ = net::NowNs();
  int told_ = 0;
};

}  // namespace objmapper::copypath
