// The UDP thread. It never waits for the disk: requests that need it go to other threads, with a
// limit on their number.
#include "server/udp/listener.h"

#include <glog/logging.h>
#include <string.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/peer_credentials.h"
#include "storage/tree/remote.h"
#include "text/printable.h"

namespace objmapper::server::udp {
namespace {

// Threads that may wait for the disk, and requests that wait for one of them: an answer that comes
// later than some hundred others before it has been asked for again already.
constexpr int kColdThreads = 4;
constexpr size_t kColdMax = 256;
// What of a socket's queue is still answered when the server drains, so that a flood does not keep
// it.
constexpr size_t kLastMax = 4096;
// How long the disk may take then.
constexpr int64_t kLastNs = 5'000'000'000;
// Answers that wait to be sent together.
constexpr size_t kOutgoingMax = kBatch;

}  // namespace

UdpListener::UdpListener(const Objects& objects, const session::SessionLimits* limits,
                         session::TallyBoard* board)
    : objects_(objects), limits_(limits), board_(board), pool_(kColdThreads, "udp-disk") {
  CHECK_EQ(epoll_.Add(thread_.event_fd(), EPOLLIN, nullptr), 0);
}

absl::Status UdpListener::Bind(const net::Address& address, bool shared) {
  absl::StatusOr<net::BoundUdp> bound = net::BindUdp(address, shared);
  if (!bound.ok()) return bound.status();
  urls_.push_back(net::UdpUrl(bound->address));
  sockets_.push_back(std::move(bound->fd));
  return absl::OkStatus();
}

void UdpListener::Start() {
  for (net::UniqueFd& socket : sockets_) CHECK_EQ(epoll_.Add(socket.get(), EPOLLIN, &socket), 0);
  thread_.Start("udp/0", [this] {
    tally_ = std::make_unique<session::TallyLease>(board_, "udp");
    Run();
    sockets_.clear();
    tally_.reset();
    drained_.store(true, std::memory_order_release);
  });
}

void UdpListener::Stop() {
  thread_.Stop();
  pool_.Stop();
}

void UdpListener::Run() {
  const storage::SlowOpens::Watched watched(&objects_.tree->slow_opens());
  while (true) {
    if (now_ns_ != 0) (*tally_)->Worked(session::CountingNowNs() - now_ns_);
    const absl::Span<epoll_event> events = epoll_.Wait(-1);
    now_ns_ = net::NowNs();
    for (const epoll_event& event : events) {
      if (event.data.ptr == nullptr) {
        ReadMail();
      } else {
        ReadBatch(static_cast<const net::UniqueFd*>(event.data.ptr)->get());
      }
    }
    Flush();
    const net::ServingPhase asked = thread_.Beat();
    if (asked == net::ServingPhase::kServing) continue;
    if (asked == net::ServingPhase::kDraining) AnswerTheRest();
    return;
  }
}

void UdpListener::AnswerTheRest() {
  for (const net::UniqueFd& socket : sockets_) {
    size_t taken = 0, last;
    do {
      last = ReadBatch(socket.get());
      taken += last;
    } while (last != 0 && taken < kLastMax);
    epoll_.Remove(socket.get());
  }
  Flush();
  const int64_t until_ns = net::NowNs() + kLastNs;
  while (cold_waiting() != 0 && thread_.Beat() == net::ServingPhase::kDraining) {
    const int64_t now_ns = net::NowNs();
    if (now_ns >= until_ns) {
      LOG(WARNING) << "udp: the disk did not answer " << cold_waiting() << " requests in time";
      return;
    }
    if (!epoll_.Wait(net::SleepMs(until_ns, now_ns)).empty()) ReadMail();
    Flush();
  }
}

size_t UdpListener::ReadBatch(int socket) {
  int error = 0;
  const absl::Span<const Incoming> batch = receiver_.Receive(socket, &error);
  if (error != 0) {
    // What an earlier answer met (ICMP), or the kernel's memory. The next call goes on behind it.
    counters_.errors.Add();
    VLOG(1) << "udp: " << net::ErrnoToStatus(error, "recvmmsg").message();
  }
  for (const Incoming& incoming : batch) Take(socket, incoming);
  return batch.size();
}

void UdpListener::Take(int socket, const Incoming& incoming) {
  counters_.received.Add();
  counters_.bytes_in.Add(incoming.bytes.size());
  std::optional<protocol::Request> request;
  if (!incoming.cut) request = ParseDatagram(incoming.bytes);
  if (!request.has_value()) {
    counters_.dropped.Add();
    return;
  }
  request->received_ns = net::NowNs();
  if (limits_->access != nullptr && request->refusal == protocol::Status::kOk &&
      !limits_->access->Permits(&standing_, {net::PeerCredentials(), socket}, request->uri,
                                session::Right::kRead)) {
    request->refusal = protocol::Status::kPermissionDenied;
    request->reason = "the server's rules do not allow this";
  }
  std::optional<Reply> reply = ReplyTo(*request, objects_, storage::Wait::kCachedOnly);
  if (!reply.has_value()) return TakeCold(socket, incoming, *request);
  Answer(*request, *std::move(reply), {socket, incoming.sender, "", {}});
}

void UdpListener::TakeCold(int socket, const Incoming& incoming, const protocol::Request& request) {
  if (cold_waiting() >= kColdMax) {
    return Answer(
        request,
        ErrorReply(request, protocol::Status::kUnavailable, "too many requests wait for the disk"),
        {socket, incoming.sender, "", {}});
  }
  counters_.cold.Add();
  cold_waiting_.fetch_add(1, std::memory_order_relaxed);
  auto cold = std::make_shared<Cold>();
  cold->datagram = std::string(incoming.bytes);
  cold->request = request;
  cold->request.uri = absl::string_view(cold->datagram)
                          .substr(static_cast<size_t>(request.uri.data() - incoming.bytes.data()),
                                  request.uri.size());
  cold->answer = {socket, incoming.sender, "", {}};
  pool_.Run([this, cold] { FindCold(cold); });
}

// On a thread of the pool. An origin is asked whether what is here is still what it has, but
// nothing is fetched that is not here: the sender may be anybody, and has sent a few bytes for it.
void UdpListener::FindCold(const std::shared_ptr<Cold>& cold) {
  const storage::Tree& tree = *objects_.tree;
  const absl::string_view uri = cold->request.uri;
  const bool elsewhere = tree.remote() != nullptr && cold->request.refusal == protocol::Status::kOk;
  const bool must_check = elsewhere && tree.MustCheck(uri);
  const absl::Status here =
      elsewhere ? tree.OpenObject(uri, storage::Wait::kMayBlock).status() : absl::OkStatus();
  if (elsewhere && storage::MayBeFetched(tree, uri, here)) {
    cold->reply =
        ErrorReply(cold->request, protocol::Status::kUnavailable,
                   "the object is not here, and nothing is fetched for a datagram: ask by "
                   "a connection");
  } else if (must_check && here.ok()) {
    return tree.remote()->Bring(uri, [this, cold](const absl::Status& brought) {
      pool_.Run([this, cold, brought] {
        cold->reply = brought.ok() ? *ReplyTo(cold->request, objects_, storage::Wait::kMayBlock)
                                   : ErrorReply(cold->request, brought);
        thread_.Put(cold);
      });
    });
  } else {
    cold->reply = *ReplyTo(cold->request, objects_, storage::Wait::kMayBlock);
  }
  thread_.Put(cold);
}

void UdpListener::ReadMail() {
  for (const std::shared_ptr<Cold>& cold : thread_.TakeAll()) {
    cold_waiting_.fetch_sub(1, std::memory_order_relaxed);
    Answer(cold->request, std::move(cold->reply), std::move(cold->answer));
  }
}

void UdpListener::Answer(const protocol::Request& request, Reply reply, Outgoing out) {
  out.receipt = session::ReceiptOf(request, reply.status, reply.object_bytes);
  out.bytes = std::move(reply.bytes);
  if (limits_->log_requests) {
    LOG(INFO) << "request: udp peer " << out.to.Name() << ": " << protocol::ModeName(request.mode)
              << " " << text::Quoted(request.uri) << ": " << protocol::StatusName(reply.status)
              << ", " << reply.object_bytes << " bytes, "
              << (net::NowNs() - request.received_ns) / 1000 << " us";
  }
  outgoing_.push_back(std::move(out));
  if (outgoing_.size() >= kOutgoingMax) Flush();
}

void UdpListener::Flush() {
  if (outgoing_.empty()) return;
  const int64_t now_ns = session::CountingNowNs();
  Send(outgoing_, [this, now_ns](const Outgoing& answer, int error) {
    if (error != 0) {
      counters_.errors.Add();
      VLOG(1) << "udp: "
              << net::ErrnoToStatus(error, absl::StrCat("answer ", answer.to.Name())).message();
      return;
    }
    counters_.answered.Add();
    counters_.bytes_out.Add(answer.bytes.size());
    if (answer.receipt.status == protocol::Status::kTooLarge) counters_.too_large.Add();
    if (session::kCounting) (*tally_)->Answered(answer.receipt, now_ns, protocol::Dialect::kV2);
  });
  outgoing_.clear();
}

}  // namespace objmapper::server::udp
