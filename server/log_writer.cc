// The queue and its thread. No caller waits for the log, except for a FATAL message, which waits at
// most a second.
#include "server/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "net/mutex.h"

namespace objmapper::server {
namespace {

// What may wait to be written: a burst that a reader of ordinary speed takes in a moment.
constexpr size_t kQueueBytesMax = 1 << 20;
// So many bytes reach a pipe whole, whoever else writes to it (pipe(7), PIPE_BUF).
constexpr size_t kWholeBytes = 4096;
// For files to be closed, with what is on its way to them. Signals wait meanwhile.
constexpr absl::Duration kReopenPatience = absl::Seconds(2);

class Writer {
 public:
  Writer();
  Writer(const Writer&) = delete;

  // ---- From glog, one at a time (it holds a lock of its own) ----
  void OnLine(int level, time_t when, absl::string_view line);
  void OnFlush();

  // ---- Any thread ----
  bool Do(std::function<void()> work, absl::Duration patience);
  bool to_files() const { return to_files_; }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  void FlushFiles();  // the writer's thread alone

 private:
  struct Item {
    std::string line;
    time_t when = 0;
    int severity = 0;
    uint64_t lost_before = 0;
    std::function<void()> work;  // in place of a line
  };

  void Run();
  void Put(Item item) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Write(const Item& item);
  void Append(const Item& item);
  void SayLost(uint64_t lost);
  void WriteStream();

  const int stream_;     // standard error or output
  const int threshold_;  // severities from this one on go to it
  const bool to_files_;
  const bool in_color_;
  std::array<google::base::Logger*, google::NUM_SEVERITIES> files_{};  // glog's
  // Of the line that glog is telling, level by level from its severity down.
  int severity_ = -1;
  bool fatal_ = false;

  net::Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Item> queue_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t lost_ GUARDED_BY(mutex_) = 0;  // since the last line that found room
  bool waits_ GUARDED_BY(mutex_) = false;
  std::atomic<uint64_t> dropped_{0};
  // The writing thread's.
  std::string out_;         // for the stream, not written yet
  uint64_t out_lines_ = 0;  // glog's, in it
  uint64_t out_told_ = 0;   // how many lost ones our own lines in it tell of
  uint64_t untold_ = 0;     // lost ones, of which nobody has been told yet
};

// Stands where glog's own loggers stood, one for each severity. A line is told to that of its
// severity and to all below.
class Relay : public google::base::Logger {
 public:
  Relay(Writer* writer, int level) : writer_(writer), level_(level) {}
  void Write(bool, time_t when, const char* line, size_t bytes) override {
    if (bytes == 0) {
      writer_->OnFlush();
    } else {
      writer_->OnLine(level_, when, absl::string_view(line, bytes));
    }
  }
  // FlushLog() is there for it: glog would hold a lock meanwhile that every line needs
  void Flush() override {}
  google::uint32 LogSize() override { return 0; }

 private:
  Writer* const writer_;
  const int level_;
};

int Threshold() {
  if (FLAGS_logtostderr || FLAGS_logtostdout || FLAGS_alsologtostderr) return google::GLOG_INFO;
  return FLAGS_stderrthreshold;
}

std::atomic<Writer*> the_writer{nullptr};  // never deleted: lines may come until the end

Writer::Writer()
    : stream_(FLAGS_logtostdout ? STDOUT_FILENO : STDERR_FILENO),
      threshold_(Threshold()),
      to_files_(!FLAGS_logtostderr && !FLAGS_logtostdout),
      in_color_((FLAGS_logtostdout ? FLAGS_colorlogtostdout : FLAGS_colorlogtostderr) &&
                isatty(stream_) == 1) {
  for (int level = 0; level < google::NUM_SEVERITIES; ++level) {
    files_[static_cast<size_t>(level)] = google::base::GetLogger(level);
    google::base::SetLogger(level, new Relay(this, level));
  }
  // glog itself writes no line to a stream any more: it would wait for its reader, with a lock that
  // every line needs.
  FLAGS_stderrthreshold = google::NUM_SEVERITIES;
  FLAGS_alsologtostderr = false;
  FLAGS_logtostdout = false;
  FLAGS_logtostderr = false;
  std::thread([this] {
    pthread_setname_np(pthread_self(), "log");
    Run();
  }).detach();
}

void Writer::OnLine(int level, time_t when, absl::string_view line) {
  severity_ = std::max(severity_, level);
  if (level > 0) return;
  Item item;
  item.line = std::string(line);
  item.when = when;
  item.severity = std::exchange(severity_, -1);
  fatal_ = fatal_ || item.severity == google::GLOG_FATAL;
  const net::MutexLock lock(&mutex_);
  if (bytes_ + line.size() > kQueueBytesMax && !fatal_) {
    ++lost_;
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  item.lost_before = std::exchange(lost_, 0);
  Put(std::move(item));
}

// glog asks for this when a line was FATAL, and then writes where it was to standard error itself,
// as it ends the process. Nobody must keep it from that end.
void Writer::OnFlush() {
  if (!std::exchange(fatal_, false) || Do([this] { FlushFiles(); }, kLogPatience)) return;
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
}

void Writer::Put(Item item) {
  bytes_ += item.line.size();
  queue_.push_back(std::move(item));
  if (waits_) wake_.notify_one();
}

bool Writer::Do(std::function<void()> work, absl::Duration patience) {
  const auto done = std::make_shared<std::promise<void>>();
  Item item;
  item.work = [done, work = std::move(work)] {
    work();
    done->set_value();
  };
  {
    const net::MutexLock lock(&mutex_);
    Put(std::move(item));
  }
  return done->get_future().wait_for(absl::ToChronoNanoseconds(patience)) ==
         std::future_status::ready;
}

void Writer::Run() {
  while (true) {
    std::deque<Item> items;
    uint64_t lost = 0;
    {
      net::MutexLock lock(&mutex_);
      while (queue_.empty()) {
        if (lost_ > 0) break;  // no line has come since that could say so
        waits_ = true;
        wake_.wait(mutex_);
        waits_ = false;
      }
      // What is taken out still counts until it is written: only some is, so that little waits
      // beyond the bound.
      for (size_t taken = 0; !queue_.empty() && taken < kWholeBytes;) {
        taken += queue_.front().line.size();
        items.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      if (items.empty()) lost = std::exchange(lost_, 0);
    }
    size_t bytes = 0;
    for (const Item& item : items) {
      bytes += item.line.size();
      Write(item);
    }
    if (lost > 0) SayLost(lost);
    WriteStream();
    const net::MutexLock lock(&mutex_);
    bytes_ -= bytes;
  }
}

void Writer::Write(const Item& item) {
  if (item.work != nullptr) {
    WriteStream();
    item.work();
    return;
  }
  const uint64_t lost = item.lost_before + std::exchange(untold_, 0);
  if (lost > 0) SayLost(lost);
  Append(item);
  if (item.severity >= threshold_) ++out_lines_;
}

void Writer::Append(const Item& item) {
  if (item.severity >= threshold_) {
    if (out_.size() + item.line.size() > kWholeBytes) WriteStream();
    if (in_color_ && item.severity > google::GLOG_INFO) {
      const bool warns = item.severity == google::GLOG_WARNING;
      // yellow, or red, as glog has it
      absl::StrAppend(&out_, warns ? "\033[0;33m" : "\033[0;31m", item.line, "\033[m");
    } else {
      out_.append(item.line);
    }
  }
  if (!to_files_) return;
  for (int level = item.severity; level >= 0; --level) {
    files_[static_cast<size_t>(level)]->Write(level > FLAGS_logbuflevel, item.when,
                                              item.line.data(), item.line.size());
  }
}

// One line more, which looks as if glog had written it.
void Writer::SayLost(uint64_t lost) {
  Item item;
  item.severity = google::GLOG_WARNING;
  const absl::Time now = absl::Now();
  item.when = absl::ToTimeT(now);
  if (FLAGS_log_prefix) {
    const absl::TimeZone zone = FLAGS_log_utc_time ? absl::UTCTimeZone() : absl::LocalTimeZone();
    item.line = absl::StrFormat(
        "W%s %5d log_writer.cc:%d] ",
        absl::FormatTime(FLAGS_log_year_in_prefix ? "%Y%m%d %H:%M:%E6S" : "%m%d %H:%M:%E6S", now,
                         zone),
        syscall(SYS_gettid), __LINE__);
  }
  absl::StrAppend(&item.line, "the log was not read as fast as it grew: ", lost,
                  " lines were lost here (objmapper_log_lines_dropped_total)\n");
  Append(item);
  if (item.severity >= threshold_) out_told_ += lost;
}

// Writes what has been gathered for the stream, however long it takes.
void Writer::WriteStream() {
  absl::string_view rest = out_;
  while (!rest.empty()) {
    const ssize_t written = write(stream_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      // Somebody who has it too has made it non-blocking.
      pollfd polled{stream_, POLLOUT, 0};
      poll(&polled, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      // Nobody has the other end (EPIPE), the disk is full (ENOSPC): as good as lost.
      const uint64_t lines = static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n'));
      const uint64_t lost = std::min(lines, out_lines_);
      untold_ += lost + out_told_;
      dropped_.fetch_add(lost, std::memory_order_relaxed);
      break;
    }
  }
  out_.clear();
  out_lines_ = 0;
  out_told_ = 0;
}

void Writer::FlushFiles() {
  if (!to_files_) return;
  for (google::base::Logger* file : files_) file->Flush();
}

// On the writing thread, which nobody waits for but who has asked for this: a mount that hangs
// holds up no line of the log.
void CloseFiles() {
  // glog closes its files when what their names end with changes, with a lock that every line
  // needs; nothing is left to be written then. A line of another thread's between the two calls
  // makes a file with that ending.
  google::SetLogFilenameExtension(".rotating");
  google::SetLogFilenameExtension("");
}

}  // namespace

void StartLogWriter() {
  CHECK(the_writer.load() == nullptr) << "once";
  the_writer.store(new Writer);
}

bool FlushLog(absl::Duration patience) {
  Writer* const writer = the_writer.load();
  if (writer != nullptr) return writer->Do([writer] { writer->FlushFiles(); }, patience);
  google::FlushLogFiles(google::GLOG_INFO);
  return true;
}

bool LogHasFiles() {
  Writer* const writer = the_writer.load();
  return writer == nullptr ? !FLAGS_logtostderr && !FLAGS_logtostdout : writer->to_files();
}

std::string ReopenLogFiles() {
  if (!LogHasFiles()) {
    return "the log goes to standard error, so there is no file to reopen; the program that reads "
           "it rotates it";
  }
  if (FLAGS_timestamp_in_logfile_name) {
    const absl::Time now = absl::Now();
    absl::SleepFor(absl::FromUnixSeconds(absl::ToUnixSeconds(now) + 1) - now);
  }
  Writer* const writer = the_writer.load();
  const auto reopen = [writer] {
    if (writer != nullptr) writer->FlushFiles();
    CloseFiles();
  };
  if (writer == nullptr) {
    reopen();
  } else if (!writer->Do(reopen, kReopenPatience)) {
    return "the log's files cannot be written at the moment; they will be closed and reopened when "
           "they can";
  }
  return "the log's files have been closed and are reopened";
}

uint64_t LogLinesDropped() {
  Writer* const writer = the_writer.load();
  return writer == nullptr ? 0 : writer->dropped();
}

}  // namespace objmapper::server
