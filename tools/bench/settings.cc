#include "tools/bench/settings.h"

#include <gflags/gflags.h>

#include <tuple>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "text/duration.h"
#include "tools/bench/contenders/contender.h"

DEFINE_string(model, "",
              "Contenders, by name, with commas: our models, floors, peers. Default: what fits the "
              "workload.");
DEFINE_string(peers, "",
              "Other people's servers too: --peers takes those that fit the workload, "
              "--peers=nginx,redis these.");
DEFINE_string(server_flags, "", "More flags for our models' servers, with blanks between them.");
DEFINE_string(other_server, "",
              "The server's binary of another build: the contender other_build, as mode_routing.");
DEFINE_int32(pool_size, 0, "Our models' --pool_size; 0: their default.");
DEFINE_bool(persistent, true, "false: the client reconnects for each request.");
DEFINE_uint64(requests_per_conn, 0, "The client reconnects after so many answers; 0: never.");
DEFINE_string(baseline, "",
              "The contender that ratios are taken to. Default: the workload's floor.");
DEFINE_string(conns, "", "Connections, with commas. Default: the workload's.");
DEFINE_string(file_size, "", "Sizes of objects, with commas: 1K,1M. Default: the workload's.");
DEFINE_string(objects, "",
              "sets: numbers of objects asked for in turn, with commas. Default: 100 to 100000.");
DEFINE_string(modes, "fdpass,copy,splice", "sets: the modes to ask in.");
DEFINE_string(asks, "get,head,304,pipeline,put,idle", "http: what to ask.");
DEFINE_bool(cross_check, false,
            "http: a few cells over TCP instead, each asked by this load generator, by wrk and by "
            "h2load (Debian: wrk, nghttp2-client), and whether they agree on who is how much "
            "faster.");
DEFINE_string(transport, "unix,tcp", "unix, tcp, or both; descriptors pass over unix alone.");
DEFINE_string(depth, "",
              "Requests outstanding per connection, with commas. Default: the workload's.");
DEFINE_double(rate, 0, "Open loop: requests a second in all. 0: the workload's own loop.");
DEFINE_double(fdpass_ratio, 0.8, "mixed: the share of requests (or connections) that ask FDPASS.");
DEFINE_int32(client_threads, 1,
             "Threads of the load generator. With one, mixed also has cells with 16.");
DEFINE_string(duration, "1s", "How long a contender is measured in each round.");
DEFINE_string(warmup, "300ms", "How long it is warmed up before the first round.");
DEFINE_int32(rounds, 5,
             "Rounds; each measures every contender once. Three times as many for a load below "
             "saturation and for the disk, whose figures jump.");
DEFINE_string(json, "", "Writes everything measured to this file.");
DEFINE_string(html, "", "Writes a page with charts to this file.");
DEFINE_string(work_dir, "",
              "Where objects, sockets and logs go while it runs; a short path. Default: a new "
              "folder in /tmp.");
DEFINE_string(chart_js, "/usr/share/javascript/chart.js/chart.min.js",
              "Chart.js 3, which --html copies into the page (Debian: libjs-chart.js).");
DEFINE_string(out, "docs/benchmarks/tables.md", "report: the file to write.");
DEFINE_string(from_json, "",
              "report: writes from this file instead of measuring. With --html: the page, too.");
DEFINE_string(origins, "nginx,radosgw", "origin: those to fetch from, with commas.");
DEFINE_string(origin_asks, "herd,fill,first_byte,range,many_fills,hits,beside,model",
              "origin: what to ask.");
DEFINE_string(object_size, "1G", "origin: of the object that is fetched.");
DEFINE_string(model_size, "4G",
              "origin: what several processes read, in objects of --object_size.");
DEFINE_int32(readers, 100, "origin: readers at once of an object that is not here.");
DEFINE_int32(fills, 10, "origin: objects that are fetched at once.");
DEFINE_int32(processes, 8, "origin: processes that read the model.");

namespace objmapper::bench {

namespace {

std::vector<std::string> Names(const std::string& list) {
  return absl::StrSplit(list, absl::ByAnyChar(", "), absl::SkipEmpty());
}

// The flag's value as it was typed.
std::string ValueOf(const char* flag) {
  return gflags::GetCommandLineFlagInfoOrDie(flag).current_value;
}

absl::Status BadFlag(const char* flag, absl::string_view sense) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, "=", ValueOf(flag), " makes no sense: ", sense));
}

absl::Status ReadCounts(const char* flag, std::vector<int>& counts) {
  for (const std::string& text : Names(ValueOf(flag))) {
    int count = 0;
    if (!absl::SimpleAtoi(text, &count) || count < 1) {
      return BadFlag(flag, "it takes positive numbers, with commas");
    }
    counts.push_back(count);
  }
  return absl::OkStatus();
}

// Digits, then nothing, K, M or G (powers of 1024).
absl::Status ReadSize(const char* flag, const std::string& text, uint64_t& bytes) {
  constexpr absl::string_view kUnits = "KMG";
  absl::string_view digits = text;
  const size_t unit = digits.empty() ? absl::string_view::npos : kUnits.find(digits.back());
  if (unit != absl::string_view::npos) digits.remove_suffix(1);
  const int shift = unit == absl::string_view::npos ? 0 : 10 * (static_cast<int>(unit) + 1);
  uint64_t count = 0;
  if (!absl::SimpleAtoi(digits, &count) || count > (UINT64_MAX >> shift)) {
    return BadFlag(flag, absl::StrCat("\"", text, "\" is no size; 1024, 100K, 1M and 1G are"));
  }
  bytes = count << shift;
  return absl::OkStatus();
}

absl::Status ReadSizes(Settings& settings) {
  for (const std::string& text : Names(FLAGS_file_size)) {
    const absl::Status read = ReadSize("file_size", text, settings.sizes.emplace_back());
    if (!read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status ReadDuration(const char* flag, absl::Duration& value) {
  if (!text::ParseDuration(ValueOf(flag), &value) || value < absl::Milliseconds(1) ||
      value > absl::Hours(1)) {
    return BadFlag(flag, "it takes 300ms, 1s or 2m, up to 1h");
  }
  return absl::OkStatus();
}

absl::Status ReadContenders(Settings& settings) {
  settings.contenders = Names(FLAGS_model);
  settings.baseline = FLAGS_baseline;
  // gflags gives a string flag without "=" no value; main() turns a bare --peers into "fitting".
  settings.peers = FLAGS_peers == "fitting";
  if (!settings.peers) settings.peer_names = Names(FLAGS_peers);
  std::vector<std::string> all = settings.contenders;
  all.insert(all.end(), settings.peer_names.begin(), settings.peer_names.end());
  if (!settings.baseline.empty()) all.push_back(settings.baseline);
  for (const std::string& name : all) {
    if (KindOf(name).has_value()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("there is no contender \"", name, "\"; there are\n", Roster()));
  }
  return absl::OkStatus();
}

absl::Status ReadTransports(Settings& settings) {
  constexpr absl::string_view kSense = "it takes unix, tcp or unix,tcp";
  for (const std::string& name : Names(FLAGS_transport)) {
    if (name != "unix" && name != "tcp") return BadFlag("transport", kSense);
    settings.transports.push_back(name == "unix" ? Transport::kUnix : Transport::kTcp);
  }
  return settings.transports.empty() ? BadFlag("transport", kSense) : absl::OkStatus();
}

absl::Status ReadModes(Settings& settings) {
  settings.modes = Names(FLAGS_modes);
  for (const std::string& mode : settings.modes) {
    if (mode != "fdpass" && mode != "copy" && mode != "splice") {
      return BadFlag("modes", "it takes fdpass, copy and splice, with commas");
    }
  }
  return absl::OkStatus();
}

// Names of these alone.
absl::Status ReadNames(const char* flag, const std::vector<std::string>& known,
                       std::vector<std::string>& names) {
  names = Names(ValueOf(flag));
  for (const std::string& name : names) {
    if (!absl::c_linear_search(known, name))
      return BadFlag(flag, absl::StrCat("it takes ", absl::StrJoin(known, ", "), ", with commas"));
  }
  return absl::OkStatus();
}

// Objects of which a piece is no whole, and as many as a machine can have.
constexpr uint64_t kObjectMin = 1 << 20, kObjectMax = uint64_t{1} << 40;

absl::Status ReadOrigin(OriginSettings& origin) {
  for (const absl::Status& status :
       {ReadNames("origins", OriginKinds(), origin.kinds),
        ReadNames("origin_asks", OriginAsks(), origin.asks),
        ReadSize("object_size", FLAGS_object_size, origin.object_bytes),
        ReadSize("model_size", FLAGS_model_size, origin.model_bytes)}) {
    if (!status.ok()) return status;
  }
  if (origin.object_bytes < kObjectMin || origin.object_bytes > kObjectMax)
    return BadFlag("object_size", "1M to 1024G do");
  if (origin.model_bytes < 1 || origin.model_bytes > kObjectMax)
    return BadFlag("model_size", "1 to 1024G do");
  constexpr int kMax = 1000;
  for (const auto& [flag, value, to] :
       {std::tuple("readers", FLAGS_readers, &origin.readers),
        std::tuple("fills", FLAGS_fills, &origin.fills),
        std::tuple("processes", FLAGS_processes, &origin.processes)}) {
    if (value < 1 || value > kMax) return BadFlag(flag, "1 to 1000 do");
    *to = value;
  }
  return absl::OkStatus();
}

absl::Status CheckRanges() {
  if (FLAGS_rounds < 1) return BadFlag("rounds", "at least 1 is needed");
  if (FLAGS_client_threads < 1 || FLAGS_client_threads > 64) {
    return BadFlag("client_threads", "1 to 64 do");
  }
  if (!(FLAGS_rate >= 0)) return BadFlag("rate", "it is 0 or more");
  const bool share = FLAGS_fdpass_ratio >= 0 && FLAGS_fdpass_ratio <= 1;
  return share ? absl::OkStatus() : BadFlag("fdpass_ratio", "0 to 1 do");
}

}  // namespace

const std::vector<std::string>& HttpAsks() {
  static const auto* const kAsks =
      new std::vector<std::string>{"get", "head", "304", "pipeline", "put", "idle"};
  return *kAsks;
}

absl::StatusOr<Settings> SettingsFromFlags() {
  Settings settings;
  for (const absl::Status& status :
       {ReadContenders(settings), ReadTransports(settings),
        ReadCounts("conns", settings.connections), ReadCounts("depth", settings.depths),
        ReadCounts("objects", settings.object_counts), ReadModes(settings),
        ReadNames("asks", HttpAsks(), settings.asks), ReadOrigin(settings.origin),
        ReadDuration("duration", settings.duration), ReadDuration("warmup", settings.warmup),
        ReadSizes(settings), CheckRanges()}) {
    if (!status.ok()) return status;
  }
  settings.server_flags = Names(FLAGS_server_flags);
  settings.other_server = FLAGS_other_server;
  settings.cross_check = FLAGS_cross_check;
  if (FLAGS_pool_size != 0) {
    settings.server_flags.push_back(absl::StrCat("--pool_size=", FLAGS_pool_size));
  }
  settings.requests_per_conn = FLAGS_persistent ? FLAGS_requests_per_conn : 1;
  settings.rate = FLAGS_rate;
  settings.fdpass_ratio = FLAGS_fdpass_ratio;
  settings.client_threads = FLAGS_client_threads;
  settings.rounds = FLAGS_rounds;
  settings.json_file = FLAGS_json;
  settings.html_file = FLAGS_html;
  settings.work_dir = FLAGS_work_dir;
  settings.chart_js = FLAGS_chart_js;
  settings.out = FLAGS_out;
  settings.from_json = FLAGS_from_json;
  return settings;
}

}  // namespace objmapper::bench
