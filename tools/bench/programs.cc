// fio and cp, run on the objects' files; git.
#include "tools/bench/programs.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/errno_status.h"

extern char** environ;

namespace objmapper::bench {

namespace {

// What a command, run by the shell, prints.
absl::StatusOr<std::string> OutputOf(const char* name, const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return absl::InternalError(absl::StrCat("cannot start ", name));
  std::string output;
  char block[4096];
  for (size_t got; (got = fread(block, 1, sizeof block, pipe)) > 0;) output.append(block, got);
  if (const int status = pclose(pipe); status != 0) {
    return absl::InternalError(absl::StrCat(name, " ended with status ", status));
  }
  return output;
}

absl::StatusOr<Sample> SampleFrom(const std::string& output, size_t files) {
  Sample sample;
  try {
    // --group_reporting makes one job of all.
    const nlohmann::json job = nlohmann::json::parse(output).at("jobs").at(0);
    const nlohmann::json& read = job.at("read");
    sample.seconds = read.at("runtime").get<double>() / 1e3;
    sample.bytes = read.at("io_bytes").get<uint64_t>();
    sample.errors = job.at("error").get<uint64_t>();
    // usr_cpu and sys_cpu are percentages of the run time summed over the jobs.
    sample.server_cpu_s = (job.at("usr_cpu").get<double>() + job.at("sys_cpu").get<double>()) /
                          100 * job.at("job_runtime").get<double>() / 1e3;
    sample.threads = static_cast<int>(files);
  } catch (const nlohmann::json::exception& error) {
    return absl::InternalError(absl::StrCat("fio's output makes no sense: ", error.what()));
  }
  sample.requests = files;
  return sample;
}

}  // namespace

absl::StatusOr<Sample> RunFio(const std::vector<std::string>& files) {
  if (system("command -v fio >/dev/null 2>&1") != 0) {
    return absl::NotFoundError("not installed; Debian's package is fio");
  }
  std::string command =
      "fio --output-format=json --group_reporting --rw=read --bs=256k --ioengine=psync";
  for (size_t i = 0; i < files.size(); ++i) {
    absl::StrAppend(&command, " --name=file", i, " --readonly --filename='", files[i], "'");
  }
  const absl::StatusOr<std::string> output = OutputOf("fio", command + " 2>/dev/null");
  if (!output.ok()) return output.status();
  return SampleFrom(*output, files.size());
}

absl::StatusOr<Sample> RunCp(const std::vector<std::string>& files, uint64_t bytes_each) {
  std::string folder =
      absl::StrCat(files.front().substr(0, files.front().rfind('/')), "/../copies");
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return net::ErrnoToStatus(errno, "mkdir for cp");
  // A shared extent would be no copy.
  std::string words[] = {"cp", "--reflink=never"};
  std::vector<char*> argv = {words[0].data(), words[1].data()};
  for (const std::string& file : files) argv.push_back(const_cast<char*>(file.c_str()));
  argv.push_back(folder.data());
  argv.push_back(nullptr);

  const absl::Time begin = absl::Now();
  pid_t pid;
  if (const int error = posix_spawnp(&pid, "cp", nullptr, nullptr, argv.data(), environ);
      error != 0) {
    return net::ErrnoToStatus(error, "start cp");
  }
  int status;
  rusage used;
  if (wait4(pid, &status, 0, &used) != pid) return net::ErrnoToStatus(errno, "wait for cp");
  if (status != 0) return absl::InternalError(absl::StrCat("cp ended with status ", status));

  Sample sample;
  sample.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  sample.requests = files.size();
  sample.bytes = files.size() * bytes_each;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + time.tv_usec / 1e6;
  };
  sample.server_cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime);
  sample.threads = 1;
  return sample;
}

std::string ThisVersion() {
  const absl::StatusOr<std::string> version =
      OutputOf("git", "git describe --always --dirty 2>/dev/null");
  return version.ok() ? std::string(absl::StripAsciiWhitespace(*version)) : "";
}

}  // namespace objmapper::bench
