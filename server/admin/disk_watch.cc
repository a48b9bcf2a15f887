#include "server/admin/disk_watch.h"

#include <pthread.h>
#include <sys/statvfs.h>

#include <thread>
#include <utility>

#include "absl/time/clock.h"

namespace objmapper::server {
namespace {

constexpr absl::Duration kEvery = absl::Seconds(5);
constexpr absl::Duration kLooksForItsEnd = absl::Milliseconds(100);

}  // namespace

DiskWatch::DiskWatch(std::string folder) : state_(std::make_shared<State>()) {
  std::thread([folder = std::move(folder), state = state_] {
    pthread_setname_np(pthread_self(), "admin/disk");
    Ask(folder, state);
  }).detach();
}

DiskWatch::~DiskWatch() { state_->over.store(true); }

void DiskWatch::Ask(const std::string& folder, const std::shared_ptr<State>& state) {
  while (true) {
    struct statvfs status;
    if (statvfs(folder.c_str(), &status) == 0) {
      state->available.store(static_cast<uint64_t>(status.f_bavail) * status.f_frsize);
      state->bytes.store(static_cast<uint64_t>(status.f_blocks) * status.f_frsize);
    }
    for (absl::Duration slept; slept < kEvery; slept += kLooksForItsEnd) {
      if (state->over.load()) return;
      absl::SleepFor(kLooksForItsEnd);
    }
  }
}

}  // namespace objmapper::server
