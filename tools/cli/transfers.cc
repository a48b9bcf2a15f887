// Runs the transfers of many items in parallel; the exit code is that of the first error, the lines
// of one item are never mixed with another's.
#include "tools/cli/transfers.h"

#include <stdio.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/parallel.h"
#include "client/retry.h"
#include "text/printable.h"
#include "tools/cli/connect.h"
#include "tools/cli/interruption.h"
#include "tools/cli/progress.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

std::string BarName(const std::vector<Item>& items) {
  if (items.size() != 1) return absl::StrCat(items.size(), " objects");
  return items[0].uri.substr(items[0].uri.rfind('/') + 1);
}

// What all threads tell. Thread-safe.
class Board {
 public:
  // name: of what is done, on its bar.
  Board(const CommandLine& line, const std::string& name, ExitCode before, size_t failed)
      : line_(line),
        counts_objects_(line.command == CommandLine::Command::kWarm),
        bar_(stderr, counts_objects_ ? "warm" : name),
        code_(before),
        failed_(failed) {}

  // These are to be done, too.
  void Expect(const std::vector<Item>& items) {
    const std::lock_guard<std::mutex> lock(mutex_);
    count_ += items.size();
    for (const Item& item : items) total_ += item.size;
  }
  // Something else will write.
  void Clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    bar_.Clear();
  }
  // An error that has been reported, and is none of an item's.
  void Note(ExitCode code) {
    if (code_ == kExitOk) code_ = code;
  }

  // An item that had `before` bytes done has `now`; fewer when it begins anew.
  void Progress(uint64_t before, uint64_t now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ += now - before;  // wraps around for fewer, as it should
    Draw();
  }

  void Done(const Item& item, const Said& said) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++(said.skipped ? skipped_ : copied_);
    Draw();
    if (!line_.json && (!line_.verbose || said.skipped)) return;
    bar_.Clear();
    PrintLine(line_.json ? said.json.ToString() : item.uri);
  }

  void Failed(const std::string& uri, const absl::Status& error, ExitCode code) {
    const std::lock_guard<std::mutex> lock(mutex_);
    bar_.Clear();
    ReportError(line_.json, "uri", uri, error, code);
    if (code_ == kExitOk) code_ = code;
    ++failed_;
  }

  size_t count() const { return count_; }

  ExitCode Close(size_t of) {
    bar_.Clear();
    if (skipped_ > 0 && !line_.json) {
      PrintLine(absl::StrCat(copied_, " copied, ", skipped_,
                             " skipped: the same already (--force copies them, too)"));
    }
    if (counts_objects_ && !line_.json) PrintLine(absl::StrCat(Summary(), Pace()));
    if (failed_ > 0 && of > 1 && !line_.json) {
      fprintf(stderr, "objmapper: %zu of %zu failed\n", failed_, of);
    }
    return code_;
  }

  // The last that is told: nobody else gets a word in.
  void Interrupted() {
    mutex_.lock();
    bar_.Clear();
    fflush(stdout);
    fprintf(stderr,
            "objmapper: interrupted: %s; what the server was asked for last, it goes on with\n",
            Summary().c_str());
  }

 private:
  void Draw() {
    if (counts_objects_) {
      bar_.UpdateObjects(copied_ + failed_, count_, done_);
    } else {
      bar_.Update(done_, total_);
    }
  }
  std::string Summary() const {
    return absl::StrCat(copied_, " of ", count_, " objects are here, ", FormatBytes(done_));
  }
  std::string Pace() const {
    const double seconds = std::max(absl::ToDoubleSeconds(absl::Now() - began_), 0.001);
    return absl::StrFormat(
        " in %.1f s (%s/s)", seconds,
        FormatBytes(static_cast<uint64_t>(static_cast<double>(done_) / seconds)));
  }

  const CommandLine& line_;
  const bool counts_objects_;
  const absl::Time began_ = absl::Now();
  std::mutex mutex_;  // all below
  size_t count_ = 0;
  ProgressBar bar_;
  ExitCode code_;
  size_t failed_;
  size_t copied_ = 0;
  size_t skipped_ = 0;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

// Does them, and tells the board. Not kExitOk: there is no connection, which has been reported.
ExitCode DoThese(const CommandLine& line, int connections, const std::vector<Item>& items,
                 const Work& work, Board* board_out) {
  Board& board = *board_out;
  ExitCode code;
  // The first connection is made before any thread is: an error of it is told once.
  absl::StatusOr<client::Client> first = ConnectOrReport(line, &code);
  if (!first.ok()) return code;
  client::ParallelOptions options;
  options.connections = static_cast<size_t>(connections);
  // Where the server takes fewer connections than asked for, the work is not to wait for the
  // others.
  CommandLine at_once = line;
  at_once.retry = false;
  std::atomic<int> made{0};
  options.connect = [&]() -> absl::StatusOr<client::Client> {
    const int before_this = made.fetch_add(1);
    if (before_this == 0) return *std::move(first);
    return Connect(before_this < connections ? at_once : line);
  };
  const auto one = [&](size_t index, client::Client& client) {
    const Item& item = items[index];
    uint64_t so_far = 0;
    const client::ProgressCallback progress = [&](uint64_t done, uint64_t) {
      board.Progress(std::exchange(so_far, done), done);
    };
    Said said;
    const absl::Status status = client::Retry(RetryPolicyOf(line), [&]() -> absl::Status {
      // A refusal with much left to send ended the connection.
      if (!client.status().ok()) {
        absl::StatusOr<client::Client> fresh = Connect(line);
        if (!fresh.ok()) return fresh.status();
        client = *std::move(fresh);
      }
      said = Said();
      said.json.AddText("uri", item.uri);
      said.json.AddBool("ok", true);
      if (!item.path.empty()) said.json.AddText("file", item.path);
      const absl::Status done = work(item, client, progress, &said);
      if (said.skipped) said.json.AddBool("skipped", true);
      return done;
    });
    if (status.ok()) {
      const uint64_t bytes = std::max(item.size, said.bytes);
      progress(bytes, bytes);
      board.Done(item, said);
    } else {
      if (item.size == 0) progress(0, 0);  // what came of it counts for nothing
      board.Failed(item.uri, status, ExitCodeOf(status));
    }
  };
  client::InParallel(items.size(), options, one, [&](size_t index, const absl::Status& why) {
    board.Failed(items[index].uri,
                 client::About(absl::StrCat(text::Printable(items[index].uri), ": not tried"), why),
                 ConnectExitCodeOf(why));
  });
  return kExitOk;
}

// Of warm.
std::optional<Interruption> WatchInterruption(const CommandLine& line, Board* board) {
  if (line.command != CommandLine::Command::kWarm) return std::nullopt;
  return std::optional<Interruption>(std::in_place, [board] { board->Interrupted(); });
}

}  // namespace

ExitCode DoAll(const CommandLine& line, int connections, const std::vector<Item>& items,
               const Work& work, ExitCode before, size_t failed) {
  Board board(line, BarName(items), before, failed);
  board.Expect(items);
  if (items.empty()) return board.Close(failed);
  const std::optional<Interruption> interruption = WatchInterruption(line, &board);
  const ExitCode code = DoThese(line, connections, items, work, &board);
  if (code != kExitOk) return before == kExitOk ? code : before;
  return board.Close(items.size() + failed);
}

ExitCode DoAllOf(const CommandLine& line, int connections, const NextItems& next,
                 const Work& work) {
  Board board(line, "", kExitOk, 0);
  const std::optional<Interruption> interruption = WatchInterruption(line, &board);
  while (true) {
    std::vector<Item> items;
    ExitCode code = next(&items);
    if (code == kExitOk && items.empty()) break;
    if (code == kExitOk) {
      board.Expect(items);
      code = DoThese(line, connections, items, work, &board);
      board.Clear();
    }
    board.Note(code);
    if (code == kExitOk) continue;
    if (board.count() == 0) return code;
    break;
  }
  return board.Close(board.count());
}

}  // namespace objmapper::tools
