// The hand-over of connections between router and lanes, in every order that can happen.
//
// A schedule is a sequence of acts, each of a client, of time, of the operator, or of one of the
// server's threads:
//
//   A  a client connects                     T  all time-outs pass
//   F  it asks for a descriptor (fdpass)     D  the server drains
//   C  it asks for bytes (copypath)          P  the server departs: a successor takes the
//   connections over H  it has said all it has to say         r f c  one turn of the router's, the
//   fdpass lane's, the copypath X  it closes                                    lane's event loop
//
// All schedules of one client up to kLength acts are run, in both dialects, on both engines; then
// seeded ones, longer, of several clients. After the acts whoever has something to do gets its
// turn, until nobody has; whatever was not answered by then was forgotten. What must hold is in
// Play::Finish().
//
//   bazel test //tests/server:schedule_test
//   ... --test_env=OBJMAPPER_SCHEDULE=A0F0r0f0     runs one; as a failure prints it: each act and
//   its client
//   ... --test_env=OBJMAPPER_SCHEDULE_LENGTH=7     longer ones: about five times as many for each
//   act more
#include <errno.h>
#include <glog/logging.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "net/dial.h"
#include "net/scm_rights.h"
#include "net/unique_fd.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"
#include "protocol/objm/response_parser.h"
#include "server/flags/config.h"
#include "server/server.h"
#include "session/session.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"
#include "tests/server/stage.h"

namespace objmapper::server {
namespace {

using protocol::Dialect;
using protocol::Mode;
using protocol::ResponseParser;

constexpr char kContent[] = "what the object holds";
constexpr char kName[] = "object";
constexpr int kLength = 5;
constexpr int kAsksMax = 3;  // of one client
constexpr absl::Duration kTimeout = absl::Seconds(30);
constexpr absl::Duration kLater = absl::Seconds(61);  // every time-out of the server is over

struct Act {
  char what;
  size_t client;
};

std::string Name(const std::vector<Act>& acts) {
  std::string name;
  for (const Act& act : acts) absl::StrAppend(&name, std::string(1, act.what), act.client);
  return name;
}

struct Client {
  net::UniqueFd socket;
  std::vector<Mode> asked;
  size_t asked_in_peace = 0;  // before time-outs, drain and departure
  bool half_closed = false;
  bool closed = false;
  bool refused = false;  // nobody listened any more
};

// One schedule.
class Play {
 public:
  Play(loop::EngineKind engine, Dialect dialect, const std::string& folder, size_t clients)
      : dialect_(dialect),
        clients_(clients),
        address_{
            net::Address::Kind::kUnix,
            absl::StrCat("@", folder.substr(folder.size() - std::min<size_t>(folder.size(), 100))),
            "", 0} {
    Config config;
    config.root = absl::StrCat(folder, "/", "root");
    config.listen = {address_};
    config.concurrency_model = "mode_routing";
    config.loop.engine = config.fdpass_engine = engine;
    config.sizes.pool_size = config.copy_loops = 1;
    config.sizes.splice_threads = kSpliceThreads;
    config.limits.max_pipeline = 16;
    config.limits.idle_timeout = config.limits.request_timeout = kTimeout;
    // so that Drain() and HandOver() begin, and do not wait
    config.drain_timeout = absl::ZeroDuration();
    config.loop.in_place = false;  // each change of mode is a hand-over
    config.loop.cache_valid = absl::Milliseconds(20);
    // The kernel gives the memory of a closed ring back a little later.
    for (int attempt = 0; server_ == nullptr; ++attempt) {
      auto started = Server::Start(config);
      CHECK(started.ok() || attempt < 2000) << started.status();
      if (started.ok()) server_ = *std::move(started);
      if (server_ == nullptr) absl::SleepFor(absl::Milliseconds(5));
    }
    Stage::Get().Raise();
    // they wait already; this makes each go round, and come to wait on the stage
    server_->WithoutPulse();
    Stage::Get().AwaitActors({kRouter, kFdPass, kCopyPath});
    RunToRest();
  }
  ~Play() {
    Stage::Get().Lower();
    server_.reset();
    Stage::Get().RestoreTime();
  }

  std::vector<Act> Possible() {
    std::vector<Act> acts;
    for (size_t i = 0; i < clients_.size(); ++i) {
      const Client& client = clients_[i];
      if (client.refused || client.closed) continue;
      if (!client.socket.valid()) {
        acts.push_back({'A', i});
        continue;
      }
      acts.push_back({'X', i});
      if (client.half_closed) continue;
      acts.push_back({'H', i});
      if (client.asked.size() >= kAsksMax) continue;
      acts.push_back({'F', i});
      acts.push_back({'C', i});
    }
    if (!ending_) acts.insert(acts.end(), {{'D', 0}, {'P', 0}});
    const bool any = std::any_of(clients_.begin(), clients_.end(),
                                 [](const Client& c) { return c.socket.valid(); });
    if (any && !time_passed_) acts.push_back({'T', 0});
    for (const char* actor : {kRouter, kFdPass, kCopyPath}) {
      if (Stage::Get().Ready(actor)) acts.push_back({actor[0], 0});
    }
    return acts;
  }

  void Do(const Act& act) {
    done_.push_back(act);
    Client& client = clients_[act.client];
    switch (act.what) {
      case 'A': {
        auto socket = net::Dial(address_, absl::Seconds(1));
        if (socket.ok()) {
          client.socket = *std::move(socket);
        } else {
          ASSERT_TRUE(ending_) << socket.status();
          client.refused = true;
        }
        break;
      }
      case 'F':
        Ask(&client, Mode::kFdPass);
        break;
      case 'C':
        Ask(&client, Mode::kCopy);
        break;
      case 'H':
        shutdown(client.socket.get(), SHUT_WR);
        client.half_closed = true;
        break;
      case 'X':
        client.socket.Reset();
        client.closed = true;
        break;
      case 'T':
        time_passed_ = true;
        Stage::Get().PassTime(kLater);
        break;
      case 'D':
        ending_ = true;
        server_->Drain();
        break;
      case 'P':
        ending_ = departing_ = true;
        successors_ = net::UniqueFd(dup(server_->listening().front().fd));
        HandOver();
        break;
      default:
        for (const char* actor : {kRouter, kFdPass, kCopyPath}) {
          if (actor[0] == act.what && Stage::Get().Ready(actor)) Turn(actor);
        }
    }
  }

  // Whatever the acts were: everybody gets what is his due, and nothing stays.
  void Finish() {
    RunToRest();
    if (departing_) HandOver();
    if (departing_) TakeBacklog();
    size_t remaining = 0;
    for (const size_t left : departed_requests_) remaining += left;
    size_t unanswered = 0;
    for (Client& client : clients_) {
      if (client.socket.valid()) CheckClient(&client, &unanswered);
    }
    // What is not answered goes on to the successor: nothing is lost, nothing is answered twice. Of
    // who has closed this cannot be told.
    const bool all_there =
        std::none_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.closed; });
    if (departing_ && all_there && !time_passed_) {
      EXPECT_EQ(remaining, unanswered) << "requests that a successor finds";
    }
    // Nobody has looked in all that time, so who is to speak has as much once more
    // (net/deadline_list.h).
    Stage::Get().PassTime(kLater);
    RunToRest();
    Stage::Get().PassTime(kLater);  // who still says nothing is told to go,
    RunToRest();
    Stage::Get().PassTime(kLater);  // and who does not hang up is left
    RunToRest();
    if (departing_) HandOver();
    EXPECT_EQ(server_->counters()->open.load(), 0u) << "connections that nobody ends";
    for (Client& client : clients_) {
      if (!client.socket.valid() || departing_) continue;
      EXPECT_TRUE(ReadAll(client.socket.get(), nullptr, nullptr)) << "no end";
    }
  }

  std::string name() const { return Name(done_); }

 private:
  static constexpr int kSpliceThreads = 1;  // the copypath lane's
  static constexpr char kRouter[] = "router", kFdPass[] = "fdpass/0", kCopyPath[] = "copypath/0";

  void Ask(Client* client, Mode mode) {
    std::string bytes;
    if (dialect_ == Dialect::kV2 && client->asked.empty()) {
      char hello[64];
      bytes.append(hello,
                   protocol::EncodeHello(protocol::kPipelining | protocol::kFdInHeader, 16, hello));
    }
    protocol::RequestToSend request;
    request.id = static_cast<uint32_t>(client->asked.size());
    request.mode = mode;
    request.uri = kName;
    protocol::AppendRequest(dialect_, request, &bytes);
    client->asked.push_back(mode);
    if (!ending_ && !time_passed_) client->asked_in_peace = client->asked.size();
    // Who has been told to go may not hear it before it asks.
    const ssize_t sent =
        send(client->socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ASSERT_TRUE(sent == static_cast<ssize_t>(bytes.size()) || errno == EPIPE || errno == ECONNRESET)
        << strerror(errno);
  }

  void Turn(const char* actor) {
    Stage::Get().Turn(actor);
    Stage::Get().AwaitRest("splice/", kSpliceThreads);
  }

  void RunToRest() {
    for (int turns = 0; turns < 300; ++turns) {
      bool any = false;
      for (const char* actor : {kRouter, kFdPass, kCopyPath}) {
        if (!Stage::Get().Ready(actor)) continue;
        Turn(actor);
        any = true;
      }
      if (!any) return;
    }
    ADD_FAILURE() << "the server goes round and round";
  }

  // True: the end, or a reset.
  static bool ReadAll(int fd, std::string* bytes, std::vector<net::UniqueFd>* fds) {
    while (true) {
      char buffer[4096];
      std::vector<net::UniqueFd> got_fds;
      pollfd one{fd, POLLIN, 0};
      if (poll(&one, 1, 0) <= 0) return false;
      const auto got =
          net::RecvWithFds(fd, absl::MakeSpan(buffer), net::kFdsPerMessageMax, &got_fds);
      if (!got.ok() || got->bytes == 0) return true;
      if (bytes != nullptr) bytes->append(buffer, got->bytes);
      if (fds != nullptr) std::move(got_fds.begin(), got_fds.end(), std::back_inserter(*fds));
    }
  }

  void CheckClient(Client* client, size_t* unanswered) {
    std::string bytes;
    std::vector<net::UniqueFd> fds;
    const bool ended = ReadAll(client->socket.get(), &bytes, &fds);
    ResponseParser parser(dialect_);
    absl::string_view rest = bytes;
    size_t answers = 0, passed = 0;
    while (!rest.empty()) {
      const ResponseParser::Result result = parser.Next(rest);
      ASSERT_NE(result.kind, ResponseParser::Kind::kBroken) << result.reason;
      ASSERT_NE(result.kind, ResponseParser::Kind::kNeedMore) << "a message that is cut";
      rest.remove_prefix(result.consumed);
      if (result.kind != ResponseParser::Kind::kResponse) continue;
      ASSERT_LT(answers, client->asked.size()) << "an answer to nothing";
      ASSERT_EQ(result.response.status, protocol::Status::kOk);
      ASSERT_EQ(result.response.id, dialect_ == Dialect::kV2 ? answers : 0);
      if (client->asked[answers++] == Mode::kCopy) {
        ASSERT_EQ(rest.substr(0, result.response.content_length), kContent);
        rest.remove_prefix(sizeof(kContent) - 1);
        continue;
      }
      if (dialect_ == Dialect::kV1) {
        ASSERT_EQ(rest.substr(0, 1), "X");
        rest.remove_prefix(1);
      }
      ASSERT_LT(passed, fds.size()) << "no descriptor";
      char content[sizeof(kContent)] = {};
      ASSERT_EQ(pread(fds[passed++].get(), content, sizeof(content), 0),
                static_cast<ssize_t>(sizeof(kContent) - 1));
      ASSERT_STREQ(content, kContent);
    }
    ASSERT_EQ(passed, fds.size()) << "a descriptor for nothing";
    *unanswered += client->asked.size() - answers;
    if (departing_) return;
    EXPECT_GE(answers, client->asked_in_peace) << "a request was forgotten";
    EXPECT_TRUE(answers == client->asked.size() || ended) << "a client that waits for ever";
    EXPECT_TRUE(ended || !(ending_ || client->half_closed)) << "nobody said goodbye";
    EXPECT_TRUE(!ended || ending_ || client->half_closed || time_passed_)
        << "closed without a reason";
  }

  // How many requests lie in what was read and in the socket.
  static size_t CountRequests(protocol::RequestParser parser, std::string bytes, int fd) {
    char buffer[4096];
    const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) bytes.append(buffer, static_cast<size_t>(got));
    absl::string_view rest = bytes;
    size_t requests = 0;
    while (true) {
      const auto result = parser.Next(rest);
      if (result.kind == protocol::RequestParser::Kind::kNeedMore) return requests;
      if (result.kind == protocol::RequestParser::Kind::kRequest) ++requests;
      rest.remove_prefix(result.consumed);
    }
  }

  void HandOver() {
    uint64_t count = 0;
    server_->HandOver(
        [&](const session::Session& session) {
          departed_requests_.push_back(CountRequests(session.parser, session.unread, session.fd()));
          return absl::OkStatus();
        },
        &count);
  }

  // The listening socket goes on in the successor, with those who wait there.
  void TakeBacklog() {
    pollfd one{successors_.get(), POLLIN, 0};
    while (poll(&one, 1, 0) > 0) {
      const net::UniqueFd socket(accept4(successors_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket.valid()) return;
      departed_requests_.push_back(CountRequests(
          protocol::RequestParser({.capabilities = protocol::kAllCapabilities, .max_pipeline = 16}),
          "", socket.get()));
    }
  }

  const Dialect dialect_;
  std::vector<Client> clients_;
  const net::Address address_;
  std::unique_ptr<Server> server_;
  std::vector<Act> done_;
  bool time_passed_ = false;
  bool ending_ = false;  // D or P
  bool departing_ = false;
  net::UniqueFd successors_;
  std::vector<size_t> departed_requests_;  // of each connection that departed
};

class Schedules : public testing::TestWithParam<std::tuple<loop::EngineKind, Dialect>> {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);  // as server/main.cc
    FLAGS_minloglevel = google::GLOG_ERROR;
    ASSERT_EQ(mkdir(folder_.Path("root").c_str(), 0755), 0);
    std::ofstream(folder_.Path("root/") + kName) << kContent;
    if (const char* acts = getenv("OBJMAPPER_SCHEDULE"); acts != nullptr && *acts != '\0') {
      GTEST_FLAG_SET(break_on_failure, false);
      only_ = acts;
    }
    // What is made once, at the first use of anything, is made here.
    Run(Parse("A0F0r0f0c0C0f0c0r0c0X0"));
    fds_ = net::OpenFds();
  }

  static std::vector<Act> Parse(const std::string& text) {
    std::vector<Act> acts;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
      acts.push_back({text[i], static_cast<size_t>(text[i + 1] - '0')});
    return acts;
  }

  std::unique_ptr<Play> NewPlay(size_t clients) {
    return std::make_unique<Play>(std::get<0>(GetParam()), std::get<1>(GetParam()), folder_.path(),
                                  clients);
  }

  void Run(const std::vector<Act>& acts) {
    size_t clients = 1;
    for (const Act& act : acts) clients = std::max(clients, act.client + 1);
    const auto play = NewPlay(clients);
    for (const Act& act : acts) play->Do(act);
    play->Finish();
  }

  // `choose` gives the index of the next act among those possible; a negative one is the end.
  // False: it failed.
  bool RunOne(size_t clients, absl::FunctionRef<int(const std::vector<Act>&)> choose) {
    std::string name;
    {
      const auto play = NewPlay(clients);
      while (true) {
        const std::vector<Act> possible = play->Possible();
        const int chosen = possible.empty() ? -1 : choose(possible);
        if (chosen < 0) break;
        play->Do(possible[static_cast<size_t>(chosen)]);
      }
      play->Finish();
      name = play->name();
    }
    EXPECT_EQ(net::OpenFds(), fds_) << "descriptors that stay open";
    if (HasFailure()) ADD_FAILURE() << "in the schedule " << name;
    return !HasFailure();
  }

  client::TemporaryFolder folder_;
  std::string only_;
  ptrdiff_t fds_ = 0;
};

// Depth first: each run goes back to the last act that had another choice, and takes that.
TEST_P(Schedules, AllOfOneClient) {
  if (!only_.empty()) return Run(Parse(only_));
  const char* const wanted = getenv("OBJMAPPER_SCHEDULE_LENGTH");
  const size_t length = wanted != nullptr ? static_cast<size_t>(atoi(wanted)) : kLength;
  struct Choice {
    int taken;
    int of;
  };
  std::vector<Choice> path;
  uint64_t runs = 0;
  uint64_t disturbed = 0;
  do {
    size_t depth = 0;
    const bool passed = RunOne(1, [&](const std::vector<Act>& possible) {
      if (depth == length) return -1;
      if (depth == path.size()) path.push_back({0, static_cast<int>(possible.size())});
      if (path[depth].of != static_cast<int>(possible.size())) {
        // The machine has interfered (see stage.h), now or before: what follows these acts is begun
        // again.
        ++disturbed;
        path.resize(depth);
        path.push_back({0, static_cast<int>(possible.size())});
      }
      return path[depth++].taken;
    });
    ++runs;
    if (!passed) return;
    while (!path.empty() && path.back().taken + 1 == path.back().of) path.pop_back();
    if (!path.empty()) ++path.back().taken;
  } while (!path.empty());
  std::cout << "every schedule of " << length << " acts: " << runs << ", disturbed: " << disturbed
            << "\n";
  EXPECT_LE(disturbed, 20 + runs / 100) << "the same acts lead elsewhere: not deterministic";
  RecordProperty("schedules", std::to_string(runs));
  EXPECT_GT(runs, length);
}

TEST_P(Schedules, SeededOnesOfSeveralClients) {
  if (!only_.empty()) GTEST_SKIP() << "OBJMAPPER_SCHEDULE is one for AllOfOneClient";
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    std::mt19937 random(seed);
    int left = 60;
    const bool passed = RunOne(4, [&](const std::vector<Act>& possible) {
      if (left-- == 0) return -1;
      const int chosen = static_cast<int>(random() % possible.size());
      // The end of everything comes seldom, or little would come before it.
      const char what = possible[static_cast<size_t>(chosen)].what;
      const bool grave = what == 'D' || what == 'P' || what == 'T' || what == 'X' || what == 'H';
      return grave && random() % 8 != 0 ? static_cast<int>(random() % possible.size()) : chosen;
    });
    ASSERT_TRUE(passed) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(
    , Schedules,
    testing::Combine(testing::Values(loop::EngineKind::kEpoll, loop::EngineKind::kUring),
                     testing::Values(Dialect::kV1, Dialect::kV2)),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param) == loop::EngineKind::kEpoll ? "epoll" : "uring",
                          std::get<1>(info.param) == Dialect::kV1 ? "V1" : "V2");
    });

}  // namespace
}  // namespace objmapper::server
