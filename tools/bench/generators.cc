// wrk and h2load, run by the shell; their output, read.
#include "tools/bench/generators.h"

#include <stdio.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/bench/contenders/place.h"

namespace objmapper::bench {

namespace {

struct Program {
  const char* name;
  const char* package;
  absl::StatusOr<LoadResult> (*read)(const std::string& output);
};

// By Generator, from kWrk on.
constexpr Program kPrograms[] = {
    {"wrk", "wrk", ReadWrk},
    {"h2load", "nghttp2-client", ReadH2load},
};

const Program& ProgramOf(Generator generator) {
  return kPrograms[static_cast<size_t>(generator) - static_cast<size_t>(Generator::kWrk)];
}

int64_t ChildrensCpuNs() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto ns = [](const timeval& time) {
    return (time.tv_sec * 1'000'000 + time.tv_usec) * 1000;
  };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

class ProgramLoad : public Load {
 public:
  ProgramLoad(Generator generator, std::string program, const Endpoint& endpoint,
              const LoadOptions& options)
      : generator_(generator),
        program_(std::move(program)),
        url_(absl::StrCat("http://127.0.0.1:", endpoint.port, "/", options.first_names.front())),
        threads_(options.client_threads),
        connections_(options.connections) {}

  absl::StatusOr<LoadResult> Run(absl::Duration duration) override {
    const int64_t cpu_before_ns = ChildrensCpuNs();
    FILE* const pipe = popen(CommandFor(duration).c_str(), "r");
    if (pipe == nullptr) return absl::InternalError(absl::StrCat("cannot start ", program_));
    std::string output;
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof block, pipe)) > 0;) output.append(block, got);
    const int ending = pclose(pipe);
    if (ending != 0)
      return absl::UnavailableError(absl::StrCat(NameOf(generator_), " of ", url_,
                                                 " ended with status ", ending, ": ", output));
    absl::StatusOr<LoadResult> result = ProgramOf(generator_).read(output);
    if (!result.ok()) return result;
    result->client_cpu_ns = ChildrensCpuNs() - cpu_before_ns;
    if (result->errors > 0)
      result->first_error = absl::StrCat(NameOf(generator_), " of ", url_, " says so");
    if (result->requests() == 0)
      return absl::UnavailableError(absl::StrCat(url_, ": nothing was answered"));
    return result;
  }

  void SetRate(double) override {}
  void KeepTo(int core) override { core_ = core; }

 private:
  std::string CommandFor(absl::Duration duration) const {
    std::string command = core_ < 0 ? "" : absl::StrCat("taskset -c ", core_, " ");
    absl::StrAppend(&command, program_, " -t", threads_, " -c", connections_);
    if (generator_ == Generator::kWrk) {
      const double seconds = std::max(1.0, std::ceil(absl::ToDoubleSeconds(duration)));
      absl::StrAppend(&command, " -d", static_cast<int>(seconds), "s");
    } else {
      absl::StrAppend(&command, " --h1 -D ", absl::ToInt64Milliseconds(duration), "ms");
    }
    return absl::StrCat(command, " ", url_, " 2>&1");
  }

  const Generator generator_;
  const std::string program_;
  const std::string url_;
  const int threads_, connections_;
  int core_ = -1;
};

absl::Status Nonsense(Generator generator, const std::string& output) {
  return absl::InternalError(absl::StrCat(NameOf(generator), "'s output makes no sense: ", output));
}

// The number in front of `word`: "118 requests in" has 118 in front of " requests in". 0 where the
// word is missing.
uint64_t NumberBefore(absl::string_view text, absl::string_view word) {
  const size_t end = text.find(word);
  if (end == absl::string_view::npos) return 0;
  size_t begin = end;
  while (begin > 0 && absl::ascii_isdigit(static_cast<unsigned char>(text[begin - 1]))) --begin;
  uint64_t number = 0;
  return absl::SimpleAtoi(text.substr(begin, end - begin), &number) ? number : 0;
}

// The number behind `word` and any blanks. 0 where there is none.
double NumberBehind(absl::string_view text, absl::string_view word) {
  const size_t at = text.find(word);
  if (at == absl::string_view::npos) return 0;
  text = absl::StripLeadingAsciiWhitespace(text.substr(at + word.size()));
  double number = 0;
  return absl::SimpleAtod(text.substr(0, text.find_first_not_of("0123456789.")), &number) ? number
                                                                                          : 0;
}

}  // namespace

const char* NameOf(Generator generator) {
  return generator == Generator::kOwn ? "own" : ProgramOf(generator).name;
}

absl::Status CheckInstalled(Generator generator) {
  if (generator == Generator::kOwn) return absl::OkStatus();
  return InstalledProgram(ProgramOf(generator).name, ProgramOf(generator).package).status();
}

absl::StatusOr<std::unique_ptr<Load>> ConnectBy(Generator generator, const Endpoint& endpoint,
                                                const LoadOptions& options) {
  if (generator == Generator::kOwn) return Load::Connect(endpoint, options);
  const int depth = endpoint.depth > 0 ? endpoint.depth : options.depth;
  if (endpoint.wire != Wire::kHttp || endpoint.transport != Transport::kTcp ||
      options.first != Ask::kCopy || options.mix_ratio < 1 || options.first_names.empty() ||
      options.requests_per_conn != 0 || options.requests_max != 0 || options.rate > 0 ||
      depth != 1 || options.connections < options.client_threads) {
    return absl::InvalidArgumentError(absl::StrCat(
        NameOf(generator),
        " asks GET over TCP in a closed loop, one request at a time on each connection"));
  }
  const Program& program = ProgramOf(generator);
  absl::StatusOr<std::string> path = InstalledProgram(program.name, program.package);
  if (!path.ok()) return path.status();
  return std::make_unique<ProgramLoad>(generator, *std::move(path), endpoint, options);
}

// "  117916 requests in 1.00s, 1.64GB read", "Requests/sec: 117694.97"; when something was wrong,
// "  Socket errors: connect 0, read 1, write 0, timeout 0", "  Non-2xx or 3xx responses: 105323".
absl::StatusOr<LoadResult> ReadWrk(const std::string& output) {
  LoadResult result;
  const uint64_t answered = NumberBefore(output, " requests in ");
  const double rate = NumberBehind(output, "Requests/sec:");
  const bool told = absl::StrContains(output, "Requests/sec:");
  if (!told || (answered > 0) != (rate > 0)) return Nonsense(Generator::kWrk, output);
  result.seconds = rate > 0 ? static_cast<double>(answered) / rate : 0;
  const auto refused = static_cast<uint64_t>(NumberBehind(output, "Non-2xx or 3xx responses:"));
  result.first.requests = answered - std::min(answered, refused);
  result.errors = refused;
  if (const size_t at = output.find("Socket errors:"); at != std::string::npos) {
    const absl::string_view line = absl::string_view(output).substr(at);
    for (const char* kind : {" connect ", " read ", " write ", " timeout "})
      result.errors += static_cast<uint64_t>(NumberBehind(line, kind));
  }
  return result;
}

// "finished in 399.67ms, 148490.00 req/s, 636.56MB/s" and "requests: 44547 total, 44547 started,
// 44547 done, 44547 succeeded, 0 failed, 0 errored, 0 timeout".
absl::StatusOr<LoadResult> ReadH2load(const std::string& output) {
  LoadResult result;
  const size_t at = output.find("\nrequests: ");
  double rate = 0;
  for (const absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::StartsWith(line, "finished in ")) rate = NumberBehind(line, ", ");
  }
  if (at == std::string::npos) return Nonsense(Generator::kH2load, output);
  const absl::string_view line = absl::string_view(output).substr(at);
  const uint64_t done = NumberBefore(line, " done");
  if ((done > 0) != (rate > 0)) return Nonsense(Generator::kH2load, output);
  result.seconds = rate > 0 ? static_cast<double>(done) / rate : 0;
  result.first.requests = NumberBefore(line, " succeeded");
  // "failed" counts those that are errored, too.
  result.errors = NumberBefore(line, " failed");
  return result;
}

}  // namespace objmapper::bench
