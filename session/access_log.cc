// Formats the lines.
#include "session/access_log.h"

#include <time.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace objmapper::session {
namespace {

constexpr size_t kShownMax = 4096;  // bytes of what a client has sent, each

// As nginx writes it in quotes.
std::string Escaped(absl::string_view text) {
  if (text.empty()) return "-";
  std::string out;
  for (const char c : text.substr(0, kShownMax)) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\') {
      absl::StrAppendFormat(&out, "\\x%02X", byte);
    } else {
      out += c;
    }
  }
  return out;
}

// A JSON string's inside. Bytes that are no ASCII are taken for Latin-1, so that each can be told.
std::string JsonText(absl::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kShownMax)) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7F || c == '"' || c == '\\') {
      absl::StrAppendFormat(&out, "\\u%04x", byte);
    } else {
      out += c;
    }
  }
  return out;
}

// Names are safe in a line (IsTokenName()).
std::string UserOf(const Session& session, const protocol::http::Logged& logged) {
  if (!logged.caller.empty()) return logged.caller;
  return session.peer.known() ? absl::StrCat("uid=", session.peer.uid) : "-";
}

}  // namespace

std::string AccessLine(AccessLog::Format format, const Session& session, const Receipt& receipt,
                       const protocol::http::Logged& logged, int64_t took_ns, int64_t now_s) {
  tm utc{};
  const time_t time = now_s;
  gmtime_r(&time, &utc);
  const std::string host = session.PeerHost();
  if (format == AccessLog::Format::kCombined) {
    char when[64];
    strftime(when, sizeof(when), "%d/%b/%Y:%H:%M:%S +0000", &utc);
    return absl::StrCat(host, " - ", UserOf(session, logged), " [", when, "] \"",
                        Escaped(logged.request_line), "\" ", logged.status, " ", logged.body_bytes,
                        " \"", Escaped(logged.referer), "\" \"", Escaped(logged.user_agent),
                        "\"\n");
  }
  char when[64];
  strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return absl::StrCat("{\"time\":\"", when, "\",\"host\":\"", host, "\",\"user\":\"",
                      UserOf(session, logged), "\",\"request\":\"", JsonText(logged.request_line),
                      "\",\"object\":\"", JsonText(*receipt.name), "\",\"status\":", logged.status,
                      ",\"body_bytes\":", logged.body_bytes, ",\"took_us\":", took_ns / 1000,
                      ",\"referer\":\"", JsonText(logged.referer), "\",\"user_agent\":\"",
                      JsonText(logged.user_agent), "\"}\n");
}

}  // namespace objmapper::session
