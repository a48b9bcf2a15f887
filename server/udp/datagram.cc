// Batches of datagrams with one system call each.
#include "server/udp/datagram.h"

#include <errno.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protocol/limits.h"

namespace objmapper::server::udp {
namespace {

// A datagram that fills it is too long to be a request.
constexpr size_t kBufferBytes = protocol::kRequestBytesMax + 1;

// The interface by which a question came is not always the one that leads back; for link-local
// addresses alone it is part of the address.
void ForgetInterface(cmsghdr* message) {
  if (message->cmsg_level == IPPROTO_IP && message->cmsg_type == IP_PKTINFO) {
    reinterpret_cast<in_pktinfo*>(CMSG_DATA(message))->ipi_ifindex = 0;
  } else if (message->cmsg_level == IPPROTO_IPV6 && message->cmsg_type == IPV6_PKTINFO) {
    auto* const info = reinterpret_cast<in6_pktinfo*>(CMSG_DATA(message));
    if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0;
  }
}

}  // namespace

struct Receiver::Buffers {
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> pieces;
  std::array<Incoming, kBatch> incoming;
  std::array<std::array<char, kBufferBytes>, kBatch> bytes;
};

Receiver::Receiver() : buffers_(std::make_unique<Buffers>()) {}
Receiver::~Receiver() = default;

absl::Span<const Incoming> Receiver::Receive(int socket, int* error) {
  for (size_t i = 0; i < kBatch; ++i) {
    Incoming& incoming = buffers_->incoming[i];
    buffers_->pieces[i] = {buffers_->bytes[i].data(), kBufferBytes};
    msghdr& header = buffers_->messages[i].msg_hdr;
    header = {};
    header.msg_name = &incoming.sender.address;
    header.msg_namelen = sizeof(incoming.sender.address);
    header.msg_iov = &buffers_->pieces[i];
    header.msg_iovlen = 1;
    header.msg_control = incoming.sender.local;
    header.msg_controllen = sizeof(incoming.sender.local);
  }
  const ssize_t got = TEMP_FAILURE_RETRY(
      recvmmsg(socket, buffers_->messages.data(), kBatch, MSG_DONTWAIT, nullptr));
  *error = got < 0 && errno != EAGAIN && errno != EWOULDBLOCK ? errno : 0;
  const size_t count = got < 0 ? 0 : static_cast<size_t>(got);
  for (size_t i = 0; i < count; ++i) {
    msghdr& header = buffers_->messages[i].msg_hdr;
    Incoming& incoming = buffers_->incoming[i];
    incoming.bytes = {buffers_->bytes[i].data(),
                      std::min<size_t>(buffers_->messages[i].msg_len, kBufferBytes)};
    incoming.cut = (header.msg_flags & MSG_TRUNC) != 0;
    incoming.sender.address_bytes = header.msg_namelen;
    incoming.sender.local_bytes = header.msg_controllen;
    cmsghdr* const message = CMSG_FIRSTHDR(&header);
    if (message != nullptr) ForgetInterface(message);
  }
  return absl::MakeConstSpan(buffers_->incoming).first(count);
}

namespace {

// At most kBatch answers of one socket. Returns how many were taken, 1 or more; -1: the first was
// not, see errno.
int SendSome(absl::Span<const Outgoing> answers) {
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> pieces;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Outgoing& answer = answers[i];
    // sendmmsg(2) only reads what these point to.
    pieces[i] = {const_cast<char*>(answer.bytes.data()), answer.bytes.size()};
    messages[i] = {};
    msghdr& header = messages[i].msg_hdr;
    header.msg_name = const_cast<sockaddr_storage*>(&answer.to.address);
    header.msg_namelen = answer.to.address_bytes;
    header.msg_iov = &pieces[i];
    header.msg_iovlen = 1;
    if (answer.to.local_bytes != 0) {
      header.msg_control = const_cast<char*>(answer.to.local);
      header.msg_controllen = answer.to.local_bytes;
    }
  }
  return static_cast<int>(TEMP_FAILURE_RETRY(sendmmsg(
      answers[0].socket, messages.data(), static_cast<unsigned>(answers.size()), MSG_DONTWAIT)));
}

}  // namespace

void Send(absl::Span<const Outgoing> answers,
          absl::FunctionRef<void(const Outgoing& answer, int error)> done) {
  while (!answers.empty()) {
    size_t same = 1;
    while (same < answers.size() && same < kBatch && answers[same].socket == answers[0].socket)
      ++same;
    const int sent = SendSome(answers.first(same));
    const int error = sent < 0 ? errno : 0;
    const size_t over = sent < 0 ? 1 : static_cast<size_t>(sent);
    for (size_t i = 0; i < over; ++i) done(answers[i], error);
    answers.remove_prefix(over);
  }
}

std::string Sender::Name() const {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), address_bytes, host, sizeof(host),
                  port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM) != 0) {
    return "unknown";
  }
  const bool v6 = absl::StrContains(host, ":");
  return v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

}  // namespace objmapper::server::udp
