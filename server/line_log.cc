// The queue, and the thread that writes it: many lines at a time.
#include "server/line_log.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/mutex.h"
#include "net/unique_fd.h"
#include "server/log_writer.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

// What may wait to be written.
constexpr size_t kQueueBytesMax = 4 << 20;

absl::StatusOr<net::UniqueFd> OpenToAppend(const std::string& path) {
  // A FIFO without a reader is an error rather than a wait.
  net::UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640));
  if (!fd.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", text::Quoted(path)));
  return fd;
}

}  // namespace

struct LineLog::State {
  explicit State(std::string path_in) : path(std::move(path_in)) {}

  const std::string path;
  std::atomic<uint64_t> dropped{0};

  net::Mutex mutex;
  std::condition_variable_any wake;
  std::string queue GUARDED_BY(mutex);
  uint64_t queued_lines GUARDED_BY(mutex) = 0;
  bool reopen GUARDED_BY(mutex) = false;
  bool writing GUARDED_BY(mutex) = false;
  bool over GUARDED_BY(mutex) = false;

  // The thread's.
  net::UniqueFd fd;

  void Run();
  bool WriteAll(absl::string_view lines);
};

// False: it could not all be written.
bool LineLog::State::WriteAll(absl::string_view lines) {
  while (!lines.empty()) {
    const ssize_t written = TEMP_FAILURE_RETRY(write(fd.get(), lines.data(), lines.size()));
    if (written > 0) {
      lines.remove_prefix(static_cast<size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      pollfd room{fd.get(), POLLOUT, 0};
      if (poll(&room, 1, 1000) == 0) return false;  // who reads it has stopped to
    } else {
      LOG_EVERY_T(ERROR, 10) << "--http_access_log: write " << text::Quoted(path) << ": "
                             << strerror(errno) << "; lines are lost";
      return false;
    }
  }
  return true;
}

void LineLog::State::Run() {
  mutex.lock();
  while (true) {
    while (queue.empty() && !reopen && !over) wake.wait(mutex);
    if (queue.empty() && !reopen) break;
    const std::string lines = std::exchange(queue, std::string());
    const uint64_t count = std::exchange(queued_lines, 0);
    const bool anew = std::exchange(reopen, false);
    writing = true;
    mutex.unlock();
    // What was said before is the old file's.
    if (!lines.empty() && !WriteAll(lines)) dropped.fetch_add(count, std::memory_order_relaxed);
    if (anew) {
      absl::StatusOr<net::UniqueFd> opened = OpenToAppend(path);
      if (opened.ok()) {
        fd = *std::move(opened);
      } else {
        LOG(ERROR) << "--http_access_log: " << opened.status().message()
                   << "; it goes on in the file that was open";
      }
    }
    mutex.lock();
    writing = false;
    wake.notify_all();
  }
  mutex.unlock();
}

absl::Status LineLog::CheckPath(const std::string& path) { return OpenToAppend(path).status(); }

absl::StatusOr<std::unique_ptr<LineLog>> LineLog::Open(const std::string& path, Format format) {
  absl::StatusOr<net::UniqueFd> fd = OpenToAppend(path);
  if (!fd.ok()) return fd.status();
  auto state = std::make_shared<State>(path);
  state->fd = *std::move(fd);
  std::thread([state] { state->Run(); }).detach();
  return std::unique_ptr<LineLog>(new LineLog(format, std::move(state)));
}

LineLog::~LineLog() {
  const auto until = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(kLogPatience);
  const net::MutexLock lock(&state_->mutex);
  state_->over = true;
  state_->wake.notify_all();
  while (!state_->queue.empty() || state_->writing) {
    if (state_->wake.wait_until(state_->mutex, until) == std::cv_status::timeout) return;
  }
}

void LineLog::Write(std::string line) {
  bool first;
  {
    const net::MutexLock lock(&state_->mutex);
    if (state_->queue.size() + line.size() > kQueueBytesMax) {
      state_->dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    first = state_->queue.empty();
    state_->queue += line;
    ++state_->queued_lines;
  }
  if (first) state_->wake.notify_all();
}

void LineLog::Reopen() {
  const net::MutexLock lock(&state_->mutex);
  state_->reopen = true;
  state_->wake.notify_all();
}

uint64_t LineLog::dropped() const { return state_->dropped.load(std::memory_order_relaxed); }

}  // namespace objmapper::server
