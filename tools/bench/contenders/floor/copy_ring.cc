// floor_copy_ring: one ring, one thread. Multishot receives; header and body in one sendmsg from a
// mapping made at the start. A send that the socket did not take whole is asked for again.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>

#include "net/ring.h"
#include "tools/bench/contenders/floor/floor.h"

namespace objmapper::bench {
namespace {

struct RingConnection : FloorConnection {
  bool receiving = true;
  bool sending = false;
  bool ending = false;
  // The kernel reads these, and the header, until the send completes.
  msghdr message{};
  iovec pieces[2];
};

class RingFloor {
 public:
  RingFloor(const Listeners& listeners, const Objects& objects)
      : listeners_(listeners), objects_(objects) {
    absl::StatusOr<std::unique_ptr<net::Ring>> ring =
        net::Ring::Create({.entries = 1024, .receive_buffers = 512, .receive_buffer_bytes = 4096});
    CHECK(ring.ok()) << ring.status();
    ring_ = *std::move(ring);
    ring_->PollOnce(listeners_.unix_fd, POLLIN, kUnixListener);
    ring_->PollOnce(listeners_.tcp_fd, POLLIN, kTcpListener);
  }

  [[noreturn]] void Run() {
    while (true) {
      for (const net::Ring::Event& event : ring_->Wait(-1)) {
        if (event.user_data == kUnixListener || event.user_data == kTcpListener) {
          Accept(event.user_data);
          continue;
        }
        // A connection is aligned to 8: its address leaves the ring's lowest bit and ours free.
        auto* connection = reinterpret_cast<RingConnection*>(event.user_data & ~kSend);
        if ((event.user_data & kSend) != 0) {
          Sent(*connection, event.result);
        } else {
          Received(*connection, event);
        }
        if (connection->ending && !connection->sending && !connection->receiving) {
          delete connection;
        }
      }
    }
  }

 private:
  static constexpr uint64_t kUnixListener = 8;  // no addresses
  static constexpr uint64_t kTcpListener = 16;
  static constexpr uint64_t kSend = 2;

  void Accept(uint64_t which) {
    const int listener = which == kUnixListener ? listeners_.unix_fd : listeners_.tcp_fd;
    while (true) {
      auto connection = std::make_unique<RingConnection>();
      // Blocking: then the kernel waits for room by itself.
      AcceptFrom(listeners_, listener, 0, *connection);
      if (!connection->fd.valid()) break;
      Receive(*connection.release());
    }
    ring_->PollOnce(listener, POLLIN, which);
  }

  void Receive(RingConnection& connection) {
    connection.receiving = true;
    ring_->ReceiveMultishot(
        connection.fd.get(),
        connection.is_unix ? net::Ring::Receive::kRefuseFds : net::Ring::Receive::kBytes,
        reinterpret_cast<uint64_t>(&connection));
  }

  // No more of it: shutdown(2) completes what the kernel still has.
  void End(RingConnection& connection) {
    if (!connection.ending) shutdown(connection.fd.get(), SHUT_RDWR);
    connection.ending = true;
  }

  void Received(RingConnection& connection, const net::Ring::Event& event) {
    connection.receiving = event.more;
    absl::string_view input = event.bytes;
    const bool copied = !connection.unread.empty();
    if (copied) {
      connection.unread.append(input.data(), input.size());
      input = connection.unread;
    }
    if (event.result <= 0) {
      if (event.result != -ENOBUFS && event.result != -EINTR) End(connection);
    } else if (!connection.sending) {
      input = Serve(connection, input);
    }
    if (copied) {
      connection.unread.erase(0, connection.unread.size() - input.size());
    } else {
      connection.unread.assign(input.data(), input.size());
    }
    if (event.buffer >= 0) ring_->ReturnBuffer(event.buffer);
    if (!connection.receiving && !connection.ending) Receive(connection);
  }

  // Begins the answer to the request at the front of `input`; returns what is left of it.
  absl::string_view Serve(RingConnection& connection, absl::string_view input) {
    if (!connection.greeted && !Greet(connection, input)) End(connection);
    if (!connection.greeted || connection.ending) return input;
    if (BeginAnswer(objects_, input, connection)) Send(connection);
    return input;
  }

  void Send(RingConnection& connection) {
    connection.message.msg_iov = connection.pieces;
    connection.message.msg_iovlen = MappedPieces(connection, connection.pieces);
    connection.sending = true;
    ring_->SendMessage(connection.fd.get(), &connection.message, /*poll_first=*/false,
                       reinterpret_cast<uint64_t>(&connection) | kSend);
  }

  void Sent(RingConnection& connection, int result) {
    connection.sending = false;
    if (result <= 0) return End(connection);
    connection.sent += result;
    if (connection.sent < connection.total()) return Send(connection);
    if (connection.unread.empty()) return;
    const absl::string_view rest = Serve(connection, connection.unread);
    connection.unread.erase(0, connection.unread.size() - rest.size());
  }

  const Listeners listeners_;
  const Objects& objects_;
  std::unique_ptr<net::Ring> ring_;
};

}  // namespace

void RunCopyRing(const Objects& objects, const Listeners& listeners) {
  RingFloor(listeners, objects).Run();
}

}  // namespace objmapper::bench
