// What was measured, each figure with the bar that it is held against.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace objmapper::bench {

struct Bar {
  enum class Kind : uint8_t { kNone, kAtMost, kAtLeast };
  Kind kind = Kind::kNone;  // kNone: told, and held against nothing
  double limit = 0;
};
inline Bar AtMost(double limit) { return {Bar::Kind::kAtMost, limit}; }
inline Bar AtLeast(double limit) { return {Bar::Kind::kAtLeast, limit}; }

// By round.
std::vector<double> Ratios(const std::vector<double>& ours, const std::vector<double>& others);

struct Line {
  std::string ask;             // "fill"
  std::string origin;          // "nginx"
  std::string what;            // "warm: MiB/s"
  std::vector<double> values;  // one or more, by round
  Bar bar;
};

// The figures of one run, in the order in which they were added. One thread's.
class Figures {
 public:
  // Each is printed at once, on stdout.
  void Add(Line line);
  // Somebody or something that has no figures, and why.
  void LeaveOut(absl::string_view ask, absl::string_view origin, absl::string_view who,
                absl::string_view why);

  const std::vector<Line>& lines() const { return lines_; }
  const std::vector<std::string>& left_out() const { return left_out_; }
  // All of them as a table: median, quartiles, bar, and whether the median holds it; then how many
  // bars are held, and who was left out.
  std::string Table() const;

 private:
  std::vector<Line> lines_;
  std::vector<std::string> left_out_;
};

}  // namespace objmapper::bench
