// Formats /connz. Names of peers are escaped.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/clock.h"
#include "protocol/mode.h"
#include "server/admin/vitals.h"

namespace objmapper::server {
namespace {

constexpr int64_t kHotNs = 1'000'000'000;

bool IsHot(const session::Session& session, int64_t now_ns) {
  return session.answered > 0 &&
         now_ns - session.received_ns.load(std::memory_order_relaxed) < kHotNs;
}

std::string IdText(uint32_t id) { return id == static_cast<uint32_t>(-1) ? "-" : absl::StrCat(id); }

}  // namespace

std::string ConnectionsText(const session::ConnectionList& list, size_t lines_max) {
  const int64_t now_ns = net::NowNs();
  size_t connections = 0, hot = 0;
  std::string lines;
  list.ForEach([&](const session::Session& session) {
    ++connections;
    const bool is_hot = IsHot(session, now_ns);
    if (is_hot) ++hot;
    if (connections > lines_max) return;
    const uint64_t answered = session.answered;
    const protocol::Mode mode = session.last_mode.load(std::memory_order_relaxed);
    absl::StrAppendFormat(
        &lines, "%-5s %-4s %8s %8s %-9s %-10s %10.1f %10d %14d %s\n",
        session.transport == session::Transport::kUnix ? "unix" : "tcp",
        answered == 0 ? "-" : session::NameOf(session.last_dialect.load(std::memory_order_relaxed)),
        session.peer.pid == 0 ? "-" : absl::StrCat(session.peer.pid), IdText(session.peer.uid),
        session.lane.load(std::memory_order_relaxed),
        answered == 0 ? "-" : std::string(protocol::ModeName(mode)),
        static_cast<double>(now_ns - session.opened_ns) / 1e9, answered, session.bytes.get(),
        is_hot ? "hot" : "idle");
  });
  std::string text = absl::StrCat(connections, " open, ", hot, " of them hot\n");
  absl::StrAppendFormat(&text, "%-5s %-4s %8s %8s %-9s %-10s %10s %10s %14s %s\n", "via", "as",
                        "pid", "uid", "lane", "last", "age s", "requests", "object bytes", "state");
  text += lines;
  if (connections > lines_max) {
    absl::StrAppend(&text, "and ", connections - lines_max, " more (?n=", lines_max, ")\n");
  }
  return text;
}

uint64_t HotConnections(const session::ConnectionList& list) {
  const int64_t now_ns = net::NowNs();
  uint64_t hot = 0;
  list.ForEach([&](const session::Session& session) { hot += IsHot(session, now_ns) ? 1 : 0; });
  return hot;
}

}  // namespace objmapper::server
