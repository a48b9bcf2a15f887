// Flags become a Config, or an error that names the flag and the value.
#include "server/flags/config.h"

#include <gflags/gflags.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/address.h"
#include "net/send_buffer.h"
#include "net/udp.h"
#include "server/cores.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::server {
namespace {

using EngineKind = loop::EngineKind;

// Starts in a folder with ./objects in it, with every flag at its default and --root given.
class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::create_directory(folder_.Path("objects")));
    ASSERT_EQ(chdir(folder_.path().c_str()), 0);
    ASSERT_EQ(unsetenv("XDG_RUNTIME_DIR"), 0);
    Set("root", folder_.Path("objects"));
  }
  void TearDown() override { EXPECT_EQ(chdir("/"), 0); }

  static void Set(const char* flag, const std::string& value) {
    ASSERT_NE(gflags::SetCommandLineOption(flag, value.c_str()), "") << flag << "=" << value;
  }
  // What the flags say; they must make sense.
  static Config Read() {
    absl::StatusOr<Config> config = ConfigFromFlags();
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *std::move(config) : Config();
  }
  static Config ReadWith(const char* flag, const std::string& value) {
    Set(flag, value);
    return Read();
  }
  // The flags are refused in a sentence that names this one, its value, and what would make sense.
  static void ExpectRefused(const std::string& flag, const std::string& value) {
    const absl::Status status = ConfigFromFlags().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << flag << "=" << value;
    const std::string named = absl::StrCat("--", flag, "=", value);
    EXPECT_TRUE(absl::StrContains(status.message(), named)) << named << ": " << status;
    EXPECT_TRUE(absl::EndsWith(status.message(), ".")) << status;
    EXPECT_GT(status.message().size(), named.size() + 30) << status;
  }
  static std::vector<std::string> Urls(const Config& config) {
    std::vector<std::string> urls;
    for (const net::Address& address : config.listen) urls.push_back(address.ToUrl());
    return urls;
  }

  using UrlList = std::vector<std::string>;

  gflags::FlagSaver saver_;
  const client::TemporaryFolder folder_;
};

// ---- Defaults ----

// Without flags it is what --help says.
TEST_F(ConfigTest, Defaults) {
  const Config config = Read();
  const int cores = CoresAllowed().count;
  EXPECT_EQ(Urls(config), UrlList{"unix:/tmp/objmapper.sock"});
  EXPECT_TRUE(config.fdpass_lane);
  EXPECT_EQ(config.concurrency_model, "mode_routing");
  EXPECT_EQ(config.sizes.pool_size, cores);
  EXPECT_EQ(config.sizes.splice_threads, 2 * cores);
  EXPECT_EQ(config.copy_loops, 1);
  EXPECT_EQ(config.bulk_loops, 0);  // nobody can reach them
  EXPECT_EQ(config.loop.bulk_bytes_min, 1u << 20);
  EXPECT_EQ(config.loop.engine, EngineKind::kAuto);
  EXPECT_FALSE(config.fd_sharing);
  EXPECT_EQ(config.busy_poll, absl::ZeroDuration());
  EXPECT_EQ(config.admission.connections_max, 1000u);
  EXPECT_EQ(config.limits.max_pipeline, 64);
  EXPECT_EQ(config.limits.requests_max, 0u);
  EXPECT_EQ(config.limits.idle_timeout, absl::Minutes(5));
  EXPECT_EQ(config.limits.request_timeout, absl::Seconds(30));
  EXPECT_EQ(config.drain_timeout, absl::Seconds(10));
  EXPECT_EQ(config.loop.cache_entries, 1024u);
  EXPECT_EQ(config.loop.cache_valid, absl::Milliseconds(20));
  EXPECT_EQ(config.index_entries, 65536u);
  EXPECT_EQ(config.loop.splice_bytes_min, 65536u);
  EXPECT_EQ(config.fdpass_engine, EngineKind::kAuto);
  EXPECT_TRUE(config.loop.in_place);
  EXPECT_TRUE(config.loop.splice_in_loop);
  EXPECT_TRUE(config.loop.async_copy);
  EXPECT_EQ(config.loop.sendfile_bytes_min, 16384u);
}

// The socket's default place is the user's own folder where there is one.
TEST_F(ConfigTest, DefaultSocket) {
  EXPECT_EQ(DefaultSocketPath(), "/tmp/objmapper.sock");
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", "", 1), 0);
  EXPECT_EQ(DefaultSocketPath(), "/tmp/objmapper.sock");
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
  EXPECT_EQ(DefaultSocketPath(), "/run/user/7/objmapper.sock");
  EXPECT_EQ(Urls(Read()), UrlList{"unix:/run/user/7/objmapper.sock"});
}

// A default that cannot be used is refused, too: its path is longer than a socket's may be.
TEST_F(ConfigTest, DefaultSocketThatCannotBe) {
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", absl::StrCat("/", std::string(200, 'r')).c_str(), 1), 0);
  EXPECT_EQ(ConfigFromFlags().status().code(), absl::StatusCode::kInvalidArgument);
}

// ---- Listeners ----

// Several of each kind at once; blanks around commas do not matter.
TEST_F(ConfigTest, Listeners) {
  Set("listen_unix", "/run/a.sock, @abstract");
  Set("listen_tcp", "10.0.0.1:7070,[::1]:7071 ,:7072,7073");
  EXPECT_EQ(Urls(Read()),
            (UrlList{"unix:/run/a.sock", "unix:@abstract", "tcp://10.0.0.1:7070",
                     "tcp://[::1]:7071", "tcp://127.0.0.1:7072", "tcp://127.0.0.1:7073"}));
}

// TCP alone is TCP alone: no default socket beside it.
TEST_F(ConfigTest, TcpAlone) {
  EXPECT_EQ(Urls(ReadWith("listen_tcp", "127.0.0.1:0")), UrlList{"tcp://127.0.0.1:0"});
}

// An address that cannot be listened on is named, even among good ones.
TEST_F(ConfigTest, BadListeners) {
  const std::string long_path = absl::StrCat("/", std::string(107, 'p'));
  for (const std::string& bad : {std::string("@"), long_path}) {
    Set("listen_unix", absl::StrCat("/run/a.sock,", bad));
    ExpectRefused("listen_unix", bad);
  }
  Set("listen_unix", ",");
  ExpectRefused("listen_unix", ",");
  Set("listen_unix", "");
  for (const char* bad : {"host", "host:", "host:70000", "::1:7070", "[::1", "a b:1", ":x"}) {
    Set("listen_tcp", absl::StrCat("127.0.0.1:7070,", bad));
    ExpectRefused("listen_tcp", bad);
  }
  Set("listen_tcp", ",");
  ExpectRefused("listen_tcp", ",");
}

// UDP alone is UDP alone, and makes no fdpass lane worth while; addresses read as TCP's.
TEST_F(ConfigTest, Udp) {
  EXPECT_TRUE(Read().listen_udp.empty());
  EXPECT_EQ(Read().udp_payload_max, 1400u);
  const Config config = ReadWith("listen_udp", "10.0.0.1:7070, [::1]:0,:7072,7073");
  EXPECT_TRUE(config.listen.empty());
  ASSERT_EQ(config.listen_udp.size(), 4u);
  EXPECT_EQ(net::UdpUrl(config.listen_udp[1]), "udp://[::1]:0");
  EXPECT_EQ(net::UdpUrl(config.listen_udp[3]), "udp://127.0.0.1:7073");
  EXPECT_FALSE(ReadWith("concurrency_model", "auto").fdpass_lane);
  EXPECT_EQ(Urls(ReadWith("listen_unix", "/run/a.sock")), UrlList{"unix:/run/a.sock"});
  EXPECT_EQ(ReadWith("udp_max_payload", "1040").udp_payload_max, 1040u);
  EXPECT_EQ(ReadWith("udp_max_payload", "65507").udp_payload_max, 65507u);
  EXPECT_EQ(Read().warnings.size(), 1u) << "every client that reaches 10.0.0.1 may read";
  Set("listen_udp", ":7072,[::1]:0");
  EXPECT_TRUE(Read().warnings.empty());
  // What knows connections alone says so.
  EXPECT_EQ(ReadWith("rate_limit_per_conn", "10").warnings.size(), 1u);
}

// More than the system allows is what it allows, and a warning, if somebody asked for it.
TEST_F(ConfigTest, UnixSendBuffer) {
  EXPECT_TRUE(Read().warnings.empty());
  EXPECT_EQ(Read().loop.unix_send_buffer_bytes, net::SendBufferAllowed(524288));
  const Config most = ReadWith("unix_send_buffer_bytes", "1073741823");
  EXPECT_EQ(most.loop.unix_send_buffer_bytes, net::SendBufferAllowed(1073741823));
  if (most.loop.unix_send_buffer_bytes == 1073741823) GTEST_SKIP() << "this system allows anything";
  ASSERT_EQ(most.warnings.size(), 1u);
  EXPECT_TRUE(absl::StrContains(most.warnings[0], "net.core.wmem_max")) << most.warnings[0];
}

// What makes no sense is named, and so is a rule about users that UDP would go round.
TEST_F(ConfigTest, BadUdp) {
  for (const char* bad : {"host", "host:70000", "::1:7070", ":x", "/run/a.sock"}) {
    Set("listen_udp", absl::StrCat("127.0.0.1:7070,", bad));
    ExpectRefused("listen_udp", bad);
  }
  Set("listen_udp", ",");
  ExpectRefused("listen_udp", ",");
  Set("listen_udp", "7070");
  for (const char* bad : {"0", "1039", "65508", "-1"}) {
    Set("udp_max_payload", bad);
    ExpectRefused("udp_max_payload", bad);
  }
  Set("udp_max_payload", "1400");
  Set("allow_uids", "root");
  ExpectRefused("allow_uids", "root");
}

// ---- The root ----

// It is made absolute, whether it was given or is the default.
TEST_F(ConfigTest, RootIsAbsolute) {
  const std::string objects = std::filesystem::canonical(folder_.Path("objects")).string();
  EXPECT_EQ(ReadWith("root", "objects").root, objects);
  EXPECT_EQ(ReadWith("root", "./objects/../objects").root, objects);
  EXPECT_EQ(ReadWith("root", "").root, objects);
  // A link stays one: where it leads may change (SIGHUP).
  std::filesystem::create_directory_symlink("objects", folder_.Path("way"));
  EXPECT_EQ(ReadWith("root", ".//way/").root,
            absl::StrCat(objects.substr(0, objects.rfind('/')), "/way"));
}

// What is no folder is refused.
TEST_F(ConfigTest, BadRoots) {
  folder_.Write("file", "");
  for (const std::string& bad : {folder_.Path("absent"), folder_.Path("file")}) {
    Set("root", bad);
    ExpectRefused("root", bad);
  }
  // Not given, and no ./objects to take its place.
  ASSERT_TRUE(std::filesystem::remove(folder_.Path("objects")));
  Set("root", "");
  const absl::Status status = ConfigFromFlags().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "--root")) << status;
}

// ---- Models and engines ----

// mode_routing has two names; auto leaves out the lane that no listener can reach, and only then.
TEST_F(ConfigTest, ConcurrencyModels) {
  EXPECT_EQ(ReadWith("concurrency_model", "hybrid").concurrency_model, "mode_routing");
  Set("concurrency_model", "auto");
  EXPECT_TRUE(Read().fdpass_lane);
  EXPECT_FALSE(ReadWith("listen_tcp", "7070").fdpass_lane);
  EXPECT_TRUE(ReadWith("listen_unix", "/run/a.sock").fdpass_lane);
  Set("listen_unix", "");
  EXPECT_TRUE(ReadWith("concurrency_model", "mode_routing").fdpass_lane);
}

// Each engine can be asked for by its name.
TEST_F(ConfigTest, Engines) {
  EXPECT_EQ(ReadWith("io_engine", "uring").loop.engine, EngineKind::kUring);
  EXPECT_EQ(ReadWith("io_engine", "epoll").loop.engine, EngineKind::kEpoll);
  EXPECT_EQ(ReadWith("io_engine", "auto").loop.engine, EngineKind::kAuto);
}

// So can that of the workers, whatever else they are told to do.
TEST_F(ConfigTest, FdpassEngines) {
  for (const auto& [flag, on, off] : {std::tuple("fd_sharing", "always", "never"),
                                      std::tuple("optimize_for_latency", "true", "false")}) {
    for (const char* value : {on, off}) {
      Set(flag, value);
      EXPECT_EQ(ReadWith("fdpass_engine", "uring").fdpass_engine, EngineKind::kUring);
      EXPECT_EQ(ReadWith("fdpass_engine", "epoll").fdpass_engine, EngineKind::kEpoll);
      EXPECT_EQ(ReadWith("fdpass_engine", "auto").fdpass_engine, EngineKind::kAuto);
      EXPECT_EQ(Read().loop.engine, EngineKind::kAuto) << "the loops keep theirs";
    }
  }
}

// What is answered where can be switched off.
TEST_F(ConfigTest, Switches) {
  EXPECT_FALSE(ReadWith("answer_in_place", "false").loop.in_place);
  EXPECT_FALSE(ReadWith("splice_in_loop", "false").loop.splice_in_loop);
  EXPECT_FALSE(ReadWith("use_async_copy", "false").loop.async_copy);
}

// Sharing descriptors has to be asked for, and needs something that is kept to be shared.
TEST_F(ConfigTest, FdSharing) {
  EXPECT_TRUE(ReadWith("fd_sharing", "always").fd_sharing);
  Set("fd_cache_entries", "0");
  ExpectRefused("fd_sharing", "always");
}

// ---- Threads ----

// One pool has two names; if both are given they must agree.
TEST_F(ConfigTest, SplicePoolHasTwoNames) {
  EXPECT_EQ(ReadWith("splice_pool_size", "7").sizes.splice_threads, 7);
  EXPECT_EQ(ReadWith("copy_pool_size", "7").sizes.splice_threads, 7);
  Set("splice_pool_size", "0");
  EXPECT_EQ(Read().sizes.splice_threads, 7);
  Set("splice_pool_size", "8");
  ExpectRefused("copy_pool_size", "7");
}

// Spinning has to be asked for; --busy_poll_us says how long.
TEST_F(ConfigTest, BusyPoll) {
  EXPECT_EQ(ReadWith("busy_poll_us", "70").busy_poll, absl::ZeroDuration());
  EXPECT_EQ(ReadWith("optimize_for_latency", "true").busy_poll, absl::Microseconds(70));
}

// Loops for large bodies over TCP are made where there is TCP.
TEST_F(ConfigTest, BulkLoops) {
  const int cores = CoresAllowed().count;
  EXPECT_EQ(ReadWith("bulk_loops", "3").bulk_loops, 0);
  Set("listen_tcp", "127.0.0.1:0");
  EXPECT_EQ(ReadWith("bulk_loops", "3").bulk_loops, 3);
  EXPECT_EQ(ReadWith("bulk_loops", "0").bulk_loops, 0);
  EXPECT_EQ(ReadWith("bulk_loops", "-1").bulk_loops, cores);
}

// ---- Numbers and times ----

// What is said is what is done.
TEST_F(ConfigTest, NumbersAndTimes) {
  EXPECT_EQ(ReadWith("pool_size", "3").sizes.pool_size, 3);
  EXPECT_EQ(ReadWith("copy_loops", "2").copy_loops, 2);
  EXPECT_EQ(ReadWith("bulk_bytes_min", "5").loop.bulk_bytes_min, 5u);
  EXPECT_EQ(ReadWith("max_connections", "10000000").admission.connections_max, 10'000'000u);
  EXPECT_EQ(ReadWith("max_pipeline", "65535").limits.max_pipeline, 65535);
  EXPECT_EQ(ReadWith("requests_per_conn", "9").limits.requests_max, 9u);
  EXPECT_EQ(ReadWith("idle_timeout", "90s").limits.idle_timeout, absl::Seconds(90));
  EXPECT_EQ(ReadWith("request_timeout", "500ms").limits.request_timeout, absl::Milliseconds(500));
  EXPECT_EQ(ReadWith("drain_timeout", "1m30s").drain_timeout, absl::Seconds(90));
  EXPECT_EQ(ReadWith("fd_cache_entries", "5").loop.cache_entries, 5u);
  EXPECT_EQ(ReadWith("fd_cache_valid_ms", "0").loop.cache_valid, absl::ZeroDuration());
  EXPECT_EQ(ReadWith("index_entries", "0").index_entries, 0u);
  EXPECT_FALSE(ReadWith("index_entries", "0").limits.writable);
  EXPECT_TRUE(ReadWith("writable", "true").limits.writable);
  EXPECT_EQ(ReadWith("index_entries", "0").store.durability, storage::Durability::kData);
  EXPECT_EQ(ReadWith("durability", "none").store.durability, storage::Durability::kNone);
  EXPECT_EQ(ReadWith("durability", "data").store.durability, storage::Durability::kData);
  EXPECT_EQ(ReadWith("durability", "full").store.durability, storage::Durability::kFull);
  EXPECT_EQ(ReadWith("splice_bytes_min", "1").loop.splice_bytes_min, 1u);
  EXPECT_EQ(ReadWith("sendfile_bytes_min", "0").loop.sendfile_bytes_min, 0u);
  EXPECT_EQ(ReadWith("sendfile_bytes_min", "9223372036854775807").loop.sendfile_bytes_min,
            9223372036854775807u);
  EXPECT_EQ(ReadWith("unix_send_buffer_bytes", "65536").loop.unix_send_buffer_bytes, 65536);
  EXPECT_EQ(ReadWith("unix_send_buffer_bytes", "0").loop.unix_send_buffer_bytes, 0);
  EXPECT_EQ(Read().tcp_local_congestion, "reno");
  EXPECT_EQ(ReadWith("tcp_local_congestion", "").tcp_local_congestion, "");
}

// "0" and "inf" both mean that there is no such limit.
TEST_F(ConfigTest, TimesWithoutEnd) {
  for (const char* flag : {"idle_timeout", "request_timeout", "drain_timeout"}) {
    for (const char* value : {"0", "0s", "inf"}) ReadWith(flag, value);
  }
  EXPECT_EQ(ReadWith("idle_timeout", "0").limits.idle_timeout, absl::ZeroDuration());
  EXPECT_EQ(ReadWith("idle_timeout", "inf").limits.idle_timeout, absl::InfiniteDuration());
  // Seconds, as on the command line of the client.
  EXPECT_EQ(ReadWith("idle_timeout", "5").limits.idle_timeout, absl::Seconds(5));
  EXPECT_EQ(ReadWith("catalog_rescan", "0.5").house.rescan, absl::Milliseconds(500));
}

// Without persistent connections each has one answer; a flag that says more contradicts it.
TEST_F(ConfigTest, PersistentConnections) {
  EXPECT_EQ(ReadWith("persistent_connections", "false").limits.requests_max, 1u);
  EXPECT_EQ(ReadWith("requests_per_conn", "1").limits.requests_max, 1u);
  Set("requests_per_conn", "2");
  ExpectRefused("requests_per_conn", "2");
}

class NonsenseTest : public ConfigTest,
                     public testing::WithParamInterface<std::pair<const char*, const char*>> {};

// A value that makes no sense is refused at start.
TEST_P(NonsenseTest, IsRefused) {
  Set(GetParam().first, GetParam().second);
  ExpectRefused(GetParam().first, GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(
    Values, NonsenseTest,
    testing::Values(
        std::pair("concurrency_model", "quantum"), std::pair("concurrency_model", ""),
        std::pair("io_engine", "kqueue"), std::pair("io_engine", ""),
        std::pair("fdpass_engine", "kqueue"), std::pair("fdpass_engine", ""),
        std::pair("sendfile_bytes_min", "-1"), std::pair("unix_send_buffer_bytes", "-1"),
        std::pair("unix_send_buffer_bytes", "1073741824"),
        std::pair("tcp_local_congestion", "carrier_pigeon"), std::pair("fd_sharing", "sometimes"),
        std::pair("fd_sharing", ""), std::pair("durability", "some"), std::pair("durability", ""),
        std::pair("pool_size", "-1"), std::pair("pool_size", "1025"),
        std::pair("splice_pool_size", "-1"), std::pair("splice_pool_size", "1025"),
        std::pair("copy_pool_size", "-1"), std::pair("copy_pool_size", "1025"),
        std::pair("copy_loops", "0"), std::pair("copy_loops", "-1"), std::pair("copy_loops", "257"),
        std::pair("bulk_loops", "-2"), std::pair("bulk_loops", "257"),
        std::pair("bulk_bytes_min", "0"), std::pair("busy_poll_us", "-1"),
        std::pair("busy_poll_us", "1000001"), std::pair("max_connections", "0"),
        std::pair("max_connections", "-1"), std::pair("max_connections", "10000001"),
        std::pair("max_pipeline", "0"), std::pair("max_pipeline", "-1"),
        std::pair("max_pipeline", "65536"), std::pair("requests_per_conn", "-1"),
        std::pair("fd_cache_entries", "-1"), std::pair("fd_cache_entries", "1000001"),
        std::pair("fd_cache_valid_ms", "-1"), std::pair("fd_cache_valid_ms", "3600001"),
        std::pair("index_entries", "-1"), std::pair("index_entries", "1000000001"),
        std::pair("splice_bytes_min", "-1"), std::pair("max_queue_depth", "0"),
        std::pair("max_threads", "0"), std::pair("idle_timeout", "soon"),
        std::pair("allow_uids", "no-such-user-here"), std::pair("allow_uids", "4294967295"),
        std::pair("allow_uids", ","), std::pair("allow_gids", "no-such-group-here"),
        std::pair("listen_unix_mode", "0888"), std::pair("listen_unix_mode", "1777"),
        std::pair("listen_unix_mode", "rw"), std::pair("listen_unix_owner", "no-such-user-here"),
        std::pair("listen_unix_group", "-1"), std::pair("rate_limit_per_conn", "-1"),
        std::pair("rate_limit_burst", "-1"), std::pair("max_connections_per_uid", "-1"),
        std::pair("slow_request_us", "-1"), std::pair("idle_timeout", ""),
        std::pair("idle_timeout", "5x"), std::pair("idle_timeout", "-5s"),
        std::pair("idle_timeout", "9000h"), std::pair("request_timeout", "soon"),
        std::pair("request_timeout", "-1ms"), std::pair("request_timeout", "9000h"),
        std::pair("drain_timeout", "soon"), std::pair("drain_timeout", "-inf"),
        std::pair("drain_timeout", "9000h")));

// ---- Who may ----

TEST_F(ConfigTest, UsersAndGroups) {
  EXPECT_EQ(ReadWith("allow_uids", "root, 1000").admission.uids, (std::vector<uid_t>{0, 1000}));
  EXPECT_EQ(ReadWith("allow_gids", "root").admission.gids, std::vector<gid_t>{0});
  EXPECT_EQ(ReadWith("max_connections_per_uid", "7").admission.per_uid_max, 7u);
  // The kernel knows no user of a TCP peer: the flags would say something that they do not do.
  Set("listen_tcp", ":0");
  ExpectRefused("allow_uids", "root, 1000");
}

TEST_F(ConfigTest, SocketFile) {
  EXPECT_FALSE(Read().socket_file.mode.has_value());
  EXPECT_EQ(ReadWith("listen_unix_mode", "0660").socket_file.mode, mode_t{0660});
  EXPECT_EQ(ReadWith("listen_unix_mode", "0").socket_file.mode, mode_t{0});
  EXPECT_EQ(ReadWith("listen_unix_owner", "root").socket_file.owner, uid_t{0});
  EXPECT_EQ(ReadWith("listen_unix_group", "12").socket_file.group, gid_t{12});
}

TEST_F(ConfigTest, Rates) {
  EXPECT_EQ(Read().limits.rate.interval_ns, 0);
  EXPECT_EQ(ReadWith("rate_limit_per_conn", "1000").limits.rate.interval_ns, 1'000'000);
  EXPECT_EQ(Read().limits.rate.tolerance_ns, 999'000'000);  // as many as in a second
  EXPECT_EQ(ReadWith("rate_limit_burst", "1").limits.rate.tolerance_ns, 0);
  Set("rate_limit_per_conn", "0");
  ExpectRefused("rate_limit_burst", "1");
}

TEST_F(ConfigTest, RulesFile) {
  const std::string path = folder_.Path("rules");
  std::ofstream(path) << "any / read\n";
  EXPECT_EQ(ReadWith("rules_file", path).rules_file, path);
  std::ofstream(path) << "any / reed\n";
  ExpectRefused("rules_file", path);
  Set("rules_file", folder_.Path("none"));
  ExpectRefused("rules_file", folder_.Path("none"));
}

TEST_F(ConfigTest, TokensFile) {
  const std::string rules = folder_.Path("rules");
  std::ofstream(rules) << "name alice / read\n";
  const std::string path = folder_.Path("tokens");
  std::ofstream(path) << "alice secret-of-alice-0\n";
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  Set("tokens_file", path);
  ExpectRefused("tokens_file", path);  // without rules
  Set("rules_file", rules);
  EXPECT_EQ(ReadWith("tokens_file", path).tokens_file, path);
  EXPECT_TRUE(ReadWith("tokens_file", path).warnings.empty());
  std::ofstream(path) << "bob secret-of-bob-xyz\n";
  EXPECT_EQ(ReadWith("tokens_file", path).warnings.size(), 1u) << "alice has none";
  // Tokens are V2's too.
  EXPECT_EQ(ReadWith("http", "false").warnings.size(), 1u);
  Set("http", "true");
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  ExpectRefused("tokens_file", path);
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  std::ofstream(path) << "alice short\n";
  ExpectRefused("tokens_file", path);
}

TEST_F(ConfigTest, Identity) {
  EXPECT_FALSE(Read().become.has_value());
  const Config root = ReadWith("user", "root");
  EXPECT_EQ(root.become->uid, 0u);
  EXPECT_EQ(root.become->name, "root");
  EXPECT_EQ(ReadWith("group", "77").become->gid, 77u);
  Set("user", "no-such-user-here");
  ExpectRefused("user", "no-such-user-here");
  Set("group", "");
  Set("user", "4000000001");  // whose group nobody knows
  ExpectRefused("user", "4000000001");
  Set("user", "");
  Set("group", "root");
  ExpectRefused("group", "root");
}

TEST_F(ConfigTest, TakeOver) {
  EXPECT_EQ(Read().take_over, "");
  EXPECT_EQ(ReadWith("take_over", "/run/objmapper/door").take_over, "/run/objmapper/door");
  Set("take_over", std::string(200, 'x'));
  ExpectRefused("take_over", std::string(200, 'x'));
}

// What is listened on already is not listened on again, and makes the default socket unnecessary.
TEST_F(ConfigTest, InheritedSockets) {
  const net::Address inherited = *net::UnixAddress("/run/inherited");
  EXPECT_TRUE(ConfigFromFlags({inherited})->listen.empty());
  Set("listen_unix", "/run/inherited,/run/other");
  EXPECT_EQ(Urls(*ConfigFromFlags({inherited})), UrlList{"unix:/run/other"});
  EXPECT_EQ(Urls(Read()), (UrlList{"unix:/run/inherited", "unix:/run/other"}));
}

TEST_F(ConfigTest, Logging) {
  EXPECT_EQ(ReadWith("slow_request_us", "250").limits.slow_request_ns, 250'000);
  EXPECT_FALSE(Read().limits.log_requests);
  EXPECT_TRUE(ReadWith("log_requests", "true").limits.log_requests);
}

TEST_F(ConfigTest, AdminListen) {
  EXPECT_FALSE(ConfigFromFlags()->admin_listen.has_value());
  const std::pair<const char*, const char*> good[] = {
      {"/run/admin", "unix:/run/admin"},  {"unix:admin.sock", "unix:admin.sock"},
      {"@admin", "unix:@admin"},          {"9100", "tcp://127.0.0.1:9100"},
      {"[::1]:9100", "tcp://[::1]:9100"}, {"127.0.0.5:9100", "tcp://127.0.0.5:9100"},
  };
  for (const auto& [text, url] : good) {
    gflags::SetCommandLineOption("admin_listen", text);
    const absl::StatusOr<Config> config = ConfigFromFlags();
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->admin_listen->ToUrl(), url);
  }
  for (const char* text : {"0.0.0.0:9100", "example.org:80", "[::]:9100", "host", ":"}) {
    gflags::SetCommandLineOption("admin_listen", text);
    const absl::StatusOr<Config> config = ConfigFromFlags();
    EXPECT_TRUE(absl::IsInvalidArgument(config.status())) << text;
    EXPECT_NE(std::string(config.status().message()).find("--admin_listen="), std::string::npos);
  }
}

TEST_F(ConfigTest, AdminHosts) {
  EXPECT_TRUE(Read().admin_hosts.empty());
  EXPECT_EQ(ReadWith("admin_hosts", "node1.example, [fd00::1],10.0.0.1").admin_hosts,
            (std::vector<std::string>{"node1.example", "fd00::1", "10.0.0.1"}));
  for (const char* value :
       {"node1:9100", "*", "http://node1", "a b", "[fd00::1", "fd00::1", "[]", ","}) {
    Set("admin_hosts", value);
    ExpectRefused("admin_hosts", value);
  }
}

TEST_F(ConfigTest, HttpFolders) {
  EXPECT_TRUE(Read().limits.http_listing);
  EXPECT_FALSE(ReadWith("http_listing", "false").limits.http_listing);
  EXPECT_FALSE(Read().limits.http_index);
  EXPECT_TRUE(ReadWith("http_index", "true").limits.http_index);
}

TEST_F(ConfigTest, Http) {
  EXPECT_TRUE(Read().limits.http);
  EXPECT_FALSE(ReadWith("http", "false").limits.http);
  EXPECT_TRUE(Read().limits.http_hosts.empty());
  EXPECT_EQ(ReadWith("http_hosts", "here.example,there.example").limits.http_hosts,
            (std::vector<std::string>{"here.example", "there.example"}));
  Set("http_hosts", "here.example:80");
  ExpectRefused("http_hosts", "here.example:80");
}

TEST_F(ConfigTest, HttpAnswers) {
  EXPECT_EQ(Read().limits.http_cache_control, "");
  EXPECT_EQ(ReadWith("http_cache_control", "public, max-age=60").limits.http_cache_control,
            "public, max-age=60");
  EXPECT_EQ(ReadWith("http_cors_origins", "*").limits.http_cors_origins,
            std::vector<std::string>{"*"});
  EXPECT_EQ(ReadWith("http_cors_origins", "https://a.example,http://b:81").limits.http_cors_origins,
            (std::vector<std::string>{"https://a.example", "http://b:81"}));
  EXPECT_EQ(ReadWith("http_access_log", "/var/log/access").http_access_log, "/var/log/access");
  EXPECT_EQ(ReadWith("http_access_log_format", "json").http_access_log_format,
            session::AccessLog::Format::kJson);
}

TEST_F(ConfigTest, HttpAnswersThatMakeNoSense) {
  Set("http_cache_control", "no-cache\r\nX: y");
  ExpectRefused("http_cache_control", "no-cache\\x0d\\x0aX: y");
  Set("http_cache_control", "");
  for (const char* value : {"a.example", "https://", "https://a/b", "://a"}) {
    Set("http_cors_origins", value);
    ExpectRefused("http_cors_origins", value);
  }
  Set("http_cors_origins", "");
  Set("http_access_log_format", "common");
  ExpectRefused("http_access_log_format", "common");
}

// Without --writable nothing is stored or removed, so that there is nothing to be limited.
TEST_F(ConfigTest, DiskLevels) {
  EXPECT_EQ(Read().house.evict_at.of, storage::DiskLevel::Of::kNothing);
  for (const char* flag : {"disk_evict_at", "disk_refuse_at"}) {
    Set("writable", "false");
    Set(flag, "90%");
    ExpectRefused(flag, "90%");
    Set("writable", "true");
    EXPECT_EQ(ReadWith(flag, "90%").limits.writable, true);
    Set("catalog", "false");
    ExpectRefused(flag, "90%");
    Set("catalog", "true");
    for (const char* value : {"0%", "101%", "much", "-5G"}) {
      Set(flag, value);
      ExpectRefused(flag, value);
    }
    Set(flag, "");
  }
  Set("disk_evict_at", "85%");
  EXPECT_EQ(ReadWith("disk_refuse_at", "86%").house.refuse_at.value, 86u);
  for (const char* value : {"85%", "80%", "200G"}) {
    Set("disk_refuse_at", value);
    ExpectRefused("disk_refuse_at", value);
  }
  Set("disk_evict_at", "100G");
  EXPECT_EQ(ReadWith("disk_refuse_at", "200G").house.evict_at.value, uint64_t{100} << 30);
}

// Origins are told by one of two flags; what is fetched is evicted, and nothing else unless a level
// says so.
TEST_F(ConfigTest, Origins) {
  using storage::Evicts;
  EXPECT_FALSE(Read().fetches());
  EXPECT_EQ(Read().house.evicts, Evicts::kAll);
  Set("origin", "http://127.0.0.1:1/x revalidate=5s");
  Config config = Read();
  EXPECT_TRUE(config.fetches());
  ASSERT_EQ(config.origins.all().size(), 1u);
  EXPECT_EQ(config.origins.all()[0]->revalidate, absl::Seconds(5));
  EXPECT_EQ(config.house.evicts, Evicts::kFetchedOnly);
  EXPECT_EQ(config.house.evict_at.of, storage::DiskLevel::Of::kFileSystem);
  EXPECT_EQ(ReadWith("disk_evict_at", "1G").house.evicts, Evicts::kFetchedOnly);
  EXPECT_EQ(ReadWith("writable", "true").house.evicts, Evicts::kFetchedFirst);
  Set("disk_evict_at", "");
  config = ReadWith("disk_refuse_at", "1G");
  EXPECT_EQ(config.house.evicts, Evicts::kFetchedOnly);
  EXPECT_EQ(config.house.evict_at.of, storage::DiskLevel::Of::kNothing);
  Set("disk_refuse_at", "");
  EXPECT_EQ(config.origin_uncached_bytes, uint64_t{128} << 20);
  EXPECT_EQ(ReadWith("origin_uncached_bytes", "1m").origin_uncached_bytes, uint64_t{1} << 20);
  for (const char* value : {"", "0", "1000K", "50%", "much"}) {
    Set("origin_uncached_bytes", value);
    ExpectRefused("origin_uncached_bytes", value);
  }
  Set("origin_uncached_bytes", "128M");
  EXPECT_EQ(ReadWith("catalog", "false").warnings.size(), 1u);
  Set("catalog", "true");

  const std::string file = folder_.Path("origins");
  Set("origins_file", file);
  ExpectRefused("origins_file", file);  // beside --origin
  Set("origin", "");
  absl::Status refused = ConfigFromFlags().status();
  EXPECT_TRUE(absl::StrContains(refused.message(), file)) << refused;
  std::ofstream(file) << "/a http://127.0.0.1:1/x\n/b s3://bucket\n";
  EXPECT_EQ(Read().origins.all().size(), 2u);
  std::ofstream(file) << "/a http://127.0.0.1:1/x nonsense=1\n";
  refused = ConfigFromFlags().status();
  EXPECT_TRUE(absl::StrContains(refused.message(), "nonsense")) << refused;
  Set("origins_file", "");
  Set("origin", "http://me:geheim@host/");
  refused = ConfigFromFlags().status();
  EXPECT_TRUE(absl::StrContains(refused.message(), "--origin")) << refused;
  EXPECT_FALSE(absl::StrContains(refused.message(), "geheim")) << refused;
}

TEST_F(ConfigTest, Catalog) {
  const Config config = Read();
  EXPECT_TRUE(config.catalog);
  EXPECT_EQ(config.house.rescan, absl::Minutes(1));
  EXPECT_FALSE(ReadWith("catalog", "false").catalog);
  EXPECT_EQ(ReadWith("catalog_watches", "0").house.watches_max, 0u);
  EXPECT_EQ(ReadWith("catalog_rescan", "5s").house.rescan, absl::Seconds(5));
  for (const auto& [flag, value] :
       {std::pair("catalog_watches", "-1"), std::pair("catalog_rescan", "0"),
        std::pair("catalog_rescan", "often"), std::pair("catalog_rescan", "10000h"),
        std::pair("catalog_memory", "50%"), std::pair("catalog_memory", "1K"),
        std::pair("catalog_memory", "-1")}) {
    Set(flag, value);
    ExpectRefused(flag, value);
    Set("catalog_watches", "1");
    Set("catalog_rescan", "1m");
    Set("catalog_memory", "2G");
  }
  EXPECT_EQ(Read().house.catalog_memory, uint64_t{2} << 30);
  EXPECT_EQ(ReadWith("catalog_memory", "").house.catalog_memory, UINT64_MAX);
}

// Bodies have a floor and each peer a share, unless somebody says otherwise.
TEST_F(ConfigTest, Bodies) {
  EXPECT_EQ(Read().limits.put_rate_min, 256u);
  EXPECT_EQ(Read().house.peer_percent, 90u);
  EXPECT_EQ(ReadWith("put_rate_min", "0").limits.put_rate_min, 0u);
  EXPECT_EQ(ReadWith("put_room_per_peer", "100").house.peer_percent, 100u);
  Set("put_rate_min", "-1");
  ExpectRefused("put_rate_min", "-1");
  Set("put_rate_min", "1");
  for (const char* value : {"0", "101", "-5"}) {
    Set("put_room_per_peer", value);
    ExpectRefused("put_room_per_peer", value);
  }
}

TEST_F(ConfigTest, MemoryLimit) {
  EXPECT_EQ(Read().memory.bytes_max, 0u);
  Set("memory_limit", "64M");
  ExpectRefused("memory_limit", "64M");  // nobody could store anything
  Set("writable", "true");
  EXPECT_EQ(ReadWith("memory_limit", "64M").memory.bytes_max, uint64_t{64} << 20);
  EXPECT_EQ(ReadWith("memory_limit", "65536").memory.bytes_max, 65536u);
  for (const char* value : {"-1", "much", "1000", "", "64 M", "9999999999T"}) {
    Set("memory_limit", value);
    ExpectRefused("memory_limit", value);
  }
}

// Every flag is tried above: one that is added and forgotten here is noticed.
TEST_F(ConfigTest, EveryFlagIsTried) {
  const std::set<std::string> tried = absl::StrSplit(
      "listen_unix listen_tcp admin_listen admin_hosts http http_listing http_index http_hosts "
      "http_cache_control "
      "http_cors_origins "
      "http_access_log http_access_log_format root concurrency_model "
      "pool_size "
      "max_queue_depth max_threads "
      "splice_pool_size copy_pool_size "
      "copy_loops bulk_loops bulk_bytes_min io_engine optimize_for_latency busy_poll_us "
      "max_connections max_pipeline "
      "persistent_connections requests_per_conn idle_timeout request_timeout drain_timeout "
      "fd_sharing fd_cache_entries fd_cache_valid_ms index_entries splice_bytes_min "
      "fdpass_engine answer_in_place splice_in_loop sendfile_bytes_min use_async_copy "
      "allow_uids allow_gids listen_unix_mode listen_unix_owner listen_unix_group rules_file "
      "tokens_file "
      "rate_limit_per_conn rate_limit_burst max_connections_per_uid slow_request_us log_requests "
      "user group take_over listen_udp udp_max_payload writable durability "
      "catalog catalog_watches catalog_rescan catalog_memory disk_evict_at disk_refuse_at "
      "memory_limit origin origin_uncached_bytes origins_file tcp_local_congestion "
      "unix_send_buffer_bytes put_rate_min put_room_per_peer "
      // In tests/e2e/flagfile_test.cc: what they say is about the whole process.
      "check unprotected_writes",
      ' ');
  std::set<std::string> defined;
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (absl::StrContains(flag.filename, "server/flags/")) defined.insert(flag.name);
  }
  EXPECT_EQ(defined, tried);
}

}  // namespace
}  // namespace objmapper::server
