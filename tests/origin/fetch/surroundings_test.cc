// Proxies and certificates, and where they are found.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "origin/fetch/fetcher.h"
#include "origin/fetch/options.h"
#include "tests/net/short_folder.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/fetch/fetching.h"

namespace objmapper::origin::fetch {
namespace {

using testing::BadOrigin;
using testing::Fault;
using ::testing::HasSubstr;

// ---- The environment ----

class EnvironmentTest : public ::testing::Test {
 protected:
  EnvironmentTest() { Clear(); }
  ~EnvironmentTest() override { Clear(); }

  static void Clear() {
    for (const char* name :
         {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
          "no_proxy", "NO_PROXY", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
      unsetenv(name);
    }
  }
};

TEST_F(EnvironmentTest, Names) {
  setenv("HTTP_PROXY", "http://upper:1", 1);
  setenv("https_proxy", "http://lower:2", 1);
  setenv("HTTPS_PROXY", "http://upper:2", 1);
  setenv("NO_PROXY", "localhost,.example", 1);
  setenv("AWS_CA_BUNDLE", "/etc/aws.pem", 1);
  setenv("SSL_CERT_FILE", "/etc/ssl.pem", 1);
  setenv("SSL_CERT_DIR", "/etc/certs", 1);
  Options options;
  AddEnvironment(&options);
  EXPECT_EQ(options.http_proxy, "http://upper:1");
  EXPECT_EQ(options.https_proxy, "http://lower:2");
  EXPECT_EQ(options.no_proxy, "localhost,.example");
  EXPECT_EQ(options.ca_file, "/etc/aws.pem");
  EXPECT_EQ(options.ca_path, "/etc/certs");
}

TEST_F(EnvironmentTest, OptionsComeFirstAndAllProxyLast) {
  setenv("ALL_PROXY", "http://all:1", 1);
  setenv("HTTPS_PROXY", "http://secure:1", 1);
  setenv("SSL_CERT_FILE", "/etc/ssl.pem", 1);
  Options options;
  options.ca_file = "/etc/flag.pem";
  AddEnvironment(&options);
  EXPECT_EQ(options.http_proxy, "http://all:1");
  EXPECT_EQ(options.https_proxy, "http://secure:1");
  EXPECT_EQ(options.ca_file, "/etc/flag.pem");
}

// What options do not say is not taken from the environment behind their back.
TEST_F(EnvironmentTest, NothingElseIsRead) {
  BadOrigin origin;
  origin.Put("a", "bytes");
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  RunningFetcher fetcher;
  EXPECT_EQ(fetcher.Run(Get(origin.url("a")))->bytes, "bytes");
}

// ---- Proxies ----

class ProxyTest : public ::testing::Test {
 protected:
  ProxyTest() {
    options_.http_proxy = absl::StrCat("http://me:secret@127.0.0.1:", proxy_.port());
    options_.no_proxy = "direct.example,127.0.0.1";
  }
  Options options_ = PatientOptions();
  BadOrigin proxy_;
};

TEST_F(ProxyTest, IsAskedForTheWholeUrl) {
  RunningFetcher fetcher(options_);
  const auto sink = fetcher.Run(Get("http://origin.example/a/../b?c"));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kNotFound) << sink->outcome.reason;
  ASSERT_EQ(proxy_.asked().size(), 1u);
  EXPECT_EQ(proxy_.asked()[0].target, "http://origin.example/a/../b?c");
  EXPECT_EQ(proxy_.asked()[0].Header("proxy-authorization"), "Basic bWU6c2VjcmV0");
}

TEST_F(ProxyTest, IsNotAskedForSome) {
  BadOrigin origin;
  origin.Put("a", "bytes");
  RunningFetcher fetcher(options_);
  EXPECT_EQ(fetcher.Run(Get(origin.url("a")))->bytes, "bytes");  // 127.0.0.1
  options_.no_proxy = "";
  RunningFetcher without(options_);
  Request request = Get(origin.url("a"));
  request.through_proxy = false;
  EXPECT_EQ(without.Run(request)->bytes, "bytes");
  EXPECT_TRUE(proxy_.asked().empty());
  EXPECT_EQ(without.Run(Get(origin.url("a")))->outcome.verdict, Verdict::kNotFound);
  EXPECT_EQ(proxy_.asked().size(), 1u);
}

// A proxy that makes no tunnel is trouble, not the origin's answer, and its password is not shown.
TEST_F(ProxyTest, RefusesATunnel) {
  options_.https_proxy = options_.http_proxy;
  RunningFetcher fetcher(options_);
  const auto sink = fetcher.Run(Get("https://origin.example/a"));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.reason.find("secret"), std::string::npos) << sink->outcome.reason;
  EXPECT_EQ(sink->outcome.cause, Cause::kRefused);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("the proxy answers 404 to CONNECT"));
  ASSERT_EQ(proxy_.asked().size(), 1u);
  EXPECT_EQ(proxy_.asked()[0].method, "CONNECT");
  EXPECT_TRUE(sink->heads.empty());
}

TEST_F(ProxyTest, IsNotThere) {
  options_.http_proxy = "http://127.0.0.1:1";
  options_.no_proxy = "";
  RunningFetcher fetcher(options_);
  const auto sink = fetcher.Run(Get("http://origin.example/a"));
  EXPECT_EQ(sink->outcome.cause, Cause::kRefused);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("127.0.0.1 port 1"));
}

// ---- TLS ----

// `openssl s_server` with a certificate of its own for 127.0.0.1, that sends the files of a folder
// as they are, heads included.
class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Run({"openssl", "version"}) != 0) GTEST_SKIP() << "needs the program openssl";
    ASSERT_EQ(
        Run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-subj", "/CN=origin", "-addext", "subjectAltName=IP:127.0.0.1", "-days",
             "2", "-keyout", File("key.pem"), "-out", File("cert.pem")}),
        0);
    Write("a", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nbytes");
    Serve();
  }
  void TearDown() override {
    if (server_ <= 0) return;
    kill(server_, SIGKILL);
    waitpid(server_, nullptr, 0);
  }

  std::string File(const std::string& name) const { return folder_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(File(name), std::ios::binary) << bytes;
  }
  std::string url(const std::string& host, const std::string& name) const {
    return absl::StrCat("https://", host, ":", port_, "/", name);
  }

  // Starts a program in the folder, with its output in `out`; returns its process.
  pid_t Start(const std::vector<std::string>& words, int out) const {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      const int nothing = open("/dev/null", O_RDWR);
      if (chdir(folder_.path().c_str()) != 0) _exit(126);
      dup2(nothing, STDIN_FILENO);
      dup2(out >= 0 ? out : nothing, STDOUT_FILENO);
      dup2(nothing, STDERR_FILENO);
      execvp(arguments[0], arguments.data());
      _exit(127);
    }
    return child;
  }
  int Run(const std::vector<std::string>& words) const {
    int status = 0;
    waitpid(Start(words, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void Serve() {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const net::UniqueFd read_end(ends[0]);
    net::UniqueFd write_end(ends[1]);
    server_ = Start({"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key",
                     "key.pem", "-HTTP"},
                    write_end.get());
    write_end.Reset();
    // "ACCEPT 127.0.0.1:34567"
    std::string said;
    char byte;
    while (said.find("ACCEPT") == said.npos || said.back() != '\n') {
      ASSERT_EQ(read(read_end.get(), &byte, 1), 1) << said;
      said.push_back(byte);
    }
    port_ = said.substr(said.rfind(':') + 1, said.size() - said.rfind(':') - 2);
  }

  net::ShortFolder folder_;
  pid_t server_ = -1;
  std::string port_;
};

TEST_F(TlsTest, ACertificateThatIsTrusted) {
  Options options = PatientOptions();
  options.ca_file = File("cert.pem");
  RunningFetcher fetcher(options);
  const auto sink = fetcher.Run(Get(url("127.0.0.1", "a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kFound) << sink->outcome.reason;
  EXPECT_EQ(sink->bytes, "bytes");
}

// One that nobody has vouched for is refused at once, whatever it may have to say.
TEST_F(TlsTest, ABadCertificate) {
  RunningFetcher fetcher;
  const auto sink = fetcher.Run(Get(url("127.0.0.1", "a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kTls);
  EXPECT_EQ(sink->outcome.attempts, 1);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("certificate"));
  EXPECT_TRUE(sink->heads.empty());
}

TEST_F(TlsTest, ACertificateOfAnotherName) {
  Options options = PatientOptions();
  options.ca_file = File("cert.pem");
  RunningFetcher fetcher(options);
  const auto sink = fetcher.Run(Get(url("localhost", "a")));
  EXPECT_EQ(sink->outcome.cause, Cause::kTls) << sink->outcome.reason;
  EXPECT_EQ(sink->outcome.attempts, 1);
}

TEST_F(TlsTest, AFileOfCertificatesThatIsNone) {
  Options options = PatientOptions();
  options.ca_file = File("none.pem");
  RunningFetcher fetcher(options);
  const auto sink = fetcher.Run(Get(url("127.0.0.1", "a")));
  EXPECT_EQ(sink->outcome.cause, Cause::kTls);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("none.pem"));
}

// A redirect out of TLS is not followed, whatever the caller thinks of it.
TEST_F(TlsTest, NoRedirectFromHttpsToHttp) {
  BadOrigin plain;
  plain.Put("a", "open to all");
  Write("r", absl::StrCat("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n",
                          "Location: ", plain.url("a"), "\r\n\r\n"));
  Options options = PatientOptions();
  options.ca_file = File("cert.pem");
  RunningFetcher fetcher(options);
  Request request = Get(url("127.0.0.1", "r"));
  request.redirected = [](const Redirect& redirect) {
    return std::optional<RedirectTarget>({redirect.to_url, true});
  };
  const auto sink = fetcher.Run(request);
  EXPECT_EQ(sink->outcome.cause, Cause::kRedirect);
  EXPECT_THAT(sink->outcome.reason, HasSubstr("from https to http: not followed"));
  EXPECT_TRUE(plain.asked().empty());
}

// Who does not speak TLS waits for the rest of a request, and we for a handshake.
TEST_F(TlsTest, NoTlsAtAll) {
  BadOrigin plain;
  Options options = PatientOptions();
  options.timeouts.connect = absl::Milliseconds(200);
  RunningFetcher fetcher(options);
  const auto sink = fetcher.Run(Get(absl::StrCat("https://127.0.0.1:", plain.port(), "/a")));
  EXPECT_EQ(sink->outcome.verdict, Verdict::kTrouble);
  EXPECT_EQ(sink->outcome.cause, Cause::kConnectTimeout) << sink->outcome.reason;
  EXPECT_EQ(sink->outcome.attempts, 3);
  EXPECT_TRUE(plain.asked().empty());
}

}  // namespace
}  // namespace objmapper::origin::fetch
