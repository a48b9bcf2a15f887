// Folders over HTTP: docs/http.md, "Folders", in every model.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/net/memfd.h"
#include "tests/net/sanitized.h"

namespace objmapper::e2e {
namespace {

// The names of a listing in JSON, in their order, those of folders with '/': as the test's names
// are, without anything that is escaped.
std::vector<std::string> Names(absl::string_view json) {
  std::vector<std::string> names;
  constexpr absl::string_view kName = "{ \"name\":\"";
  while (true) {
    const size_t at = json.find(kName);
    if (at == absl::string_view::npos) return names;
    json.remove_prefix(at + kName.size());
    const size_t end = json.find('"');
    names.emplace_back(json.substr(0, end));
    if (absl::StartsWith(json.substr(end), "\", \"type\":\"directory\"")) names.back() += '/';
  }
}
using List = std::vector<std::string>;

void Fill(ObjectTree* tree) {
  tree->AddOnce("folder/b", "22");
  tree->AddOnce("folder/a b%&<x>", "1");
  tree->AddOnce("folder/sub/x", "333");
  tree->AddOnce("folder/sub/deeper/y", "4444");
  tree->AddOnce("other/index.html", "<p>the page");
}

class HttpListingTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    Fill(&SharedTree());
  }
  HttpClient Http() const { return HttpClient(Connect(Server(), GetParam().transport)); }
};

TEST_P(HttpListingTest, APageForPeople) {
  HttpClient client = Http();
  const Reply page = client.Get("/folder/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.Field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.Field("X-Content-Type-Options"), "nosniff");
  EXPECT_TRUE(absl::StartsWith(page.Field("Content-Security-Policy"), "default-src 'none'; "));
  EXPECT_TRUE(absl::StrContains(page.body, "<a href=\"sub/\">sub/</a>")) << page.body;
  EXPECT_TRUE(
      absl::StrContains(page.body, "<a href=\"a%20b%25%26%3Cx%3E\">a b%&amp;&lt;x&gt;</a>"));
  EXPECT_TRUE(absl::StrContains(page.body, "1 folder, 2 objects, 3 B"));
  EXPECT_FALSE(absl::StrContains(page.body, "deeper"));
  EXPECT_FALSE(page.closes());
  // Links lead where they say.
  EXPECT_EQ(client.Get("/folder/a%20b%25%26%3Cx%3E").body, "1");
  EXPECT_EQ(client.Get("/folder/sub/").status, 200);
  EXPECT_TRUE(absl::StrContains(client.Get("/").body, "<a href=\"folder/\">folder/</a>"));
}

TEST_P(HttpListingTest, JsonForPrograms) {
  HttpClient client = Http();
  const List all = {"sub/", "a b%&<x>", "b"};
  const Reply by_query = client.Get("/folder/?format=json");
  EXPECT_EQ(by_query.Field("Content-Type"), "application/json");
  EXPECT_EQ(Names(by_query.body), all);
  EXPECT_TRUE(absl::StrContains(by_query.body, "GMT\", \"size\":2 }\r\n]")) << by_query.body;
  EXPECT_EQ(Names(client.Get("/folder/", "Accept: application/json\n").body), all);
  EXPECT_EQ(Names(client.Get("//.//folder//./", "Accept: application/json\n").body), all);
  EXPECT_EQ(client.Get("/folder/sub/deeper/?format=json").body,
            client.Get("/%66older/sub%2Fdeeper/?format=json").body);
}

TEST_P(HttpListingTest, Head) {
  HttpClient client = Http();
  for (const char* path : {"/folder/", "/folder/?format=json", "/missing/"}) {
    Reply get = client.Get(path);
    Reply head = client.Ask("HEAD", path);
    EXPECT_EQ(head.status, get.status) << path;
    for (const char* field : {"Content-Type", "Content-Length", "Cache-Control", "Vary",
                              "Content-Security-Policy", "X-Content-Type-Options"})
      EXPECT_EQ(head.Field(field), get.Field(field)) << path << " " << field;
  }
}

TEST_P(HttpListingTest, WhatIsNoFolder) {
  HttpClient client = Http();
  EXPECT_EQ(client.Get("/missing/").status, 404);
  EXPECT_EQ(client.Get("/folder/b/").status, 404) << "an object";
  EXPECT_EQ(client.Get("/../").status, 403);
  EXPECT_EQ(client.Get("/folder/%2e%2e/").status, 403);
  EXPECT_EQ(client.Get("/.objmapper-x/").status, 403);
  EXPECT_EQ(client.Get("/folder/b").body, "22") << "nothing of that ends the connection";
}

TEST_P(HttpListingTest, RedirectsToTheSlash) {
  HttpClient client = Http();
  const Reply moved = client.Get("/folder?format=json&x=%20");
  EXPECT_EQ(moved.status, 301);
  EXPECT_EQ(moved.Field("Location"), "/folder/?format=json&x=%20");
  EXPECT_EQ(client.Get("/folder/sub").Field("Location"), "/folder/sub/");
  EXPECT_EQ(client.Get("//folder").Field("Location"), "/folder/") << "never another host";
  EXPECT_EQ(client.Get("///folder//sub").Field("Location"), "/folder//sub/");
  EXPECT_EQ(client.Ask("HEAD", "/folder").Field("Location"), "/folder/");
  EXPECT_EQ(client.Get("/folder/b").status, 200);
}

// Each answer in its turn, whatever it takes.
TEST_P(HttpListingTest, PipelinedWithObjects) {
  HttpClient client = Http();
  std::string all;
  for (int i = 0; i < 20; ++i) {
    for (const char* path : {"/folder/b", "/folder/?format=json", "/missing", "/folder/sub/x"})
      absl::StrAppend(&all, "GET ", path, " HTTP/1.1\nHost: localhost\n\n");
  }
  client.Say(all);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.Next().body, "22");
    EXPECT_EQ(Names(client.Next().body).size(), 3u);
    EXPECT_EQ(client.Next().status, 404);
    EXPECT_EQ(client.Next().body, "333");
  }
}

// What is behind a request that ends the connection is not answered, nor after HTTP/1.0.
TEST_P(HttpListingTest, Last) {
  for (const char* text :
       {"GET /folder/ HTTP/1.1\nHost: localhost\nConnection: close\n\n",
        "GET /folder/ HTTP/1.0\n\n", "GET /folder/ HTTP/1.0\nConnection: keep-alive\n\n"}) {
    HttpClient client = Http();
    client.Say(absl::StrCat(text, "GET /folder/b HTTP/1.1\nHost: localhost\n\n"));
    const Reply reply = client.Next();
    EXPECT_EQ(reply.status, 200) << text;
    EXPECT_TRUE(reply.closes()) << text;
    EXPECT_TRUE(absl::StrContains(reply.body, "</script>")) << text;
    EXPECT_TRUE(client.AtEnd()) << text;
  }
}

// A client that has said all it will gets the whole.
TEST_P(HttpListingTest, HalfClosed) {
  HttpClient client = Http();
  client.Say("GET /folder/ HTTP/1.1\nHost: localhost\n\n");
  client.wire().HalfClose();
  EXPECT_EQ(client.Next().status, 200);
  EXPECT_TRUE(client.AtEnd());
}

INSTANTIATE_TEST_SUITE_P(All, HttpListingTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1})),
                         SetupName);

// ---- Servers of their own ----

class HttpFoldersTest : public EngineTest {
 protected:
  // A tree in which `folder` holds so many objects, "n000000", ...
  static void FillMany(const ObjectTree& tree, int count) {
    ASSERT_EQ(mkdir(tree.Path("many").c_str(), 0755), 0);
    const int directory = open(tree.Path("many").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < count; ++i) {
      char name[16];
      snprintf(name, sizeof(name), "n%06d", i);
      const int file = openat(directory, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
      ASSERT_GE(file, 0) << i;
      close(file);
    }
    close(directory);
  }
  static void ExpectAll(const List& names, int count) {
    ASSERT_EQ(names.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      int number = -1;
      ASSERT_TRUE(absl::SimpleAtoi(names[i].substr(1), &number) && number == i) << names[i];
    }
  }
};

// However large a folder is, the server holds a part of its listing, for each that reads and for
// each that does not.
TEST_P(HttpFoldersTest, ManyStream) {
  constexpr int kCount = 100'000;
  ObjectTree tree;
  FillMany(tree, kCount);
  tree.Add("small", "what small holds");
  // Where a thread waits for a client that does not read, there are enough of them.
  std::vector<std::string> flags;
  if (absl::StartsWith(GetParam(), "model_")) flags = {"--pool_size=8"};
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = flags});
  HttpClient client(server.Unix());
  EXPECT_EQ(client.Get("/small").status, 200);
  const int64_t before = server.resident_bytes();

  // Nobody reads these beyond their beginning.
  std::vector<HttpClient> slow;
  for (int i = 0; i < 4; ++i) {
    slow.emplace_back(server.Unix());
    slow.back().Say("GET /many/ HTTP/1.1\nHost: localhost\n\n");
    EXPECT_EQ(slow.back().wire().Read(13), "HTTP/1.1 200 ");
  }
  client.Say(
      "GET /many/?format=json HTTP/1.1\nHost: localhost\n\n"
      "GET /small HTTP/1.1\nHost: localhost\n\n");
  const Reply json = client.Next();
  EXPECT_TRUE(json.chunked());
  EXPECT_GT(json.body.size(), 8'000'000u);
  ExpectAll(Names(json.body), kCount);
  EXPECT_EQ(client.Next().body, "what small holds") << "behind it";
  EXPECT_TRUE(client.Ask("HEAD", "/many/").chunked());
  EXPECT_TRUE(absl::StrContains(client.Get("/many/").body, "<p>100000 objects, 0 B</p>"));

  // HTTP/1.0 has the end of the connection for the end.
  HttpClient old(server.Unix());
  old.Say("GET /many/?format=json HTTP/1.0\n\n");
  const std::string all = old.wire().ReadToEnd();
  EXPECT_TRUE(absl::StrContains(all, "\r\nConnection: close\r\n"));
  EXPECT_FALSE(absl::StrContains(all, "Transfer-Encoding"));
  ExpectAll(Names(all), kCount);
  EXPECT_TRUE(absl::EndsWith(all, " }\r\n]"));

  EXPECT_LT(server.resident_bytes() - before, (net::kSanitized ? 400 : 32) << 20);
  slow.clear();
  EXPECT_EQ(server.Stop(SIGTERM), 0) << server.log();
}

// A client that goes in the middle costs nothing that stays.
TEST_P(HttpFoldersTest, GoneInTheMiddle) {
  ObjectTree tree;
  FillMany(tree, 20'000);
  tree.Add("small", "what small holds");
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--request_timeout=5s"}});
  EXPECT_EQ(HttpClient(server.Unix()).Get("/many/").status, 200);
  const auto before = SettledDescriptors(server);
  for (int i = 0; i < 10; ++i) {
    HttpClient client(i % 2 == 0 ? server.Unix() : server.Tcp());
    client.Say("GET /many/ HTTP/1.1\nHost: localhost\n\n");
    if (i % 3 > 0) {
      EXPECT_EQ(client.wire().Read(13), "HTTP/1.1 200 ");
    }
    if (i % 3 > 1) client.wire().Read(100'000);
    if (i % 4 == 3) client.wire().Reset();
  }
  ExpectDescriptorsBack(server, before);
  EXPECT_EQ(HttpClient(server.Unix()).Get("/small").status, 200);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

TEST_P(HttpFoldersTest, ADrainLetsItEnd) {
  ObjectTree tree;
  FillMany(tree, 20'000);
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--drain_timeout=60s"}});
  HttpClient client(server.Unix());
  client.Say("GET /many/?format=json HTTP/1.1\nHost: localhost\n\n");
  EXPECT_EQ(client.wire().Read(13), "HTTP/1.1 200 ");
  server.Signal(SIGTERM);
  EXPECT_TRUE(absl::EndsWith(client.wire().ReadToEnd(), "\r\n]\r\n0\r\n\r\n"));
  EXPECT_EQ(server.WaitForExit(), 0);
}

// The folder's page, if it has one, with all that an object has.
TEST_P(HttpFoldersTest, Index) {
  ObjectTree tree;
  Fill(&tree);
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--http_index"}});
  HttpClient client(server.Unix());
  const Reply page = client.Get("/other/");
  EXPECT_EQ(page.body, "<p>the page");
  EXPECT_EQ(page.Field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.Field("ETag"), client.Get("/other/index.html").Field("ETag"));
  const Reply same =
      client.Get("/other/", absl::StrCat("If-None-Match: ", page.Field("ETag"), "\n"));
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(client.Get("/other/", "Range: bytes=0-2\n").body, "<p>");
  EXPECT_EQ(client.Ask("HEAD", "/other/").Field("Content-Length"), "11");
  EXPECT_EQ(client.Get("/other").Field("Location"), "/other/");
  EXPECT_TRUE(absl::StrContains(client.Get("/folder/").body, "2 objects")) << "it has none";
  client.Say(
      "GET /other/ HTTP/1.1\nHost: localhost\n\nGET /folder/b HTTP/1.1\nHost: localhost\n\n"
      "GET /other/ HTTP/1.1\nHost: localhost\nConnection: close\n\n");
  EXPECT_EQ(client.Next().body, "<p>the page");
  EXPECT_EQ(client.Next().body, "22");
  EXPECT_EQ(client.Next().body, "<p>the page");
  EXPECT_TRUE(client.AtEnd());
}

TEST_P(HttpFoldersTest, Off) {
  ObjectTree tree;
  Fill(&tree);
  {
    ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--http_listing=false"}});
    HttpClient client(server.Unix());
    EXPECT_EQ(client.Get("/folder/").status, 403);
    EXPECT_EQ(client.Get("/").status, 403);
    EXPECT_EQ(client.Get("/folder").status, 409);
    EXPECT_EQ(client.Get("/folder/b").status, 200);
  }
  ServerProcess server(tree.root(),
                       {.engine = GetParam(), .flags = {"--http_listing=false", "--http_index"}});
  HttpClient client(server.Unix());
  EXPECT_EQ(client.Get("/folder/").status, 403);
  EXPECT_EQ(client.Get("/other/").body, "<p>the page");
  EXPECT_EQ(client.Get("/other").status, 301);
}

// Nothing is told of what the rules deny, nor whether it is there.
TEST_P(HttpFoldersTest, Rules) {
  ObjectTree tree;
  Fill(&tree);
  tree.Add("closed/a", "1");
  tree.Add("closed/index.html", "1");
  tree.Add("partly/open/a", "1");
  tree.Add("partly/closed", "1");
  const std::string rules = tree.outside() + "/rules";
  std::ofstream(rules) << "any /folder/sub none\nany /folder read\nany /partly/open read\n";
  ServerProcess server(tree.root(),
                       {.engine = GetParam(), .flags = {"--http_index", "--rules_file=" + rules}});
  HttpClient client(server.Unix());
  const auto list = [&](absl::string_view path) {
    return Names(client.Get(absl::StrCat(path, "?format=json")).body);
  };
  EXPECT_EQ(list("/"), (List{"folder/", "partly/"}));
  EXPECT_EQ(list("/folder/"), (List{"a b%&<x>", "b"}));
  EXPECT_EQ(list("/partly/"), (List{"open/"}));
  EXPECT_EQ(list("/partly/open/"), (List{"a"}));
  for (const char* denied : {"/closed/", "/closed", "/none/", "/none", "/folder/sub/",
                             "/folder/sub", "/folder/sub/deeper/", "/folder/./sub//"})
    EXPECT_EQ(client.Get(denied).status, 403) << denied;
}

// Objects in memory are in it, as OP_LIST tells of them.
TEST_P(HttpFoldersTest, Memory) {
  ObjectTree tree;
  Fill(&tree);
  ServerProcess server(tree.root(),
                       {.engine = GetParam(), .flags = {"--writable", "--memory_limit=1M"}});
  RawClient own = Open(server, Transport::kUnix, Dialect::kV2);
  for (const char* uri : {"folder/b", "folder/m", "frames/1/a"}) {
    const net::UniqueFd fd = net::Memfd("in memory");
    std::vector<uint32_t> ids;
    own.wire().Send(own.Encode({{.mode = kPutFd, .uri = uri}}, &ids), {fd.get()});
    EXPECT_TRUE(own.Next().ok()) << uri;
  }
  HttpClient client(server.Unix());
  const Reply folder = client.Get("/folder/?format=json");
  EXPECT_EQ(Names(folder.body), (List{"sub/", "a b%&<x>", "b", "m"}));
  EXPECT_TRUE(absl::EndsWith(folder.body, "\"size\":9 }\r\n]"));
  EXPECT_EQ(Names(client.Get("/?format=json").body), (List{"folder/", "frames/", "other/"}));
  EXPECT_EQ(Names(client.Get("/frames/?format=json").body), (List{"1/"}));
  EXPECT_EQ(Names(client.Get("/frames/1/?format=json").body), (List{"a"}));
}

// A listing counts as one of OP_LIST's.
TEST_P(HttpFoldersTest, IsCounted) {
  ObjectTree tree;
  Fill(&tree);
  ServerProcess server(tree.root(), {.engine = GetParam(), .flags = {"--log_requests"}});
  HttpClient client(server.Unix());
  EXPECT_EQ(client.Get("/folder/").status, 200);
  EXPECT_TRUE(server.WaitForLog("OP_LIST \"folder/\": OK"));
}

INSTANTIATE_TEST_SUITE_P(All, HttpFoldersTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
