#include "tools/bench/cp.h"

#include <errno.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/errno_status.h"

extern char** environ;

namespace objmapper::bench {

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

}  // namespace objmapper::bench
