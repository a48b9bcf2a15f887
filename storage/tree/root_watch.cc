// Compares the directory that is served with the one that its path means now.
#include "storage/tree/root_watch.h"

#include <glog/logging.h>

namespace objmapper::storage {

absl::Status RootWatch::Check() {
  absl::Status status = tree_->root().Check();
  const net::MutexLock lock(&mutex_);
  if (status.message() == said_) return status;
  said_ = std::string(status.message());
  if (status.ok()) {
    LOG(INFO) << "the root " << tree_->root().path() << " is the directory at its path again";
  } else {
    LOG(ERROR) << status.message();
  }
  return status;
}

}  // namespace objmapper::storage
