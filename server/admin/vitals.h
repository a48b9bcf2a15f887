// The server's state in figures, read at one moment: what /metrics, /stats and the status page
// show.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/expendable.h"
#include "origin/flight/flights.h"
#include "session/session.h"
#include "session/tally.h"
#include "storage/catalog/housekeeping.h"
#include "storage/memory/memory_tier.h"

namespace objmapper::server {

// What became of datagrams, since the start; and those that wait for the disk now (udp/listener.h:
// UdpCounters).
struct UdpVitals {
  uint64_t received = 0, dropped = 0, answered = 0, too_large = 0, errors = 0;
  uint64_t cold = 0, cold_waiting = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
};

struct Vitals {
  using Udp = UdpVitals;
  struct Lane {
    std::string name;    // "fdpass", "copypath", "model"
    std::string engine;  // "uring", "epoll"; empty where it has none
    uint64_t queue_depth = 0;
    uint64_t splice_threads = 0;
    // Of its loops; 0 where it has none.
    uint64_t cache_hits = 0, cache_misses = 0;
    uint64_t page_ins = 0, page_ins_pending = 0;    // windows of objects brought in from the disk
    uint64_t transfers = 0, transfers_pending = 0;  // handed to splice threads
  };
  struct Process {
    double cpu_user_s = 0, cpu_system_s = 0;
    uint64_t rss_bytes = 0;
    uint64_t open_fds = 0, max_fds = 0;
    uint64_t threads = 0;
    double start_s = 0;  // Unix time
  };

  // Of --rules_file.
  struct Rules {
    uint64_t count = 0;      // in force
    double read_unix_s = 0;  // when they were read
    uint64_t reloads = 0, reloads_failed = 0;
    // why the last reload failed, so that older ones are in force; empty: it did not
    std::string error;
  };

  // Of --origin or --origins_file.
  struct Origins {
    uint64_t count = 0;  // in use
    uint64_t reloads = 0, reloads_failed = 0;
    // why the last reload failed, so that older ones are in use; empty: it did not
    std::string error;
    origin::Flights::Counts flights;
    std::vector<origin::Flights::Report> each;
    origin::Uncached::Counts uncached;
    uint64_t shelf_bytes = 0;  // in part, or under encoded names
    uint64_t requests_running = 0, requests_waiting = 0;
  };

  int64_t now_ns = 0;  // net::NowNs()
  std::string shape;   // Server::Shape()
  bool draining = false;
  session::TallySnapshot tally;
  std::vector<Lane> lanes;
  std::optional<Udp> udp;  // nullopt: it does not listen on UDP
  uint64_t connections_max = 0;
  uint64_t connections_open = 0;
  uint64_t connections_hot = 0;  // of those: asked something in the last second
  uint64_t accepted = 0, refused = 0, timed_out = 0, migrated = 0;
  std::array<uint64_t, session::ConnectionCounters::kByAnswers> ended_by_answers{};
  uint64_t ended_answers = 0;
  uint64_t index_hits = 0, index_misses = 0;             // OP_STAT
  std::optional<storage::Housekeeping::Counts> objects;  // nullopt: there is no catalog
  std::optional<storage::MemoryTier::Counts> memory;     // nullopt: there is no memory tier
  std::optional<Rules> rules;                            // nullopt: there is no --rules_file
  std::optional<Origins> origins;                        // nullopt: there are none
  std::string host;                                      // this machine's name
  std::string root;                                      // --root, absolute
  uint64_t disk_bytes = 0, disk_available_bytes = 0;     // of the root's file system; 0: not known
  bool writable = false;
  net::ExpendableCounts expendable;  // clients' descriptors on their way out
  uint64_t log_lines_dropped = 0;
  uint64_t access_lines_dropped = 0;
  uint64_t slow_opens = 0, slow_file_systems = 0;  // storage/tree/slow_opens.h
  Process process;
};

// Of this process, by getrusage(2) and /proc/self (proc(5)). What cannot be read is 0.
Vitals::Process ReadProcess();

// A line for each connection, `lines_max` at most, and above them how many there are in all. Any
// thread; holds connections up from coming and going while it looks.
std::string ConnectionsText(const session::ConnectionList& list, size_t lines_max);

// How many sent something in the last second.
uint64_t HotConnections(const session::ConnectionList& list);

}  // namespace objmapper::server
