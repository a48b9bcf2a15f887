#include "server/flags/config_udp.h"

#include <gflags/gflags.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "net/address.h"
#include "net/udp.h"
#include "server/flags/flag_errors.h"
#include "server/udp/reply.h"

DEFINE_string(
    listen_udp, "",
    "UDP addresses, separated by commas, on which OP_COPY and OP_STAT are answered with one "
    "datagram each: host:port, [v6]:port, or :port and port for loopback. With port 0 the kernel "
    "chooses one. A sender's address can be forged, so that the answer goes to a third party: only "
    "for trusted networks. --rate_limit_per_conn and --max_connections do not apply; --rules_file "
    "applies as to TCP peers. Empty: no UDP.");
DEFINE_int32(udp_max_payload, 1400,
             "Size in bytes of the largest datagram that is sent, 1040 to 65507. A larger answer "
             "is TOO_LARGE, and the client requests ranges. 1400 passes Ethernet and most tunnels "
             "unfragmented, so that one lost packet costs one answer and a forged request is "
             "amplified by at most 38; 65507 is best if all clients are on this machine, since "
             "loopback does not fragment it.");

namespace objmapper::server {

absl::Status ReadUdp(Config* config) {
  for (absl::string_view part : absl::StrSplit(FLAGS_listen_udp, ',', absl::SkipEmpty())) {
    const std::string text(absl::StripAsciiWhitespace(part));
    absl::StatusOr<net::Address> address = net::ParseHostPort(text);
    if (!address.ok()) return Bad("listen_udp", text, address.status().message());
    config->listen_udp.push_back(*std::move(address));
  }
  if (!FLAGS_listen_udp.empty() && config->listen_udp.empty()) {
    return Bad("listen_udp", FLAGS_listen_udp, "it names no address");
  }
  if (absl::Status s = CheckRange("udp_max_payload", FLAGS_udp_max_payload,
                                  static_cast<int64_t>(udp::kPayloadMaxLeast),
                                  static_cast<int64_t>(net::kDatagramBytesMax));
      !s.ok()) {
    return s;
  }
  config->udp_payload_max = static_cast<size_t>(FLAGS_udp_max_payload);
  return absl::OkStatus();
}

}  // namespace objmapper::server
