// Command lines are read in every spelling, and each mistake is a usage error.
#include "tools/cli/command_line.h"

#include <gflags/gflags.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::tools {
namespace {

using Command = CommandLine::Command;

class CommandLineTest : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("OBJMAPPER_SERVER");
    unsetenv("OBJMAPPER_SERVER_USER");
    unsetenv("OBJMAPPER_TOKEN");
    unsetenv("XDG_RUNTIME_DIR");
  }

  static absl::StatusOr<CommandLine> Parse(const std::vector<const char*>& arguments) {
    gflags::FlagSaver saver;  // flags are global
    return ParseCommandLine(arguments);
  }
  static CommandLine Good(const std::vector<const char*>& arguments) {
    absl::StatusOr<CommandLine> line = Parse(arguments);
    EXPECT_TRUE(line.ok()) << line.status();
    return line.ok() ? *line : CommandLine();
  }
};

// A bare get goes by descriptor through the default socket to standard output.
TEST_F(CommandLineTest, Defaults) {
  const CommandLine line = Good({"get", "a"});
  EXPECT_EQ(line.command, Command::kGet);
  EXPECT_EQ(line.uris, std::vector<std::string>{"a"});
  EXPECT_EQ(line.server, "unix:/tmp/objmapper.sock");
  EXPECT_EQ(line.mode, protocol::Mode::kFdPass);
  EXPECT_EQ(line.output, "-");
  EXPECT_EQ(line.timeout, absl::Seconds(30));
  EXPECT_FALSE(line.range.has_value());
  EXPECT_FALSE(line.json);
  EXPECT_EQ(Good({"ping"}).count, 5);
}

// Conditions; and words in a flag's name may be joined by dashes.
TEST_F(CommandLineTest, Conditions) {
  EXPECT_TRUE(Good({"put", "a", "--if-absent"}).if_absent);
  EXPECT_FALSE(Good({"put", "a"}).if_absent);
  EXPECT_EQ(Good({"put", "a", "b", "--if_match=e"}).if_match, "e");
  EXPECT_EQ(Good({"rm", "a", "--if-match", "e"}).if_match, "e");
  EXPECT_EQ(Good({"get", "a", "--if-none-match=e"}).if_none_match, "e");
  EXPECT_TRUE(Good({"rm", "a", "--dry-run"}).dry_run);
}

// A token is the environment's where no file is named, be it one without a name.
TEST_F(CommandLineTest, Token) {
  EXPECT_EQ(Good({"get", "a"}).token, "");
  setenv("OBJMAPPER_TOKEN", "secret", 1);
  EXPECT_EQ(Good({"get", "a"}).token, "secret");
  EXPECT_EQ(Good({"get", "a"}).token_file, "");
  const CommandLine file = Good({"get", "a", "--token-file=f"});
  EXPECT_EQ(file.token_file, "f");
  EXPECT_EQ(file.token, "");
  const CommandLine none = Good({"get", "a", "--token_file="});
  EXPECT_EQ(none.token_file + none.token, "");
  const absl::Status udp = Parse({"get", "a", "--server=udp://h:1"}).status();
  EXPECT_TRUE(absl::StrContains(udp.message(), "UDP carries no tokens")) << udp;
  EXPECT_FALSE(absl::StrContains(udp.message(), "secret")) << udp;
}

// Flags stand anywhere behind the command, with '=' or a blank, one dash or two.
TEST_F(CommandLineTest, FlagsInEverySpelling) {
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"get", "a", "b", "-o", "out", "--mode=copy", "--json",
                                 "--range=1-2", "--timeout=5", "--server=unix:/s"},
        std::vector<const char*>{"get", "-o=out", "a", "-mode", "copy", "-json", "--range", "1-2",
                                 "b", "--timeout", "5s", "-server", "unix:/s"},
        std::vector<const char*>{"get", "--json=true", "--o", "out", "--mode=copy", "--range=1:2",
                                 "--timeout=5000ms", "--server=unix:/s", "--", "a", "b"}}) {
    const CommandLine line = Good(arguments);
    EXPECT_EQ(line.uris, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(line.output, "out");
    EXPECT_EQ(line.mode, protocol::Mode::kCopy);
    EXPECT_TRUE(line.json);
    ASSERT_TRUE(line.range.has_value());
    EXPECT_EQ(line.range->offset, 1u);
    EXPECT_EQ(line.range->length, 2u);
    EXPECT_EQ(line.timeout, absl::Seconds(5));
    EXPECT_EQ(line.server, "unix:/s");
  }
  EXPECT_FALSE(Good({"stat", "--json", "--nojson", "a"}).json);
  EXPECT_EQ(Good({"ping", "-n", "7"}).count, 7);
  EXPECT_EQ(Good({"ping", "--timeout=inf"}).timeout, absl::InfiniteDuration());
}

// Flags of one letter may be joined, the last one with its value.
TEST_F(CommandLineTest, JoinedLetters) {
  EXPECT_EQ(Good({"get", "a", "-ofile"}).output, "file");
  EXPECT_EQ(Good({"get", "a", "-vofile"}).output, "file");
  EXPECT_TRUE(Good({"get", "a", "-vo", "file"}).verbose);
  EXPECT_EQ(Good({"get", "a", "-o-"}).output, "-");
  EXPECT_EQ(Good({"ping", "-n7"}).count, 7);
  const CommandLine ls = Good({"ls", "-ld", "p"});
  EXPECT_TRUE(ls.long_form);
  EXPECT_TRUE(ls.one_level);
  const CommandLine cp = Good({"cp", "-rv", "a", "obj:b"});
  EXPECT_TRUE(cp.recursive);
  EXPECT_TRUE(cp.verbose);
  EXPECT_TRUE(Good({"put", "-fd", "a"}).as_fd);  // a flag of two letters
  EXPECT_TRUE(Good({"rm", "a", "--verbose"}).verbose);
}

// What is no text goes to a terminal where somebody said so.
TEST_F(CommandLineTest, OutputThatSomebodyNamed) {
  EXPECT_FALSE(Good({"get", "a"}).output_given);
  EXPECT_TRUE(Good({"get", "a", "-o", "-"}).output_given);
}

// A time without a unit is in seconds.
TEST_F(CommandLineTest, Times) {
  EXPECT_EQ(Good({"ping", "--timeout=5"}).timeout, absl::Seconds(5));
  EXPECT_EQ(Good({"ping", "--timeout=0.25"}).timeout, absl::Milliseconds(250));
  EXPECT_EQ(Good({"put", "a", "--ttl=1h30m"}).ttl, absl::Minutes(90));
}

// A part of an object, from either end.
TEST_F(CommandLineTest, Ranges) {
  EXPECT_EQ(Good({"get", "a", "--range=-5"}).last, 5u);
  EXPECT_EQ(Good({"get", "a", "--range", "-5"}).last, 5u);
  EXPECT_FALSE(Good({"get", "a", "--range=-5"}).range.has_value());
}

// The commands that change and list take what the others do not.
TEST_F(CommandLineTest, PutRmLsCp) {
  const CommandLine put = Good({"put", "-r", "d", "p/", "--ttl=10m", "--fd", "--jobs=7"});
  EXPECT_EQ(put.command, Command::kPut);
  EXPECT_EQ(put.operands, (std::vector<std::string>{"d", "p/"}));
  EXPECT_TRUE(put.recursive);
  EXPECT_TRUE(put.as_fd);
  EXPECT_EQ(put.ttl, absl::Minutes(10));
  EXPECT_EQ(put.jobs, 7);
  EXPECT_EQ(Good({"put", "-", "a"}).ttl, absl::InfiniteDuration());
  EXPECT_EQ(Good({"put", "-", "a"}).jobs, 4);
  const CommandLine rm = Good({"rm", "-r", "a", "b", "--dry_run"});
  EXPECT_EQ(rm.uris, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(rm.dry_run);
  EXPECT_EQ(Good({"ls"}).uris, std::vector<std::string>{""});
  EXPECT_EQ(Good({"ls", ""}).uris, std::vector<std::string>{""});
  EXPECT_TRUE(Good({"ls", "-l", "p"}).long_form);
  EXPECT_TRUE(Good({"ls", "-d", "p"}).one_level);
  const CommandLine cp = Good({"cp", "obj:a", "b", "--mode=splice"});
  EXPECT_EQ(cp.operands, (std::vector<std::string>{"obj:a", "b"}));
  EXPECT_EQ(cp.mode, protocol::Mode::kSplice);
}

// Behind "--" everything is a URI, and "-" is no flag.
TEST_F(CommandLineTest, UrisThatLookLikeFlags) {
  EXPECT_EQ(Good({"stat", "-", "--", "--json", "-o"}).uris,
            (std::vector<std::string>{"-", "--json", "-o"}));
}

// The mode follows the transport.
TEST_F(CommandLineTest, ModeByTransport) {
  EXPECT_EQ(Good({"get", "a", "--server=tcp://h:1"}).mode, protocol::Mode::kCopy);
  EXPECT_EQ(Good({"get", "a", "--server=tcp://h:1", "--mode=splice"}).mode,
            protocol::Mode::kSplice);
  EXPECT_EQ(Good({"get", "a", "--mode=fdpass"}).mode, protocol::Mode::kFdPass);
  EXPECT_EQ(Parse({"get", "a", "--server=tcp://h:1", "--mode=fdpass"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The environment names the server, the command line overrules it.
TEST_F(CommandLineTest, ServerFromTheEnvironment) {
  setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
  EXPECT_EQ(Good({"ping"}).server, "unix:/run/user/7/objmapper.sock");
  setenv("OBJMAPPER_SERVER", "tcp://h:1", 1);
  EXPECT_EQ(Good({"ping"}).server, "tcp://h:1");
  EXPECT_EQ(Good({"get", "a"}).mode, protocol::Mode::kCopy);
  EXPECT_EQ(Good({"ping", "--server=unix:/s"}).server, "unix:/s");
  // A path may stand alone.
  for (const char* path : {"/s", "./s", "../s"}) {
    setenv("OBJMAPPER_SERVER", path, 1);
    EXPECT_EQ(Good({"ping"}).server, std::string("unix:") + path);
    EXPECT_EQ(Good({"get", "a"}).mode, protocol::Mode::kFdPass);
    EXPECT_EQ(Good({"ping", "--server_user=root"}).server_uids, std::vector<uid_t>{0});
  }
}

// Where nobody says where the server is, the unit's socket comes before the user's own, unless it
// is not for him.
TEST_F(CommandLineTest, TheUnitsSocket) {
  char folder[] = "/tmp/om.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const absl::Cleanup gone = [&folder] { std::filesystem::remove_all(folder); };
  const std::string unit = absl::StrCat(folder, "/unit.sock");
  setenv("XDG_RUNTIME_DIR", folder, 1);
  const std::string own = absl::StrCat("unix:", folder, "/objmapper.sock");
  EXPECT_EQ(DefaultServer(unit), own);
  std::ofstream(unit) << "no socket";
  EXPECT_EQ(DefaultServer(unit), own);
  std::filesystem::remove(unit);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, unit.data(), unit.size());
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(DefaultServer(unit), absl::StrCat("unix:", unit));
  chmod(unit.c_str(), 0);
  std::ofstream(absl::StrCat(folder, "/objmapper.sock")) << "a server of one's own";
  EXPECT_EQ(DefaultServer(unit), geteuid() == 0 ? absl::StrCat("unix:", unit) : own);
  setenv("OBJMAPPER_SERVER", "unix:/s", 1);
  EXPECT_EQ(DefaultServer(unit), "unix:/s");
  close(listener);
}

// Where nobody says where the server is, it is to be the caller's or root's; where somebody does,
// anybody's, unless somebody says whose, too.
TEST_F(CommandLineTest, WhoseTheServerIs) {
  using Uids = std::vector<uid_t>;
  EXPECT_EQ(Good({"ping"}).server_uids, geteuid() == 0 ? Uids{0} : (Uids{geteuid(), 0}));
  EXPECT_TRUE(Good({"ping"}).server_is_default);
  EXPECT_EQ(Good({"ping", "--server_user=any"}).server_uids, Uids());
  EXPECT_EQ(Good({"ping", "--server_user=root"}).server_uids, Uids{0});
  EXPECT_EQ(Good({"ping", "--server_user=12345"}).server_uids, Uids{12345});
  EXPECT_EQ(Good({"ping", "--server=unix:/s"}).server_uids, Uids());
  EXPECT_FALSE(Good({"ping", "--server=unix:/s"}).server_is_default);
  EXPECT_EQ(Good({"get", "a", "--server=unix:/s", "--server_user=root"}).server_uids, Uids{0});
  setenv("OBJMAPPER_SERVER_USER", "12345", 1);
  EXPECT_EQ(Good({"ping"}).server_uids, Uids{12345});
  EXPECT_EQ(Good({"ping", "--server=unix:/s"}).server_uids, Uids{12345});
  EXPECT_EQ(Good({"ping", "--server_user=any"}).server_uids, Uids());
  EXPECT_EQ(Good({"ping", "--server=tcp://h:1"}).server_uids, Uids());  // which has no users
  unsetenv("OBJMAPPER_SERVER_USER");
  setenv("OBJMAPPER_SERVER", "unix:/s", 1);
  EXPECT_EQ(Good({"ping"}).server_uids, Uids());
}

// Help is found however it is asked for, and never needs the rest to make sense.
TEST_F(CommandLineTest, Help) {
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"help"}, {"--help"}, {"-h"}, {"-help"}}) {
    const CommandLine line = Good(arguments);
    EXPECT_EQ(line.command, Command::kHelp);
    EXPECT_EQ(line.topic, "");
  }
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"help", "get"}, {"get", "--help"}, {"get", "a", "-h"}}) {
    const CommandLine line = Good(arguments);
    EXPECT_EQ(line.command, Command::kHelp);
    EXPECT_EQ(line.topic, "get");
  }
  EXPECT_EQ(Good({"--version"}).command, Command::kVersion);
  EXPECT_EQ(Good({"version"}).command, Command::kVersion);
}

struct Mistake {
  std::vector<const char*> arguments;
  const char* text;  // a piece of the message
};

// Every mistake gets a sentence that names it and says where to read more.
TEST_F(CommandLineTest, Mistakes) {
  const std::string long_uri(4097, 'u');
  const Mistake mistakes[] = {
      {{}, "no command"},
      {{"fetch", "a"}, "no command fetch"},
      {{"help", "fetch"}, "no command fetch"},
      {{"--json", "get", "a"}, "the command comes first"},
      {{"get"}, "get needs a URI"},
      {{"get", ""}, "must not be empty"},
      {{"get", long_uri.c_str()}, "at most 4096 bytes"},
      {{"ping", "a"}, "takes no URI"},
      {{"get", "a", "--frobnicate"}, "no flag --frobnicate"},
      {{"get", "a", "--logtostderr"}, "no flag --logtostderr"},
      {{"stat", "a", "-o", "x"}, "objmapper stat has no flag -o"},
      {{"get", "a", "---json"}, "no flag ---json"},
      {{"get", "a", "--=x"}, "no flag --=x"},
      {{"get", "a", "-o"}, "-o needs a value"},
      {{"get", "a", "-o", ""}, "-o needs a file"},
      {{"get", "a", "--json=maybe"}, "expected true or false"},
      {{"get", "a", "--nomode"}, "--mode=false"},
      {{"get", "a", "--mode=fd"}, "expected fdpass, copy or splice"},
      {{"get", "a", "--range=9-8"}, "the end is before the start"},
      {{"get", "a", "-ox", "-vq"}, "has no flag -vq: there is no -q"},
      {{"get", "a", "-qv"}, "has no flag -qv"},
      {{"get", "a", "-vo"}, "-vo needs a value"},
      {{"ping", "-nmany"}, "expected a number"},
      {{"get", "a", "--range=-0"}, "the length is 0"},
      {{"get", "a", "--timeout=soon"}, "--timeout=soon"},
      {{"get", "a", "--timeout=-1"}, "expected a positive time"},
      {{"get", "a", "--timeout=nan"}, "expected a positive time"},
      {{"put"}, "needs a file"},
      {{"put", "a", "--ttl=0"}, "--ttl=0"},
      {{"put", "a", "--if_match="}, "1 to 64 characters"},
      {{"put", "a", "--if_match=e", "--if_absent"}, "what is absent has no version"},
      {{"put", "a", "b", "c/", "--if_match=e"}, "several files"},
      {{"put", "-r", "a", "--if_match=e"}, "not of all that -r finds"},
      {{"rm", "-r", "a", "--if_match=e"}, "not of all that -r finds"},
      {{"rm", "a", "b", "--if_match=e"}, "of one object"},
      {{"get", "a", "b", "--if_none_match=e"}, "of one object"},
      {{"get", "a", "--if_none_match=e", "--server=udp://h:1"}, "UDP carries no conditions"},
      {{"get", "a", "--if_match=e"}, "has no flag"},
      {{"put", "a", "--ttl=2000000h"}, "1 to 4294967295 seconds"},
      {{"put", "a", "--jobs=0"}, "expected 1 to 256"},
      {{"put", "a", "--fd", "--server=tcp://h:1"}, "only through Unix sockets"},
      {{"ping", "--server_user=no such user"}, "no such user here"},
      {{"ping", "--server_user=root", "--server=tcp://h:1"}, "only on Unix sockets"},
      {{"put", "a", "-l"}, "put has no flag -l"},
      {{"rm"}, "rm needs a URI"},
      {{"rm", "-r", ""}, "must not be empty"},
      {{"ls", "a", "b"}, "one prefix"},
      {{"cp", "a"}, "two places"},
      {{"cp", "a", "b", "c"}, "was given 3"},
      {{"ping", "-n", "0"}, "expected 1 or more"},
      {{"ping", "-n", "many"}, "expected a number"},
  };
  for (const Mistake& mistake : mistakes) {
    const absl::Status status = Parse(mistake.arguments).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << mistake.text;
    EXPECT_TRUE(absl::StrContains(status.message(), mistake.text)) << status;
    EXPECT_TRUE(absl::EndsWith(status.message(), "(see: objmapper help)")) << status;
  }
}

// warm takes its objects one way, and waits for each as long as it may take; other waits are as
// ever.
TEST_F(CommandLineTest, Warm) {
  CommandLine line = Good({"warm", "a", "b"});
  EXPECT_EQ(line.command, Command::kWarm);
  EXPECT_EQ(line.uris, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(line.jobs, 4);
  EXPECT_EQ(line.timeout, absl::Seconds(30));
  EXPECT_EQ(line.answer_timeout, absl::Hours(1));
  EXPECT_EQ(Good({"warm", "a", "--timeout=30s"}).answer_timeout, absl::Seconds(30));
  EXPECT_EQ(Good({"get", "a"}).answer_timeout, absl::Seconds(30));
  EXPECT_EQ(Good({"warm", "--prefix="}).prefix, "");
  EXPECT_EQ(Good({"warm", "--prefix", "p/"}).prefix, "p/");
  EXPECT_EQ(Good({"warm", "--list=-"}).list, "-");
  for (const std::vector<const char*>& wrong :
       std::vector<std::vector<const char*>>{{"warm"},
                                             {"warm", ""},
                                             {"warm", "a", "--prefix=b"},
                                             {"warm", "--prefix=b", "--list=c"},
                                             {"warm", "--list="},
                                             {"warm", "a", "--jobs=0"},
                                             {"warm", "a", "--server=udp://127.0.0.1:1"},
                                             {"warm", "a", "--admin=x"}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Parse(wrong).status())) << wrong.size();
  }
}

// What asks operators has an address to ask, from the command line or the environment.
TEST_F(CommandLineTest, WhatAsksOperators) {
  setenv("OBJMAPPER_ADMIN", "unix:@door", 1);
  const absl::Cleanup forget = [] { unsetenv("OBJMAPPER_ADMIN"); };
  for (const char* command : {"pin", "unpin", "evict"}) {
    const CommandLine line = Good({command, "a", "b", "-v"});
    EXPECT_EQ(line.admin, "unix:@door");
    EXPECT_FALSE(line.admin_given);
    EXPECT_TRUE(line.verbose);
    EXPECT_EQ(line.uris.size(), 2u);
    EXPECT_EQ(Good({command, "a", "--admin=/door"}).admin, "/door");
    EXPECT_TRUE(absl::IsInvalidArgument(Parse({command}).status())) << command;
    EXPECT_TRUE(absl::IsInvalidArgument(Parse({command, ""}).status())) << command;
  }
  EXPECT_TRUE(Good({"evict", "--force", "a"}).force);
  EXPECT_TRUE(absl::IsInvalidArgument(Parse({"pin", "--force", "a"}).status()));
  EXPECT_EQ(Good({"origins", "--json"}).command, Command::kOrigins);
  EXPECT_TRUE(absl::IsInvalidArgument(Parse({"origins", "a"}).status()));
  EXPECT_TRUE(Good({"stat", "a", "--here"}).here);
  unsetenv("OBJMAPPER_ADMIN");
  EXPECT_FALSE(Good({"stat", "a", "--admin=/door"}).admin.empty());
  EXPECT_TRUE(Good({"stat", "a", "--admin=/door"}).admin_given);
}

}  // namespace
}  // namespace objmapper::tools
