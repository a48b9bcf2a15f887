// put, ls, rm and cp as their user sees them, against the real server: files, output and exit
// codes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/server_process.h"
#include "tests/tools/program.h"

namespace objmapper::tools {
namespace {

class ObjectsTest : public testing::Test {
 protected:
  void Start(std::vector<std::string> flags) {
    e2e::ServerOptions options;
    options.flags = std::move(flags);
    server_.emplace(tree_.root(), options);
  }
  void SetUp() override {
    Start({"--writable"});
    std::filesystem::create_directories(folder_.Path("d/e/deep"));
    folder_.Write("d/a b", "with a blank");
    folder_.Write("d/n\nl", "with a newline");
    folder_.Write("d/e/\xff", "not UTF-8");
    folder_.Write("d/e/deep/empty", "");
    folder_.Write("d/-r", "like a flag");
  }

  // Runs the program in folder_.
  Outcome Run(const std::string& arguments, const std::string& url = "") {
    return RunShell(absl::StrCat("cd ", folder_.path(), " && OBJMAPPER_SERVER=",
                                 url.empty() ? absl::StrCat("unix:", server_->socket_path()) : url,
                                 " ", program_, " ", arguments),
                    folder_.Path("stderr"));
  }
  // Runs a line of the shell in folder_, in which the program finds the server.
  Outcome Shell(const std::string& line) {
    return RunShell(absl::StrCat("cd ", folder_.path(), " && export OBJMAPPER_SERVER=unix:",
                                 server_->socket_path(), " && ( ", line, " )"),
                    folder_.Path("stderr"));
  }
  // The same where all must go well. Returns stdout.
  std::string Good(const std::string& arguments) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << ": " << outcome.err;
    EXPECT_EQ(outcome.err, "") << arguments;
    return outcome.out;
  }
  void ExpectSame(const std::string& a, const std::string& b) {
    const Outcome diff =
        RunShell(absl::StrCat("cd ", folder_.path(), " && diff -r ", a, " ", b), "/dev/null");
    EXPECT_EQ(diff.exit_code, 0) << diff.out;
  }

  const std::string program_ = std::filesystem::absolute("tools/objmapper").string();
  client::TemporaryFolder folder_;
  e2e::ObjectTree tree_;
  std::optional<e2e::ServerProcess> server_;
};

// A folder comes back as it was, whatever its files' names and sizes are and whichever way they
// went; and the same again, over what is there already.
TEST_F(ObjectsTest, FoldersThereAndBack) {
  folder_.Write("d/big", e2e::Pattern(1, 64 << 20));
  EXPECT_EQ(Good("put -r d p/"), "");
  Good("cp -r d obj:q --fd --jobs=2");
  Good("cp -r d obj:q --jobs=1 --force");
  for (const char* flags : {"--mode=fdpass", "--mode=copy --jobs=1", "--mode=splice --jobs=9"}) {
    Good(absl::StrCat("cp -r obj:p/ out --force ", flags));
    ExpectSame("d", "out");
    Good(absl::StrCat("cp -r obj:q out --force ", flags));
    ExpectSame("d", "out");
  }
  // One object, both ways.
  Good("cp d/big obj:one");
  Good("cp obj:one back");
  ExpectSame("d/big", "back");
}

// What is put on standard input, by a pipe or a file, is the object; an empty one too.
TEST_F(ObjectsTest, StandardInput) {
  EXPECT_EQ(RunShell(absl::StrCat("printf hello | ", program_,
                                  " put - s/in --server=unix:", server_->socket_path()),
                     folder_.Path("stderr"))
                .exit_code,
            0);
  EXPECT_EQ(Good("get s/in"), "hello");
  Good("put - s/in < d/'a b'");
  EXPECT_EQ(Good("get s/in"), "with a blank");
  Good("put - s/in </dev/null");
  EXPECT_EQ(Good("get s/in"), "");
}

// ls tells all names in order, one a line, or with -d one level of them; what a terminal would obey
// is shown harmlessly, and --json has it as it is.
TEST_F(ObjectsTest, Ls) {
  EXPECT_EQ(Good("ls"), "");
  Good("put -r d");
  EXPECT_EQ(Good("ls"), "d/-r\nd/a b\nd/e/deep/empty\nd/e/\\xff\nd/n\\x0al\n");
  EXPECT_EQ(Good("ls d/e"), "d/e/deep/empty\nd/e/\\xff\n");
  EXPECT_EQ(Good("ls -d"), "d/\n");
  EXPECT_EQ(Good("ls -d d/e/"), "d/e/deep/\nd/e/\\xff\n");
  EXPECT_EQ(Good("ls nothing"), "");
  const std::string row = Good("ls -l d/a");
  EXPECT_TRUE(absl::StartsWith(row, "      12 B  20")) << row;
  EXPECT_TRUE(absl::EndsWith(row, "  d/a b\n")) << row;
  const std::string json = Good("ls --json");
  EXPECT_TRUE(absl::StrContains(json, "{\"uri\":\"d/n\\nl\",\"size\":14,\"mtime\":")) << json;
  EXPECT_TRUE(absl::StrContains(json, "\"uri_hex\":\"642f652fff\"")) << json;
  EXPECT_TRUE(
      absl::StrContains(Good("ls -d --json d/"), "{\"prefix\":\"d/e/\",\"objects\":2,\"size\":9,"));
}

// rm removes what it was told and no more; --dry_run removes nothing; what is not there is an
// error, and the others go all the same.
TEST_F(ObjectsTest, Rm) {
  Good("put -r d p/");
  Good("put -r d p2/");
  Good("rm p/-r");
  const Outcome some = Run("rm none 'p/a b'");
  EXPECT_EQ(some.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(some.err, "OP_DELETE \"none\": NOT_FOUND")) << some.err;
  EXPECT_TRUE(absl::StrContains(some.err, "1 of 2 failed")) << some.err;
  const std::string before = Good("ls");
  EXPECT_FALSE(absl::StrContains(before, "p/a b"));
  EXPECT_TRUE(absl::StrContains(Good("rm -r p --dry_run"), "would remove p/n\\x0al\n"));
  EXPECT_EQ(Good("ls"), before);
  Good("rm -r p");
  EXPECT_EQ(Good("ls p/"), "");
  EXPECT_EQ(Good("ls"), "p2/-r\np2/a b\np2/e/deep/empty\np2/e/\\xff\np2/n\\x0al\n");
  const Outcome again = Run("rm -r p");
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_EQ(again.err, "objmapper: there is no object below p/\n");
}

// A read-only server says so, of each object, whether the body is small or large; reading goes on.
TEST_F(ObjectsTest, ReadOnlyServer) {
  Good("put 'd/a b' a");
  Start({});
  folder_.Write("d/big", std::string(8 << 20, 'b'));
  for (const char* command : {"put -r d p/", "put d/big x", "put d/big x --fd", "rm a"}) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_TRUE(absl::StrContains(outcome.err, "UNSUPPORTED_OP")) << outcome.err;
    EXPECT_TRUE(absl::StrContains(outcome.err, "read-only (--writable)")) << outcome.err;
  }
  EXPECT_TRUE(absl::StrContains(Run("put -r d p/").err, "6 of 6 failed"));
  EXPECT_EQ(Good("ls"), "a\n");
  EXPECT_EQ(Good("get a"), "with a blank");
}

// Names of which none fits a cursor: ls, cp -r and rm -r see all of them.
TEST_F(ObjectsTest, NamesThatNoCursorHolds) {
  std::string deep;
  for (int i = 0; i < 5; ++i) deep += std::string(210, 'd') + "/";
  std::string names;
  for (int i = 0; i < 1020; ++i) {
    tree_.Add(absl::StrCat("long/", deep, 1000 + i), "x");
    absl::StrAppend(&names, "long/", deep, 1000 + i, "\n");
  }
  EXPECT_EQ(Good("ls"), names);
  Good("cp -r obj:long copied");
  EXPECT_TRUE(absl::StrContains(Good("rm -r long --dry_run"),
                                absl::StrCat("would remove long/", deep, "2019\n")));
  Good("rm -r long");
  EXPECT_EQ(Good("ls"), "");
}

// A file of procfs says that it is empty, one of sysfs that it has a page: what is read of them is
// what is stored.
TEST_F(ObjectsTest, PutOfWhatTheKernelMakesUp) {
  Good("put /proc/version v");
  EXPECT_TRUE(absl::StartsWith(Good("get v"), "Linux version "));
  if (access("/sys/kernel/uevent_seqnum", R_OK) == 0) {
    Good("put /sys/kernel/uevent_seqnum u");
    EXPECT_LT(Good("get u").size(), 30u);
    EXPECT_TRUE(absl::EndsWith(Good("get u"), "\n"));
  }
  folder_.Write("d/empty one", "");
  Good("put 'd/empty one' e");
  EXPECT_EQ(Good("get e"), "");
}

// What cannot be read or stored is named, the others are stored, and the exit code says whose fault
// it was.
TEST_F(ObjectsTest, PartialFailures) {
  const Outcome missing = Run("put nowhere 'd/a b' m/");
  EXPECT_EQ(missing.exit_code, 5);
  EXPECT_TRUE(absl::StrContains(missing.err, "open nowhere: No such file or directory"))
      << missing.err;
  EXPECT_TRUE(absl::StrContains(missing.err, "1 of 2 failed")) << missing.err;
  EXPECT_EQ(Good("ls"), "m/a b\n");
  const Outcome conflict = Run("put d/-r 'm/a b/x'");
  EXPECT_EQ(conflict.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(conflict.err, "CONFLICT")) << conflict.err;
  const Outcome json = Run("put --json -- nowhere d/-r j/");
  EXPECT_EQ(json.exit_code, 5);
  EXPECT_TRUE(absl::StrContains(json.out, "{\"file\":\"nowhere\",\"ok\":false")) << json.out;
  EXPECT_TRUE(
      absl::StrContains(json.out, "{\"uri\":\"j/-r\",\"ok\":true,\"file\":\"d/-r\",\"size\":11"))
      << json.out;
  EXPECT_EQ(json.err, "");
}

// A command line that makes no sense sends nothing and says why.
TEST_F(ObjectsTest, Mistakes) {
  const std::vector<std::pair<const char*, const char*>> mistakes = {
      {"put d x/", "d is a folder: -r"},
      {"put -", "standard input (-) has no name"},
      {"put 'd/a b' d/-r x", "URI that ends in /"},
      {"cp d e", "begin with obj:"},
      {"cp obj:a obj:b", "both begin with obj:"},
      {"cp obj:a/ out", "-r fetches everything"},
      {"put . -r", "has no name of its own"},
  };
  for (const auto& [command, text] : mistakes) {
    const Outcome outcome = Run(command);
    EXPECT_EQ(outcome.exit_code, 2) << command;
    EXPECT_TRUE(absl::StrContains(outcome.err, text)) << outcome.err;
  }
  EXPECT_EQ(Run("cp -r obj:none/ out").exit_code, 1);
  EXPECT_EQ(Good("ls"), "");
}

// An object with a time to live is gone after it, for those who ask for it.
TEST_F(ObjectsTest, TimeToLive) {
  Good("put 'd/a b' short --ttl=1s");
  Good("put 'd/a b' long --ttl=24h");
  const absl::Time limit = absl::Now() + absl::Minutes(1);
  while (Run("get short").exit_code == 0 && absl::Now() < limit)
    absl::SleepFor(absl::Milliseconds(50));
  const Outcome gone = Run("get short");
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(gone.err, "NOT_FOUND")) << gone.err;
  EXPECT_EQ(Good("get long"), "with a blank");
}

// Nothing is written through a symbolic link in the folder; the other objects come.
TEST_F(ObjectsTest, LinksAreNotFollowed) {
  Good("put -r d p/");
  std::filesystem::create_directories(folder_.Path("out"));
  std::filesystem::create_directories(folder_.Path("elsewhere"));
  ASSERT_EQ(symlink(folder_.Path("elsewhere").c_str(), folder_.Path("out/e").c_str()), 0);
  const Outcome outcome = Run("cp -r obj:p/ out");
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_TRUE(absl::StrContains(outcome.err, "out/e is a symbolic link")) << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.err, "2 of 5 failed")) << outcome.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder_.Path("elsewhere")));
  EXPECT_EQ(folder_.Read("out/a b"), "with a blank");
}

// Nor does a name lead out of the folder, even if a server should list one.
TEST_F(ObjectsTest, NamesThatLeaveTheFolder) {
  const auto liar = client::FakeServer::ForMany([](client::Peer& peer) {
    peer.ReadHello();
    peer.AnswerHello();
    while (peer.AwaitMore()) {
      const client::Asked asked = peer.ReadRequest();
      std::string body;
      for (const std::string name : {"p/../../evil", "p//etc", "p/ok"}) {
        body +=
            std::string("\0", 1) + static_cast<char>(name.size()) + name + std::string(16, '\0');
      }
      if (asked.request.mode == protocol::Mode::kList) {
        peer.Send(client::Ok(asked.id, body.size()) + body);
      } else {
        EXPECT_EQ(asked.uri, "p/ok");
        peer.Send(client::Ok(asked.id, 2) + "ok");
      }
    }
  });
  const Outcome outcome = Run("cp -r obj:p out --mode=copy", liar->url());
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_TRUE(absl::StrContains(outcome.err, "object \"../../evil\" has no place in out"))
      << outcome.err;
  EXPECT_TRUE(absl::StrContains(outcome.err, "2 of 3 failed")) << outcome.err;
  EXPECT_EQ(folder_.Read("out/ok"), "ok");
  EXPECT_FALSE(std::filesystem::exists(folder_.Path("../evil")));
}

// Output that nobody reads ends the program: quietly by the signal, or as an error where that is
// ignored.
TEST_F(ObjectsTest, BrokenPipe) {
  for (int i = 0; i < 700; ++i) tree_.Add(absl::StrCat(std::string(200, 'n'), i), "");
  const std::string code = folder_.Path("code");
  // More than a pipe holds, to a reader that reads nothing.
  EXPECT_EQ(Run(absl::StrCat("ls | true")).err, "");
  RunShell(absl::StrCat("(trap '' PIPE; ", program_, " ls --server=unix:", server_->socket_path(),
                        "; echo $? >", code, ") | true"),
           "/dev/null");
  EXPECT_EQ(folder_.Read("code"), "5\n");
}

// What has no size before it is read is read to its end: FIFOs, and files that do not say how long
// they are.
TEST_F(ObjectsTest, SourcesWithoutASize) {
  EXPECT_EQ(Shell(absl::StrCat("echo from a pipe | ", program_, " put /dev/stdin a && ", program_,
                               " get a"))
                .out,
            "from a pipe\n");
  EXPECT_EQ(Shell(absl::StrCat("mkfifo fifo && (echo from a fifo >fifo &) && ", program_,
                               " cp fifo obj:b && ", program_, " get b"))
                .out,
            "from a fifo\n");
  const Outcome nameless = Run("put fifo");
  EXPECT_EQ(nameless.exit_code, 2);
  EXPECT_TRUE(absl::StrContains(nameless.err, "give the URI")) << nameless.err;
  for (const char* flags : {"", "--fd"}) {
    EXPECT_EQ(Shell(absl::StrCat(program_, " put ", flags, " /proc/version c && ", program_,
                                 " get c | cmp - /proc/version"))
                  .exit_code,
              0)
        << flags;
  }
  EXPECT_EQ(Run("put /dev/null d").exit_code, 5);
}

// What is not there leaves nothing behind, and how the server was missed is told by the exit code.
TEST_F(ObjectsTest, NothingThere) {
  EXPECT_EQ(Run("cp -r obj:none into").exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(folder_.Path("into")));
  EXPECT_EQ(Run("stats --admin=nowhere").exit_code, 2);
  EXPECT_EQ(Run("stats --admin=/no/such/socket").exit_code, 3);
  // Where objects are served, HTTP is spoken too, but there is no such page.
  const auto elsewhere = Run(absl::StrCat("stats --timeout=5 --admin=", server_->socket_path()));
  EXPECT_EQ(elsewhere.exit_code, 1);
  EXPECT_TRUE(absl::StrContains(elsewhere.err, "--admin_listen")) << elsewhere.err;
  EXPECT_EQ(Run("put -r d", "udp://127.0.0.1:1").exit_code, 2);
}

// ---- Where objects go: what is no file, and what a file was ----

// Standard output and other open descriptors by their names are written to as they are, one object
// behind the other, also where their file has gone; nothing of /dev is replaced, not even by root.
TEST_F(ObjectsTest, OutputToOpenDescriptors) {
  Good("put d/e/deep/empty empty");
  Good("put 'd/a b' a");
  const std::string stdout_link = std::filesystem::read_symlink("/dev/stdout").string();
  EXPECT_EQ(Good("get a -o /dev/stdout"), "with a blank");
  for (const char* mode : {"fdpass", "copy"}) {
    const std::string get = absl::StrCat(program_, " get a --mode=", mode, " -o ");
    for (const char* name :
         {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "link"}) {
      const Outcome twice = Shell(absl::StrCat("ln -sf /dev/stdout link && (", get, name, " && ",
                                               get, name, ") >f && cat f && rm f link"));
      EXPECT_EQ(twice.out, "with a blankwith a blank") << name << twice.err;
    }
    const Outcome gone =
        Shell(absl::StrCat("(rm f && ", get, "/dev/stdout && ", get, "/dev/stdout) >f"));
    EXPECT_EQ(gone.exit_code, 0) << gone.err;
    EXPECT_EQ(Shell(absl::StrCat(get, "/dev/fd/7 7>f && cat f")).out, "with a blank");
    EXPECT_EQ(Shell(absl::StrCat(get, "/dev/stdout | cat")).out, "with a blank");
  }
  EXPECT_EQ(std::filesystem::read_symlink("/dev/stdout").string(), stdout_link);
  EXPECT_EQ(Good("get a a -o /dev/stdout"), "with a blankwith a blank");
  EXPECT_EQ(Run("get a -o /dev/fd/7").exit_code, 5);
  EXPECT_EQ(Run("get a -o /dev/fd/7 7</dev/null").exit_code, 5);
  EXPECT_EQ(Run("get a -o /dev/stdout --json").exit_code, 2);
  EXPECT_EQ(Run("get a -o /dev/null --json").exit_code, 0);
  const Outcome socket = Run(absl::StrCat("get a -o ", server_->socket_path()));
  EXPECT_EQ(socket.exit_code, 5);
  EXPECT_TRUE(absl::StrContains(socket.err, "it is a socket")) << socket.err;
}

// A file keeps what it is, by get and cp alike: its permissions, and the links that lead to it.
TEST_F(ObjectsTest, OutputKeepsWhatAFileIs) {
  Good("put -r d");
  for (const char* command :
       {"get 'd/a b' -o link", "get 'd/a b' --mode=copy -o link", "cp 'obj:d/a b' link"}) {
    EXPECT_EQ(
        Shell(absl::StrCat(
                  "rm -rf f g link && echo old >f && chmod 600 f && ln f g && ln -s f link && ",
                  program_, " ", command, " && stat -c '%a %F' f link && cat f g"))
            .out,
        "600 regular file\n777 symbolic link\nwith a blankold\n")
        << command;
    EXPECT_EQ(Shell(absl::StrCat("rm -rf link w && mkdir w && ln -s w/none link && ", program_, " ",
                                 command, " && cat w/none && stat -c %F link"))
                  .out,
              "with a blanksymbolic link\n")
        << command;
  }
  EXPECT_EQ(Shell(absl::StrCat("mkdir -p o && echo old >'o/a b' && chmod 640 'o/a b' && ", program_,
                               " cp -r obj:d o && stat -c %a 'o/a b' && cat 'o/a b'"))
                .out,
            "640\nwith a blank");
}

// A limit on files' sizes is an error with a name and leaves nothing, whatever way the bytes come,
// and go.
TEST_F(ObjectsTest, FilesThatMayNotBeSoLarge) {
  folder_.Write("big", std::string(100'000, 'x'));
  Good("put big");
  for (const char* command :
       {"get big -o f", "get big --mode=copy -o f", "get big --mode=splice -o f",
        "get big >/dev/null -o f", "cp -r obj: f", "get big >f", "put - x <big"}) {
    const Outcome outcome =
        Shell(absl::StrCat("rm -rf f && ulimit -f 8 && ", program_, " ", command));
    EXPECT_EQ(outcome.exit_code, 5) << command << outcome.err;
    EXPECT_TRUE(absl::StrContains(outcome.err, "ulimit -f")) << command << outcome.err;
    EXPECT_EQ(std::filesystem::is_regular_file(folder_.Path("f")), absl::StrContains(command, ">f"))
        << command;
  }
  for (const std::string& name : folder_.Names())
    EXPECT_FALSE(absl::StrContains(name, ".partial")) << name;
}

// A file that is a mount of its own, as containers have them, cannot be replaced: it is written
// into.
TEST_F(ObjectsTest, OutputThatIsAMount) {
  Good("put 'd/a b' a");
  folder_.Write("f", "something longer than that");
  folder_.Write("mounted", "");
  const std::string mount = "unshare -m sh -c 'mount --bind f mounted'";
  if (Shell(mount).exit_code != 0) GTEST_SKIP() << "nothing can be mounted here";
  const Outcome outcome = Shell(absl::StrCat("unshare -m sh -c 'mount --bind f mounted && ",
                                             program_, " get a -o mounted' && cat f"));
  EXPECT_EQ(outcome.out, "with a blank") << outcome.err;
}

// What is no text does not go to a terminal unless somebody says so.
TEST_F(ObjectsTest, Terminals) {
  folder_.Write("noise", std::string("\x00\x01\x02\xff", 4));
  Good("put noise");
  Good("put 'd/a b' text");
  const auto on_terminal = [&](const std::string& arguments) {
    return Shell(absl::StrCat("script -qec '", program_, " ", arguments, "' /dev/null </dev/null"));
  };
  if (on_terminal("version").exit_code != 0) GTEST_SKIP() << "there is no script(1)";
  for (const char* mode : {"fdpass", "copy", "splice"}) {
    const Outcome refused = on_terminal(absl::StrCat("get noise --mode=", mode));
    EXPECT_EQ(refused.exit_code, 5) << mode;
    EXPECT_TRUE(absl::StrContains(refused.out, "it is not text")) << refused.out;
    EXPECT_FALSE(absl::StrContains(refused.out, "\xff"));
    EXPECT_EQ(on_terminal(absl::StrCat("get text --mode=", mode)).out, "with a blank");
    EXPECT_TRUE(absl::StrContains(on_terminal(absl::StrCat("get noise -o - --mode=", mode)).out,
                                  "\x01\x02\xff"));
    EXPECT_TRUE(absl::StrContains(on_terminal(absl::StrCat("cp obj:noise - --mode=", mode)).out,
                                  "\x01\x02\xff"));
  }
  EXPECT_EQ(Run("get noise | cat").out, std::string("\x00\x01\x02\xff", 4));
}

// The last bytes of an object, by every way.
TEST_F(ObjectsTest, LastBytes) {
  folder_.Write("ten", "0123456789");
  Good("put ten");
  Good("put d/e/deep/empty empty");
  for (const char* mode : {"fdpass", "copy", "splice"}) {
    EXPECT_EQ(Good(absl::StrCat("get ten --range=-3 --mode=", mode)), "789");
    EXPECT_EQ(Good(absl::StrCat("get ten --range=-10 --mode=", mode)), "0123456789");
    EXPECT_EQ(Good(absl::StrCat("get ten --range=-1T --mode=", mode)), "0123456789");
    EXPECT_EQ(Good(absl::StrCat("get empty --range=-3 --mode=", mode)), "");
  }
}

}  // namespace
}  // namespace objmapper::tools
