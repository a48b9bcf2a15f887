// Who stores and deletes objects at their origin (storage::Remote::Change()), as the lanes do.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/store/store.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

class Putter {
 public:
  using Condition = std::function<absl::Status(const storage::Description*)>;

  // Both outlive it.
  Putter(storage::Remote* remote, storage::Store* store) : remote_(remote), store_(store) {}

  // One that is under way.
  struct Putting {
    std::unique_ptr<storage::NewObject> object;
    std::promise<absl::Status> done;
    bool replaced = false;
    absl::Status Wait() { return done.get_future().get(); }
  };
  std::unique_ptr<Putting> Begin(const std::string& uri, absl::string_view content,
                                 Condition condition = nullptr) const {
    auto putting = std::make_unique<Putting>();
    absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
        store_->Begin(uri, content.size(), {});
    EXPECT_TRUE(object.ok()) << object.status();
    putting->object = *std::move(object);
    EXPECT_TRUE(putting->object->WriteWhole(content).ok());
    storage::Remote::Wish wish;
    wish.file = putting->object->fd();
    wish.size = content.size();
    wish.condition = std::move(condition);
    wish.here = [to = putting.get()](const std::string& etag, bool replaced) {
      to->object->KnownAs(etag);
      to->replaced = replaced;
      return to->object->Commit();
    };
    remote_->Change(uri, std::move(wish), [to = putting.get()](absl::Status status) {
      to->done.set_value(std::move(status));
    });
    return putting;
  }
  absl::Status Put(const std::string& uri, absl::string_view content,
                   Condition condition = nullptr) const {
    return Begin(uri, content, std::move(condition))->Wait();
  }
  absl::Status Delete(const std::string& uri, Condition condition = nullptr) const {
    storage::Remote::Wish wish;
    wish.condition = std::move(condition);
    wish.here = [this, uri](const std::string&, bool) { return store_->Delete(uri); };
    std::promise<absl::Status> done;
    remote_->Change(uri, std::move(wish),
                    [&done](absl::Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }

 private:
  storage::Remote* const remote_;
  storage::Store* const store_;
};

}  // namespace objmapper::origin
