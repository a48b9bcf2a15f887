// Several processes that all need the same model: one file that our server has fetched and that all
// of them map, against a copy in the memory of each.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "origin/cache/crc32c.h"
#include "tools/bench/origin/origin.h"
#include "tools/bench/origin/programs.h"

namespace objmapper::bench {
namespace {

constexpr double kMib = 1 << 20;
constexpr absl::Duration kPatience = absl::Minutes(10);

// Bytes that processes hold: a page that several of them map is shared out among these (Pss in
// proc(5), /proc/PID/smaps_rollup).
struct Held {
  double files = 0;      // pages of files: the page cache
  double anonymous = 0;  // each one's own
  double all() const { return files + anonymous; }
};
Held HeldBy(const std::vector<pid_t>& processes) {
  Held held;
  for (const pid_t process : processes) {
    std::ifstream rollup(absl::StrCat("/proc/", process, "/smaps_rollup"));
    std::string key, line;
    while (rollup >> key) {
      double kib = 0;
      // Those of a tmpfs, too.
      if ((key == "Pss_File:" || key == "Pss_Shmem:") && rollup >> kib) held.files += kib * 1024;
      if (key == "Pss_Anon:" && rollup >> kib) held.anonymous += kib * 1024;
      std::getline(rollup, line);
    }
  }
  return held;
}

// "MemAvailable" in /proc/meminfo, in bytes (proc(5)).
double Available() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, line;
  while (meminfo >> key) {
    double kib = 0;
    if (key == "MemAvailable:" && meminfo >> kib) return kib * 1024;
    std::getline(meminfo, line);
  }
  return 0;
}

// Memory of so many bytes that this process keeps to its end.
char* Keep(size_t bytes, int fd) {
  void* const at =
      fd < 0 ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
             : mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
}

// Maps the object and reads all of it. Whether it is right.
bool ReadMapped(const std::string& server, const std::string& uri, const Content& content) {
  client::Options options;
  options.request_timeout = kPatience;
  absl::StatusOr<client::Client> client = client::Client::Connect(server, options);
  if (!client.ok()) return false;
  const absl::StatusOr<client::FdObject> object = client->GetFd(uri);
  if (!object.ok() || object->info.size != content.bytes()) return false;
  const char* const at = Keep(object->info.size, object->fd.get());
  if (at == nullptr) return false;
  return origin::Crc32c({at, object->info.size}) == content.crc32c();
}

// Copies the object from the origin; `keeps`: into memory that stays.
bool ReadCopied(const std::string& url, bool keeps, const Content& content) {
  char* const at = keeps ? Keep(content.bytes(), -1) : nullptr;
  if (keeps && at == nullptr) return false;
  uint64_t bytes = 0;
  uint32_t sum = 0;
  const absl::Status read = HttpRead({url, ""}, "", [&](absl::string_view piece) {
    if (bytes + piece.size() > content.bytes()) return false;
    if (keeps) memcpy(at + bytes, piece.data(), piece.size());
    sum = origin::Crc32c(piece, sum);
    bytes += piece.size();
    return true;
  });
  return read.ok() && bytes == content.bytes() && sum == content.crc32c();
}

struct Readings {
  double seconds = 0;
  double cpu_s = 0;
  Held held;  // when all have read all and keep it
};

// `read` in so many processes at once, each of which stays until all have done. DATA_LOSS: one of
// them read something else, or not all.
absl::StatusOr<Readings> ReadBy(int processes, const std::function<bool()>& read) {
  int said[2], leave[2];
  if (pipe2(said, O_CLOEXEC) != 0) return net::ErrnoToStatus(errno, "pipe2");
  const net::UniqueFd says(said[0]);
  net::UniqueFd say(said[1]);
  if (pipe2(leave, O_CLOEXEC) != 0) return net::ErrnoToStatus(errno, "pipe2");
  const net::UniqueFd left(leave[0]);
  net::UniqueFd stay(leave[1]);
  const absl::Time start = absl::Now();
  const pid_t parent = getpid();
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child < 0) break;
    if (child > 0) {
      children.push_back(child);
      continue;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    stay.Reset();
    const char right = read() ? 'y' : 'n';
    char end;
    if (write(say.get(), &right, 1) == 1 && ::read(left.get(), &end, 1) == 0) _exit(0);
    _exit(1);
  }
  say.Reset();
  int right = 0;
  // Ends, too, when they have all died.
  for (int i = 0; i < processes; ++i) {
    char one = 0;
    if (::read(says.get(), &one, 1) == 1 && one == 'y') ++right;
  }
  Readings readings;
  readings.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  readings.held = HeldBy(children);
  stay.Reset();
  for (const pid_t child : children) {
    int status = 0;
    rusage used{};
    while (wait4(child, &status, 0, &used) < 0 && errno == EINTR) {
    }
    for (const timeval& time : {used.ru_utime, used.ru_stime})
      readings.cpu_s += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  }
  if (right == processes) return readings;
  return absl::DataLossError(absl::StrCat(processes - right, " of ", processes,
                                          " processes did not read the right bytes"));
}

// The model fetched once, and mapped by all.
absl::StatusOr<Readings> ByDescriptors(const Stock& stock, const Node& node) {
  std::vector<std::string> uris;
  for (int i = 0; i < stock.models(); ++i) uris.push_back(NameOfObject(i));
  const absl::StatusOr<std::vector<std::string>> warm = WarmFor(node, uris, 1);
  if (!warm.ok()) return warm.status();
  const absl::StatusOr<double> before = node.CpuSeconds();
  if (!before.ok()) return before.status();
  const absl::StatusOr<Ran> ran = RunPrograms({*warm}, stock.run.folder + "/model.log");
  if (!ran.ok()) return ran.status();
  absl::StatusOr<Readings> readings = ReadBy(stock.run.settings.processes, [&] {
    return std::all_of(uris.begin(), uris.end(), [&](const std::string& uri) {
      return ReadMapped(node.url(), uri, stock.object);
    });
  });
  if (!readings.ok()) return readings;
  const absl::StatusOr<double> after = node.CpuSeconds();
  if (!after.ok()) return after.status();
  readings->seconds += ran->seconds;
  readings->cpu_s += ran->cpu_s + *after - *before;
  return readings;
}

}  // namespace

absl::Status AskModel(const Stock& stock) {
  const int processes = stock.run.settings.processes;
  const double model =
      static_cast<double>(stock.models()) * static_cast<double>(stock.object.bytes());
  // Half of what there is: the rest is the origin's, and others'.
  const bool keeps = model * processes < Available() / 2;
  const absl::StatusOr<Readings> copied = ReadBy(processes, [&] {
    for (int i = 0; i < stock.models(); ++i) {
      if (!ReadCopied(stock.far.url(NameOfObject(i)), keeps, stock.object)) return false;
    }
    return true;
  });
  if (!copied.ok()) return copied.status();
  if (absl::Status on = stock.GoOn(); !on.ok()) return on;
  const absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("model");
  if (!node.ok()) return node.status();
  const absl::StatusOr<Readings> mapped = ByDescriptors(stock, **node);
  if (!mapped.ok()) return mapped.status();

  const std::string title = absl::StrCat(processes, " processes, ", stock.models(), " x ",
                                         stock.object.bytes() >> 20, " MiB: ");
  const std::string copies = keeps ? "each copies by HTTP" : "each reads by HTTP and keeps nothing";
  stock.Add("model", absl::StrCat(title, copies, ", s"), {copied->seconds});
  stock.Add("model", title + "warm, then FDPASS and mmap, s", {mapped->seconds});
  stock.Add("model", title + "time, FDPASS / HTTP", {mapped->seconds / copied->seconds}, AtMost(1));
  stock.Add("model", title + "CPU, FDPASS / HTTP", {mapped->cpu_s / copied->cpu_s});
  for (const auto& [who, held] :
       {std::pair("FDPASS", &mapped->held), std::pair("HTTP", &copied->held)}) {
    stock.Add("model", absl::StrCat(title, who, ": page cache mapped, MiB"), {held->files / kMib});
    stock.Add("model", absl::StrCat(title, who, ": memory of their own, MiB"),
              {held->anonymous / kMib});
  }
  if (keeps) {
    stock.Add("model", title + "memory, FDPASS / HTTP", {mapped->held.all() / copied->held.all()},
              AtMost(1));
  }
  return absl::OkStatus();
}

}  // namespace objmapper::bench
