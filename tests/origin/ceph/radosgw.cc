// Starts radosgw.py, which owns the daemons, and reads radosgw's log of requests.
//
// A line of that log (rgw_asio_frontend.cc in Ceph 16):
//
//   ... beast: 0x7f...: 127.0.0.1 - admin [30/Nov/2026:20:00:00.000 +0000] "GET /b/k HTTP/1.1" 206
//   65536 - "objmapper/1.0" bytes=0-65535 latency=0.001s
#include "tests/origin/ceph/radosgw.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/net/eventually.h"
#include "tests/origin/fetch/fetching.h"

extern char** environ;

namespace objmapper::origin::testing {
namespace {

constexpr char kAccessKey[] = "AKIDADMIN", kSecretKey[] = "secret-of-admin";

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

// The programs that radosgw.py needs and that are not here.
std::string Missing() {
  std::string missing;
  for (const char* program : {"ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin"}) {
    if (access(absl::StrCat("/usr/bin/", program).c_str(), X_OK) != 0)
      absl::StrAppend(&missing, missing.empty() ? "" : ", ", program);
  }
  return missing;
}

// Everything up to the end of a line; less if there is none.
std::string ReadLine(int fd) {
  std::string line;
  for (char c; read(fd, &c, 1) == 1 && c != '\n';) line.push_back(c);
  return line;
}

// The text before `end`, and `rest` is what stands behind it.
absl::string_view TakeUntil(absl::string_view end, absl::string_view* rest) {
  const size_t at = rest->find(end);
  const absl::string_view taken = rest->substr(0, at);
  rest->remove_prefix(at == rest->npos ? rest->size() : at + end.size());
  return taken;
}

bool ParseLine(absl::string_view line, RadosGw::Asked* asked) {
  TakeUntil(" beast: ", &line);
  TakeUntil(" - ", &line);
  asked->user = std::string(TakeUntil(" [", &line));
  TakeUntil("] \"", &line);
  asked->method = std::string(TakeUntil(" ", &line));
  // No target holds a blank.
  asked->target = std::string(TakeUntil(" ", &line));
  TakeUntil("\" ", &line);
  if (!absl::SimpleAtoi(TakeUntil(" ", &line), &asked->status)) return false;
  if (!absl::SimpleAtoi(TakeUntil(" ", &line), &asked->bytes)) return false;
  return true;
}

}  // namespace

void NeedRadosGw() {
  const std::string missing = Missing();
  if (missing.empty()) return;
  if (Environment("OBJMAPPER_CEPH") == "required")
    FAIL() << "not installed: " << missing << " (tools/setup --ceph)";
  GTEST_SKIP() << "not installed: " << missing << " (tools/setup --ceph)";
}

bool IsLongRun() { return Environment("OBJMAPPER_LONG") == "1"; }

RadosGw& RadosGw::Shared() {
  static RadosGw shared;
  return shared;
}

s3::Keys RadosGw::Admin() { return {kAccessKey, kSecretKey, ""}; }

RadosGw::RadosGw() : folder_(::testing::TempDir() + "radosgw.XXXXXX") {
  std::string script = Environment("OBJMAPPER_RADOSGW");
  CHECK(!script.empty()) << "OBJMAPPER_RADOSGW must name radosgw.py";
  PCHECK(mkdtemp(folder_.data()) != nullptr) << folder_;
  int input[2], output[2];
  PCHECK(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
  const net::UniqueFd its_input(input[0]), its_output(output[1]), told(output[0]);
  life_.Reset(input[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, its_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, its_output.get(), STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // Who interrupts the test from a terminal leaves it to the script to clear away.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string folder = folder_, id = kAccessKey, secret = kSecretKey;
  char* argv[] = {script.data(), folder.data(), id.data(), secret.data(), nullptr};
  const int error = posix_spawn(&pid_, script.c_str(), &actions, &attributes, argv, environ);
  CHECK_EQ(error, 0) << script << ": " << strerror(error);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  // Our end of it, so that its death is the end of what can be read.
  const_cast<net::UniqueFd&>(its_output).Reset();

  url_ = ReadLine(told.get());
  CHECK(absl::StartsWith(url_, "http://")) << "radosgw does not start; see above";
}

RadosGw::~RadosGw() {
  life_.Reset();
  waitpid(pid_, nullptr, 0);
}

std::vector<RadosGw::Asked> RadosGw::asked() const {
  // Behind the line of a request that is made now stand no lines of those that have been answered.
  static std::atomic<int> markers{0};
  const std::string marker = absl::StrCat("/marker-", ++markers, " ");
  {
    fetch::RunningFetcher fetcher;
    fetcher.Run(fetch::Get(absl::StrCat(url_, absl::StripSuffix(marker, " "))));
  }
  std::vector<Asked> found;
  const bool seen = net::Eventually([&] {
    found.clear();
    std::ifstream log(folder_ + "/radosgw.log");
    for (std::string line; std::getline(log, line);) {
      if (!absl::StrContains(line, " beast: ")) continue;
      if (absl::StrContains(line, marker)) return true;
      Asked asked;
      if (ParseLine(line, &asked)) found.push_back(std::move(asked));
    }
    return false;
  });
  EXPECT_TRUE(seen) << "radosgw's log has no line of " << marker;
  return found;
}

std::vector<RadosGw::Asked> RadosGw::asked(absl::string_view path) const {
  std::vector<Asked> found;
  for (Asked& one : asked()) {
    if (one.path() == path) found.push_back(std::move(one));
  }
  return found;
}

uint64_t RadosGw::bytes_sent(absl::string_view path) const {
  uint64_t bytes = 0;
  for (const Asked& one : asked(path)) {
    if (one.method == "GET" && one.status / 100 == 2) bytes += one.bytes;
  }
  return bytes;
}

}  // namespace objmapper::origin::testing
