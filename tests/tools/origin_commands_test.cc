// warm, pin, unpin, evict, origins and stat as their user sees them, against the real server and an
// origin that counts what it is asked.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/client/temporary_folder.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/server_process.h"
#include "tests/net/eventually.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fake_bucket.h"
#include "tests/tools/program.h"
#include "tools/cli/admin.h"
#include "tools/cli/report.h"

namespace objmapper::tools {
namespace {

using origin::testing::BadOrigin;
using origin::testing::FakeBucket;
using origin::testing::Fault;
using origin::testing::ManyKeys;

class OriginCommandsTest : public testing::Test {
 protected:
  // Fetches from the origin what is not under the root.
  void Start(std::vector<std::string> flags = {}, const std::string& words = "immutable") {
    flags.push_back(
        absl::StrCat("--origin=", origin_.url("base"), " part=64K block=64K parallel=1 ", words));
    StartWith(std::move(flags));
  }
  void StartWith(std::vector<std::string> flags, std::vector<std::string> environment = {}) {
    server_.reset();
    flags.insert(flags.end(), {"--durability=none", "--admin_listen=" + Admin()});
    server_.emplace(tree_.root(), e2e::ServerOptions{.flags = std::move(flags),
                                                     .environment = std::move(environment)});
  }
  std::string Admin() const { return tree_.outside() + "/admin"; }
  std::string Url() const { return "unix:" + server_->socket_path(); }
  std::string Tcp() const { return absl::StrCat("tcp://127.0.0.1:", server_->tcp_port()); }

  // A line of the shell, in which the program ("$objmapper") finds the server and its door.
  Outcome Shell(const std::string& line) {
    return RunShell(
        absl::StrCat("cd ", folder_.path(), " && export OBJMAPPER_SERVER=", Url(),
                     " OBJMAPPER_ADMIN=", Admin(), " objmapper=", program_, " && ( ", line, " )"),
        folder_.Path("stderr"));
  }
  Outcome Run(const std::string& arguments) { return Shell("$objmapper " + arguments); }
  // Where all must go well. Returns stdout.
  std::string Good(const std::string& arguments) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.err, "") << arguments;
    return outcome.out;
  }
  // Where the server says no, and why.
  void Refused(const std::string& arguments, const std::string& why) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, kExitServerSaidNo) << arguments;
    EXPECT_TRUE(absl::StrContains(outcome.err, why)) << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
  }
  // Objects "0" to "count - 1" at the origin, all but those of which `missing` says so.
  void PutMany(int count, size_t bytes, int every_missing) {
    for (int i = 0; i < count; ++i) {
      if (every_missing == 0 || i % every_missing != 0)
        origin_.Put(absl::StrCat("base/many/", i),
                    std::string(bytes, static_cast<char>('a' + i % 26)));
    }
  }
  std::string ListOf(int count) {
    std::string list;
    for (int i = 0; i < count; ++i) absl::StrAppend(&list, "many/", i, "\n");
    return list;
  }
  // With one blank where there are several.
  static std::string Words(const std::string& text) {
    return absl::StrJoin(absl::StrSplit(text, ' ', absl::SkipEmpty()), " ");
  }
  size_t Asked(const std::string& name) const { return origin_.asked("base/" + name).size(); }
  double Metric(const std::string& name) const {
    const absl::StatusOr<std::string> page =
        FetchFromAdmin("unix:" + Admin(), "/metrics", absl::Seconds(20));
    EXPECT_TRUE(page.ok()) << page.status();
    double value = -1;
    for (const absl::string_view line : absl::StrSplit(page.value_or(""), '\n')) {
      if (!absl::StartsWith(line, name + " ")) continue;
      EXPECT_TRUE(absl::SimpleAtod(line.substr(name.size() + 1), &value)) << line;
    }
    return value;
  }

  const std::string program_ = std::filesystem::absolute("tools/objmapper").string();
  BadOrigin origin_;
  client::TemporaryFolder folder_;
  e2e::ObjectTree tree_;
  std::optional<e2e::ServerProcess> server_;
};

// What stat says of an object whose origin cannot be asked again.
TEST_F(OriginCommandsTest, StatSaysThatItIsStale) {
  Start({}, "revalidate=0 stale_if_error=1h");
  origin_.Put("base/a", "content");
  Good("warm a");  // what only stat asks for is not kept
  EXPECT_FALSE(absl::StrContains(Good("stat a"), "stale"));
  EXPECT_FALSE(absl::StrContains(Good("stat --json a"), "stale"));
  origin_.Misbehave("base/a", 0, Fault::Error(400, "OutOfOrder"));
  EXPECT_TRUE(absl::StrContains(
      Words(Good("stat a")), "\n stale yes: its origin cannot be asked whether it has changed\n"));
  EXPECT_TRUE(absl::StrContains(Good("stat --json a"), "\"stale\":true"));
}

// However the objects are named and by whichever door: afterwards they are here, and the origin is
// not asked again.
TEST_F(OriginCommandsTest, WarmByEachDoor) {
  Start();
  for (const char* name : {"a", "b", "c//d", "g"})
    origin_.Put(absl::StrCat("base/", name), std::string(100'000, 'x'));
  origin_.Put("base/empty", "");
  origin_.Put("base/e%20f", std::string(100'000, 'x'));
  EXPECT_TRUE(absl::StartsWith(Good("warm a"), "1 of 1 objects are here, 97.7 KiB in "));
  EXPECT_EQ(Good("warm -v --jobs=1 b --server=" + Tcp() + " | grep -x b"), "b\n");
  folder_.Write("list", "c//d\n\ne f\nempty");
  EXPECT_TRUE(absl::StartsWith(Good("warm --list=list"), "3 of 3 objects are here, 195.3 KiB in "));
  const Outcome piped = Shell("echo g | $objmapper warm --list=- --json");
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_TRUE(absl::StartsWith(piped.out, "{\"uri\":\"g\",\"ok\":true,\"size\":100000,"))
      << piped.out;
  EXPECT_EQ(std::count(piped.out.begin(), piped.out.end(), '\n'), 1);
  const size_t asked = origin_.asked().size();
  EXPECT_TRUE(absl::StartsWith(Good("warm a b c//d 'e f' empty g"),
                               "6 of 6 objects are here, 488.3 KiB in "));
  EXPECT_TRUE(absl::StartsWith(Good("warm --server=" + Tcp() + " a b empty"),
                               "3 of 3 objects are here, 195.3 KiB in "));
  EXPECT_TRUE(absl::StartsWith(Good("warm --prefix=e"), "2 of 2 objects are here, "));
  EXPECT_EQ(origin_.asked().size(), asked);
  EXPECT_EQ(Good("get b | wc -c"), "100000\n");
}

// Of many objects those that the origin does not have are told, each with its reason, and the
// others are here.
TEST_F(OriginCommandsTest, WarmManyOfWhichSomeAreMissing) {
  constexpr int kObjects = 200;
  PutMany(kObjects, 10'000, /*every_missing=*/16);
  Start();
  folder_.Write("list", ListOf(kObjects));
  const Outcome outcome = Run("warm --list=list --jobs=8");
  EXPECT_EQ(outcome.exit_code, kExitServerSaidNo);
  EXPECT_TRUE(absl::StartsWith(outcome.out, "187 of 200 objects are here, 1.8 MiB in "))
      << outcome.out;
  for (int i = 0; i < kObjects; i += 16) {
    EXPECT_TRUE(absl::StrContains(outcome.err, absl::StrCat("\"many/", i, "\": NOT_FOUND")))
        << i << ": " << outcome.err;
  }
  EXPECT_TRUE(absl::EndsWith(outcome.err, "objmapper: 13 of 200 failed\n")) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 14);
  EXPECT_EQ(Metric("objmapper_origin_fetched_total"), 187);
}

// What cannot be, or cannot be reached, is said before anything is asked for.
TEST_F(OriginCommandsTest, WarmOfNothing) {
  Start();
  for (const char* arguments : {"warm", "warm a --prefix=b", "warm --list=", "warm --list=- a",
                                "warm a --server=udp://127.0.0.1:1"}) {
    EXPECT_EQ(Run(arguments).exit_code, kExitUsage) << arguments;
  }
  const Outcome no_file = Run("warm --list=nowhere");
  EXPECT_EQ(no_file.exit_code, kExitLocal);
  EXPECT_TRUE(absl::StrContains(no_file.err, "open nowhere")) << no_file.err;
  folder_.Write("long", "a\n" + std::string(5000, 'u') + "\n");
  const Outcome too_long = Run("warm --list=long");
  EXPECT_EQ(too_long.exit_code, kExitUsage);
  EXPECT_TRUE(absl::StrContains(too_long.err, "long, line 2: ")) << too_long.err;
  Refused("warm --prefix=p/", "begins with \"p/\"");
  EXPECT_EQ(Run("warm a --server=unix:/nowhere/s").exit_code, kExitUnreachable);
  EXPECT_EQ(origin_.asked().size(), 0u);
}

// Ctrl-C: it says how far it has come and ends by the signal; the server goes on with what it is
// fetching, and with everything else.
TEST_F(OriginCommandsTest, WarmIsInterrupted) {
  PutMany(3, 10'000, 0);
  Start({}, "immutable stall=0");
  int rounds = 0;
  for (const int number : {SIGINT, SIGTERM}) {
    const std::string err = folder_.Path("interrupted");
    const std::string slow = absl::StrCat("slow", ++rounds);
    origin_.Put("base/" + slow, std::string(200'000, 's'));
    origin_.Misbehave("base/" + slow, 0, Fault::DripFrom(1000));
    const pid_t pid = fork();
    if (pid == 0) {
      const int out = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out, STDERR_FILENO);
      setenv("OBJMAPPER_SERVER", Url().c_str(), 1);
      execl(program_.c_str(), "objmapper", "warm", "--jobs=1", "many/0", "many/1", "many/2",
            slow.c_str(), nullptr);
      _exit(127);
    }
    ASSERT_GT(pid, 0);
    EXPECT_TRUE(net::Eventually([&] { return Asked(slow) == 1; }));
    kill(pid, number);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number) << status;
    EXPECT_EQ(
        folder_.Read("interrupted"),
        "objmapper: interrupted: 3 of 4 objects are here, 29.3 KiB; what the server was asked "
        "for last, it goes on with\n");
    EXPECT_EQ(Metric("objmapper_origin_fetching"), rounds);
  }
  EXPECT_EQ(Good("get many/1 | wc -c"), "10000\n");
}

// What is evicted is fetched again; what is pinned, this disk's own, being fetched or not there is
// not evicted, and a sentence says why.
TEST_F(OriginCommandsTest, PinAndEvict) {
  tree_.Add("own", "of this disk");
  origin_.Put("base/a", std::string(100'000, 'a'));
  origin_.Put("base/x//y", std::string(5000, 'y'));
  origin_.Put("base/slow", std::string(200'000, 's'));
  origin_.Misbehave("base/slow", 0, Fault::DripFrom(1000));
  Start({}, "immutable stall=0");
  Good("warm a x//y");

  EXPECT_EQ(Good("evict a x//y"), "");
  EXPECT_FALSE(std::filesystem::exists(tree_.Path("a")));
  EXPECT_EQ(Good("get a | wc -c"), "100000\n");
  EXPECT_EQ(Asked("a"), 4u) << "two parts, twice";
  EXPECT_EQ(Good("get x//y | wc -c"), "5000\n");
  EXPECT_EQ(Asked("x//y"), 2u);

  EXPECT_EQ(Good("pin a -v"), "pinned a\n");
  EXPECT_EQ(Good("pin x//y --json"), "{\"uri\":\"x//y\",\"ok\":true,\"pinned\":true}\n");
  Refused("evict a", "\"a\" is pinned");
  Refused("evict own --force", "\"own\" did not come from an origin");
  Refused("evict nothing", "nothing of \"nothing\" here");
  Refused("pin nothing", "nothing of \"nothing\" here");
  EXPECT_EQ(Good("unpin x//y -v"), "unpinned x//y\n");
  // The others are done all the same, and each has its line.
  const Outcome some = Run("evict own x//y a --json");
  EXPECT_EQ(some.exit_code, kExitServerSaidNo);
  const std::vector<std::string> lines = absl::StrSplit(some.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u) << some.out;
  EXPECT_TRUE(absl::StartsWith(lines[0], "{\"uri\":\"own\",\"ok\":false,")) << lines[0];
  EXPECT_TRUE(absl::StartsWith(lines[1], "{\"uri\":\"x//y\",\"ok\":true,\"freed_bytes\":"))
      << lines[1];
  EXPECT_TRUE(absl::StrContains(lines[2], "is pinned")) << lines[2];
  EXPECT_TRUE(absl::StartsWith(Good("evict --force -v a"), "evicted a: "));

  const Outcome waits = Run("warm slow --timeout=1s --noretry");
  EXPECT_EQ(waits.exit_code, kExitBroken) << waits.err;
  Refused("evict slow --force", "\"slow\" is being fetched");
  EXPECT_EQ(Good("get own"), "of this disk");
}

// A URI may be anything, and so many that they are more than one request.
TEST_F(OriginCommandsTest, AnyUriAndManyOfThem) {
  constexpr int kObjects = 600;
  PutMany(kObjects, 10, 0);
  Start();
  folder_.Write("list", ListOf(kObjects));
  Good("warm --list=list --jobs=8");
  const std::string pinned = Good("pin -v $(cat list)");
  EXPECT_EQ(std::count(pinned.begin(), pinned.end(), '\n'), kObjects);
  Good("unpin $(cat list)");
  Good("evict $(cat list)");
  EXPECT_EQ(Metric("objmapper_objects"), 0);
  const std::string all = std::string(4000, '%') + " " + std::string(4000, '^');
  for (const std::string& uri : {std::string(4000, '%'), std::string(4000, '^'), all})
    Refused("evict " + uri, "nothing of ");
}

// A pin holds when others go because the disk is full, and when the server has been started anew.
TEST_F(OriginCommandsTest, APinHoldsUnderPressure) {
  PutMany(12, 100'000, 0);
  const std::vector<std::string> flags = {"--disk_evict_at=400K"};
  Start(flags);
  for (int round = 0; round < 2; ++round) {
    if (round == 0) {
      Good("warm many/0");
      Good("pin many/0");
    } else {
      EXPECT_EQ(server_->Stop(SIGTERM), 0) << server_->log();
      Start(flags);
      EXPECT_TRUE(absl::StrContains(Good("stat --here many/0"), "  pinned    yes\n"));
    }
    const double evicted = Metric("objmapper_objects_evicted_total");
    // All together they never have room: it is waited for until some have gone.
    for (int i = 1; i < 12; ++i) {
      EXPECT_TRUE(net::Eventually([&] {
        return Run(absl::StrCat("warm --noretry many/", i)).exit_code == 0;
      })) << i;
    }
    EXPECT_TRUE(net::Eventually([&] {
      return Metric("objmapper_objects_evicted_total") >= evicted + 5 &&
             Metric("objmapper_disk_used_bytes") <= 400 * 1024;
    }));
    EXPECT_EQ(Good("get many/0 | wc -c"), "100000\n");
    EXPECT_EQ(Asked("many/0"), 2u) << "two parts, once";
  }
  EXPECT_GT(Asked("many/1"), 2u) << "this one has gone";
}

// Where an object came from, and how much of it is here, without asking for it.
TEST_F(OriginCommandsTest, Stat) {
  tree_.Add("own", "of this disk");
  origin_.Put("base/a", std::string(100'000, 'a'), "\"version-1\"");
  origin_.Put("base/cut", std::string(200'000, 'c'), "\"version-2\"");
  origin_.Misbehave("base/cut", 0, Fault::Error(500));
  origin_.Misbehave("base/cut", 1, Fault());
  Start();
  Refused("stat --here a", "nothing of \"a\" here");
  EXPECT_EQ(origin_.asked().size(), 0u);
  Good("warm a");
  const std::string said = Good("stat a");
  EXPECT_TRUE(absl::StrContains(said, "  size      100000 bytes (97.7 KiB)\n")) << said;
  EXPECT_TRUE(absl::StrContains(
      said, absl::StrCat("  origin    ", origin_.url("base/a"),
                         "\n  version   \"version-1\"\n  here      all of it\n  fetched   20")))
      << said;
  const std::string json = Good("stat a --here --json");
  EXPECT_TRUE(absl::StrContains(
      json,
      absl::StrCat("\"size\":100000,\"state\":\"whole\",\"bytes_here\":100000,\"pinned\":false,"
                   "\"being_fetched\":false,\"origin\":\"",
                   origin_.url("base/a"), "\",\"origin_etag\":\"\\\"version-1\\\"\",")))
      << json;
  EXPECT_TRUE(absl::StrContains(Good("stat own --here"), "this disk's own"));
  EXPECT_FALSE(absl::StrContains(Good("stat own"), "origin"));

  EXPECT_EQ(Run("warm cut --noretry").exit_code, kExitServerSaidNo);
  const std::string part = Good("stat --here cut");
  EXPECT_TRUE(absl::StrContains(part, "  here      65536 of 200000 bytes\n")) << part;
  const size_t asked = Asked("cut");
  Good("stat --here cut --json");
  EXPECT_EQ(Asked("cut"), asked);

  // Who names the address wants to know that it does not answer; else it is as good as none.
  EXPECT_EQ(Run("stat own --admin=/nowhere/admin").exit_code, kExitUnreachable);
  EXPECT_EQ(Shell("OBJMAPPER_ADMIN=/nowhere/admin $objmapper stat own").exit_code, 0);
  EXPECT_EQ(Run("stat --here own --admin=/nowhere/admin").exit_code, kExitUnreachable);
}

// What the origin has is listed and fetched by its prefix, whether or not it is here; more of it
// than is in memory at once.
TEST_F(OriginCommandsTest, ThroughToS3) {
  constexpr int kObjects = 5000;
  origin_.Answer("bucket/", [bucket = FakeBucket(ManyKeys(kObjects))](const std::string& target) {
    return bucket.List(target);
  });
  for (int i = 0; i < kObjects; ++i)
    origin_.Put(absl::StrFormat("bucket/many/%07u", i), i % 100 == 7 ? "" : "x");
  origin_.Delete("bucket/many/0000099");
  folder_.Write("origins", absl::StrCat("/far ", origin_.url("base"),
                                        "\n/s3 s3://bucket immutable endpoint=http://127.0.0.1:",
                                        origin_.port(), " region=nowhere\n"));
  StartWith({"--origins_file=" + folder_.Path("origins")},
            {"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=geheim"});
  EXPECT_EQ(Good("ls s3/"), "");
  EXPECT_EQ(Good("ls --origin s3/ | wc -l"), absl::StrCat(kObjects, "\n"));
  EXPECT_TRUE(absl::StartsWith(Good("ls --origin -l s3/many/000000"), "      12 B  2020-09-13"));
  EXPECT_TRUE(absl::StartsWith(Good("ls --origin -d --json s3/"),
                               "{\"prefix\":\"s3/many/\",\"objects\":5000,"));
  Refused("ls --origin far/", "no S3");
  Refused("ls --origin other/", "no origin");

  const Outcome warm = Run("warm --prefix=s3/ --jobs=8");
  EXPECT_EQ(warm.exit_code, kExitServerSaidNo);
  EXPECT_TRUE(absl::StrContains(warm.err, "1 of 5000 failed")) << warm.err;
  EXPECT_TRUE(absl::StrContains(warm.err, "0000099")) << warm.err;
  EXPECT_TRUE(absl::StartsWith(warm.out, "4999 of 5000 objects are here, ")) << warm.out;
  const size_t asked = origin_.asked().size();
  EXPECT_TRUE(absl::StartsWith(Good("warm --prefix=s3/many/00001"), "100 of 100 objects are here"));
  EXPECT_EQ(origin_.asked().size(), asked + 1);  // its list
  Refused("warm --prefix=s3/none", "there is no object that begins with \"s3/none\"");
  // What is here, where there is no list.
  origin_.Put("base/a", "x");
  Refused("warm --prefix=far/", "no object that is here begins with");
  Good("warm far/a");
  EXPECT_TRUE(net::Eventually(
      [&] { return absl::StartsWith(Run("warm --prefix=far/").out, "1 of 1 objects are here"); }));
}

// What has come of each origin, for people and programs, and never a key.
TEST_F(OriginCommandsTest, Origins) {
  origin_.Put("base/a", std::string(1000, 'a'));
  origin_.Put("base/broken", "x");
  origin_.Misbehave("base/broken", 0, Fault::Error(500, "InternalError"));
  origin_.Put("bucket/b", "signed");
  folder_.Write("origins", absl::StrCat("/far ", origin_.url("base"),
                                        "\n/s3 s3://bucket endpoint=http://127.0.0.1:",
                                        origin_.port(), " region=nowhere\n"));
  StartWith({"--origins_file=" + folder_.Path("origins")},
            {"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=geheim",
             "AWS_SESSION_TOKEN=verraten"});
  EXPECT_TRUE(absl::StrContains(Words(Good("origins")), "unused 0 0 0 0 0 0 B /s3"));
  Good("warm far/a s3/b");
  EXPECT_EQ(Run("warm --jobs=1 --noretry far/nothing far/broken").exit_code, kExitServerSaidNo);
  const std::string text = Good("origins");
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 6u) << text;
  EXPECT_TRUE(absl::StartsWith(Words(lines[1]), "trouble 0 3 1 1 1 1000 B /far http://")) << text;
  EXPECT_TRUE(absl::StartsWith(
      lines[1],
      "trouble           0          3          1          1          1      1000 B  /far http://"))
      << text;
  EXPECT_EQ(lines[2], "  retries: server_error 2");
  EXPECT_TRUE(absl::StartsWith(lines[3], "  last trouble, 20")) << text;
  EXPECT_TRUE(absl::StrContains(lines[3], "500")) << text;
  EXPECT_TRUE(absl::StartsWith(Words(lines[4]), "ok 0 1 1 0 0 6 B /s3 s3://bucket ")) << text;
  EXPECT_TRUE(absl::StartsWith(lines[5], "  keys: ")) << text;
  const std::string json = Good("origins --json");
  EXPECT_TRUE(absl::StartsWith(json, "{\"prefix\":\"/far\",\"url\":\"")) << json;
  EXPECT_TRUE(absl::StrContains(json,
                                "\"state\":\"trouble\",\"requests\":3,\"fetches\":3,\"fetched\":1,"
                                "\"absent\":1,\"failed\":1,\"bytes\":1000,"))
      << json;
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 2);
  for (const char* secret : {"geheim", "verraten"})
    EXPECT_FALSE(absl::StrContains(text + json + server_->log(), secret));
  Good("warm far/a");
  EXPECT_TRUE(absl::StrContains(Words(Good("origins")), "trouble 1 3 1 1 1 "));
  origin_.Put("base/new", "x");
  Good("warm far/new");
  EXPECT_TRUE(absl::StrContains(Words(Good("origins")), "ok 1 4 2 1 1"));
}

// A server without origins says so, as does whoever does not know where the operators' address is,
// or is not heard there.
TEST_F(OriginCommandsTest, WithoutOrigins) {
  tree_.Add("own", "of this disk");
  StartWith({});
  for (const char* arguments : {"pin own", "unpin own", "evict own", "origins", "stat --here own"})
    Refused(arguments, "this server has no origins");
  EXPECT_TRUE(absl::StrContains(Good("stat own"), "12 bytes"));
  for (const char* arguments : {"pin own", "evict own", "origins"}) {
    EXPECT_EQ(Shell(absl::StrCat("unset OBJMAPPER_ADMIN; $objmapper ", arguments)).exit_code,
              std::filesystem::exists("/run/objmapper/admin") ? kExitServerSaidNo : kExitUsage);
    EXPECT_EQ(Run(absl::StrCat(arguments, " --admin=/nowhere/admin")).exit_code, kExitUnreachable);
    // The sockets that serve objects speak HTTP too.
    EXPECT_EQ(Run(absl::StrCat(arguments, " --admin=", server_->socket_path())).exit_code,
              kExitServerSaidNo);
  }
}

}  // namespace
}  // namespace objmapper::tools
