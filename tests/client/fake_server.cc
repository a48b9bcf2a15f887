// A scripted server on an abstract socket: a test says what it receives and sends.
#include "tests/client/fake_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/scm_rights.h"
#include "protocol/objm/encode.h"

namespace objmapper::client {
namespace {

constexpr int kWaitMs = 20000;

// The kernel picks an abstract name that is free ("Autobind feature", unix(7)): a name made of our
// pid may be another sandbox's too.
net::UniqueFd ListenUnix(std::string* url) {
  net::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
  EXPECT_EQ(listen(fd.get(), 8), 0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const size_t path_bytes = size - offsetof(sockaddr_un, sun_path);
  *url = absl::StrCat("unix:@", absl::string_view(address.sun_path + 1, path_bytes - 1));
  return fd;
}

net::UniqueFd ListenTcp(std::string* url) {
  net::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(fd.get(), 8), 0);
  EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  *url = absl::StrCat("tcp://127.0.0.1:", ntohs(address.sin_port));
  return fd;
}

bool Await(int fd, short events) {
  pollfd entry{fd, events, 0};
  return poll(&entry, 1, kWaitMs) == 1;
}

std::string Encoded(protocol::Dialect dialect, uint32_t id, uint64_t content_length,
                    const Metadata& metadata) {
  protocol::MetadataWriter writer;
  if (metadata) metadata(writer);
  char out[protocol::kResponseBytesMax];
  return std::string(out, protocol::EncodeResponse(dialect, id, protocol::Status::kOk,
                                                   content_length, writer.bytes(), out));
}

std::string EncodedError(protocol::Dialect dialect, uint32_t id, protocol::Status status,
                         absl::string_view text, uint32_t retry_after_ms) {
  char out[protocol::kResponseBytesMax];
  return std::string(out, protocol::EncodeError(dialect, id, status, text, retry_after_ms, out));
}

}  // namespace

Peer::Peer(net::UniqueFd socket, protocol::RequestParser::Offer offer)
    : socket_(std::move(socket)), parser_(offer) {}

protocol::RequestParser::Result Peer::Next() {
  while (true) {
    const protocol::RequestParser::Result result = parser_.Next(input_);
    if (result.kind != protocol::RequestParser::Kind::kNeedMore) return result;
    input_.erase(0, result.consumed);
    if (!ReadSome()) return {};
  }
}

bool Peer::ReadSome() {
  char buffer[65536];
  if (Await(socket_.get(), POLLIN)) {
    const absl::StatusOr<net::Received> got =
        net::RecvWithFds(socket_.get(), absl::MakeSpan(buffer), net::kFdsPerMessageMax, &fds_);
    if (got.ok() && got->bytes > 0) {
      input_.append(buffer, got->bytes);
      return true;
    }
  }
  ADD_FAILURE() << "the client sent nothing that the script waits for";
  return false;
}

std::string Peer::ReadBody(size_t bytes) {
  while (input_.size() < bytes && ReadSome()) {
  }
  std::string body = input_.substr(0, bytes);
  input_.erase(0, bytes);
  return body;
}

net::UniqueFd Peer::TakeFd() {
  if (fds_.empty()) return net::UniqueFd();
  net::UniqueFd fd = std::move(fds_.front());
  fds_.erase(fds_.begin());
  return fd;
}

Asked Peer::ReadRequest() {
  while (true) {
    const protocol::RequestParser::Result result = Next();
    if (result.kind == protocol::RequestParser::Kind::kHello) {
      AnswerHello();
      input_.erase(0, result.consumed);
      continue;
    }
    Asked asked;
    if (result.kind == protocol::RequestParser::Kind::kRequest) {
      asked.request = result.request;
      asked.uri = std::string(result.request.uri);
      asked.request.uri = absl::string_view();  // it points into input_
      asked.id = result.request.id;
    } else {
      ADD_FAILURE() << "the client sent something else than a request";
    }
    input_.erase(0, result.consumed);
    return asked;
  }
}

void Peer::ReadHello() {
  const protocol::RequestParser::Result result = Next();
  EXPECT_EQ(result.kind, protocol::RequestParser::Kind::kHello);
  input_.erase(0, result.consumed);
}

void Peer::AnswerHello() {
  char ack[protocol::kHelloAckBytes];
  Send(std::string(
      ack, protocol::EncodeHelloAck(parser_.capabilities(), parser_.max_pipeline(), 4, ack)));
}

std::string Peer::ReadAuth() {
  const protocol::RequestParser::Result result = Next();
  EXPECT_EQ(result.kind, protocol::RequestParser::Kind::kAuth);
  const std::string token(result.token);
  input_.erase(0, result.consumed);
  return token;
}

void Peer::ReadClose() {
  const protocol::RequestParser::Result result = Next();
  EXPECT_EQ(result.kind, protocol::RequestParser::Kind::kClose);
  input_.erase(0, result.consumed);
}

bool Peer::HasMore() {
  char byte;
  return !input_.empty() || recv(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

void Peer::Send(const std::string& bytes, const std::vector<int>& fds) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = net::SendWithFds(socket_.get(), absl::string_view(bytes).substr(sent),
                                       sent == 0 ? absl::MakeSpan(fds) : absl::Span<const int>());
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno != EAGAIN || !Await(socket_.get(), POLLOUT)) {
      return;  // the client has gone: what it made of that is the test's to judge
    }
  }
}

void Peer::SendByteByByte(const std::string& bytes, const std::vector<int>& fds) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    Send(bytes.substr(i, 1), i == 0 ? fds : std::vector<int>());
  }
}

void Peer::AwaitEnd() {
  char buffer[4096];
  do {
    if (!Await(socket_.get(), POLLIN)) {
      ADD_FAILURE() << "the client did not hang up";
      return;
    }
  } while (recv(socket_.get(), buffer, sizeof(buffer), 0) > 0);
}

bool Peer::AwaitMore() {
  char byte;
  if (!input_.empty()) return true;
  if (Await(socket_.get(), POLLIN)) return recv(socket_.get(), &byte, 1, MSG_PEEK) == 1;
  ADD_FAILURE() << "the client neither sent more nor hung up";
  return false;
}

FakeServer::FakeServer(Transport transport)
    : listener_(transport == Transport::kUnix ? ListenUnix(&url_) : ListenTcp(&url_)) {}

FakeServer::FakeServer(Script script, protocol::RequestParser::Offer offer, Transport transport)
    : FakeServer(transport) {
  thread_ = std::thread([this, script = std::move(script), offer] {
    if (!Await(listener_.get(), POLLIN)) {
      ADD_FAILURE() << "no client came";
      return;
    }
    Peer peer(net::UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)), offer);
    script(peer);
  });
}

std::unique_ptr<FakeServer> FakeServer::ForMany(Script script) {
  std::unique_ptr<FakeServer> server(new FakeServer(Transport::kUnix));
  server->many_ = true;
  server->thread_ = std::thread([listener = server->listener_.get(), script = std::move(script)] {
    std::vector<std::thread> threads;
    while (true) {
      net::UniqueFd socket(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket.valid()) break;  // Join() has shut the listener down
      threads.emplace_back([&script, socket = std::move(socket)]() mutable {
        Peer peer(std::move(socket), {});
        script(peer);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  return server;
}

void FakeServer::Join() {
  if (many_) shutdown(listener_.get(), SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
}

std::string Ok(uint32_t id, uint64_t content_length, const Metadata& metadata) {
  return Encoded(protocol::Dialect::kV2, id, content_length, metadata);
}

std::string OkV1(uint64_t content_length, const Metadata& metadata) {
  return Encoded(protocol::Dialect::kV1, 0, content_length, metadata);
}

std::string Error(uint32_t id, protocol::Status status, absl::string_view text,
                  uint32_t retry_after_ms) {
  return EncodedError(protocol::Dialect::kV2, id, status, text, retry_after_ms);
}

std::string ErrorV1(protocol::Status status, absl::string_view text, uint32_t retry_after_ms) {
  return EncodedError(protocol::Dialect::kV1, 0, status, text, retry_after_ms);
}

std::string Close(protocol::CloseReason reason) {
  char out[protocol::kCloseBytes];
  return std::string(out, protocol::EncodeClose(reason, out));
}

net::UniqueFd FileWith(absl::string_view bytes) {
  net::UniqueFd fd(memfd_create("object", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return fd;
}

std::string ContentOf(int fd) {
  std::string content;
  char buffer[4096];
  ssize_t got;
  while ((got = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(content.size()))) > 0) {
    content.append(buffer, static_cast<size_t>(got));
  }
  EXPECT_EQ(got, 0);
  return content;
}

}  // namespace objmapper::client
