// The objmapper program as its user sees it: output, files and exit codes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"
#include "tests/tools/program.h"
#include "text/printable.h"

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
      EXPECT_EQ(
          outcome.out,
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

// What was to be printed, and cannot be, is an error, however standard output was lost; no data are
// gone in silence.
TEST_F(ObjmapperTest, OutputThatIsLost) {
  // Nothing is asked of a server when there is nowhere to put it.
  const Outcome closed = Run("get a --server=unix:/nowhere/s >&-");
  EXPECT_EQ(closed.exit_code, 5);
  EXPECT_EQ(closed.err, "objmapper: standard output is closed; use -o FILE\n");
  EXPECT_EQ(Run("get a --server=unix:/nowhere/s >&- <&-").exit_code, 5);
  EXPECT_EQ(Run("get a --server=udp://127.0.0.1:1 >&-").exit_code, 5);
  EXPECT_EQ(Run("get a -o /dev/stdout --server=unix:/nowhere/s >&-").err,
            "objmapper: /dev/stdout is closed\n");
  EXPECT_EQ(Run("get a -o=/proc/self/fd/1 --server=unix:/nowhere/s >&-").exit_code, 5);
  EXPECT_EQ(Run("put /dev/stdin a --server=unix:/nowhere/s <&-").err,
            "objmapper: /dev/stdin is closed\n");
  for (const char* where : {">&-", ">/dev/full", "1</dev/null"})
    EXPECT_EQ(Run(absl::StrCat("help ", where)).exit_code, 5);
  EXPECT_TRUE(
      absl::StrContains(Run("help >&-").err, "write to standard output: Bad file descriptor"));
  for (const char* mode : {"fdpass", "copy", "splice"}) {
    FakeServer server([](Peer& peer) {
      Answer(peer, std::string(300'000, 'x'));
      peer.AwaitEnd();
    });
    const Outcome full =
        Run(absl::StrCat("get a --mode=", mode, " --server=", server.url(), " >/dev/full"));
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
    EXPECT_EQ(
        Run(absl::StrCat("get a -o ", file, " --server=", server.url(), " <&- >&-")).exit_code, 0);
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

// ---- Servers and names of strangers ----

// `text` has nothing that a terminal would obey or a reader not see; newlines end lines.
void ExpectFitToShow(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_EQ(text::Printable(line), line) << text::Printable(text);
  }
}

// As many as a name, an attribute or a server's text can hold: CSI in both spellings, a whole
// escape sequence, a line's end, the other direction of writing, half a character.
constexpr char kEvil[] =
    "e\x1b[2J\x9b"
    "31m\xc2\x9b"
    "7m\r\n\xe2\x80\xae\xe2\x80\xa8\x7f\xc3";

// What a server says of an object, and how it refuses, is shown and not obeyed; with --json too,
// where it can be read back.
TEST_F(ObjmapperTest, WhatAServerSaysIsShownOnly) {
  for (const char* json : {"", " --json"}) {
    FakeServer server([](Peer& peer) {
      peer.Send(Ok(peer.ReadRequest().id, 0, [](MetadataWriter& m) {
        m.AddU64(MetadataType::kSize, 1);
        m.AddText(MetadataType::kEtag, kEvil);
        m.AddText(MetadataType::kMime, kEvil);
      }));
      const Asked asked = peer.ReadRequest();
      // Past the writer's own filter.
      std::string answer =
          Error(asked.id, protocol::Status::kNotFound, std::string(sizeof(kEvil) - 1, 'x'));
      answer.replace(answer.size() - (sizeof(kEvil) - 1), std::string::npos, kEvil);
      peer.Send(answer);
      peer.AwaitEnd();
    });
    const Outcome outcome =
        Run(absl::StrCat("stat 'a\x1b]0;x\x07' 'b\xc2\x9b' ", json, " --server=", server.url()));
    EXPECT_EQ(outcome.exit_code, 1);
    ExpectFitToShow(outcome.out);
    ExpectFitToShow(outcome.err);
    if (*json == '\0') {
      EXPECT_TRUE(
          absl::StrContains(outcome.out, "  etag      e\\x1b[2J\\x9b31m\\xc2\\x9b7m\\x0d\\x0a"))
          << outcome.out;
      EXPECT_TRUE(absl::StrContains(outcome.err, "NOT_FOUND: e\\x1b[2J")) << outcome.err;
    } else {
      EXPECT_TRUE(absl::StrContains(outcome.out, R"("etag":"e\u001b[2J\ufffd31m\u009b7m)"))
          << outcome.out;
      EXPECT_TRUE(absl::StrContains(outcome.out, "\"etag_hex\":\"651b5b324a9b")) << outcome.out;
    }
  }
}

// Errors about files and addresses of this side are as fit to show.
TEST_F(ObjmapperTest, PathsAreShownOnly) {
  const std::string evil = folder_.Path("e\x1b[2J\xc2\x9b");
  for (const std::string& arguments :
       {absl::StrCat("get a --server='unix:/\x1b[2J'"), absl::StrCat("get a --server='\x1b[2J'"),
        absl::StrCat("cp -r '", evil, "' obj:x --server=unix:/nowhere/s"),
        absl::StrCat("put '", evil, "' --server=unix:/nowhere/s"),
        absl::StrCat("stat a --timeout='\x1b[2J'"),
        absl::StrCat("get 'a\x1b[2J/' -o ", folder_.path(), " --server=unix:/nowhere/s"),
        absl::StrCat("'\x1b[2J'"), absl::StrCat("stats --admin='unix:/\x1b[2J'")}) {
    const Outcome outcome = Run(arguments);
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_NE(outcome.err, "");
    ExpectFitToShow(outcome.out);
    ExpectFitToShow(outcome.err);
  }
}

std::string ListEntry(absl::string_view uri) {
  std::string entry{static_cast<char>(uri.size() >> 8), static_cast<char>(uri.size() & 0xFF)};
  entry.append(uri.data(), uri.size());
  return entry + std::string(16, '\0');
}

// A server that lists `uris`, has something for whatever name is asked for, and removes it.
std::unique_ptr<FakeServer> Listing(std::vector<std::string> uris) {
  return FakeServer::ForMany([uris](Peer& peer) {
    peer.ReadHello();
    peer.AnswerHello();
    while (peer.AwaitMore()) {
      const Asked asked = peer.ReadRequest();
      std::string body = "stuff";
      if (asked.request.mode == Mode::kList) {
        body.clear();
        for (const std::string& uri : uris) body += ListEntry(uri);
      }
      if (asked.request.mode == Mode::kDelete) body.clear();
      peer.Send(Ok(asked.id, body.size()) + body);
    }
  });
}

// A list of something else than what was asked for moves nothing: neither in the folder, nor beside
// it, nor on the server.
TEST_F(ObjmapperTest, ListsThatLie) {
  for (const std::string& uri :
       {std::string("p"), std::string(""), std::string("q/a"), std::string("p/a\0b", 5)}) {
    for (const char* command : {"cp -r obj:p $INTO --mode=copy", "rm -r p", "ls p/"}) {
      const std::unique_ptr<FakeServer> server = Listing({uri});
      const Outcome outcome =
          Run(absl::StrCat(absl::StrReplaceAll(command, {{"$INTO", folder_.Path("into")}}),
                           " --server=", server->url()));
      EXPECT_EQ(outcome.exit_code, 4)
          << command << " " << text::Printable(uri) << ": " << outcome.err;
      EXPECT_TRUE(absl::StrContains(outcome.err, "not valid there")) << outcome.err;
      EXPECT_EQ(outcome.out, "");
    }
  }
}

// Of names that are allowed to be there, none leads out of the folder or into what lies there and
// is no regular file; the others arrive.
TEST_F(ObjmapperTest, NamesThatLeadElsewhere) {
  const std::string into = folder_.Path("into");
  ASSERT_EQ(mkdir(into.c_str(), 0777), 0);
  ASSERT_EQ(mkdir(folder_.Path("into/folder").c_str(), 0777), 0);
  ASSERT_EQ(symlink(folder_.Path("outside").c_str(), folder_.Path("into/link").c_str()), 0);
  ASSERT_EQ(symlink(folder_.path().c_str(), folder_.Path("into/up").c_str()), 0);
  ASSERT_EQ(mkfifo(folder_.Path("into/pipe").c_str(), 0666), 0);
  const std::unique_ptr<FakeServer> server =
      Listing({"p/", "p/\x1b[2J/../a", "p/..", "p/../a", "p/./a", "p//a", "p/folder", "p/good",
               "p/good2/a", "p/link", "p/pipe", "p/up/a", "p/\xc2\x9b"});
  const Outcome outcome =
      Run(absl::StrCat("cp -r obj:p ", into, " --mode=copy --server=", server->url()));
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.err, "10 of 13 failed")) << outcome.err;
  ExpectFitToShow(outcome.err);
  EXPECT_EQ(folder_.Read("into/good"), "stuff");
  EXPECT_EQ(folder_.Read("into/good2/a"), "stuff");
  EXPECT_EQ(folder_.Read("into/\xc2\x9b"), "stuff");
  std::vector<std::string> names = folder_.Names();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"into", "stderr"}));
}

// Nor does get into a folder follow a link that lies there under an object's name: whoever may
// write to the folder would choose what is replaced.
TEST_F(ObjmapperTest, GetToAFolderWithALink) {
  ASSERT_EQ(mkdir(folder_.Path("into").c_str(), 0777), 0);
  folder_.Write("outside", "mine");
  ASSERT_EQ(symlink(folder_.Path("outside").c_str(), folder_.Path("into/link").c_str()), 0);
  const std::unique_ptr<FakeServer> server = Listing({});
  const Outcome outcome = Run(absl::StrCat("get x/link x/good --mode=copy -o ",
                                           folder_.Path("into"), " --server=", server->url()));
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.err, "is a symbolic link")) << outcome.err;
  EXPECT_EQ(folder_.Read("outside"), "mine");
  EXPECT_EQ(folder_.Read("into/good"), "stuff");
}

// A child that belongs to nobody and listens at `path`, until this dies.
class SquattedSocket {
 public:
  explicit SquattedSocket(const std::string& path) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      sockaddr_un name{};
      name.sun_family = AF_UNIX;
      memcpy(name.sun_path, path.data(), path.size());
      const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const bool listens = setgid(kNobody) == 0 && setuid(kNobody) == 0 &&
                           bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof(name)) == 0 &&
                           listen(listener, 8) == 0;
      if (!listens || write(ready[1], "x", 1) != 1) _exit(1);
      pause();
      _exit(0);
    }
    close(ready[1]);
    char byte;
    listens_ = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
  }
  ~SquattedSocket() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  bool listens() const { return listens_; }

  static constexpr uid_t kNobody = 65534;

 private:
  pid_t child_ = -1;
  bool listens_ = false;
};

// Where nobody says where the server is, somebody else's that is there first is not asked; a way to
// say so is told.
TEST_F(ObjmapperTest, SquattedDefaultAddress) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a server that is somebody else's";
  // A socket's path has 107 bytes at most, which the test's own folder may exceed.
  char folder[] = "/tmp/om.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const absl::Cleanup gone = [&folder] { std::filesystem::remove_all(folder); };
  ASSERT_EQ(chmod(folder, 0777), 0);
  const std::string path = absl::StrCat(folder, "/objmapper.sock");
  const SquattedSocket squatter(path);
  if (!squatter.listens()) GTEST_SKIP() << "no other user here";
  const auto run = [&](const std::string& before, const std::string& behind) {
    return RunShell(absl::StrCat("OBJMAPPER_SERVER= XDG_RUNTIME_DIR=", folder, " ", before,
                                 " tools/objmapper ping -n 1 --timeout=1s ", behind),
                    folder_.Path("stderr"));
  };
  const Outcome refused = run("", "");
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_TRUE(absl::StrContains(refused.err,
                                absl::StrCat("unix:", path, ": the server there is uid 65534")))
      << refused.err;
  EXPECT_TRUE(absl::StrContains(refused.err, "--server_user=NAME")) << refused.err;
  // Whoever says that it is meant gets as far as ever: to a server that is silent.
  for (const auto& [before, behind] : std::vector<std::pair<std::string, std::string>>{
           {"", "--server_user=65534"},
           {"", "--server_user=any"},
           {"OBJMAPPER_SERVER_USER=65534", ""},
           {"", absl::StrCat("--server=unix:", path)},
           {absl::StrCat("OBJMAPPER_SERVER=unix:", path), ""}}) {
    const Outcome outcome = run(before, behind);
    EXPECT_TRUE(absl::StrContains(outcome.err, "was silent for 1s"))
        << before << behind << ": " << outcome.err;
  }
}

// gflags' own errors are sentences of the program's too, with the exit code of usage errors.
TEST_F(ObjmapperTest, FlagsOfOtherTools) {
  const auto run = [&](const std::string& arguments) {
    return RunShell(absl::StrCat("tools/quickstart_fetch ", arguments), folder_.Path("stderr"));
  };
  for (const auto& [arguments, text] : std::vector<std::pair<std::string, std::string>>{
           {"--nope=3", "--nope=3: there is no such flag"},
           {"--nonope", "--nonope: there is no such flag"},
           {"--root", "--root: it needs a value"},
           {"--logtostderr=perhaps", "--logtostderr=perhaps: expected true or false"},
           {"--minloglevel=many", "--minloglevel=many: expected a value of type int32"},
           {"--flagfile=/no/such/file", "--flagfile=/no/such/file cannot be read"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_TRUE(absl::StartsWith(outcome.err, absl::StrCat("quickstart_fetch: ", text)))
        << outcome.err;
  }
  EXPECT_EQ(run("--logtostderr --nologtostderr -- --nope").exit_code, 0);
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
