// redis and memcached: the objects as values in their memory, put there over their own sockets.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "net/dial.h"
#include "net/errno_status.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/contenders/starters.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;
// redis's own limit (proto-max-bulk-len); memcached's is set alike.
constexpr uint64_t kValueBytesMax = 512 * kMebibyte;
constexpr int kFillPatienceMs = 30000;

absl::Status SendAll(int socket, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0) return net::ErrnoToStatus(errno, "send");
    text.remove_prefix(sent);
  }
  return absl::OkStatus();
}

// Stores the file `path` under `name`.
absl::Status Store(int socket, const WireDriver& language, const std::string& name,
                   const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  absl::Status status = SendAll(socket, language.Request(Ask::kPut, name, *bytes));
  if (!status.ok()) return status;
  std::string answer;
  Head head;
  while ((head = language.Next(answer, Ask::kPut, 0)).kind == Head::Kind::kNeedMore) {
    pollfd readable{socket, POLLIN, 0};
    char piece[256];
    if (poll(&readable, 1, kFillPatienceMs) != 1) {
      return absl::DeadlineExceededError(absl::StrCat("no answer when ", path, " was stored"));
    }
    const ssize_t got = recv(socket, piece, sizeof(piece), 0);
    if (got <= 0) return absl::UnavailableError(absl::StrCat("hung up when ", path, " was stored"));
    answer.append(piece, got);
  }
  if (head.kind == Head::Kind::kAnswer && head.ok) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(path, " was not stored: ", answer));
}

// Stores all objects that fit.
void Fill(Contender& contender, Transport transport, const WireDriver& language,
          const ObjectSet& objects) {
  if (!contender.status().ok()) return;
  const absl::StatusOr<net::UniqueFd> socket =
      net::Dial(contender.address(transport), Contender::kStartTime);
  contender.CheckWithLog(socket.status());
  for (const ObjectSet::Object& object : objects.objects) {
    if (object.bytes > kValueBytesMax || !contender.status().ok()) continue;
    contender.CheckWithLog(
        Store(socket->get(), language, object.name, absl::StrCat(objects.root, "/", object.name)));
  }
}

// Appends the words of `line`; two blanks in a row have an empty one between them.
void AppendWords(absl::string_view line, std::vector<std::string>& argv) {
  for (const absl::string_view word : absl::StrSplit(line, ' ')) argv.emplace_back(word);
}

void RemarkOnSkipped(const ObjectSet& objects, Contender& contender) {
  for (const ObjectSet::Object& object : objects.objects) {
    if (object.bytes > kValueBytesMax) {
      contender.AddRemark(absl::StrCat("without ", object.name, ": above its limit of 512 MiB"));
    }
  }
}

}  // namespace

void StartRedis(const ContenderOptions& options, const ObjectSet& objects, Contender& contender) {
  // One thread, as it advises for fewer than four cores (redis.conf, "io-threads"). It answers from
  // a fresh buffer each time; left to itself, jemalloc gives large ones back to the system at once,
  // and on a virtual machine that gives free pages back to its host redis then all but stops: 1M at
  // 100 connections 198 requests/s, 4219 with memory kept (jemalloc(3), "TUNING").
  std::vector<std::string> argv = {
      "/usr/bin/env", "MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0",
      contender.Take(InstalledProgram("redis-server", "redis-server"))};
  AppendWords(absl::Substitute("--port $0 --bind 127.0.0.1 --save  --appendonly no --daemonize no "
                               "--timeout 0 --tcp-backlog 4096 --maxclients $1",
                               contender.port(), options.connections_max + 64),
              argv);
  argv.insert(argv.end(), {"--unixsocket", contender.path(), "--dir", options.work_dir});
  contender.Start(std::move(argv));
  contender.Await(Wire::kRedis, Transport::kUnix);
  contender.Await(Wire::kRedis, Transport::kTcp);
  Fill(contender, Transport::kUnix, *MakeRedis(), objects);
  RemarkOnSkipped(objects, contender);
}

void StartMemcached(const ContenderOptions& options, const ObjectSet& objects,
                    Contender& contender) {
  uint64_t all = 0, largest = kMebibyte;
  for (const ObjectSet::Object& object : objects.objects) {
    if (object.bytes > kValueBytesMax) continue;
    all += object.bytes;
    largest = std::max(largest, object.bytes);
  }
  // Room for a value's head; and the limit may be half of the memory at most.
  const uint64_t item_mebibytes = largest / kMebibyte + 1;
  const uint64_t memory_mebibytes = 64 + 2 * (all / kMebibyte + item_mebibytes);
  std::vector<std::string> argv = {contender.Take(InstalledProgram("memcached", "memcached"))};
  // -u has an effect for root alone: stay what we are. -M: to refuse, not to forget, what does not
  // fit.
  AppendWords(absl::Substitute("-u root -t $0 -c $1 -b 4096 -m $2 -I $3m -M", Cores(),
                               options.connections_max + 64, memory_mebibytes, item_mebibytes),
              argv);
  // With a Unix socket it does not listen on TCP: it takes two of them. The one that is not asked
  // sleeps, but its memory counts.
  std::vector<std::string> on_unix = argv, on_tcp = argv;
  on_unix.insert(on_unix.end(), {"-s", contender.path()});
  on_tcp.insert(on_tcp.end(), {"-l", "127.0.0.1", "-p", absl::StrCat(contender.port()), "-U", "0"});
  contender.Start(std::move(on_unix));
  contender.Await(Wire::kMemcached, Transport::kUnix);
  Fill(contender, Transport::kUnix, *MakeMemcached(), objects);
  contender.Start(std::move(on_tcp), "_tcp");
  contender.Await(Wire::kMemcached, Transport::kTcp);
  Fill(contender, Transport::kTcp, *MakeMemcached(), objects);
  RemarkOnSkipped(objects, contender);
  contender.AddRemark("two processes: one for each transport; memory is that of both");
}

}  // namespace objmapper::bench
