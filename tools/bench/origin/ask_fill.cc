// One object fetched: by our server, which "objmapper warm" asks, and by programs that copy it into
// a file. Each leaves it in the page cache and in a file of the same file system.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/crc32c.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/origin/origin.h"
#include "tools/bench/origin/programs.h"
#include "tools/bench/origin/reader.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

constexpr double kMib = 1 << 20, kGib = 1 << 30;
constexpr size_t kCrcPieceBytes = 256 * 1024;
// As it is; as the others, which wait for no disk; and as they compare nothing.
constexpr char kWarm[] = "warm", kWarmLoose[] = "warm, not synced",
               kWarmParts[] = "warm, not synced, no MD5";

// One that fetches the object.
struct Filler {
  std::string name;
  std::function<absl::StatusOr<Ran>()> fill;  // and leaves it
  std::function<absl::StatusOr<Got>()> read;  // what it has left
  std::function<absl::Status()> drop;         // what it has left
  std::vector<double> seconds, cpu_s;         // by round
};

absl::StatusOr<Ran> Warm(const Node& node, const std::string& uri, const std::string& log) {
  const absl::StatusOr<std::vector<std::string>> argv = WarmFor(node, {uri}, 1);
  if (!argv.ok()) return argv.status();
  const absl::StatusOr<double> before = node.CpuSeconds();
  if (!before.ok()) return before.status();
  absl::StatusOr<Ran> ran = RunPrograms({*argv}, log);
  if (!ran.ok()) return ran;
  const absl::StatusOr<double> after = node.CpuSeconds();
  if (!after.ok()) return after.status();
  ran->cpu_s += *after - *before;
  return ran;
}

class Fillers {
 public:
  // node: as it is. loose: with --durability=none.
  Fillers(const Stock& stock, const Node& node, const Node& loose)
      : stock_(stock), node_(node), loose_(loose), to_(stock.run.folder + "/copy") {}

  void AddOurs(const std::string& name, const Node& node, const std::string& uri) {
    fillers_.push_back({name, [this, &node, uri] { return Warm(node, uri, Log()); },
                        [&node, uri] { return ReadFrom(node, Way::kFdPass, uri); },
                        [&node, uri] { return node.Evict(uri); }});
  }
  // `argvs` write these files.
  void AddPrograms(const std::string& name, std::vector<std::vector<std::string>> argvs,
                   std::vector<std::string> files) {
    fillers_.push_back({name, [this, argvs] { return RunPrograms(argvs, Log()); },
                        [files] { return ReadFiles(files); },
                        [files] {
                          for (const std::string& file : files) unlink(file.c_str());
                          return absl::OkStatus();
                        }});
  }
  void AddAll() {
    AddOurs(kWarm, node_, kObject);
    AddOurs(kWarmLoose, loose_, kObject);
    if (stock_.far.tells_md5()) AddOurs(kWarmParts, loose_, kParts);
    const std::string url = stock_.far.url(kObject);
    const auto curls = CurlsFor(url, stock_.object.bytes(), to_);
    if (curls.ok()) {
      AddPrograms(absl::StrCat(kCurls, " curls"), *curls, FilesOfCurls(to_));
    } else {
      LeaveOut("curl", curls.status());
    }
    const absl::StatusOr<std::string> rclone = InstalledProgram("rclone", "rclone");
    if (rclone.ok()) {
      AddPrograms(
          "rclone",
          {{*rclone, "copyto", "--config", "/dev/null", stock_.far.RcloneSource(kObject), to_}},
          {to_});
    } else {
      LeaveOut("rclone", rclone.status());
    }
    AddAws();
  }

  absl::Status Measure(Filler& filler) {
    // What was written before is not written back during this.
    sync();
    const absl::StatusOr<Ran> ran = filler.fill();
    if (!ran.ok()) return ran.status();
    filler.seconds.push_back(ran->seconds);
    filler.cpu_s.push_back(ran->cpu_s);
    const absl::StatusOr<Got> got = filler.read();
    if (!got.ok()) return got.status();
    if (absl::Status right = CheckWhole(*got, stock_.object, filler.name); !right.ok())
      return right;
    return filler.drop();
  }

  std::vector<Filler>& fillers() { return fillers_; }
  const Filler* Find(absl::string_view name) const {
    for (const Filler& filler : fillers_) {
      if (filler.name == name) return &filler;
    }
    return nullptr;
  }

 private:
  std::string Log() const { return stock_.run.folder + "/fill.log"; }
  void LeaveOut(absl::string_view who, const absl::Status& why) {
    stock_.figures.LeaveOut("fill", stock_.far.kind(), who, why.message());
  }
  void AddAws() {
    std::vector<std::string> source = stock_.far.AwsSource(kObject);
    if (source.empty()) {
      LeaveOut("aws", absl::NotFoundError("it speaks S3 alone"));
      return;
    }
    const absl::StatusOr<std::string> aws = InstalledProgram("aws", "awscli");
    if (!aws.ok()) {
      LeaveOut("aws", aws.status());
      return;
    }
    source.insert(source.begin(), {*aws, "s3", "cp", "--no-progress"});
    source.insert(source.begin() + 5, to_);
    AddPrograms("aws", {source}, {to_});
  }

  const Stock& stock_;
  const Node& node_;
  const Node& loose_;
  const std::string to_;
  std::vector<Filler> fillers_;
};

// CPU that the sum of so many bytes takes here, of bytes that are in a core's cache.
double CrcSeconds(uint64_t bytes) {
  const std::string piece(kCrcPieceBytes, 'x');
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double start = now();
  uint32_t sum = 0;
  for (uint64_t done = 0; done < bytes; done += piece.size()) sum = origin::Crc32c(piece, sum);
  // Or the compiler might see that nobody wants it.
  return now() - start + (sum == 0 ? 1e-12 : 0);
}

double Median(const std::vector<double>& values) { return SpreadOf(values).median; }

bool IsOurs(const Filler& filler) { return absl::StartsWith(filler.name, kWarm); }

// Whose `values` are least, of the others that `counts` says; nullptr: there is none.
const Filler* LeastOf(const std::vector<Filler>& fillers, std::vector<double> Filler::*values,
                      const std::function<bool(const Filler&)>& counts) {
  const Filler* least = nullptr;
  for (const Filler& filler : fillers) {
    if (IsOurs(filler) || !counts(filler)) continue;
    if (least == nullptr || Median(filler.*values) < Median(least->*values)) least = &filler;
  }
  return least;
}

void Compare(const Stock& stock, const Filler& ours, const std::vector<Filler>& fillers) {
  const Filler* const fastest =
      LeastOf(fillers, &Filler::seconds, [](const Filler&) { return true; });
  if (fastest != nullptr) {
    stock.Add("fill",
              absl::StrCat(ours.name, ": rate / that of the fastest other, ", fastest->name),
              Ratios(fastest->seconds, ours.seconds), AtLeast(1));
  }
  const Filler* const cheapest = LeastOf(fillers, &Filler::cpu_s, [](const Filler& filler) {
    return filler.name == "aws" || filler.name == "rclone";
  });
  if (cheapest == nullptr) return;
  stock.Add(
      "fill",
      absl::StrCat(ours.name, ": CPU / that of the cheaper of aws and rclone, ", cheapest->name),
      Ratios(ours.cpu_s, cheapest->cpu_s), AtMost(1));
}

}  // namespace

absl::Status AskFill(const Stock& stock) {
  const absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("fill");
  if (!node.ok()) return node.status();
  const absl::StatusOr<std::unique_ptr<Node>> loose = stock.StartNode("loose", "--durability=none");
  if (!loose.ok()) return loose.status();
  Fillers all(stock, **node, **loose);
  all.AddAll();
  std::vector<Filler>& fillers = all.fillers();
  for (size_t round = 0; round < static_cast<size_t>(stock.run.rounds); ++round) {
    for (size_t i = 0; i < fillers.size(); ++i) {
      if (absl::Status on = stock.GoOn(); !on.ok()) return on;
      Filler& filler = fillers[(i + round) % fillers.size()];
      if (absl::Status measured = all.Measure(filler); !measured.ok()) return measured;
    }
  }
  const double bytes = static_cast<double>(stock.object.bytes());
  for (const Filler& filler : fillers) {
    std::vector<double> rates, cpus;
    for (const double seconds : filler.seconds) rates.push_back(bytes / kMib / seconds);
    for (const double cpu_s : filler.cpu_s) cpus.push_back(cpu_s / (bytes / kGib));
    stock.Add("fill", filler.name + ": MiB/s", rates);
    stock.Add("fill", filler.name + ": CPU, s per GiB", cpus);
  }
  for (const Filler& filler : fillers) {
    if (IsOurs(filler)) Compare(stock, filler, fillers);
  }
  // The sums of blocks are made on the way; here one of as many bytes is made by itself.
  const std::vector<double>& cpu_s = all.Find(kWarmLoose)->cpu_s;
  stock.Add("fill", "warm, not synced: CRC32C's share of its CPU",
            {CrcSeconds(stock.object.bytes()) / Median(cpu_s)});
  const Filler* const parts = all.Find(kWarmParts);
  if (parts != nullptr) {
    std::vector<double> shares;
    for (const double ratio : Ratios(parts->cpu_s, cpu_s)) shares.push_back(1 - ratio);
    stock.Add("fill", "warm, not synced: MD5's share of its CPU", shares);
  }
  return absl::OkStatus();
}

}  // namespace objmapper::bench
