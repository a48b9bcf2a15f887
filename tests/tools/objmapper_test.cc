// The objmapper program as its user sees it: output, files and exit codes.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"
#include "tests/tools/program.h"

namespace objmapper::tools {
namespace {

using client::Asked;
using client::Error;
using client::FakeServer;
using client::FileWith;
using client::Ok;
using client::Peer;
using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Mode;

class ObjmapperTest : public testing::Test {
 protected:
  // Runs the program with `arguments`, which the shell reads.
  Outcome Run(const std::string& arguments) {
    return RunShell(absl::StrCat("tools/objmapper ", arguments), folder_.Path("stderr"));
  }

  // Answers one request for `object`.
  static void Answer(Peer& peer, const std::string& object) {
    const Asked asked = peer.ReadRequest();
    if (asked.request.mode == Mode::kFdPass) {
      const net::UniqueFd file = FileWith(object);
      peer.Send(Ok(asked.id, object.size()), {file.get()});
    } else {
      peer.Send(Ok(asked.id, object.size()) + object);
    }
  }

  client::TemporaryFolder folder_;
};

// Several objects to standard output come one behind the other and nothing else does.
TEST_F(ObjmapperTest, GetToStandardOutput) {
  for (const char* mode : {"fdpass", "copy", "splice"}) {
    FakeServer server([](Peer& peer) {
      Answer(peer, "hello ");
      Answer(peer, "");
      Answer(peer, "world");
      peer.AwaitEnd();
    });
    const Outcome outcome =
        Run(absl::StrCat("get a b c --mode=", mode, " --server=", server.url()));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "hello world");
    EXPECT_EQ(outcome.err, "");
  }
}

// Objects land in a folder under their names; with --json each is one line.
TEST_F(ObjmapperTest, GetToAFolderWithJson) {
  FakeServer server([](Peer& peer) {
    Answer(peer, "hello");
    const Asked asked = peer.ReadRequest();
    peer.Send(Error(asked.id, protocol::Status::kUnavailable, "queue full", 40));
    Answer(peer, "world!");
    peer.AwaitEnd();
  });
  const Outcome outcome = Run(absl::StrCat("get x/a \"$(printf 'b\\377')\" c --json --noretry -o ",
                                           folder_.path(), " --server=", server.url()));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(folder_.Read("a"), "hello");
  EXPECT_EQ(folder_.Read("c"), "world!");
  EXPECT_TRUE(absl::StrContains(outcome.out, "{\"uri\":\"x/a\",\"ok\":true,\"file\":\""));
  EXPECT_TRUE(absl::StrContains(outcome.out, "\"mode\":\"fdpass\"")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, "\"size\":6}\n")) << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out,
                                "\"ok\":false,\"source\":\"server\",\"status\":\"UNAVAILABLE\""))
      << outcome.out;
  EXPECT_TRUE(absl::StrContains(outcome.out, R"({"uri":"b\ufffd","uri_hex":"62ff",)"));
  EXPECT_TRUE(absl::StrContains(outcome.out, "\"retry_after_ms\":40,\"exit_code\":1}\n"))
      << outcome.out;
  EXPECT_EQ(outcome.err, "");
}

// What a busy server refuses is asked again when it says, of every command that asks for objects.
TEST_F(ObjmapperTest, AsksABusyServerAgain) {
  for (const char* command : {"stat a", "get a", "get a --mode=copy"}) {
    FakeServer server([](Peer& peer) {
      for (int i = 0; i < 3; ++i) {
        peer.Send(Error(peer.ReadRequest().id, protocol::Status::kUnavailable, "queue full", 2));
      }
      Answer(peer, "");
      peer.AwaitEnd();
    });
    const Outcome outcome = Run(absl::StrCat(command, " --server=", server.url()));
    EXPECT_EQ(outcome.exit_code, 0) << command << ": " << outcome.err;
    EXPECT_EQ(outcome.err, "");
  }
}

// But not for longer than it may take.
TEST_F(ObjmapperTest, DoesNotAskForEver) {
  FakeServer server([](Peer& peer) {
    peer.Send(Error(peer.ReadRequest().id, protocol::Status::kUnavailable, "queue full", 60'000));
    peer.AwaitEnd();
  });
  const Outcome outcome = Run(absl::StrCat("stat a --timeout=1s --server=", server.url()));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(outcome.err, "queue full")) << outcome.err;
}

// stat shows what the server said, to people and to programs.
TEST_F(ObjmapperTest, Stat) {
  for (const char* json : {"", " --json"}) {
    FakeServer server([](Peer& peer) {
      const Asked asked = peer.ReadRequest();
      EXPECT_EQ(asked.request.mode, Mode::kStat);
      peer.Send(Ok(asked.id, 0, [](MetadataWriter& m) {
        m.AddU64(MetadataType::kSize, 2048);
        m.AddU64(MetadataType::kMtime, 0);
        m.AddText(MetadataType::kEtag, "tag");
        m.AddU8(MetadataType::kBackend, 2);
      }));
      peer.AwaitEnd();
    });
    const Outcome outcome = Run(absl::StrCat("stat a", json, " --server=", server.url()));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    if (*json == '\0') {
      EXPECT_TRUE(absl::StrContains(outcome.out, "2048 bytes (2.0 KiB)")) << outcome.out;
      EXPECT_TRUE(absl::StrContains(outcome.out, "  tier      memory\n")) << outcome.out;
    } else {
      EXPECT_EQ(outcome.out,
                "{\"uri\":\"a\",\"ok\":true,\"size\":2048,\"mtime\":0,\"etag\":\"tag\",\"backend\":2}\n");
    }
  }
}

TEST_F(ObjmapperTest, Ping) {
  FakeServer server([](Peer& peer) {
    for (int i = 0; i < 3; ++i) {
      peer.Send(Error(peer.ReadRequest().id, protocol::Status::kInvalidRequest, "NUL"));
    }
    peer.AwaitEnd();
  });
  const Outcome outcome = Run(absl::StrCat("ping -n 3 --server=", server.url()));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.out, "3 of 3 answered; round trip min ")) << outcome.out;
}

// Exit codes are those that the help lists.
TEST_F(ObjmapperTest, ExitCodes) {
  EXPECT_EQ(Run("help").exit_code, 0);
  EXPECT_EQ(Run("").exit_code, 2);
  EXPECT_EQ(Run("get a --server=nowhere").exit_code, 2);
  EXPECT_EQ(Run("get a --server=unix:/nowhere/s").exit_code, 3);
  {
    FakeServer server([](Peer& peer) {
      peer.Send(Error(peer.ReadRequest().id, protocol::Status::kNotFound, "no such object"));
      peer.AwaitEnd();
    });
    const Outcome outcome = Run(absl::StrCat("get a --server=", server.url()));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.err, "objmapper: OP_FDPASS \"a\": NOT_FOUND: no such object\n");
  }
  {
    FakeServer server([](Peer& peer) {
      peer.ReadHello();
      peer.Send(client::ErrorV1(protocol::Status::kUnavailable, "full"));
    });
    EXPECT_EQ(Run(absl::StrCat("get a --noretry --server=", server.url())).exit_code, 3);
  }
  {
    FakeServer server([](Peer& peer) { peer.ReadRequest(); });
    EXPECT_EQ(Run(absl::StrCat("get a b --server=", server.url())).exit_code, 4);
  }
  {
    // No answer within the timeout.
    FakeServer server([](Peer& peer) {
      peer.ReadRequest();
      peer.AwaitEnd();
    });
    EXPECT_EQ(Run(absl::StrCat("stat a --timeout=1s --server=", server.url())).exit_code, 4);
  }
  {
    FakeServer server([](Peer& peer) {
      Answer(peer, "hello");
      peer.AwaitEnd();
    });
    const Outcome outcome = Run(absl::StrCat("get a -o /dev/full --server=", server.url()));
    EXPECT_EQ(outcome.exit_code, 5);
    EXPECT_TRUE(absl::StrContains(outcome.err, "write to /dev/full: No space left"));
  }
  {
    // Nothing is asked of the server when the file cannot be made.
    FakeServer server([](Peer& peer) {
      peer.ReadHello();
      peer.AnswerHello();
      peer.AwaitEnd();
    });
    const std::string missing = folder_.Path("no/a");
    EXPECT_EQ(Run(absl::StrCat("get a -o ", missing, " --server=", server.url())).exit_code, 5);
  }
  EXPECT_EQ(Run("help >/dev/full").exit_code, 5);
}

// What was to be printed, and cannot be, is an error, however standard output was lost; no data are gone in silence.
TEST_F(ObjmapperTest, OutputThatIsLost) {
  // Nothing is asked of a server when there is nowhere to put it.
  const Outcome closed = Run("get a --server=unix:/nowhere/s >&-");
  EXPECT_EQ(closed.exit_code, 5);
  EXPECT_EQ(closed.err, "objmapper: standard output is closed; say with -o where to put it\n");
  EXPECT_EQ(Run("get a --server=unix:/nowhere/s >&- <&-").exit_code, 5);
  EXPECT_EQ(Run("get a --server=udp://127.0.0.1:1 >&-").exit_code, 5);
  EXPECT_EQ(Run("get a -o /dev/stdout --server=unix:/nowhere/s >&-").err, "objmapper: /dev/stdout is closed\n");
  EXPECT_EQ(Run("get a -o=/proc/self/fd/1 --server=unix:/nowhere/s >&-").exit_code, 5);
  EXPECT_EQ(Run("put /dev/stdin a --server=unix:/nowhere/s <&-").err, "objmapper: /dev/stdin is closed\n");
  for (const char* where : {">&-", ">/dev/full", "1</dev/null"}) EXPECT_EQ(Run(absl::StrCat("help ", where)).exit_code, 5);
  EXPECT_TRUE(absl::StrContains(Run("help >&-").err, "write to standard output: Bad file descriptor"));
  for (const char* mode : {"fdpass", "copy", "splice"}) {
    FakeServer server([](Peer& peer) {
      Answer(peer, std::string(300'000, 'x'));
      peer.AwaitEnd();
    });
    const Outcome full = Run(absl::StrCat("get a --mode=", mode, " --server=", server.url(), " >/dev/full"));
    EXPECT_EQ(full.exit_code, 5) << mode << full.err;
    EXPECT_TRUE(absl::StrContains(full.err, "No space left")) << mode << full.err;
  }
  {
    // Where it goes to a file, nobody misses standard output, or the others.
    FakeServer server([](Peer& peer) {
      Answer(peer, "hello");
      peer.AwaitEnd();
    });
    const std::string file = folder_.Path("got");
    EXPECT_EQ(Run(absl::StrCat("get a -o ", file, " --server=", server.url(), " <&- >&-")).exit_code, 0);
    EXPECT_EQ(RunShell(absl::StrCat("cat ", file), folder_.Path("stderr")).out, "hello");
  }
  {
    // Errors of the server stay what they are.
    FakeServer server([](Peer& peer) {
      peer.Send(Error(peer.ReadRequest().id, protocol::Status::kNotFound, "no such object"));
      peer.AwaitEnd();
    });
    EXPECT_EQ(Run(absl::StrCat("stat a --server=", server.url(), " >&-")).exit_code, 1);
  }
}

// The help is this program's, not a list of every library's flags.
TEST_F(ObjmapperTest, HelpIsForStrangers) {
  const Outcome help = Run("--help");
  EXPECT_TRUE(absl::StrContains(help.out, "Exit codes:"));
  EXPECT_FALSE(absl::StrContains(help.out, "logtostderr"));
  EXPECT_TRUE(absl::StrContains(Run("get --help").out, "--range=PART"));
  EXPECT_TRUE(absl::StartsWith(Run("--version").out, "objmapper "));
}

}  // namespace
}  // namespace objmapper::tools
