// The progress bar, drawn only on a terminal, and sizes and times in readable units.
#include "tools/cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

constexpr int64_t kFirstDrawNs = 250'000'000;
constexpr int64_t kRedrawNs = 100'000'000;
constexpr size_t kNameColumnsMin = 8;
constexpr size_t kBarColumnsMax = 30;
constexpr size_t kBarColumnsMin = 5;
constexpr size_t kDefaultColumns = 80;

// Not wall time: that may be set while we copy.
int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// What of `text` fits in `bytes` bytes, without a part of a character at the end.
absl::string_view Cut(absl::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

// "[===>    ]" of `columns` columns.
std::string Bar(double fraction, size_t columns) {
  const size_t inner = columns - 2;
  const size_t full = std::min(inner, static_cast<size_t>(fraction * static_cast<double>(inner)));
  std::string bar(full, '=');
  if (full < inner) bar.push_back('>');
  bar.resize(inner, ' ');
  return absl::StrCat("[", bar, "]");
}

size_t Columns(FILE* out) {
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultColumns;
  return size.ws_col;
}

double Rate(uint64_t done, absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  return seconds > 0 ? static_cast<double>(done) / seconds : 0;
}

absl::Duration Left(uint64_t done, uint64_t total, absl::Duration elapsed) {
  if (done >= total) return absl::ZeroDuration();
  const double rate = Rate(done, elapsed);
  return rate > 0 ? absl::Seconds(static_cast<double>(total - done) / rate)
                  : absl::InfiniteDuration();
}

// Name, percent and bar before `tail`.
std::string Line(absl::string_view name, uint64_t done, uint64_t total, const std::string& tail,
                 size_t columns) {
  const double fraction =
      total == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const std::string percent = absl::StrFormat("%3d%%", static_cast<int>(fraction * 100));
  // What remains beside the numbers is the name's first, then the bar's.
  const size_t fixed = percent.size() + tail.size() + 2;
  const size_t room = columns > fixed ? columns - fixed : 0;
  std::string shown = text::Printable(name);
  const size_t name_room =
      room > kNameColumnsMin + kBarColumnsMin + 2 ? room - kBarColumnsMin - 2 : room;
  shown.resize(Cut(shown, name_room).size());
  std::string line = absl::StrCat(shown, shown.empty() ? "" : " ", percent, " ");
  const size_t bar_room =
      columns > line.size() + tail.size() ? columns - line.size() - tail.size() : 0;
  if (bar_room > kBarColumnsMin) {
    absl::StrAppend(&line, Bar(fraction, std::min(bar_room - 1, kBarColumnsMax)), " ");
  }
  line.append(tail);
  line.resize(Cut(line, columns).size());
  return line;
}

}  // namespace

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    // 1023.95 would be written as 1024.0.
    if (*unit != '\0' && value < 1023.95) break;
    value /= 1024;
    unit = next;
  }
  return absl::StrFormat("%.1f %s", value, unit);
}

std::string FormatTime(absl::Duration time) {
  if (time >= absl::Hours(1000)) return "-:--";
  const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(time, absl::Seconds(1)));
  if (seconds < 3600) return absl::StrFormat("%d:%02d", seconds / 60, seconds % 60);
  return absl::StrFormat("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string FormatMtime(int64_t mtime_s) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S %Ez", absl::FromUnixSeconds(mtime_s),
                          absl::LocalTimeZone());
}

std::string FormatProgress(absl::string_view name, uint64_t done, uint64_t total,
                           absl::Duration elapsed, size_t columns) {
  const std::string tail = absl::StrCat(FormatBytes(done), " of ", FormatBytes(total), "  ",
                                        FormatBytes(static_cast<uint64_t>(Rate(done, elapsed))),
                                        "/s  ", FormatTime(Left(done, total, elapsed)), " left");
  return Line(name, done, total, tail, columns);
}

std::string FormatObjects(absl::string_view name, size_t done, size_t total, uint64_t bytes,
                          absl::Duration elapsed, size_t columns) {
  const std::string tail = absl::StrCat(done, " of ", total, " objects  ", FormatBytes(bytes), "  ",
                                        FormatBytes(static_cast<uint64_t>(Rate(bytes, elapsed))),
                                        "/s  ", FormatTime(Left(done, total, elapsed)), " left");
  return Line(name, done, total, tail, columns);
}

ProgressBar::ProgressBar(FILE* out, std::string name)
    : out_(out),
      name_(std::move(name)),
      is_terminal_(isatty(fileno(out)) == 1),
      start_ns_(NowNs()),
      next_draw_ns_(start_ns_ + kFirstDrawNs) {}

bool ProgressBar::IsDue(absl::Duration* elapsed) {
  if (!is_terminal_) return false;
  const int64_t now = NowNs();
  if (now < next_draw_ns_) return false;
  next_draw_ns_ = now + kRedrawNs;
  *elapsed = absl::Nanoseconds(now - start_ns_);
  return true;
}

// The last column of the terminal stays free: some wrap when it is written.
void ProgressBar::Update(uint64_t done, uint64_t total) {
  absl::Duration elapsed;
  if (IsDue(&elapsed)) Draw(FormatProgress(name_, done, total, elapsed, Columns(out_) - 1));
}

void ProgressBar::UpdateObjects(size_t done, size_t total, uint64_t bytes) {
  absl::Duration elapsed;
  if (IsDue(&elapsed)) Draw(FormatObjects(name_, done, total, bytes, elapsed, Columns(out_) - 1));
}

void ProgressBar::Draw(const std::string& line) {
  fprintf(out_, "\r%s\x1b[K", line.c_str());
  fflush(out_);
  drawn_ = true;
}

void ProgressBar::Clear() {
  if (!drawn_) return;
  fputs("\r\x1b[K", out_);
  fflush(out_);
  drawn_ = false;
}

}  // namespace objmapper::tools
