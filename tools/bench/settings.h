// The command line, checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/load/load.h"
#include "tools/bench/origin/settings.h"

namespace objmapper::bench {

struct Settings {
  std::vector<std::string> contenders;  // --model; empty: what fits the workload
  bool peers = false;                   // --peers: those that fit the workload
  std::vector<std::string> peer_names;  // --peers=nginx,redis: these
  std::vector<std::string> server_flags;
  std::string other_server;
  std::string baseline;            // empty: the workload's floor
  std::vector<int> connections;    // empty: the workload's
  std::vector<uint64_t> sizes;     // empty: the workload's
  std::vector<int> depths;         // empty: the workload's
  std::vector<int> object_counts;  // empty: the workload's
  std::vector<std::string> modes;  // "fdpass", "copy", "splice"
  std::vector<std::string> asks;   // http: of HttpAsks(); empty: all of them
  bool cross_check = false;        // http: by other load generators too
  std::vector<Transport> transports;
  uint64_t requests_per_conn = 0;  // the client reconnects after so many; 0: never
  double rate = 0;
  double fdpass_ratio = 0.8;
  int client_threads = 1;
  int rounds = 5;
  absl::Duration duration;
  absl::Duration warmup;
  std::string json_file, html_file, work_dir, chart_js;
  std::string out, from_json;  // "report"
  OriginSettings origin;       // "origin"
};

// What the workload http has cells of: "get", "head", "304", "pipeline", "put", "idle".
const std::vector<std::string>& HttpAsks();

// INVALID_ARGUMENT names the flag and says what would make sense.
absl::StatusOr<Settings> SettingsFromFlags();

}  // namespace objmapper::bench
