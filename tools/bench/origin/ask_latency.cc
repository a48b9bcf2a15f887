// How long requests take: for what is not here, for what is, and for what is while other things
// come.
#include <unistd.h>

#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/load/load.h"
#include "tools/bench/origin/origin.h"
#include "tools/bench/origin/programs.h"
#include "tools/bench/origin/reader.h"

namespace objmapper::bench {
namespace {

// A first byte comes within moments, so that one that the scheduler disturbs is one of many.
constexpr int kFirstBytesOfRound = 5;
constexpr absl::Duration kWarmup = absl::Milliseconds(300);
// Far below saturation on a small machine.
constexpr double kRate = 2000;
constexpr int kConnections = 4;
constexpr char kHot[] = "hot";

// One server, and a load on it.
struct Loaded {
  std::unique_ptr<Node> node;
  std::unique_ptr<Load> load;  // ends before the server does
  std::vector<double> figures;

  absl::Status Connect(const LoadOptions& options) {
    load.reset();
    figures.clear();
    absl::StatusOr<std::unique_ptr<Load>> connected = Load::Connect(node->endpoint(), options);
    if (!connected.ok()) return connected.status();
    load = *std::move(connected);
    return load->Run(kWarmup).status();
  }
};

// One kind of hit, by two servers in turn.
absl::Status AskHit(const Stock& stock, Ask ask, const char* mode, int connections, Loaded& with,
                    Loaded& without) {
  const LoadOptions options = {.first = ask, .first_names = {kHit}, .connections = connections};
  for (Loaded* one : {&with, &without}) {
    if (absl::Status connected = one->Connect(options); !connected.ok()) return connected;
  }
  const std::vector<int> cores = UsableCores();
  for (size_t round = 0; round < static_cast<size_t>(stock.run.rounds); ++round) {
    std::vector<Loaded*> order = {&with, &without};
    if (round % 2 == 1) std::swap(order[0], order[1]);
    for (Loaded* one : order) {
      if (absl::Status on = stock.GoOn(); !on.ok()) return on;
      one->load->KeepTo(cores[round % cores.size()]);
      const absl::StatusOr<LoadResult> result = one->load->Run(stock.run.duration);
      if (!result.ok()) return result.status();
      if (result->errors > 0) return absl::UnavailableError(result->first_error);
      one->figures.push_back(static_cast<double>(result->requests()) / result->seconds);
    }
  }
  const std::string title = absl::StrCat(mode, ", ", connections, " connections: ");
  stock.Add("hits", title + "requests/s with an origin", with.figures);
  stock.Add("hits", title + "with / without an origin", Ratios(with.figures, without.figures),
            AtLeast(0.98));
  return absl::OkStatus();
}

// Does something again and again, in a thread of its own, until it is stopped.
class Repeated {
 public:
  explicit Repeated(std::function<absl::Status()> work)
      : thread_([this, work = std::move(work)](const std::stop_token& stop) {
          while (!stop.stop_requested() && status_.ok()) status_ = work();
        }) {}
  // What went wrong, once the one that runs has come to its end.
  absl::Status Stop() {
    thread_.request_stop();
    thread_.join();
    return status_;
  }

 private:
  absl::Status status_;
  std::jthread thread_;
};

// p99 of hot requests in ns while `work` is repeated.
absl::StatusOr<double> P99Beside(const Stock& stock, Load& load,
                                 std::function<absl::Status()> work) {
  sync();
  Repeated beside(std::move(work));
  absl::SleepFor(kWarmup);
  const absl::StatusOr<LoadResult> result = load.Run(stock.run.duration);
  if (absl::Status worked = beside.Stop(); !worked.ok()) return worked;
  if (!result.ok()) return result.status();
  if (result->errors > 0) return absl::UnavailableError(result->first_error);
  return static_cast<double>(result->first.latency.Quantile(0.99));
}

}  // namespace

absl::Status AskFirstByte(const Stock& stock) {
  const absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("first");
  if (!node.ok()) return node.status();
  const Part first = {.first_byte_only = true};
  std::vector<double> origin_ms, copy_ms, http_ms;
  for (int i = 0; i < stock.run.rounds * kFirstBytesOfRound; ++i) {
    if (absl::Status on = stock.GoOn(); !on.ok()) return on;
    const absl::StatusOr<Got> got = ReadByHttp({stock.far.url(kSmall), ""}, first);
    if (!got.ok()) return got.status();
    origin_ms.push_back(got->first_byte_s * 1e3);
    for (const auto& [way, ms] :
         {std::pair(Way::kCopy, &copy_ms), std::pair(Way::kHttp, &http_ms)}) {
      if (absl::Status gone = (*node)->Evict(kSmall); !gone.ok()) return gone;
      const absl::StatusOr<Got> ours = ReadFrom(**node, way, kSmall, first);
      if (!ours.ok()) return ours.status();
      ms->push_back(ours->first_byte_s * 1e3);
    }
    if (absl::Status idle = (*node)->AwaitIdle(); !idle.ok()) return idle;
  }
  stock.Add("first_byte", "curl of the origin, ms", origin_ms);
  stock.Add("first_byte", "COPY of what is not here, ms", copy_ms);
  stock.Add("first_byte", "HTTP of what is not here, ms", http_ms);
  stock.Add("first_byte", "COPY / curl of the origin", Ratios(copy_ms, origin_ms), AtMost(1.3));
  stock.Add("first_byte", "HTTP / curl of the origin", Ratios(http_ms, origin_ms), AtMost(1.3));
  return absl::OkStatus();
}

absl::Status AskHits(const Stock& stock) {
  Loaded with, without;
  absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("with");
  if (!node.ok()) return node.status();
  with.node = *std::move(node);
  const absl::StatusOr<Got> fetched = ReadFrom(*with.node, Way::kFdPass, kHit);
  if (!fetched.ok()) return fetched.status();
  node = stock.StartNodeAlone("without");
  if (!node.ok()) return node.status();
  without.node = *std::move(node);
  if (absl::Status put = stock.hit.WriteTo(without.node->PathOf(kHit)); !put.ok()) return put;
  for (const auto& [ask, mode] :
       {std::pair(Ask::kFdPass, "FDPASS"), std::pair(Ask::kCopy, "COPY")}) {
    for (const int connections : {16, 1000}) {
      const absl::Status asked = AskHit(stock, ask, mode, connections, with, without);
      if (!asked.ok()) return asked;
    }
  }
  return absl::OkStatus();
}

absl::Status AskBeside(const Stock& stock) {
  Loaded hot;
  absl::StatusOr<std::unique_ptr<Node>> node = stock.StartNode("beside");
  if (!node.ok()) return node.status();
  hot.node = *std::move(node);
  if (absl::Status put = stock.hit.WriteTo(hot.node->PathOf(kHot)); !put.ok()) return put;
  const std::string folder = stock.run.folder;
  const auto warm = WarmFor(*hot.node, {kObject}, 1);
  if (!warm.ok()) return warm.status();
  const auto curls = CurlsFor(stock.far.url(kObject), stock.object.bytes(), folder + "/beside");
  if (!curls.ok()) {
    stock.figures.LeaveOut("beside", stock.far.kind(), "all", curls.status().message());
    return absl::OkStatus();
  }
  const LoadOptions options = {.first_names = {kHot}, .connections = kConnections, .rate = kRate};
  if (absl::Status connected = hot.Connect(options); !connected.ok()) return connected;
  int ours_filled = 0, curls_filled = 0;
  const std::function<absl::Status()> ours = [&] {
    absl::Status filled = RunPrograms({*warm}, folder + "/beside.log").status();
    ++ours_filled;
    return filled.ok() ? hot.node->Evict(kObject) : filled;
  };
  const std::function<absl::Status()> by_curl = [&] {
    const absl::Status filled = RunPrograms(*curls, folder + "/beside.log").status();
    ++curls_filled;
    for (const std::string& file : FilesOfCurls(folder + "/beside")) unlink(file.c_str());
    return filled;
  };
  const std::function<absl::Status()> nothing = [] {
    absl::SleepFor(absl::Milliseconds(10));
    return absl::OkStatus();
  };
  std::vector<std::pair<std::function<absl::Status()>, std::vector<double>>> sides = {
      {ours, {}}, {by_curl, {}}, {nothing, {}}};
  for (size_t round = 0; round < static_cast<size_t>(stock.run.rounds); ++round) {
    for (size_t i = 0; i < sides.size(); ++i) {
      if (absl::Status on = stock.GoOn(); !on.ok()) return on;
      auto& [work, p99_us] = sides[(i + round) % sides.size()];
      const absl::StatusOr<double> p99_ns = P99Beside(stock, *hot.load, work);
      if (!p99_ns.ok()) return p99_ns.status();
      p99_us.push_back(*p99_ns / 1e3);
    }
  }
  stock.Add("beside", "hot FDPASS, p99 in us, alone", sides[2].second);
  stock.Add("beside", absl::StrCat("p99 in us beside ", kCurls, " curls"), sides[1].second);
  stock.Add("beside", "p99 in us while the server fills", sides[0].second);
  stock.Add("beside", "p99 while it fills / beside the curls",
            Ratios(sides[0].second, sides[1].second), AtMost(1.3));
  stock.Add("beside", "fills / fills of the curls meanwhile",
            {static_cast<double>(ours_filled) / curls_filled});
  return absl::OkStatus();
}

}  // namespace objmapper::bench
