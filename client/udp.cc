// Objects by datagrams. The pieces of an object are combined only if their ETAG and SIZE are equal;
// otherwise all of it is requested again.
#include "client/udp.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel.h"
#include "client/error.h"
#include "client/exchange.h"
#include "net/errno_status.h"
#include "net/udp.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"

namespace objmapper::client {
namespace {

using protocol::Mode;

// What is asked for of a server that does not say how much it grants.
constexpr uint64_t kPieceBytes = 1024;
// A server that grants less at a time is none: the least --udp_max_payload leaves three times as
// much.
constexpr uint64_t kPieceBytesMin = 256;
// Memory for an object is taken by so much, or as much as has come already.
constexpr uint64_t kGrowBytes = 1 << 20;
// What the kernel counts for a datagram beside its bytes, generously (struct sk_buff and its
// pages).
constexpr uint64_t kDatagramCostBytes = 1024;
constexpr int kReceiveBufferBytes = 4 << 20;  // less, where net.core.rmem_max says so

// `why`: the parts of a sentence.
template <typename... Parts>
absl::Status Broken(absl::string_view what, const Parts&... why) {
  return ConnectionError(
      absl::InternalError(absl::StrCat(what, ": the server broke the protocol: ", why...)));
}

absl::Status FromSocket(absl::string_view what, int error) {
  if (error == ECONNREFUSED) {
    return ConnectionError(
        absl::UnavailableError(absl::StrCat(what, ": there is no listener (ECONNREFUSED)")));
  }
  return ConnectionError(net::ErrnoToStatus(error, what));
}

// A parser for what follows HELLO_ACK, which never comes by UDP.
protocol::ResponseParser AfterHello() {
  char ack[protocol::kHelloAckBytes];
  protocol::ResponseParser parser(protocol::Dialect::kV2);
  parser.Next(absl::string_view(ack, protocol::EncodeHelloAck(protocol::kRange, 1, 1, ack)));
  return parser;
}

absl::Status Changed(absl::string_view uri) {
  return absl::AbortedError(
      absl::StrCat(WhatWasAsked(Mode::kCopy, uri), ": it was replaced during each attempt"));
}

}  // namespace

UdpClient::UdpClient(net::UniqueFd socket, const UdpOptions& options)
    : options_(options),
      socket_(std::move(socket)),
      inbox_(net::kDatagramBytesMax + 1, '\0'),
      random_(std::random_device()()),
      next_id_(std::random_device()()) {
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes,
             sizeof(kReceiveBufferBytes));
}

absl::StatusOr<UdpClient> UdpClient::Open(absl::string_view url, const UdpOptions& options) {
  const absl::StatusOr<net::Address> address = net::ParseUdpUrl(url);
  if (!address.ok()) return address.status();
  absl::StatusOr<net::UniqueFd> socket = net::ConnectUdp(*address);
  if (!socket.ok()) return socket.status();
  return UdpClient(*std::move(socket), options);
}

absl::Status UdpClient::Send(Mode mode, absl::string_view uri, const std::optional<Range>& range) {
  if (uri.empty() || uri.size() > protocol::kUriBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("a URI has 1 to ", protocol::kUriBytesMax,
                                                   " bytes, this one has ", uri.size()));
  }
  protocol::RequestToSend request = RequestFor(mode, uri, range);
  request.id = next_id_++;
  Flight& flight = flights_[request.id];
  protocol::AppendRequest(protocol::Dialect::kV2, request, &flight.datagram);
  flight.range = range.value_or(Range());
  flight.first_sent = absl::Now();
  flight.wait = options_.first_wait;
  return SendAgain(&flight);
}

absl::Status UdpClient::SendAgain(Flight* flight) {
  ssize_t sent;
  do {
    sent = send(socket_.get(), flight->datagram.data(), flight->datagram.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  // No room in the kernel is as good as lost on the way.
  if (sent < 0 && errno != ENOBUFS && errno != EAGAIN) return FromSocket("send", errno);
  // Jitter: up to a quarter more, so that what was lost together does not come back together.
  const double more = std::uniform_real_distribution<double>(1, 1.25)(random_);
  flight->due = absl::Now() + flight->wait * more;
  flight->wait = std::min(flight->wait * 2, options_.wait_max);
  return absl::OkStatus();
}

absl::StatusOr<UdpClient::Arrival> UdpClient::Receive(Mode mode, absl::string_view uri) {
  while (true) {
    absl::Time due = absl::InfiniteFuture();
    const absl::Time now = absl::Now();
    // Nobody is late before the socket has been looked at once more: the process may have been
    // stopped meanwhile.
    absl::Status late;
    for (auto& [id, flight] : flights_) {
      if (now - flight.first_sent >= options_.request_timeout) {
        late = !flight.refused.ok() ? flight.refused
                                    : ConnectionError(absl::DeadlineExceededError(absl::StrCat(
                                          WhatWasAsked(mode, uri), ": no answer for ",
                                          absl::FormatDuration(options_.request_timeout))));
        break;
      }
      if (now >= flight.due) {
        ++lost_;
        if (absl::Status sent = SendAgain(&flight); !sent.ok()) return sent;
      }
      due = std::min({due, flight.due, flight.first_sent + options_.request_timeout});
    }
    pollfd readable{socket_.get(), POLLIN, 0};
    const int64_t wait_ms =
        late.ok() ? std::max<int64_t>(absl::ToInt64Milliseconds(due - now) + 1, 0) : 0;
    if (poll(&readable, 1, static_cast<int>(std::min<int64_t>(wait_ms, 60'000))) <= 0) {
      if (!late.ok()) return late;
      continue;
    }
    const ssize_t got = recv(socket_.get(), &inbox_[0], inbox_.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;  // EAGAIN: its checksum was wrong
      return FromSocket(WhatWasAsked(mode, uri), errno);
    }
    absl::StatusOr<std::optional<Arrival>> arrival =
        Read(absl::string_view(inbox_.data(), static_cast<size_t>(got)), mode, uri);
    if (!arrival.ok()) return arrival.status();
    if (arrival->has_value()) return **std::move(arrival);
  }
}

absl::StatusOr<std::optional<UdpClient::Arrival>> UdpClient::Read(absl::string_view datagram,
                                                                  Mode mode,
                                                                  absl::string_view uri) {
  protocol::ResponseParser parser = AfterHello();
  const protocol::ResponseParser::Result result = parser.Next(datagram);
  if (result.kind != protocol::ResponseParser::Kind::kResponse) return std::nullopt;
  const protocol::Response& response = result.response;
  const auto found = flights_.find(response.id);
  if (found == flights_.end()) return std::nullopt;
  const std::string what = WhatWasAsked(mode, uri);
  const std::optional<protocol::Metadata> metadata = protocol::ParseMetadata(response.metadata);
  if (!metadata.has_value()) return Broken(what, "its metadata does not parse");
  Arrival arrival;
  arrival.asked = found->second.range;
  arrival.body = datagram.substr(result.consumed);
  arrival.wire_status = response.status;
  if (arrival.body.size() != response.content_length)
    return Broken(what, "the body does not have its announced length");
  if (response.status != protocol::Status::kOk)
    arrival.status = ServerError(response.status, what, *metadata);
  if (response.status == protocol::Status::kUnavailable && options_.retry) {
    // Asked again when the server wants it; until request_timeout.
    Flight& flight = found->second;
    flight.refused = arrival.status;
    flight.due = std::max(flight.due,
                          absl::Now() + RetryAfter(flight.refused).value_or(absl::ZeroDuration()));
    return std::nullopt;
  }
  arrival.has_size = metadata->size.has_value();
  arrival.info = InfoFrom(*metadata);
  arrival.info.size = arrival.info.length = metadata->size.value_or(0);
  if (metadata->range.has_value()) {
    arrival.info.offset = metadata->range->offset;
    arrival.info.length = metadata->range->length;
  } else if (response.status == protocol::Status::kTooLarge) {
    arrival.info.length = kPieceBytes;
  }
  if (response.status == protocol::Status::kOk) {
    if (!arrival.has_size) return Broken(what, "an answer without SIZE");
    if (mode == Mode::kCopy && arrival.info.length != arrival.body.size())
      return Broken(what, "the body is not the granted range");
    if (mode != Mode::kCopy && !arrival.body.empty()) return Broken(what, "an unexpected body");
  }
  flights_.erase(found);
  return arrival;
}

absl::StatusOr<UdpClient::Arrival> UdpClient::AskOne(Mode mode, absl::string_view uri,
                                                     const std::optional<Range>& range) {
  flights_.clear();
  if (absl::Status sent = Send(mode, uri, range); !sent.ok()) return sent;
  return Receive(mode, uri);
}

absl::StatusOr<ObjectInfo> UdpClient::Stat(absl::string_view uri) {
  absl::StatusOr<Arrival> arrival = AskOne(Mode::kStat, uri, std::nullopt);
  if (!arrival.ok()) return arrival.status();
  if (!arrival->status.ok()) return arrival->status;
  return std::move(arrival->info);
}

absl::StatusOr<UdpObject> UdpClient::Get(absl::string_view uri, const std::optional<Range>& range) {
  const std::string what = WhatWasAsked(Mode::kCopy, uri);
  const Range wanted = range.value_or(Range());
  for (int version = 0; version < options_.versions_max; ++version) {
    absl::StatusOr<Arrival> whole = AskOne(Mode::kCopy, uri, range);
    if (!whole.ok()) return whole.status();
    const ObjectInfo& got = whole->info;
    const Range extent{wanted.offset, LengthWithin(wanted, got.size)};
    if (whole->status.ok()) {
      if (got.offset != extent.offset || got.length != extent.length) {
        return Broken(what, got.length, " bytes at ", got.offset, ", where ", extent.length, " at ",
                      extent.offset, " were requested");
      }
      return UdpObject{std::string(whole->body), std::move(whole->info)};
    }
    if (whole->wire_status != protocol::Status::kTooLarge || !whole->has_size) return whole->status;
    if (extent.offset > got.size) continue;
    if (extent.length > options_.bytes_max) {
      return absl::ResourceExhaustedError(absl::StrCat(what, ": it has ", extent.length,
                                                       " bytes, more than the ", options_.bytes_max,
                                                       " allowed"));
    }
    if (got.length < kPieceBytesMin)
      return Broken(what, "it grants ranges of ", got.length, " bytes");
    absl::StatusOr<UdpObject> object =
        GetRanges(uri, extent, got.size, std::min<uint64_t>(got.length, options_.range_bytes_max));
    if (object.ok() || !absl::IsAborted(object.status()) ||
        WireStatusOf(object.status()).has_value())
      return object;
  }
  return Changed(uri);
}

size_t UdpClient::WindowFor(uint64_t piece) const {
  int buffer_bytes = 0;
  socklen_t size = sizeof(buffer_bytes);
  getsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, &size);
  // A large datagram may take twice its size in the kernel's pages.
  const uint64_t fit = static_cast<uint64_t>(buffer_bytes) / (2 * piece + kDatagramCostBytes);
  return std::clamp<size_t>(fit, 1, std::max<size_t>(options_.window_max, 1));
}

absl::StatusOr<UdpObject> UdpClient::GetRanges(absl::string_view uri, const Range& extent,
                                               uint64_t size, uint64_t piece) {
  flights_.clear();
  const std::string what = WhatWasAsked(Mode::kCopy, uri);
  UdpObject object;
  uint64_t asked = 0, have = 0;        // bytes
  std::optional<std::string> version;  // its ETAG
  const double window_max = static_cast<double>(WindowFor(piece));
  // As TCP does: half as many on their way when something was lost, one more for each window of
  // answers.
  double window = std::min(window_max, 8.0);
  uint64_t lost = lost_;
  while (have < extent.length) {
    while (asked < extent.length && static_cast<double>(flights_.size()) < window) {
      const uint64_t length = std::min(piece, extent.length - asked);
      absl::Status sent = Send(Mode::kCopy, uri, Range{extent.offset + asked, length});
      if (!sent.ok()) return sent;
      asked += length;
    }
    absl::StatusOr<Arrival> arrival = Receive(Mode::kCopy, uri);
    if (!arrival.ok()) return arrival.status();
    if (arrival->wire_status == protocol::Status::kRangeNotSatisfiable) return Changed(uri);
    if (!arrival->status.ok()) return arrival->status;
    const ObjectInfo& info = arrival->info;
    if (!info.etag.has_value()) return Broken(what, "a range without ETAG");
    if (info.size != size || info.etag != version.value_or(*info.etag)) return Changed(uri);
    version = info.etag;
    // It has the size that it had, so all that was asked for is granted.
    if (info.offset != arrival->asked.offset || arrival->body.size() != arrival->asked.length)
      return Broken(what, "a range that was not requested");
    const uint64_t at = arrival->asked.offset - extent.offset;
    const uint64_t end = at + arrival->body.size();
    if (end > object.bytes.size()) {
      object.bytes.resize(
          std::min(extent.length, std::max(end, 2 * object.bytes.size() + kGrowBytes)));
    }
    std::copy(arrival->body.begin(), arrival->body.end(),
              object.bytes.begin() + static_cast<ptrdiff_t>(at));
    have += arrival->body.size();
    window = lost_ != lost ? std::max(window / 2, 1.0) : std::min(window + 1 / window, window_max);
    lost = lost_;
    if (have >= extent.length) object.info = std::move(arrival->info);
  }
  object.info.offset = extent.offset;
  object.info.length = extent.length;
  return object;
}

}  // namespace objmapper::client
