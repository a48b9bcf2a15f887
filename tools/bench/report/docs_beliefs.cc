// Common beliefs, held against the figures.
#include "tools/bench/report/docs_beliefs.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/figure.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/measure.h"

namespace objmapper::bench {

namespace {

// The cell of a workload that has most, or least, of a numeric parameter, among those where
// `contender` has figures.
const Cell* Extreme(const Report& report, const std::string& workload, const std::string& contender,
                    bool most) {
  const Cell* best = nullptr;
  double best_conns = 0;
  for (const Cell& cell : report.cells) {
    double conns = 0;
    if (cell.workload != workload || !absl::SimpleAtod(ParameterOf(cell, "conns"), &conns))
      continue;
    if (!SpreadOf(Measure::kRequestsPerSecond, cell, contender)) continue;
    if (best == nullptr || (most ? conns > best_conns : conns < best_conns)) {
      best = &cell;
      best_conns = conns;
    }
  }
  return best;
}

std::string Missing(const std::string& what) {
  return absl::StrCat("Not in this run: ", what, ".\n");
}

// A ring sends descriptors with IORING_OP_SENDMSG: is the figure there, and how does it compare?
std::string Asynchronous(const Report& report) {
  std::string text = "\n### \"Descriptors cannot be passed asynchronously\"\n\n";
  for (const char* workload : {"throughput", "mixed"}) {
    const Cell* cell = Extreme(report, workload, "uring", /*most=*/true);
    if (cell == nullptr) continue;
    const auto rate = SpreadOf(Measure::kRequestsPerSecond, *cell, "uring");
    absl::StrAppend(&text, "They can: the `uring` model passes them with IORING_OP_SENDMSG. In ",
                    TitleOf(*cell), " it answered ", Figure(rate), " requests/s");
    const Series* own = FindSeries(*cell, kSubject);
    const auto ratio = own == nullptr ? absl::nullopt
                                      : RatioOver(Measure::kRequestsPerSecond, *cell,
                                                  *FindSeries(*cell, "uring"), *own);
    if (ratio) {
      const Verdict verdict = Judge(*ratio, /*less_is_better=*/false);
      absl::StrAppend(&text, ", ", RatioFigure(ratio), " of ", kSubject, "'s: ",
                      verdict == Verdict::kTie      ? "no clear difference"
                      : verdict == Verdict::kBetter ? "more"
                                                    : "fewer");
    }
    return absl::StrCat(text, ".\n");
  }
  return absl::StrCat(text, Missing("the `uring` model"));
}

// Little's law: the connections of a closed loop are all in the system, so latency = conns /
// throughput.
std::string Little(const Report& report) {
  std::string text = "\n### \"12 µs at 1000 connections\"\n\n";
  const Cell* cell = Extreme(report, "throughput", kSubject, /*most=*/true);
  if (cell == nullptr) return absl::StrCat(text, Missing("a saturated closed loop"));
  double conns = 0;
  if (!absl::SimpleAtod(ParameterOf(*cell, "conns"), &conns)) conns = 0;
  const auto rate = SpreadOf(Measure::kRequestsPerSecond, *cell, kSubject);
  const auto p50 = SpreadOf(Measure::kP50Us, *cell, kSubject);
  const double mean_us = conns / rate->median * 1e6;
  absl::StrAppendFormat(
      &text,
      "Not in a saturated closed loop. Each of the %s connections always has a request in the "
      "system, so by Little's law the mean latency is connections over throughput: %s / %s per "
      "second = %s µs here",
      Figure(conns), Figure(conns), Figure(rate->median), Figure(mean_us));
  if (p50) absl::StrAppendFormat(&text, " (the measured p50 is %s µs)", Figure(p50->median));
  absl::StrAppendFormat(&text,
                        ". For 12 µs the server would have to answer %s requests/s. Short "
                        "latencies at many connections mean that most of them are idle.\n",
                        Figure(conns / 12e-6));
  return text;
}

// One connection is all wake-ups; the floor's CPU per request is the work.
std::string WakeUps(const Report& report) {
  std::string text = "\n### What a wake-up costs\n\n";
  const Cell* cell = Extreme(report, "fdpass", kSubject, /*most=*/false);
  if (cell == nullptr) return absl::StrCat(text, Missing("FDPASS over few connections"));
  const Series* floor = BestOfKind(*cell, Measure::kP50Us, Kind::kFloor);
  const auto p50 = floor == nullptr ? SpreadOf(Measure::kP50Us, *cell, kSubject)
                                    : SpreadOver(Measure::kP50Us, *cell, *floor);
  const std::string who = floor == nullptr ? kSubject : floor->contender;
  const auto cpu = SpreadOf(Measure::kServerCpuUs, *cell, who);
  if (!p50 || !cpu) return absl::StrCat(text, Missing("its latency and CPU"));
  const double rest = p50->median - cpu->median;
  absl::StrAppendFormat(
      &text,
      "With %s connection(s), where nothing is ready when a server looks, a request to "
      "%s takes %s µs (p50), of which the server computes %s µs. ",
      ParameterOf(*cell, "conns"), who, Figure(p50->median), Figure(cpu->median));
  if (rest > 0) {
    absl::StrAppendFormat(
        &text, "The other %s µs (%.0f %%) are the client's share and the waking of both sides%s.\n",
        Figure(rest), rest / p50->median * 100,
        rest > cpu->median ? ": more than the work" : "; the work outweighs them here");
  } else {
    absl::StrAppend(&text, "Waking up did not show in this run.\n");
  }
  return text;
}

// The figure of a COPY of the smallest size over a Unix socket, against FDPASS at as many
// connections.
std::string WhenNotToPass(const Report& report) {
  std::string text = "\n### When FDPASS does not pay\n\n";
  for (const Cell& copy : report.cells) {
    if (copy.workload != "copy" || ParameterOf(copy, "transport") != "unix") continue;
    for (const Cell& pass : report.cells) {
      if (pass.workload != "throughput" && pass.workload != "fdpass") continue;
      if (ParameterOf(pass, "conns") != ParameterOf(copy, "conns")) continue;
      const auto copied = SpreadOf(Measure::kServerCpuUs, copy, kSubject);
      const auto passed = SpreadOf(Measure::kServerCpuUs, pass, kSubject);
      const auto copied_rate = SpreadOf(Measure::kRequestsPerSecond, copy, kSubject);
      const auto passed_rate = SpreadOf(Measure::kRequestsPerSecond, pass, kSubject);
      if (!copied || !passed || !copied_rate || !passed_rate) continue;
      const bool cheaper = copied->median < passed->median;
      absl::StrAppendFormat(
          &text,
          "A COPY of %s costs the server %s µs of CPU (%s requests/s at %s connections), an FDPASS "
          "answer %s µs (%s requests/s): ",
          ParameterOf(copy, "size"), Figure(copied->median), Figure(copied_rate->median),
          ParameterOf(copy, "conns"), Figure(passed->median), Figure(passed_rate->median));
      return absl::StrCat(
          text, cheaper ? "for objects this small, COPY is the cheaper way even before the client "
                          "has read or "
                          "mapped what it was given. FDPASS pays for what is large, read in part, "
                          "or mapped.\n"
                        : "even at this size passing the descriptor costs the server no more. The "
                          "client still "
                          "has to read or map what it was given, which this does not count.\n");
    }
  }
  return absl::StrCat(text, Missing("COPY and FDPASS at the same number of connections"));
}

}  // namespace

std::string Beliefs(const Report& report) {
  return absl::StrCat("\n## Common beliefs, and what was measured\n", Asynchronous(report),
                      Little(report), WakeUps(report), WhenNotToPass(report));
}

}  // namespace objmapper::bench
