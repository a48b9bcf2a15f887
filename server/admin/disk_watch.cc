// The thread that asks statfs(2). It may hang without end; readers get the last figure.
#include "server/admin/disk_watch.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include <chrono>
#include <thread>
#include <utility>

namespace objmapper::server {
namespace {

constexpr std::chrono::seconds kEvery{5};

}  // namespace

DiskWatch::DiskWatch(std::string folder) : state_(std::make_shared<State>()) {
  std::thread([folder = std::move(folder), state = state_] {
    pthread_setname_np(pthread_self(), "admin/disk");
    Ask(folder, state);
  }).detach();
}

DiskWatch::~DiskWatch() {
  {
    const net::MutexLock lock(&state_->mutex);
    state_->over = true;
  }
  state_->ends.notify_all();
}

void DiskWatch::Ask(const std::string& folder, const std::shared_ptr<State>& state) {
  while (true) {
    struct statvfs status;
    if (statvfs(folder.c_str(), &status) == 0) {
      state->available.store(static_cast<uint64_t>(status.f_bavail) * status.f_frsize);
      state->bytes.store(static_cast<uint64_t>(status.f_blocks) * status.f_frsize);
    }
    const net::MutexLock lock(&state->mutex);
    if (!state->over) state->ends.wait_for(state->mutex, kEvery);
    if (state->over) return;
  }
}

}  // namespace objmapper::server
