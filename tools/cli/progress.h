// How far what takes a while is: one line of a terminal, drawn over and over. Sizes and times for
// people.
#pragma once

#include <stdio.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace objmapper::tools {

// "0 B", "512 B", "4.0 KiB", "1.5 GiB": at most 4 digits.
std::string FormatBytes(uint64_t bytes);

// "0:07", "12:34", "3:04:05"; "-:--" for an infinite time.
std::string FormatTime(absl::Duration time);

// A time since the epoch, in the local zone: "2026-01-31 23:59:58 +01:00".
std::string FormatMtime(int64_t mtime_s);

// One line of at most `columns` bytes: name, percent, bar, bytes, rate (the average since the
// start) and the time left at that rate:
//   model.bin  45% [=========>           ] 45.0 MiB of 100.0 MiB  1.2 GiB/s  0:03 left
// A long name is cut, and the bar left out when there is no room for it. The name is escaped as
// text::Printable() does.
std::string FormatProgress(absl::string_view name, uint64_t done, uint64_t total,
                           absl::Duration elapsed, size_t columns);

// The same of `done` among `total` objects, of which nobody knows how large they are until they
// have come: `bytes` have. What is left is reckoned by the objects.
//   warm  45% [=========>           ] 90 of 200 objects  1.2 GiB  340.0 MiB/s  0:03 left
std::string FormatObjects(absl::string_view name, size_t done, size_t total, uint64_t bytes,
                          absl::Duration elapsed, size_t columns);

// Draws such a line on a terminal, at most every tenth of a second, and not for what takes less
// than a quarter of one. On anything else it draws nothing. Not thread-safe.
class ProgressBar {
 public:
  // `out`: borrowed; mostly stderr.
  ProgressBar(FILE* out, std::string name);
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(uint64_t done, uint64_t total);
  void UpdateObjects(size_t done, size_t total, uint64_t bytes);
  // Wipes the line, so that a message can take its place.
  void Clear();

 private:
  // Whether it is to be drawn now; *elapsed is since the start.
  bool IsDue(absl::Duration* elapsed);
  void Draw(const std::string& line);

  FILE* const out_;
  const std::string name_;
  const bool is_terminal_;
  const int64_t start_ns_;
  int64_t next_draw_ns_;
  bool drawn_ = false;
};

}  // namespace objmapper::tools
