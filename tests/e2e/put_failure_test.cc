// OP_PUT and OP_PUT_FD that come to no good end: clients that are slow, silent or gone, and disks
// that fail. Whatever happens, what had the name still has it, nothing is left behind, and who can
// be told is told.
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"
#include "tests/faults/injection.h"
#include "tests/storage/names_below.h"
#include "tests/storage/small_disk.h"

namespace objmapper::e2e {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(1);
constexpr Status kStorageError = static_cast<Status>(0x11);

class PutFailureTest : public WritableTest {
 protected:
  // Everything below the root, directories included: what a PUT makes on its way goes with it.
  static std::set<std::string> Below(const std::string& root) {
    return storage::NamesBelow(root, storage::Which::kAll);
  }
  // Waits until these are all there is.
  static void ExpectBelow(const std::string& root, const std::set<std::string>& wanted) {
    const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
    while (Below(root) != wanted && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_EQ(Below(root), wanted);
  }
  // A server of which every thread has stored something: what each keeps for itself is there.
  void StartWarm(const std::vector<std::string>& flags) {
    Start(flags);
    RawClient client = Client();
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(client.Get(Put("a/old", "as it was")).ok());
    EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/old"}).body, "as it was");
  }
  static std::string Timeout() {
    return absl::StrCat("--request_timeout=", absl::FormatDuration(kTimeout));
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, PutFailureTest, testing::ValuesIn(kEverything), EngineName);

// `ulimit -f`: what the process may not write (RLIMIT_FSIZE) is refused; nobody is ended by
// SIGXFSZ.
TEST_P(PutFailureTest, TheProcesssLimitOfAFilesSize) {
  StartWarm({});
  const rlimit limit{65536, 65536};
  ASSERT_EQ(prlimit(Server().pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  RawClient client = Client();
  EXPECT_FALSE(client.Get(Put("a/large", std::string(100'000, 'l'))).ok());
  RawClient other = Client();
  EXPECT_TRUE(other.Get(Put("a/small", std::string(60'000, 's'))).ok());
  EXPECT_EQ(other.Get({.mode = kCopy, .uri = "a/old"}).body, "as it was");
  EXPECT_FALSE(other.Get({.mode = kCopy, .uri = "a/large"}).ok());
  EXPECT_TRUE(Server().Running());
}

// Slow is not stopped: a body that keeps coming is taken, though all of it takes much longer than
// --request_timeout, and than
// --idle_timeout. So is one that is dropped, since what it was for was refused.
TEST_P(PutFailureTest, ASlowBodyIsTaken) {
  Start({Timeout(), absl::StrCat("--idle_timeout=", absl::FormatDuration(kTimeout))});
  tree_.AddOnce("folder/object", "there");
  const std::string body = Pattern(1, 400'000);
  RawClient clients[] = {Client(Transport::kUnix), Client(Transport::kTcp),
                         Client(Transport::kUnix)};
  const std::string uris[] = {"by/unix", "by/tcp", "folder"};
  std::string requests[3];
  std::vector<uint32_t> ids;
  for (int i = 0; i < 3; ++i) requests[i] = clients[i].Encode({Put(uris[i], body)}, &ids);
  // Steps of an eighth of the time-out, for two and a half of them.
  constexpr int kSteps = 20;
  for (int step = 0; step < kSteps; ++step) {
    for (int i = 0; i < 3; ++i) {
      const size_t from = requests[i].size() * step / kSteps,
                   to = requests[i].size() * (step + 1) / kSteps;
      EXPECT_TRUE(clients[i].wire().Send(absl::string_view(requests[i]).substr(from, to - from)))
          << uris[i] << ", " << step;
    }
    absl::SleepFor(kTimeout / 8);
  }
  for (int i = 0; i < 2; ++i) {
    const Answer stored = clients[i].Next();
    EXPECT_TRUE(stored.ok()) << uris[i] << " " << stored.status;
    EXPECT_TRUE(clients[i].Get({.mode = kCopy, .uri = uris[i]}).body == body);
  }
  ExpectRefused(clients[2].Next(), kConflict);
  EXPECT_EQ(clients[2].Get({.mode = kCopy, .uri = "folder/object"}).body, "there");
}

// A client that falls silent in the middle of a body is told TIMEOUT and let go, wherever in it
// that is, and also when the body is only waited for to be dropped. It costs nothing afterwards,
// while it still holds on.
TEST_P(PutFailureTest, ASilentClientIsLetGo) {
  StartWarm({Timeout()});
  const auto before = SettledDescriptors(Server());
  const std::string body = Pattern(1, 1'000'000);
  std::vector<RawClient> clients;
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const size_t sent : {size_t{100}, size_t{300'000}, size_t{999'999}}) {
      clients.push_back(Client(transport));
      clients.back().wire().Send(V2Request(1, Put("a/old", body)).substr(0, sent));
      clients.push_back(Client(transport));
      clients.back().wire().Send(
          V2Request(1, Put(absl::StrCat("made/for/", clients.size()), body)).substr(0, sent));
    }
  }
  for (RawClient& client : clients) {
    ExpectRefused(client.Next(), Status::kTimeout);
    EXPECT_EQ(client.Next().reason, kCloseProtocolError);
    EXPECT_TRUE(client.wire().AtEnd());
  }
  RawClient refused = Client();
  std::vector<uint32_t> ids;
  refused.wire().Send(refused.Encode({Put("a", body)}, &ids).substr(0, 5000));
  ExpectRefused(refused.Next(), kConflict);
  ExpectRefused(refused.Next(), Status::kTimeout);
  EXPECT_EQ(refused.Next().reason, kCloseProtocolError);
  EXPECT_TRUE(refused.wire().AtEnd());
  // The files that were under way are open no longer, or they would take up the disk.
  ExpectDescriptorsBack(Server(), before);
  ExpectBelow(tree_.root(), {"a", "a/old"});
  EXPECT_EQ(Client().Get({.mode = kCopy, .uri = "a/old"}).body, "as it was");
}

// So is one that is gone, at once, though it could have taken its time: no file and no directory
// stays.
TEST_P(PutFailureTest, AVanishedClientLeavesNothing) {
  StartWarm({"--request_timeout=10m"});
  const auto before = SettledDescriptors(Server());
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const size_t sent : {size_t{100}, size_t{300'000}, size_t{999'999}}) {
      for (const std::string uri : {"a/old", "made/for/nothing"}) {
        RawClient client = Client(transport);
        client.wire().Send(V2Request(1, Put(uri, Pattern(1, 1'000'000))).substr(0, sent));
        client.wire().Reset();
      }
    }
  }
  ExpectDescriptorsBack(Server(), before);
  ExpectBelow(tree_.root(), {"a", "a/old"});
  EXPECT_EQ(Client().Get({.mode = kCopy, .uri = "a/old"}).body, "as it was");
}

// Failures of the disk, by injection: what the client is told.
struct Failure {
  const char* name;
  std::vector<const char*> calls;  // one of them is made, on whatever engine
  int error;
  Status told;
  uint64_t passed = 0;  // so many calls go well first
  const char* uri = "a/old";
};
std::ostream& operator<<(std::ostream& out, const Failure& failure) { return out << failure.name; }

const Failure kFailures[] = {
    {"NoRoomForADirectory", {"mkdirat"}, ENOSPC, Status::kUnavailable, 1, "made/for/nothing"},
    {"NoRoomForTheFile", {"openat"}, ENOSPC, Status::kUnavailable},
    {"NoDescriptorForTheFile", {"openat"}, EMFILE, Status::kUnavailable, 0, "made/for/nothing"},
    {"NoRoomInMidBody", {"pwrite", "ring_write"}, ENOSPC, Status::kUnavailable, 2},
    {"NoRoomInMidBodyOfANewOne",
     {"pwrite", "ring_write"},
     EDQUOT,
     Status::kUnavailable,
     2,
     "made/for/nothing"},
    {"TheDiskFailsInMidBody", {"pwrite", "ring_write"}, EIO, kStorageError, 2},
    {"TheDiskFailsAtTheEnd", {"fsync"}, EIO, kStorageError},
    {"NoRoomForTheName", {"linkat"}, ENOSPC, Status::kUnavailable, 0, "made/for/nothing"},
    {"NoRoomForTheSecondName", {"linkat"}, ENOSPC, Status::kUnavailable, 1},
    {"TheDiskFailsAtTheName", {"renameat"}, EIO, kStorageError},
};

class PutFaultTest : public PutFailureTest {
 protected:
  void StartInjected(std::vector<std::string> flags = {}, const std::string& root = "") {
    Start(std::move(flags), root, injection_.environment());
  }
  // From now on each call fails, but for the first so many.
  void Fail(const std::vector<const char*>& calls, int error, uint64_t passed = 0) {
    for (const char* call : calls) {
      faults::Fault& fault = injection_.Of(call);
      fault.error = error;
      fault.touched = 0;
      // Every n-th fails, the one that is numbered 0 among them.
      fault.calls = passed == 0 ? 0 : 1;
      fault.every = static_cast<int>(passed) + 1;
    }
  }
  // No more. How often it was so.
  uint64_t Mend(const std::vector<const char*>& calls) {
    uint64_t touched = 0;
    for (const char* call : calls) {
      injection_.Of(call).every = 0;
      touched += injection_.Of(call).touched;
    }
    return touched;
  }

  const TempDir directory_;
  const faults::Injection injection_{directory_.path()};
};
INSTANTIATE_TEST_SUITE_P(Everything, PutFaultTest, testing::ValuesIn(kEverything), EngineName);

// The answer says which object and what kind of failure; the rest of the body is dropped, and the
// connection goes on: what it asks next is answered right. Nothing has changed on the disk, and the
// same is stored when the disk is well again.
TEST_P(PutFaultTest, AFailureOfTheDiskIsToldAndChangesNothing) {
  tree_.Add("a/old", "as it was");
  // Without caches, which keep files open that are gone.
  StartInjected({"--durability=data", "--fd_cache_entries=0"});
  const std::string body = Pattern(1, 1'200'000);  // five writes
  RawClient client = Client();
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/old"}).body, "as it was");
  EXPECT_TRUE(client.Get(Put("made/for/warmth", body)).ok());
  EXPECT_TRUE(client.Get({.mode = kDelete, .uri = "made/for/warmth"}).ok());
  const auto before = SettledDescriptors(Server());
  for (const Failure& failure : kFailures) {
    SCOPED_TRACE(failure);
    const std::string uri = failure.uri;
    Fail(failure.calls, failure.error, failure.passed);
    client.AskAll({Put(uri, body), {.mode = kCopy, .uri = "a/old"}});
    const Answer refused = client.Next();
    EXPECT_GT(Mend(failure.calls), 0u) << "the call is not made";
    ExpectRefused(refused, failure.told);
    EXPECT_EQ(refused.Has(kRetryAfterEntry), failure.told == Status::kUnavailable);
    const std::string said = refused.Has(kErrorEntry) ? refused.metadata.at(kErrorEntry) : "";
    EXPECT_TRUE(absl::StrContains(said, uri)) << "the object is not named: " << said;
    EXPECT_EQ(client.Next().body, "as it was");
    ExpectBelow(tree_.root(), {"a", "a/old"});
    EXPECT_TRUE(client.Get(Put(uri, body)).ok());
    EXPECT_TRUE(client.Get({.mode = kCopy, .uri = uri}).body == body);
    EXPECT_TRUE(client.Get({.mode = kDelete, .uri = uri}).ok());
    EXPECT_TRUE(client.Get(Put("a/old", "as it was")).ok());
  }
  ExpectDescriptorsBack(Server(), before);
}

// A ring whose completions are lost has lost bytes of bodies, too, or the news that they were
// written: the connection ends, and what is stored is whole. An object with a hole in it would be
// worse than none.
TEST_P(PutFaultTest, LostCompletionsLeaveNoObjectWithAHole) {
  StartInjected({});
  constexpr int kPuts = 40;
  const auto content = [](int i) { return Pattern(static_cast<uint64_t>(i) + 1, 700'000); };
  const auto uri = [](int i) { return absl::StrCat("made/", i % 4, "/", i); };
  {
    RawClient warm = Client();
    EXPECT_TRUE(warm.Get(Put("made/warm", "as it was")).ok());
  }
  const auto before = SettledDescriptors(Server());
  faults::Fault& lost = injection_.Of("ring_lost");
  lost.every = 7;
  std::set<int> told;
  for (int i = 0; i < kPuts; ++i) {
    RawClient client = Client(i % 2 == 0 ? Transport::kUnix : Transport::kTcp);
    const Answer answer = client.Get(Put(uri(i), content(i)));
    if (answer.ok()) told.insert(i);
    EXPECT_TRUE(answer.ok() || answer.kind == Answer::Kind::kEnd || answer.status == kStorageError)
        << answer.status;
  }
  lost.every = 0;
  RecordProperty("touched", static_cast<int>(lost.touched));
  RecordProperty("stored", static_cast<int>(told.size()));
  if (lost.touched == 0) GTEST_SKIP() << GetParam() << " has no ring";
  ExpectDescriptorsBack(Server(), before);
  RawClient client = Client();
  for (int i = 0; i < kPuts; ++i) {
    const Answer answer = client.Get({.mode = kCopy, .uri = uri(i)});
    if (answer.ok()) {
      EXPECT_TRUE(answer.body == content(i)) << uri(i);
    } else {
      ExpectRefused(answer, Status::kNotFound);
      EXPECT_FALSE(told.contains(i)) << uri(i) << " was acknowledged";
    }
  }
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "made/warm"}).body, "as it was");
}

// A real disk that has no room for a body when it is announced, which is told before a byte of it
// is sent; and one that fills up in the middle of it, as when others store at the same time; and
// while a descriptor is copied.
TEST_P(PutFaultTest, ADiskThatFillsUpInMidBody) {
  const std::string root = tree_.outside() + "/small";
  std::filesystem::create_directory(root);
  const storage::SmallDisk disk(root, "1m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  StartInjected({}, root);
  RawClient client = Client();
  EXPECT_TRUE(client.Get(Put("a/old", "as it was")).ok());
  const std::string body = Pattern(1, 3'000'000);
  std::vector<uint32_t> announced;
  RawClient patient = Client();
  patient.wire().Send(patient.Encode({Put("made/for/nothing", body)}, &announced).substr(0, 100));
  ExpectRefused(patient.Next(), Status::kUnavailable);
  ExpectBelow(root, {"a", "a/old"});
  // From here on the disk does not say how much room it has.
  Fail({"fstatvfs"}, ENOSYS);
  const net::UniqueFd fd(memfd_create("object", MFD_CLOEXEC));
  ASSERT_EQ(write(fd.get(), body.data(), body.size()), static_cast<ssize_t>(body.size()));
  for (const std::string uri : {"a/old", "made/for/nothing"}) {
    for (const char mode : {kPut, kPutFd}) {
      SCOPED_TRACE(absl::StrCat(uri, " by ", std::string(1, mode)));
      std::vector<uint32_t> ids;
      const Question question{.mode = mode, .uri = uri, .body = mode == kPut ? body : ""};
      const std::string request = client.Encode({question}, &ids);
      mode == kPut ? client.wire().Send(request) : client.wire().Send(request, {fd.get()});
      const Answer refused = client.Next();
      ExpectRefused(refused, Status::kUnavailable);
      EXPECT_TRUE(refused.Has(kRetryAfterEntry));
      const std::string said = refused.Has(kErrorEntry) ? refused.metadata.at(kErrorEntry) : "";
      EXPECT_TRUE(absl::StrContains(said, uri)) << said;
      EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a/old"}).body, "as it was");
      ExpectBelow(root, {"a", "a/old"});
    }
  }
  EXPECT_GT(Mend({"fstatvfs"}), 0u);
  // The room is there again at once.
  EXPECT_TRUE(client.Get(Put("fits", Pattern(2, 900'000))).ok());
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "fits"}).body == Pattern(2, 900'000));
  EXPECT_EQ(Server().Stop(SIGTERM), 0);
  server_.reset();
}

// A name on which something is mounted cannot be given to another object, nor removed: that is a
// conflict, and not the server's fault. A file system that is read-only says so. Each names the
// object.
TEST_P(PutFailureTest, MountsAreInTheWay) {
  tree_.AddOnce("d/mounted", "below");
  tree_.AddOnce("other", "above");
  const std::string name = tree_.Path("d/mounted");
  if (mount(tree_.Path("other").c_str(), name.c_str(), nullptr, MS_BIND, nullptr) != 0)
    GTEST_SKIP() << "nothing can be mounted";
  RawClient client = Client();
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "d/mounted"}).body, "above");
  for (const Question& question :
       {Put("d/mounted", "new"), Question{.mode = kDelete, .uri = "d/mounted"}}) {
    const Answer answer = client.Get(question);
    ExpectRefused(answer, kConflict);
    EXPECT_TRUE(absl::StrContains(answer.metadata.at(kErrorEntry), "\"d/mounted\""))
        << answer.metadata.at(kErrorEntry);
    EXPECT_TRUE(absl::StrContains(answer.metadata.at(kErrorEntry), "mounted there"))
        << answer.metadata.at(kErrorEntry);
  }
  ASSERT_EQ(umount2(name.c_str(), MNT_DETACH), 0);
  const std::string folder = tree_.Path("d");
  ASSERT_EQ(mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, folder.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  for (const Question& question : {Put("d/new", "new"), Put("d/deep/new", "new"),
                                   Question{.mode = kDelete, .uri = "d/mounted"}}) {
    const Answer answer = client.Get(question);
    ExpectRefused(answer, Status::kPermissionDenied);
    EXPECT_TRUE(absl::StrContains(answer.metadata.at(kErrorEntry), "read-only"))
        << answer.metadata.at(kErrorEntry);
    EXPECT_TRUE(absl::StrContains(answer.metadata.at(kErrorEntry), "d/"))
        << answer.metadata.at(kErrorEntry);
  }
  ASSERT_EQ(umount2(folder.c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(client.Get(Put("d/mounted", "new")).ok());
  EXPECT_EQ(Client().Get({.mode = kCopy, .uri = "d/mounted"}).body, "new");
}

}  // namespace
}  // namespace objmapper::e2e
