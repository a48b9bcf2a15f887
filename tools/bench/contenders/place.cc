// Programs, ports, files and cores, looked for.
#include "tools/bench/contenders/place.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/errno_status.h"
#include "net/listener.h"

namespace objmapper::bench {
namespace {

bool IsProgram(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

}  // namespace

absl::StatusOr<std::string> OwnProgram() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length < 0) return net::ErrnoToStatus(errno, "readlink /proc/self/exe");
  return std::string(path, length);
}

absl::StatusOr<std::string> BuiltProgram(absl::string_view path) {
  absl::StatusOr<std::string> own = OwnProgram();
  if (!own.ok()) return own.status();
  std::vector<std::string> places = {absl::StrCat(*own, ".runfiles/objmapper/", path)};
  // A test's, and those of a program that runs inside another's.
  for (const char* variable : {"RUNFILES_DIR", "TEST_SRCDIR"}) {
    const char* runfiles = getenv(variable);
    if (runfiles != nullptr) places.push_back(absl::StrCat(runfiles, "/objmapper/", path));
  }
  places.push_back(absl::StrCat("bazel-bin/", path));
  std::string looked;
  for (const std::string& place : places) {
    if (IsProgram(place)) return std::filesystem::absolute(place).string();
    absl::StrAppend(&looked, looked.empty() ? "" : ", ", place);
  }
  return absl::NotFoundError(
      absl::StrCat("the program ", path, " is not built; looked for it at ", looked));
}

absl::StatusOr<std::string> InstalledProgram(absl::string_view name, absl::string_view package) {
  const char* path = getenv("PATH");
  const std::string directories = absl::StrCat(
      path == nullptr ? "" : path, ":/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin");
  for (absl::string_view directory : absl::StrSplit(directories, ':', absl::SkipEmpty())) {
    std::string program = absl::StrCat(directory, "/", name);
    if (IsProgram(program)) return program;
  }
  return absl::NotFoundError(absl::StrCat(name, " is not installed; it is in the Debian package ",
                                          package, " (tools/setup --peers installs all peers)"));
}

absl::StatusOr<uint16_t> FreePort() {
  const absl::StatusOr<net::Listener> listener =
      net::Listener::Open({.kind = net::Address::Kind::kTcp, .host = "127.0.0.1"});
  if (!listener.ok()) return listener.status();
  return listener->address().port;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return net::ErrnoToStatus(errno, absl::StrCat("read ", path));
  return text.str();
}

absl::Status WriteFile(const std::string& path, absl::string_view text) {
  std::ofstream out(path, std::ios::binary);
  if (!(out << text) || !out.flush()) {
    return net::ErrnoToStatus(errno, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

std::vector<int> UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

}  // namespace objmapper::bench
