// The whole server under SIGKILL: a client asks it to store or to remove something, and it is
// killed in place of each of the calls in turn that this takes on the disk. Then a server starts on
// the same root, and what it serves is judged.
//
// How it works: a library that stands between the server and the C library counts the calls that
// change the tree, in all threads, and kills the process in place of the n-th (tests/faults), for n
// = 1, 2, ..., until the server has answered before it came so far; it is killed then. Between two
// of these calls the disk stays as it is, so every state of it is seen. The server that has been
// judged is the next one to be killed: starting servers is what takes the time here.
// tests/storage/store_crash_test.cc does the same to the storage alone, at every system call.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/unique_fd.h"
#include "tests/e2e/writable.h"
#include "tests/faults/injection.h"
#include "tests/net/memfd.h"
#include "tests/storage/names_below.h"

namespace objmapper::e2e {
namespace {

// Above all that one of the things below takes.
constexpr int kChangesMax = 60;

using Objects = std::map<std::string, std::string>;

class ServerCrashTest : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(engine());
    if (!why.empty()) GTEST_SKIP() << why;
  }
  const std::string& engine() const { return std::get<0>(GetParam()); }
  const std::string& durability() const { return std::get<1>(GetParam()); }

  std::unique_ptr<ServerProcess> Start() {
    return std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = engine(),
                      // Nothing is remembered of the tree as it was before it was made anew.
                      .flags = {"--writable", "--durability=" + durability(), "--memory_limit=16M",
                                "--fd_cache_valid_ms=0", "--index_entries=0"},
                      .environment = injection_.environment()});
  }
  static RawClient Client(const ServerProcess& server) {
    return RawClient::V2(server.Unix(), kInOrder);
  }
  static Answer PutFd(RawClient* client, const std::string& uri, const std::string& contents,
                      bool sealed) {
    const net::UniqueFd fd = net::Memfd(contents, sealed ? net::kSealed : 0);
    std::vector<uint32_t> ids;
    client->wire().Send(client->Encode({{.mode = kPutFd, .uri = uri}}, &ids), {fd.get()});
    return client->Next();
  }

  // All that is served, by each way that there is to it.
  Objects Served(RawClient* client) {
    Objects served;
    const Answer listed = client->Get({.mode = kList, .uri = ""});
    EXPECT_TRUE(listed.ok()) << listed.status;
    for (size_t at = 0; at < listed.body.size();) {
      const size_t bytes = BigEndian(absl::string_view(listed.body).substr(at, 2));
      const std::string uri = listed.body.substr(at + 2, bytes);
      const uint64_t size = BigEndian(absl::string_view(listed.body).substr(at + 2 + bytes, 8));
      at += 18 + bytes;
      const Answer copied = client->Get({.mode = kCopy, .uri = uri});
      EXPECT_TRUE(copied.ok()) << uri << " is listed; " << copied.status;
      EXPECT_EQ(copied.body.size(), size) << uri;
      EXPECT_EQ(Contents(client->Get({.mode = kFdPass, .uri = uri}).fd.get()), copied.body) << uri;
      served[uri] = copied.body;
    }
    return served;
  }
  // What is on the disk that is no directory.
  Objects OnDisk() {
    Objects files;
    for (const std::string& name : storage::NamesBelow(tree_.root(), storage::Which::kFiles)) {
      const net::UniqueFd fd(open(tree_.Path(name).c_str(), O_RDONLY | O_CLOEXEC));
      if (fd.valid()) files[name] = Contents(fd.get());  // or it is gone meanwhile
    }
    return files;
  }

  struct Seen {
    bool acknowledged;  // the client was told OK
    Objects objects;    // served afterwards, and nothing else is on the disk
  };
  // The new one is there; or the old one, of which nobody has been told that it is replaced.
  void ExpectNewOrOld(const Seen& seen) const {
    EXPECT_TRUE(seen.objects == Objects({{"a/object", new_}}) ||
                (!seen.acknowledged && seen.objects == Objects({{"a/object", old_}})));
  }
  // Kills a server in place of each change in turn that `act` makes it do, each time on a tree that
  // `prepare` has made anew; `check` says what a server may find that starts afterwards.
  void AtEachChange(const std::function<void()>& prepare,
                    const std::function<Answer(RawClient*)>& act,
                    const std::function<void(const Seen&)>& check, int rounds_min) {
    faults::FaultTable& table = injection_.table();
    std::unique_ptr<ServerProcess> server = Start();
    int rounds = 0;
    for (bool killed = true; killed && !HasFailure();) {
      ++rounds;
      ASSERT_LT(rounds, kChangesMax);
      for (const auto& entry : std::filesystem::directory_iterator(tree_.root()))
        std::filesystem::remove_all(entry.path());
      prepare();
      Seen seen;
      {
        RawClient client = Client(*server);
        EXPECT_EQ(client.Get({.mode = kStat, .uri = "none"}).status, Status::kNotFound);
        table.changes = 0;
        table.kill_at = rounds;
        const Answer answer = act(&client);
        seen.acknowledged = answer.ok();
        // Not by the answer: what is changed behind an answer would be found here, too.
        killed = table.changes >= rounds;
        if (!killed) {
          EXPECT_TRUE(answer.ok()) << answer.status;
          server->Signal(SIGKILL);
        }
        EXPECT_EQ(server->WaitForExit(), 128 + SIGKILL);
        table.kill_at = 0;
      }
      SCOPED_TRACE(absl::StrCat(
          killed ? "killed in place of change " : "killed after its answer; changes and one: ",
          rounds));
      server = Start();
      RawClient client = Client(*server);
      seen.objects = Served(&client);
      // What was left behind goes as the tree is read, while requests are answered already.
      const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
      while (OnDisk() != seen.objects && absl::Now() < give_up)
        absl::SleepFor(absl::Milliseconds(2));
      EXPECT_TRUE(OnDisk() == seen.objects) << "what is on the disk is not what is served";
      EXPECT_TRUE(Served(&client) == seen.objects) << "what is served changes when leftovers go";
      check(seen);
    }
    EXPECT_GE(rounds, rounds_min) << "the server changes the disk by calls that are not counted";
    RecordProperty("rounds", rounds);
    EXPECT_EQ(server->Stop(SIGTERM), 0);
  }

  // Of several writes, so that a mixture of both would be seen, and a part.
  const std::string old_ = Pattern(1, 300'000);
  const std::string new_ = Pattern(2, 400'000);
  ObjectTree tree_;
  const TempDir directory_;
  const faults::Injection injection_{directory_.path()};
};

// A new object is there whole or not at all; once it has been acknowledged, it is there.
TEST_P(ServerCrashTest, ANewObject) {
  // Two directories, the file, room for it, two writes, its name.
  AtEachChange([] {}, [&](RawClient* client) { return client->Get(Put("a/b/object", new_)); },
               [&](const Seen& seen) {
                 EXPECT_TRUE(seen.objects == Objects({{"a/b/object", new_}}) ||
                             (!seen.acknowledged && seen.objects.empty()));
               },
               7);
}

// Of an object that is replaced there is the old one or the new one; once that has been
// acknowledged, the new one.
TEST_P(ServerCrashTest, AReplacedObject) {
  // As above but for the directories; a name of the server's own first, then the object's.
  AtEachChange([&] { tree_.Add("a/object", old_); },
               [&](RawClient* client) { return client->Get(Put("a/object", new_)); },
               [&](const Seen& seen) { ExpectNewOrOld(seen); }, 8);
}

// The same for one that is copied from a client's descriptor.
TEST_P(ServerCrashTest, AnObjectOfADescriptor) {
  AtEachChange([&] { tree_.Add("a/object", old_); },
               [&](RawClient* client) { return PutFd(client, "a/object", new_, /*sealed=*/false); },
               [&](const Seen& seen) { ExpectNewOrOld(seen); }, 5);
}

// An object in memory goes with its server. What it replaced on the disk comes back only if it has
// not been acknowledged.
TEST_P(ServerCrashTest, AnObjectInMemory) {
  AtEachChange([&] { tree_.Add("a/object", old_); },
               [&](RawClient* client) { return PutFd(client, "a/object", new_, /*sealed=*/true); },
               [&](const Seen& seen) {
                 EXPECT_TRUE(seen.objects.empty() ||
                             (!seen.acknowledged && seen.objects == Objects({{"a/object", old_}})));
               },
               3);
}

// An object that is deleted is there whole, or gone; once that has been acknowledged, it is gone.
// Others stay.
TEST_P(ServerCrashTest, ADeletedObject) {
  const auto prepare = [&] {
    tree_.Add("a/b/c/object", old_);
    tree_.Add("a/neighbour", "stays");
    // As if the server had made them.
    for (const char* folder : {"a", "a/b", "a/b/c"}) {
      EXPECT_EQ(setxattr(tree_.Path(folder).c_str(), "user.objmapper.made", "", 0, 0), 0)
          << strerror(errno);
    }
  };
  const Objects before = {{"a/b/c/object", old_}, {"a/neighbour", "stays"}};
  // It, and the two directories that only it kept.
  AtEachChange(
      prepare,
      [&](RawClient* client) { return client->Get({.mode = kDelete, .uri = "a/b/c/object"}); },
      [&](const Seen& seen) {
        EXPECT_TRUE(seen.objects == Objects({{"a/neighbour", "stays"}}) ||
                    (!seen.acknowledged && seen.objects == before));
      },
      3);
}

INSTANTIATE_TEST_SUITE_P(
    Durabilities, ServerCrashTest,
    // What differs on epoll is who writes, and "full" takes all the steps that there are.
    testing::Values(std::tuple("auto", "none"), std::tuple("auto", "data"),
                    std::tuple("auto", "full"), std::tuple("epoll", "full")),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param));
    });

}  // namespace
}  // namespace objmapper::e2e
