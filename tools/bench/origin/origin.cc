// The origins one after the other, and of each all questions.
#include "tools/bench/origin/origin.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace objmapper::bench {
namespace {

constexpr uint64_t kDiskLeft = 5'000'000'000;
// Eight parts of the default size, so that whoever waits for the first byte waits beside others.
constexpr uint64_t kSmallMax = 64 << 20;
constexpr uint64_t kHitBytes = 1 << 10;
constexpr char kMaxConnections[] = "--max_connections=4096";

struct Question {
  const char* name;
  OriginAsk* ask;
  // It is about our server alone: asked once, of the first origin.
  bool once = false;
};

constexpr Question kQuestions[] = {
    {"herd", AskHerd},
    {"fill", AskFill},
    {"first_byte", AskFirstByte},
    {"range", AskRange},
    {"many_fills", AskManyFills},
    {"hits", AskHits, true},
    {"beside", AskBeside, true},
    {"model", AskModel},
};

// The origin's own, and what our server and the programs it is compared with have at most at once.
absl::Status CheckRoom(const OriginRun& run) {
  struct statvfs disk;
  if (statvfs(run.folder.c_str(), &disk) != 0)
    return absl::InternalError(absl::StrCat("statvfs ", run.folder));
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  const OriginSettings& settings = run.settings;
  const uint64_t needed = 2 * settings.object_bytes +
                          std::max(static_cast<uint64_t>(settings.fills) * settings.object_bytes,
                                   settings.model_bytes + settings.object_bytes);
  if (free >= needed + kDiskLeft) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      run.folder, " has ", free, " bytes free; ", needed, " are needed, and ", kDiskLeft,
      " stay free: smaller --object_size, --fills, --model_size, or "
      "another --work_dir"));
}

absl::Status Fill(const Stock& stock) {
  Far& far = stock.far;
  for (const auto& [key, content] :
       {std::pair(kObject, &stock.object), std::pair(kSmall, &stock.small),
        std::pair(kHit, &stock.hit)}) {
    if (absl::Status put = far.Put(key, *content); !put.ok()) return put;
  }
  if (far.tells_md5()) {
    if (absl::Status put = far.PutInParts(kParts, stock.object); !put.ok()) return put;
  }
  for (int i = 0; i < stock.objects(); ++i) {
    if (absl::Status put = far.Alias(NameOfObject(i), kObject); !put.ok()) return put;
  }
  return absl::OkStatus();
}

absl::Status AskAll(const Stock& stock, bool first) {
  if (absl::Status filled = Fill(stock); !filled.ok()) return filled;
  for (const Question& question : kQuestions) {
    if (!absl::c_linear_search(stock.run.settings.asks, question.name)) continue;
    if (question.once && !first) continue;
    if (absl::Status on = stock.GoOn(); !on.ok()) return on;
    if (absl::Status asked = question.ask(stock); !asked.ok())
      return absl::Status(
          asked.code(), absl::StrCat(question.name, ", ", stock.far.kind(), ": ", asked.message()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string NameOfObject(int number) { return absl::StrCat(kObject, ".", number); }

int Stock::models() const {
  const uint64_t each = object.bytes();
  return static_cast<int>((run.settings.model_bytes + each - 1) / each);
}
int Stock::objects() const { return std::max(run.settings.fills, models()); }

absl::StatusOr<std::unique_ptr<Node>> Stock::StartNode(const std::string& name,
                                                       const std::string& flag) const {
  std::vector<std::string> flags = run.server_flags;
  if (!flag.empty()) flags.push_back(flag);
  flags.insert(flags.end(), {absl::StrCat("--origin=", far.line()), kMaxConnections});
  return Node::Start(absl::StrCat(run.folder, "/", far.kind(), ".", name), flags);
}

absl::StatusOr<std::unique_ptr<Node>> Stock::StartNodeAlone(const std::string& name) const {
  std::vector<std::string> flags = run.server_flags;
  flags.push_back(kMaxConnections);
  return Node::Start(absl::StrCat(run.folder, "/", name), flags);
}

absl::Status Stock::GoOn() const {
  return run.interrupted() ? absl::CancelledError("interrupted") : absl::OkStatus();
}

absl::Status RunOrigin(const OriginRun& run, Figures& figures) {
  if (absl::Status room = CheckRoom(run); !room.ok()) return room;
  // Servers and programs inherit it: what is on this machine is asked without a proxy.
  for (const char* name : {"NO_PROXY", "no_proxy"}) setenv(name, "127.0.0.1,localhost", 1);
  const Content object(1, run.settings.object_bytes);
  const Content small(2, std::min(run.settings.object_bytes, kSmallMax));
  const Content hit(3, kHitBytes);
  absl::Status status;
  bool first = true;
  for (const std::string& kind : run.settings.kinds) {
    const std::string folder = absl::StrCat(run.folder, "/", kind);
    std::error_code error;
    std::filesystem::create_directory(folder, error);
    absl::StatusOr<std::unique_ptr<Far>> far = StartFar(kind, folder);
    if (absl::IsNotFound(far.status())) {
      figures.LeaveOut("origin", kind, "all", far.status().message());
      continue;
    }
    if (!far.ok()) return far.status();
    status = AskAll({run, **far, figures, object, small, hit}, first);
    first = false;
    far->reset();
    std::filesystem::remove_all(folder, error);
    if (!status.ok()) break;
  }
  return status;
}

}  // namespace objmapper::bench
