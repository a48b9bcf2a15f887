// Processes, their time and CPU; curl's and objmapper's command lines.
#include "tools/bench/origin/programs.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/process.h"

namespace objmapper::bench {
namespace {

constexpr absl::Duration kRunMax = absl::Minutes(10);

}  // namespace

absl::StatusOr<Ran> RunPrograms(const std::vector<std::vector<std::string>>& argvs,
                                const std::string& log) {
  std::vector<std::unique_ptr<Process>> processes;
  const absl::Time start = absl::Now();
  for (const std::vector<std::string>& argv : argvs) {
    absl::StatusOr<std::unique_ptr<Process>> process =
        Process::Start({.argv = argv, .log_path = absl::StrCat(log, ".", processes.size())});
    if (!process.ok()) return process.status();
    processes.push_back(*std::move(process));
  }
  Ran ran;
  for (const auto& process : processes) {
    const absl::StatusOr<int64_t> cpu_ns = process->AwaitEnd(start + kRunMax);
    if (!cpu_ns.ok()) return cpu_ns.status();
    ran.cpu_s += static_cast<double>(*cpu_ns) / 1e9;
  }
  ran.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  return ran;
}

absl::StatusOr<std::vector<std::vector<std::string>>> CurlsFor(const std::string& url,
                                                               uint64_t bytes,
                                                               const std::string& to) {
  const absl::StatusOr<std::string> curl = InstalledProgram("curl", "curl");
  if (!curl.ok()) return curl.status();
  const std::vector<std::string> files = FilesOfCurls(to);
  std::vector<std::vector<std::string>> argvs;
  for (uint64_t i = 0; i < files.size(); ++i) {
    const uint64_t first = bytes * i / kCurls, end = bytes * (i + 1) / kCurls;
    argvs.push_back({*curl, "-sS", "--fail", "--noproxy", "*", "-r",
                     absl::StrCat(first, "-", end - 1), "-o", files[i], url});
  }
  return argvs;
}

std::vector<std::string> FilesOfCurls(const std::string& to) {
  std::vector<std::string> files;
  for (int i = 0; i < kCurls; ++i) files.push_back(absl::StrCat(to, ".", i));
  return files;
}

absl::StatusOr<std::vector<std::string>> WarmFor(const Node& node,
                                                 const std::vector<std::string>& uris, int jobs) {
  const absl::StatusOr<std::string> program = BuiltProgram("tools/objmapper");
  if (!program.ok()) return program.status();
  std::vector<std::string> argv = {*program, "warm", "--server=" + node.url(),
                                   absl::StrCat("--jobs=", jobs)};
  argv.insert(argv.end(), uris.begin(), uris.end());
  return argv;
}

}  // namespace objmapper::bench
