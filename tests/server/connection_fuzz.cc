// Fuzzes a whole connection: bytes from a stranger into the router and the lanes or the model, of a
// server in this process.
//
// How it works: the input is what a client says; its last byte says to which server (mode_routing
// on rings and on epoll, and each concurrency model), in pieces of which size, and how the client
// ends. Where "\xF7RUN" stands in it, the three bytes behind that are a length, up to 512 KiB, and
// the next one a byte that is said so many times: bodies, and what comes behind them, are longer
// than an input. A parser of our own tells which requests the stream holds. The server's side of a
// socketpair is given to the server as a connection between two requests. What comes back is read
// to its end, and must be: well-formed; an answer for each request, in their order unless
// OOO_REPLIES was agreed on; the right bytes; one descriptor, of the right file, for each OK answer
// that owes one, and no other. Then the connection must be gone from the server's count. Whoever
// waits longer than 20 s has found something.
//
// The servers take objects, but by a rules file only those below "w", of which nothing is checked
// but that they are whole messages: what else there is stays as it was made.
//
//   tools/fuzz connection_fuzz 60
//
// tests/protocol/fuzz_replay_test.cc calls the same function without libFuzzer.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "models/model.h"
#include "net/scm_rights.h"
#include "net/unique_fd.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/request_parser.h"
#include "protocol/objm/response_parser.h"
#include "protocol/opening.h"
#include "protocol/status.h"
#include "server/flags/config.h"
#include "server/server.h"
#include "session/session.h"
#include "storage/store/store.h"

namespace objmapper::server {
namespace {

using protocol::Dialect;
using protocol::Mode;
using protocol::RequestParser;
using protocol::ResponseParser;
using protocol::Status;

// The objects, by the names that the corpus uses and some of its own.
const std::map<std::string, std::string>& Objects() {
  static const auto* const objects = [] {
    auto* made = new std::map<std::string, std::string>;
    for (const char* name : {"a", "b", "models/a", "models/a.bin", "object", "x"})
      (*made)[name] = std::string("the object ") + name;
    (*made)["empty"] = "";
    (*made)["large"] = std::string(150'000, 'l');
    return made;
  }();
  return *objects;
}

struct Servers {
  Servers() {
    signal(SIGPIPE, SIG_IGN);  // as server/main.cc
    FLAGS_minloglevel = google::GLOG_ERROR;
    static char folder[] = "/tmp/objmapper-fuzz-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    // The fuzzer leaves by exit(3); nobody destroys the servers.
    std::atexit([] {
      std::error_code error;
      std::filesystem::remove_all(folder, error);
      for (const char* file : {".rules", ".tokens"})
        std::filesystem::remove(std::string(folder) + file, error);
    });
    for (const auto& [name, content] : Objects()) {
      const std::filesystem::path path = std::filesystem::path(folder) / name;
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << content;
    }
    const std::string rules = std::string(folder) + ".rules";
    std::ofstream(rules) << "any /w read,write\nany / read\n";
    const std::string tokens = std::string(folder) + ".tokens";
    std::ofstream(tokens) << "somebody somebodys-secret\n";
    std::filesystem::permissions(tokens, std::filesystem::perms::owner_read);
    using EngineKind = loop::EngineKind;
    Config config;
    config.root = folder;
    config.rules_file = rules;
    config.tokens_file = tokens;
    config.limits.writable = true;
    config.store.durability = storage::Durability::kNone;
    config.house.rescan = absl::Minutes(1);
    config.house.watches_max = 0;
    config.sizes.pool_size = 1;
    config.limits.max_pipeline = 16;
    // Some kernels forget to tell a multishot receive of an end that comes right behind bytes
    // ("io_uring/poll: fix multishot recv missing EOF on wakeup race", 2026): then these end the
    // connection.
    config.limits.request_timeout = config.limits.idle_timeout = absl::Seconds(4);
    config.loop.cache_valid = absl::Milliseconds(20);
    config.loop.in_place = true;
    config.loop.unix_send_buffer_bytes = 524288;
    config.limits.put_rate_min = 256;
    config.house.peer_percent = 90;
    config.concurrency_model = "mode_routing";
    for (const EngineKind engine : {EngineKind::kAuto, EngineKind::kEpoll}) {
      config.loop.engine = config.fdpass_engine = engine;
      Start(config);
    }
    config.sizes.pool_size = 2;
    using models::Model;
    for (const Model model :
         {Model::kThreadPerRequest, Model::kThreadPerConnection, Model::kThreadPool,
          Model::kAcceptPool, Model::kWorkStealing, Model::kSeda, Model::kEpoll, Model::kUring}) {
      config.model = model;
      config.concurrency_model = std::string(models::ModelName(model));
      Start(config);
    }
  }
  void Start(const Config& config) {
    auto started = Server::Start(config);
    // no rings here
    if (config.model == models::Model::kUring && absl::IsFailedPrecondition(started.status()))
      return;
    CHECK(started.ok()) << config.concurrency_model << ": " << started.status();
    servers.push_back(*std::move(started));
  }
  std::vector<std::unique_ptr<Server>> servers;
};

struct Asked {
  uint32_t id;
  Mode mode;
  std::string uri;
  bool ranged;
  uint64_t offset, length;
};
struct Transcript {
  std::vector<Asked> requests;
  Dialect dialect = Dialect::kUnknown;
  uint16_t capabilities = 0;
  bool cut_body = false;  // the last request is a PUT whose body is not whole: it has no answer of
                          // its own, if it was taken
  bool ended_by_itself = false;  // CLOSE, or something after which nothing can be understood
};

// What the stream says, when all of it has come.
Transcript Transcribe(absl::string_view stream, uint16_t max_pipeline) {
  Transcript transcript;
  RequestParser parser({.capabilities = protocol::kAllCapabilities, .max_pipeline = max_pipeline});
  while (true) {
    const RequestParser::Result result = parser.Next(stream);
    stream.remove_prefix(result.consumed);
    transcript.dialect = parser.dialect();
    transcript.capabilities = parser.capabilities();
    if (result.kind == RequestParser::Kind::kNeedMore) {
      transcript.cut_body = parser.skipping();
      return transcript;
    }
    if (result.kind == RequestParser::Kind::kHello || result.kind == RequestParser::Kind::kAuth)
      continue;
    if (result.kind != RequestParser::Kind::kRequest) {
      transcript.ended_by_itself = true;
      return transcript;
    }
    const protocol::Request& request = result.request;
    transcript.requests.push_back({request.id, request.mode, std::string(request.uri),
                                   request.has_range(), request.offset, request.length});
    if (request.mode == Mode::kPut) parser.SkipBody(request.body_length);
  }
}

// The client's end.
class Client {
 public:
  explicit Client(net::UniqueFd socket) : socket_(std::move(socket)) {
    const timeval patience{20, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }
  void Say(absl::string_view bytes, size_t piece) {
    while (!bytes.empty()) {
      const size_t part = std::min(piece, bytes.size());
      const ssize_t sent = send(socket_.get(), bytes.data(), part, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<size_t>(sent));
        continue;
      }
      if (errno != EAGAIN) return;  // the server has hung up already
      // Small pieces fill a socket too. The server may wait for us to read, before it reads on.
      pollfd either{socket_.get(), POLLIN | POLLOUT, 0};
      int ready;
      do {
        ready = poll(&either, 1, 20'000);
      } while (ready < 0 && errno == EINTR);  // libFuzzer looks at its clock
      CHECK_GT(ready, 0) << "the server neither reads nor answers; " << what;
      if ((either.revents & POLLIN) != 0 && !ReadSome()) return;
    }
  }
  void HalfClose() { shutdown(socket_.get(), SHUT_WR); }
  void Close() { socket_.Reset(); }

  // False: the end.
  bool ReadSome() {
    char buffer[65536];
    const auto got =
        net::RecvWithFds(socket_.get(), absl::MakeSpan(buffer), net::kFdsPerMessageMax, &fds);
    // Reset: it hung up while we were still talking.
    if (!got.ok() && errno == ECONNRESET) return false;
    CHECK(got.ok()) << "nothing comes, and no end: " << got.status() << "; " << what
                    << "; it has sent " << bytes.size() << " bytes and " << fds.size()
                    << " descriptors";
    if (got->bytes == 0) return false;
    CHECK(!got->fds_lost);
    bytes.append(buffer, got->bytes);
    return true;
  }
  // All that comes until the end.
  void ReadToEnd() {
    while (ReadSome()) {
    }
  }

  std::string bytes;
  std::vector<net::UniqueFd> fds;
  std::string what;  // for a failure: which input it was

 private:
  net::UniqueFd socket_;
};

std::string ContentOf(int fd) {
  std::string content(200'000, '\0');
  const ssize_t got = pread(fd, content.data(), content.size(), 0);
  CHECK_GE(got, 0);
  content.resize(static_cast<size_t>(got));
  return content;
}

void Check(const Transcript& said, const Client& client, bool whole) {
  ResponseParser parser(said.dialect == Dialect::kV2 ? Dialect::kV2 : Dialect::kV1);
  absl::string_view rest = client.bytes;
  size_t answers = 0, fds = 0;
  bool closed = false;
  const bool in_order = (said.capabilities & protocol::kOutOfOrderReplies) == 0;
  std::set<uint32_t> ids;
  for (const Asked& asked : said.requests) ids.insert(asked.id);
  // Who lets answers come in any order and gives two requests one number cannot tell which is
  // which; nor can we.
  if (!in_order && ids.size() < said.requests.size()) return;
  const bool in_header = (said.capabilities & protocol::kFdInHeader) != 0;
  while (!rest.empty()) {
    CHECK(!closed) << "something comes behind CLOSE";
    const ResponseParser::Result result = parser.Next(rest);
    CHECK(result.kind != ResponseParser::Kind::kBroken) << result.reason;
    if (result.kind == ResponseParser::Kind::kNeedMore) {
      CHECK(!whole) << "the last message is cut";
      return;
    }
    rest.remove_prefix(result.consumed);
    if (result.kind == ResponseParser::Kind::kHelloAck) {
      CHECK_EQ(answers, 0u);
      continue;
    }
    if (result.kind != ResponseParser::Kind::kResponse) {
      closed = true;
      continue;
    }
    const auto metadata = protocol::ParseMetadata(result.response.metadata);
    CHECK(metadata.has_value());
    const bool ok = result.response.status == Status::kOk;
    CHECK(ok || metadata->error.has_value()) << "an error without a word";
    const size_t index = answers++;
    if (index >= said.requests.size()) {
      CHECK(!ok) << "more answers than questions";
      continue;
    }
    const Asked* asked = &said.requests[index];
    if (!in_order) {
      // Ids are the client's; those of this stream may be anything, so that only one that is there
      // is looked for.
      const auto found = std::find_if(said.requests.begin(), said.requests.end(),
                                      [&](const Asked& a) { return a.id == result.response.id; });
      CHECK(found != said.requests.end() || !ok) << "an answer to nothing";
      if (found == said.requests.end()) continue;
      asked = &*found;
    } else if (said.dialect == Dialect::kV2) {
      const bool ended_in_body =
          said.cut_body && index + 1 == said.requests.size() && !ok && result.response.id == 0;
      CHECK(result.response.id == asked->id || ended_in_body)
          << "answer " << index << " to " << result.response.id;
    }
    if (!ok) continue;
    const auto object = Objects().find(asked->uri);
    if (asked->mode == Mode::kFdPass && in_order) {
      if (!in_header) {
        CHECK(!rest.empty() && rest[0] == 'X') << "an OK answer without its 'X'";
        rest.remove_prefix(1);
      }
      CHECK_LT(fds, client.fds.size()) << "an OK answer without a descriptor";
      if (object != Objects().end()) CHECK(ContentOf(client.fds[fds].get()) == object->second);
      ++fds;
    } else if (asked->mode == Mode::kFdPass) {
      if (!in_header && !rest.empty() && rest[0] == 'X') rest.remove_prefix(1);
      ++fds;
    } else if (asked->mode == Mode::kCopy || asked->mode == Mode::kSplice ||
               asked->mode == Mode::kList) {
      const uint64_t length = result.response.content_length;
      if (rest.size() < length) {
        CHECK(!whole) << "a body is cut";
        return;
      }
      if (in_order && asked->mode != Mode::kList && object != Objects().end()) {
        std::string wanted = object->second;
        if (asked->ranged) {
          wanted = wanted.substr(std::min<uint64_t>(asked->offset, wanted.size()),
                                 asked->length == 0 ? std::string::npos : asked->length);
        }
        CHECK(rest.substr(0, length) == wanted) << asked->uri;
      }
      rest.remove_prefix(length);
    }
  }
  if (!whole) return;
  CHECK_EQ(fds, client.fds.size()) << "descriptors that belong to nothing";
  CHECK_GE(answers, said.requests.size()) << "a question without an answer";
  CHECK_LE(answers, said.requests.size() + 1);
}

// The stream with its runs said in full.
std::string Expand(absl::string_view input) {
  constexpr absl::string_view kMark = "\xF7RUN";
  constexpr size_t kRunMax = 512 * 1024, kStreamMax = 1024 * 1024;
  std::string stream;
  while (!input.empty()) {
    const size_t at = input.find(kMark);
    stream.append(input.data(), std::min(at, input.size()));
    if (at == input.npos || input.size() < at + kMark.size() + 4) break;
    const auto byte = [&](size_t i) {
      return static_cast<size_t>(static_cast<uint8_t>(input[at + kMark.size() + i]));
    };
    const size_t length = std::min(byte(0) << 16 | byte(1) << 8 | byte(2), kRunMax);
    if (stream.size() + length <= kStreamMax) stream.append(length, input[at + kMark.size() + 3]);
    input.remove_prefix(at + kMark.size() + 4);
  }
  return stream;
}

// ---- HTTP: the dialect is tests/protocol/http_parser_fuzz.cc's; here, that each connection ends,
// and that what comes is answers of HTTP's ----

bool IsHttp(absl::string_view stream) {
  return !stream.empty() && protocol::OpeningOf(stream) == protocol::Opening::kHttp;
}

void CheckHttp(const Client& client) {
  CHECK(client.fds.empty()) << "descriptors in HTTP";
  CHECK(client.bytes.empty() || absl::StartsWith(client.bytes, "HTTP/1.1 ")) << client.bytes;
}

// The client has gone; then so must the connection be.
int Done(Server* server, Client* client) {
  client->Close();
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (server->counters()->open != 0) {
    CHECK(absl::Now() < deadline) << "the connection does not end";
    absl::SleepFor(absl::Microseconds(20));
  }
  return 0;
}

}  // namespace
}  // namespace objmapper::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace objmapper;
  using namespace objmapper::server;
  if (size == 0 || size > 4096) return 0;
  static auto* const servers = new Servers;
  const uint8_t control = data[size - 1];
  const std::string stream =
      Expand(absl::string_view(reinterpret_cast<const char*>(data), size - 1));
  const size_t which = (control & 1u) | (control >> 5u) << 1;
  Server* const server = servers->servers[which % servers->servers.size()].get();

  int ends[2];
  PCHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  Client client{net::UniqueFd(ends[0])};
  client.what = absl::StrCat(
      "of server ", which % servers->servers.size(), ", the input ",
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(data), size)));
  server->Arrive(std::make_unique<session::Session>(session::ConnectionSlot(server->counters()),
                                                    net::UniqueFd(ends[1]),
                                                    session::Transport::kUnix, server->limits()));
  const size_t pieces[] = {1, 2, 3, 5, 8, 13, 64, 4096};
  // Not so many that a long stream takes all day.
  client.Say(stream, std::max(pieces[(control >> 2) & 7], stream.size() / 1024));
  if ((control & 2) == 0) {
    const Transcript said = Transcribe(stream, server->limits()->max_pipeline);
    client.HalfClose();
    client.ReadToEnd();
    if (IsHttp(stream)) {
      CheckHttp(client);
      return Done(server, &client);
    }
    // Whose end comes in the middle of our talk may lose what was sent last (unix(7): a reset).
    Check(said, client, !said.ended_by_itself);
  }
  return Done(server, &client);
}
