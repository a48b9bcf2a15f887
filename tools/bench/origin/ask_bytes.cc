// What leaves the origin, and what our server holds in memory meanwhile.
#include <barrier>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/bench/origin/origin.h"
#include "tools/bench/origin/programs.h"
#include "tools/bench/origin/reader.h"

namespace objmapper::bench {
namespace {

constexpr double kMib = 1 << 20;
constexpr Way kWays[] = {Way::kFdPass, Way::kCopy, Way::kHttp};
// Of a fetch that was asked for a range (docs/origins.md).
constexpr uint64_t kBlockBytes = 8 << 20;

// Starts as many threads, which all ask at once, each in one of the ways; and the seconds until the
// last of them has all.
absl::StatusOr<double> ReadAtOnce(const Node& node, const Content& content, int readers) {
  std::vector<absl::StatusOr<Got>> got(static_cast<size_t>(readers));
  {
    std::barrier start(readers);
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < got.size(); ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        got[i] = ReadFrom(node, kWays[i % std::size(kWays)], kObject);
      });
    }
  }
  double seconds = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (!got[i].ok()) return got[i].status();
    const std::string who = absl::StrCat("reader ", i, " by ", NameOf(kWays[i % std::size(kWays)]));
    if (absl::Status right = CheckWhole(*got[i], content, who); !right.ok()) return right;
    seconds = std::max(seconds, got[i]->seconds);
  }
  return seconds;
}

}  // namespace

absl::Status AskHerd(const Stock& stock) {
  const absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("herd");
  if (!node.ok()) return node.status();
  const absl::StatusOr<uint64_t> before = stock.far.BytesSent(kObject);
  if (!before.ok()) return before.status();
  const int readers = stock.run.settings.readers;
  const absl::StatusOr<double> seconds = ReadAtOnce(**node, stock.object, readers);
  if (!seconds.ok()) return seconds.status();
  const absl::StatusOr<uint64_t> after = stock.far.BytesSent(kObject);
  if (!after.ok()) return after.status();
  const double share =
      static_cast<double>(*after - *before) / static_cast<double>(stock.object.bytes());
  stock.Add("herd",
            absl::StrCat(readers, " readers, all got all: bytes sent by the origin / bytes"),
            {share}, AtMost(1.01));
  stock.Add("herd", "seconds until the last reader had all", {*seconds});
  return absl::OkStatus();
}

absl::Status AskRange(const Stock& stock) {
  const absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("range");
  if (!node.ok()) return node.status();
  const uint64_t middle = stock.object.bytes() / 2;
  const client::Range range = {middle, std::min<uint64_t>(1 << 20, stock.object.bytes() - middle)};
  for (const Way way : {Way::kCopy, Way::kHttp}) {
    if (absl::Status gone = (*node)->Evict(kObject); !gone.ok()) return gone;
    const absl::StatusOr<uint64_t> before = stock.far.BytesSent(kObject);
    if (!before.ok()) return before.status();
    const absl::StatusOr<Got> got = ReadFrom(**node, way, kObject, {.range = range});
    if (!got.ok()) return got.status();
    if (got->bytes != range.length ||
        got->crc32c != stock.object.Crc32cOf(range.offset, range.length))
      return absl::DataLossError(absl::StrCat("a range by ", NameOf(way), " is wrong"));
    if (absl::Status idle = (*node)->AwaitIdle(); !idle.ok()) return idle;
    const absl::StatusOr<uint64_t> after = stock.far.BytesSent(kObject);
    if (!after.ok()) return after.status();
    stock.Add("range",
              absl::StrCat(NameOf(way), " of 1 MiB in the middle: blocks sent by the origin"),
              {static_cast<double>(*after - *before) / kBlockBytes}, AtMost(2));
  }
  return absl::OkStatus();
}

absl::Status AskManyFills(const Stock& stock) {
  const absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("many");
  if (!node.ok()) return node.status();
  const int fills = stock.run.settings.fills;
  std::vector<std::string> uris;
  for (int i = 0; i < fills; ++i) uris.push_back(NameOfObject(i));
  const absl::StatusOr<std::vector<std::string>> warm = WarmFor(**node, uris, fills);
  if (!warm.ok()) return warm.status();
  const absl::StatusOr<Ran> ran = RunPrograms({*warm}, stock.run.folder + "/warm");
  if (!ran.ok()) return ran.status();
  const absl::StatusOr<Memory> memory = (*node)->MemoryUsed();
  if (!memory.ok()) return memory.status();
  for (const std::string& uri : uris) {
    const absl::StatusOr<Got> got = ReadFrom(**node, Way::kFdPass, uri);
    if (!got.ok()) return got.status();
    if (absl::Status right = CheckWhole(*got, stock.object, uri); !right.ok()) return right;
  }
  const std::string who = absl::StrCat(fills, " fills at once: ");
  stock.Add("many_fills", who + "peak RSS (VmHWM), MiB",
            {static_cast<double>(memory->peak_rss) / kMib}, AtMost(200));
  stock.Add("many_fills", who + "of its own at the end (RssAnon), MiB",
            {static_cast<double>(memory->anonymous) / kMib});
  stock.Add("many_fills", who + "mapped files at the end (RssFile), MiB",
            {static_cast<double>(memory->files) / kMib});
  stock.Add("many_fills", who + "MiB/s in all",
            {static_cast<double>(fills) * static_cast<double>(stock.object.bytes()) / kMib /
             ran->seconds});
  return absl::OkStatus();
}

}  // namespace objmapper::bench
