// Objects that change while they are served: an answer is all of one version, or the connection
// closes inside it; it is never a mix that looks whole.
#include <fcntl.h>
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/versions.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kBig = 32 * 1024 * 1024;  // far more than sockets hold between two processes
// Inside a page, and behind all that can be sent ahead of a reader.
constexpr size_t kCutTo = kBig - 5000000 + 123;

class StorageRaceTest : public SetupTest {
 protected:
  std::string Modes() const { return GetParam().is_unix() ? "123" : "23"; }
  RawClient Connection(const ServerProcess& server) {
    return Open(server, GetParam().transport, GetParam().dialect);
  }
  static std::string BytesOf(const Answer& answer) {
    return answer.mode == kFdPass ? Contents(answer.fd.get()) : answer.body;
  }

  // A reader in each mode asks for "object" until each has `enough` answers of it, while `writer`
  // changes it all the time. `judge` sees every answer.
  void Race(const std::function<void(uint32_t turn)>& writer, int enough,
            const std::function<void(const Answer&)>& judge) {
    ServerProcess server(tree_.root(), {.engine = GetParam().engine});
    writer(0);
    std::atomic<bool> stop{false};
    std::thread writing([&] {
      for (uint32_t turn = 1; !stop; ++turn) writer(turn);
    });
    for (const char mode : Modes()) {
      SCOPED_TRACE(mode);
      RawClient client = Connection(server);
      for (int got = 0; got < enough && !HasFailure();) {
        const Answer answer = client.Get({.mode = mode, .uri = "object"});
        if (answer.cut || answer.kind != Answer::Kind::kResponse) {
          client = Connection(server);  // a closed connection is an honest answer
          continue;
        }
        judge(answer);
        ++got;
      }
    }
    stop = true;
    writing.join();
  }

  ObjectTree tree_;
};

// Replaced by rename without pause, each version with a size of its own.
TEST_P(StorageRaceTest, ReplacedWhileServed) {
  const auto size_of = [](uint32_t version) { return 200000 + 8 * (version % 997) * 101; };
  Race([&](uint32_t turn) { tree_.Add("object", VersionOf(turn, size_of(turn))); }, 150,
       [&](const Answer& answer) {
         ASSERT_TRUE(answer.ok()) << answer.status;
         const std::string bytes = BytesOf(answer);
         std::string problem;
         const std::optional<uint32_t> version = OneVersion(bytes, &problem);
         ASSERT_TRUE(version.has_value()) << problem;
         EXPECT_EQ(bytes.size(), size_of(*version)) << "version " << *version;
         if (answer.mode != kFdPass && GetParam().is_v2()) {
           ASSERT_TRUE(answer.Has(kSizeEntry));
           EXPECT_EQ(answer.Number(kSizeEntry), bytes.size());
         }
       });
}

// There and not there in turns: found whole, or NOT_FOUND, and nothing else.
TEST_P(StorageRaceTest, DeletedAndMadeAgain) {
  Race(
      [&](uint32_t turn) {
        if (turn % 2 == 0) {
          tree_.Add("object", VersionOf(turn, 80000));
        } else {
          unlink(tree_.Path("object").c_str());
        }
      },
      200,
      [&](const Answer& answer) {
        if (answer.status == Status::kNotFound) return ExpectRefused(answer, Status::kNotFound);
        ASSERT_TRUE(answer.ok()) << answer.status;
        std::string problem;
        EXPECT_TRUE(OneVersion(BytesOf(answer), &problem).has_value()) << problem;
        EXPECT_EQ(BytesOf(answer).size(), 80000u);
      });
}

// Grown in place, piece by piece, and then begun anew: what comes is the beginning of one version.
// (Shrinking in place is below, without a race: page cache and spliced pages show zeros for bytes
// that are being cut off, to every reader of the file.)
TEST_P(StorageRaceTest, AppendedWhileServed) {
  Race(
      [&](uint32_t turn) {
        const uint32_t version = turn / 20, piece = turn % 20;
        const std::string whole = VersionOf(version, 160000);
        if (piece == 0) {
          tree_.Add("object", whole.substr(0, 8000));
          return;
        }
        net::UniqueFd file(open(tree_.Path("object").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
        PCHECK(write(file.get(), whole.data() + piece * 8000, 8000) == 8000);
      },
      200,
      [&](const Answer& answer) {
        ASSERT_TRUE(answer.ok()) << answer.status;
        std::string problem;
        EXPECT_TRUE(OneVersion(BytesOf(answer), &problem).has_value()) << problem;
        EXPECT_GE(BytesOf(answer).size(), 8000u);
      });
}

// ---- Changes behind a slow reader's back ----

class SlowReaderTest : public StorageRaceTest {
 protected:
  // A reader that has the beginning of the big object when `change` happens, then reads on.
  void ReadAcross(const std::function<void(const std::string& path)>& change,
                  const std::function<void(const Answer&)>& judge) {
    const std::string old = VersionOf(1, kBig);
    ServerProcess server(tree_.root(), {.engine = GetParam().engine});
    for (const char mode : {kCopy, kSplice}) {
      for (const bool warm : {false, true}) {
        SCOPED_TRACE(testing::Message() << "mode " << mode << (warm ? ", cached" : ""));
        const std::string uri = absl::StrCat("big-", std::string(1, mode), warm);
        const std::string path = tree_.Add(uri, old);
        if (warm) {
          EXPECT_TRUE(Connection(server).Get({.mode = mode, .uri = uri}).body == old);
        }
        RawClient client = Connection(server);
        client.Ask({.mode = mode, .uri = uri});
        Answer answer = client.NextHead();
        ASSERT_TRUE(answer.ok()) << answer.status;
        EXPECT_EQ(answer.content_length, kBig);
        client.ReadBody(&answer, 65536);
        change(path);
        client.ReadBody(&answer, kBig - answer.body.size());
        judge(answer);
        // What lies behind the new end of a file that was cut reads as zeros up to the end of its
        // page; such bytes may come, but never in a body that is whole.
        const size_t certain = answer.cut ? std::min(answer.body.size(), kCutTo) : kBig;
        EXPECT_TRUE(absl::string_view(answer.body).substr(0, certain) ==
                    absl::string_view(old).substr(0, certain))
            << "not the bytes of the version that was asked for";
        if (answer.cut) {
          EXPECT_TRUE(client.wire().AtEnd());
        } else {
          // The connection goes on, at the right byte.
          tree_.AddOnce("small", "small object");
          EXPECT_EQ(client.Get({.mode = mode, .uri = "small"}).body, "small object");
        }
        std::filesystem::remove(path);
      }
    }
  }
};

TEST_P(SlowReaderTest, OfAReplacedObjectGetsTheOldOne) {
  ReadAcross(
      [&](const std::string& path) {
        tree_.Add(path.substr(tree_.root().size() + 1), VersionOf(2, kBig));
      },
      [](const Answer&) {});
}

TEST_P(SlowReaderTest, OfADeletedObjectGetsTheOldOne) {
  ReadAcross([](const std::string& path) { unlink(path.c_str()); }, [](const Answer&) {});
}

// The announced length stands, and so do the bytes.
TEST_P(SlowReaderTest, OfAnAppendedObjectGetsWhatWasAnnounced) {
  ReadAcross(
      [](const std::string& path) {
        net::UniqueFd file(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
        const std::string more = VersionOf(3, 100000);
        ASSERT_EQ(write(file.get(), more.data(), more.size()), static_cast<ssize_t>(more.size()));
      },
      [](const Answer& answer) { EXPECT_FALSE(answer.cut); });
}

// The rest is gone: the connection ends, short of the length announced.
TEST_P(SlowReaderTest, OfATruncatedObjectIsCutOff) {
  ReadAcross([](const std::string& path) { ASSERT_EQ(truncate(path.c_str(), kCutTo), 0); },
             [](const Answer& answer) { EXPECT_TRUE(answer.cut); });
}

// Cut inside the last page: in a mapping, zeros stand where the bytes were, and no fault tells.
TEST_P(StorageRaceTest, TruncatedInsideItsLastPage) {
  ServerProcess server(tree_.root(),
                       {.engine = GetParam().engine, .flags = {"--fd_cache_valid_ms=600000"}});
  RawClient client = Connection(server);
  for (const char mode : Modes()) {
    for (const size_t bytes : {size_t{4000}, size_t{10000}, size_t{300000}}) {
      SCOPED_TRACE(testing::Message() << "mode " << mode << ", " << bytes << " bytes");
      const std::string uri = absl::StrCat("shrinking-", bytes, std::string(1, mode));
      const std::string contents = VersionOf(1, bytes);
      const std::string path = tree_.Add(uri, contents);
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(BytesOf(client.Get({.mode = mode, .uri = uri})) == contents);
      }
      ASSERT_EQ(truncate(path.c_str(), bytes - 800), 0);
      const Answer answer = client.Get({.mode = mode, .uri = uri});
      if (answer.cut || answer.kind != Answer::Kind::kResponse) {
        client = Connection(server);
        continue;
      }
      EXPECT_TRUE(answer.ok()) << answer.status;
      // Within --fd_cache_valid_ms the old version may still be served, but then all of it.
      const bool all_old = BytesOf(answer) == contents;
      const bool all_new = BytesOf(answer) == absl::string_view(contents).substr(0, bytes - 800);
      EXPECT_TRUE(all_old || all_new)
          << "a body of " << BytesOf(answer).size() << " bytes from a file of " << bytes - 800;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, StorageRaceTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV2})),
                         SetupName);
INSTANTIATE_TEST_SUITE_P(All, SlowReaderTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
