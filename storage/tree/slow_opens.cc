// The list of slow file systems, and the thread that watches opens in progress. Time in which the
// whole process was stopped does not count.
#include "storage/tree/slow_opens.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace objmapper::storage {
namespace {

constexpr std::chrono::milliseconds kLookEvery{50};
// How long a file system's opens must have been quick before it counts as such; twice as long each
// time that it turns out not to be, up to the maximum, unless it has been quick for a long time.
constexpr int64_t kPeriodNs = 2'000'000'000;
constexpr int64_t kPeriodMaxNs = 300'000'000'000;
constexpr int64_t kForgottenNs = 600'000'000'000;
// And how many of them.
constexpr int kQuickOpens = 3;
// How many file systems are remembered.
constexpr size_t kDevicesMax = 64;

// Times in which the whole process did not get to run: stopped, in a frozen cgroup, or out of its
// quota. The threads that look are late then by as much, and an open that seems long need not have
// been.
class Stalls {
 public:
  // A thread that meant to sleep for kLookEvery has slept for so long, until `now_ns`.
  void Slept(int64_t now_ns, int64_t slept_ns) {
    const net::MutexLock lock(&mutex_);
    looked_ns_ = now_ns;
    const int64_t late_ns = slept_ns - kEveryNs;
    if (late_ns < kEveryNs) return;
    stalls_[next_++ % std::size(stalls_)] = {now_ns, late_ns};
  }
  // How much of the last `time_ns` it was.
  int64_t Of(int64_t now_ns, int64_t time_ns) const {
    const net::MutexLock lock(&mutex_);
    // Whoever looks may not have come to it yet.
    int64_t stalled_ns =
        looked_ns_ == 0 ? 0 : std::max<int64_t>(0, now_ns - looked_ns_ - 2 * kEveryNs);
    for (const Stall& stall : stalls_) {
      if (stall.until_ns > now_ns - time_ns) stalled_ns += stall.late_ns;
    }
    return stalled_ns;
  }

 private:
  static constexpr int64_t kEveryNs = std::chrono::nanoseconds(kLookEvery).count();
  struct Stall {
    int64_t until_ns = 0;
    int64_t late_ns = 0;
  };

  mutable net::Mutex mutex_;
  int64_t looked_ns_ GUARDED_BY(mutex_) = 0;
  Stall stalls_[16] GUARDED_BY(mutex_);
  size_t next_ GUARDED_BY(mutex_) = 0;
};

Stalls& TheStalls() {
  static Stalls* const stalls = new Stalls;
  return *stalls;
}

}  // namespace

thread_local SlowOpens::Slot* SlowOpens::this_thread_ = nullptr;

SlowOpens::~SlowOpens() {
  {
    const net::MutexLock lock(&mutex_);
    CHECK(slots_.empty()) << "the threads first";
    stopping_ = true;
  }
  stop_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

void SlowOpens::Start() {
  watcher_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "opens");
    Watch();
  });
}

bool SlowOpens::IsSlow(dev_t device) const {
  if (!any()) return false;
  if (hanging_.load(std::memory_order_relaxed)) return true;
  const net::MutexLock lock(&mutex_);
  return std::any_of(devices_.begin(), devices_.end(), [device](const Device& known) {
    return known.device == device && known.slow;
  });
}

void SlowOpens::Note(dev_t device, int64_t took_ns, bool sure) {
  const int64_t now_ns = CoarseNowNs();
  if (took_ns >= kSlowNs) took_ns -= TheStalls().Of(now_ns, took_ns);
  bool is_new = false;
  {
    const net::MutexLock lock(&mutex_);
    const auto known = std::find_if(devices_.begin(), devices_.end(),
                                    [device](const Device& one) { return one.device == device; });
    if (took_ns < kSlowNs) {
      if (known != devices_.end()) ++known->quick;
      return;
    }
    if (!sure && (known == devices_.end() || !known->slow)) return;
    slow_opens_.fetch_add(1, std::memory_order_relaxed);
    if (known == devices_.end()) {
      if (devices_.size() == kDevicesMax) devices_.erase(devices_.begin());
      devices_.push_back({device, now_ns, kPeriodNs});
      is_new = true;
    } else {
      if (!known->slow) {
        known->period_ns = std::min(2 * known->period_ns, kPeriodMaxNs);
        is_new = true;
      }
      known->slow_ns = now_ns;
      known->quick = 0;
      known->slow = true;
    }
    UpdateAny();
  }
  if (is_new) {
    LOG(WARNING) << "opening a file on device " << major(device) << ':' << minor(device) << " took "
                 << took_ns / 1'000'000
                 << " ms (a virus scanner, or a network file system?): its files are opened by "
                    "separate threads until opening is quick again";
  }
}

void SlowOpens::Watch() {
  const net::MutexLock lock(&mutex_);
  int64_t before_ns = CoarseNowNs();
  while (!stopping_) {
    stop_.wait_for(mutex_, kLookEvery);
    const int64_t now_ns = CoarseNowNs();
    TheStalls().Slept(now_ns, now_ns - before_ns);
    before_ns = now_ns;
    Look(now_ns);
  }
}

void SlowOpens::Look(int64_t now_ns) {
  bool hanging = false;
  for (Slot* slot : slots_) {
    const int64_t since_ns = slot->since_ns.load(std::memory_order_relaxed);
    if (since_ns == 0 || now_ns - since_ns < kSlowNs) continue;
    if (now_ns - since_ns - TheStalls().Of(now_ns, now_ns - since_ns) < kSlowNs) continue;
    hanging = true;
    if (slot->hangs != nullptr) slot->hangs();
  }
  hanging_.store(hanging, std::memory_order_relaxed);
  const bool waits_elsewhere = !elsewhere_.empty() && now_ns - *elsewhere_.begin() >= kSlowNs;
  waits_elsewhere_.store(waits_elsewhere, std::memory_order_relaxed);
  for (Device& device : devices_) {
    const int64_t quick_ns = now_ns - device.slow_ns;
    if (quick_ns >= device.period_ns && device.quick >= kQuickOpens && !waits_elsewhere)
      device.slow = false;
  }
  std::erase_if(devices_, [now_ns](const Device& device) {
    return !device.slow && now_ns - device.slow_ns > kForgottenNs;
  });
  UpdateAny();
}

void SlowOpens::UpdateAny() {
  const bool any = hanging_.load(std::memory_order_relaxed) ||
                   std::any_of(devices_.begin(), devices_.end(),
                               [](const Device& device) { return device.slow; });
  any_.store(any, std::memory_order_relaxed);
}

dev_t SlowOpens::DeviceOf(int fd) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) != 0) return 0;
  return makedev(status.stx_dev_major, status.stx_dev_minor);
}

size_t SlowOpens::file_systems() const {
  const net::MutexLock lock(&mutex_);
  return static_cast<size_t>(std::count_if(devices_.begin(), devices_.end(),
                                           [](const Device& device) { return device.slow; }));
}

SlowOpens::Watched::Watched(SlowOpens* slow, std::function<void()> hangs) : slow_(slow) {
  this_thread_ = new Slot;
  this_thread_->hangs = std::move(hangs);
  const net::MutexLock lock(&slow_->mutex_);
  slow_->slots_.push_back(this_thread_);
}

SlowOpens::Watched::~Watched() {
  {
    const net::MutexLock lock(&slow_->mutex_);
    std::erase(slow_->slots_, this_thread_);
  }
  delete this_thread_;
  this_thread_ = nullptr;
}

SlowOpens::Elsewhere::Elsewhere(SlowOpens* slow)
    : slow_(slow), watched_(std::exchange(this_thread_, nullptr)) {
  const net::MutexLock lock(&slow_->mutex_);
  since_ = slow_->elsewhere_.insert(CoarseNowNs());
}

SlowOpens::Elsewhere::~Elsewhere() {
  this_thread_ = watched_;
  const net::MutexLock lock(&slow_->mutex_);
  slow_->elsewhere_.erase(since_);
}

}  // namespace objmapper::storage
