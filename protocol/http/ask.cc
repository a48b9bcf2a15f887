// Methods, and what is kept of a head.
#include "protocol/http/ask.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "protocol/http/listing.h"
#include "protocol/http/target.h"

namespace objmapper::protocol::http {
namespace {

// Methods that are none of ours, but others': RFC 9110, 5789, 4918.
bool IsKnown(absl::string_view method) {
  for (const absl::string_view known : {"POST", "PATCH", "TRACE", "CONNECT", "PROPFIND",
                                        "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"}) {
    if (method == known) return true;
  }
  return false;
}

bool IsCondition(absl::string_view name) {
  // Nearly every field is none, which the length tells of most.
  switch (name.size()) {
    case 5:
      return absl::EqualsIgnoreCase(name, "range");
    case 8:
      return absl::EqualsIgnoreCase(name, "if-match") || absl::EqualsIgnoreCase(name, "if-range");
    case 13:
      return absl::EqualsIgnoreCase(name, "if-none-match");
    case 17:
      return absl::EqualsIgnoreCase(name, "if-modified-since");
    case 19:
      return absl::EqualsIgnoreCase(name, "if-unmodified-since");
    default:
      return false;
  }
}

// What a PUT's fields say of the object.
void ReadPut(const Head& head, Ask* ask) {
  for (const Field& field : head.fields) {
    if (absl::EqualsIgnoreCase(field.name, "content-range")) {
      ask->Refuse({400, "an object is put whole, without Content-Range"});
    } else if (absl::EqualsIgnoreCase(field.name, "content-encoding") &&
               !absl::EqualsIgnoreCase(field.value, "identity")) {
      ask->Refuse({415, "an object is put as it is to be read, without Content-Encoding"});
    } else if (absl::EqualsIgnoreCase(field.name, kTtlField) &&
               (!absl::SimpleAtoi(field.value, &ask->ttl_s) || ask->ttl_s == 0)) {
      ask->Refuse({400, "Objmapper-TTL is no number of seconds from 1 to 4294967295"});
    }
  }
}

// The value of a directive, which may stand in quotes (RFC 9111, 5.2).
absl::string_view Unquoted(absl::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    return value.substr(1, value.size() - 2);
  return value;
}

// A number of seconds (RFC 9111, 1.2.2): one that is too long for a number is as good as the
// longest. What is none says nothing.
std::optional<int64_t> Seconds(absl::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit))
    return std::nullopt;
  int64_t seconds;
  return absl::SimpleAtoi(text, &seconds) ? seconds : INT64_MAX;
}

// One field of Cache-Control. The strictest of several ages counts.
void ReadDirectives(absl::string_view value, Ask* ask) {
  const auto at_most = [ask](int64_t age_s) {
    ask->age_max_s = std::min(age_s, ask->age_max_s.value_or(INT64_MAX));
  };
  // No directive that is heeded has a comma in its value; of others a half is none.
  for (absl::string_view directive : absl::StrSplit(value, ',')) {
    directive = absl::StripAsciiWhitespace(directive);
    const size_t equals = std::min(directive.find('='), directive.size());
    const absl::string_view name = directive.substr(0, equals);
    const bool has_value = equals < directive.size();
    if (!has_value && absl::EqualsIgnoreCase(name, "no-cache")) {
      at_most(0);
    } else if (!has_value && absl::EqualsIgnoreCase(name, "only-if-cached")) {
      ask->only_if_cached = true;
    } else if (has_value && absl::EqualsIgnoreCase(name, "max-age")) {
      if (const auto age = Seconds(Unquoted(directive.substr(equals + 1)))) at_most(*age);
    }
  }
}

// Pragma counts where there is no Cache-Control (RFC 9111, 5.4).
void ReadCacheControl(const Head& head, Ask* ask) {
  bool controls = false;
  bool pragma = false;
  for (const Field& field : head.fields) {
    if (field.name.size() == 13 && absl::EqualsIgnoreCase(field.name, "cache-control")) {
      controls = true;
      ReadDirectives(field.value, ask);
    } else if (field.name.size() == 6 && absl::EqualsIgnoreCase(field.name, "pragma")) {
      for (const absl::string_view one : absl::StrSplit(field.value, ','))
        pragma = pragma || absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(one), "no-cache");
    }
  }
  if (pragma && !controls) ask->age_max_s = 0;
}

// Copies the fields that whoever finds the object needs.
void KeepConditions(const Head& head, Ask* ask) {
  size_t bytes = 0;
  for (const Field& field : head.fields) {
    if (IsCondition(field.name)) bytes += field.name.size() + field.value.size();
  }
  if (bytes == 0) return;
  auto kept = std::make_shared<Ask::Conditions>();
  kept->text.reserve(bytes);  // so that what points into it stays good
  const auto keep = [text = &kept->text](absl::string_view part) {
    const size_t at = text->size();
    text->append(part.data(), part.size());
    return absl::string_view(*text).substr(at);
  };
  for (const Field& field : head.fields) {
    if (!IsCondition(field.name)) continue;
    const absl::string_view name = keep(field.name);
    kept->fields.push_back({name, keep(field.value)});
  }
  ask->conditions = std::move(kept);
}

}  // namespace

Ask::Method MethodOf(absl::string_view method) {
  if (method == "GET") return Ask::Method::kGet;
  if (method == "HEAD") return Ask::Method::kHead;
  if (method == "PUT") return Ask::Method::kPut;
  if (method == "DELETE") return Ask::Method::kDelete;
  if (method == "OPTIONS") return Ask::Method::kOptions;
  return Ask::Method::kOther;
}

absl::string_view Allow(bool writable) {
  return writable ? "GET, HEAD, OPTIONS, PUT, DELETE" : "GET, HEAD, OPTIONS";
}

Ask AskOf(Head* head, bool writable) {
  Ask ask;
  ask.method = MethodOf(head->method);
  ask.minor = head->minor;
  ask.keep_alive = head->keep_alive;
  ask.writable = writable;
  if (ask.method == Ask::Method::kOther) {
    ask.Refuse(IsKnown(head->method) ? Refusal{405, "this server has no such method for objects"}
                                     : Refusal{501, "this server does not know the method"});
    // What is behind it may be another protocol's words, said before the tunnel was refused.
    if (head->method == "CONNECT") ask.keep_alive = false;
    return ask;
  }
  Target target;
  const Refusal refusal = ParseTarget(head, &target);
  ask.path = std::move(target.path);
  if (refusal.status != 0) {
    ask.Refuse(refusal);
    return ask;
  }
  if (ask.method == Ask::Method::kOptions) {
    ask.Refuse({204, ""});
    return ask;
  }
  ask.chunked = head->chunked;
  ask.content_length = head->content_length.value_or(0);
  ask.expects_continue = head->expects_continue;
  if (ask.writes() && !writable) ask.Refuse({405, "the server is read-only (--writable)"});
  if (ask.method == Ask::Method::kPut) ReadPut(*head, &ask);
  KeepConditions(*head, &ask);
  if (ask.reads()) ReadCacheControl(*head, &ask);
  if (ask.reads()) ask.query = std::string(target.query);
  if (ask.is_folder()) ask.wants_json = WantsJson(*head, target.query);
  return ask;
}

std::unique_ptr<Logged> LoggedOf(const Head& head) {
  auto logged = std::make_unique<Logged>();
  if (!head.method.empty())
    logged->request_line = absl::StrCat(head.method, " ", head.target, " HTTP/1.", head.minor);
  logged->referer = std::string(head.Find("referer"));
  logged->user_agent = std::string(head.Find("user-agent"));
  return logged;
}

void AllowOrigins(const Head& head, const std::vector<std::string>& origins, Ask* ask) {
  const absl::string_view origin = head.Find("origin");
  for (const std::string& allowed : origins) {
    if (allowed == "*") {
      ask->allow_origin = allowed;
    } else if (!origin.empty() && absl::EqualsIgnoreCase(allowed, origin)) {
      ask->allow_origin = std::string(origin);
    }
  }
  ask->preflight =
      ask->method == Ask::Method::kOptions && !head.Find("access-control-request-method").empty();
}

}  // namespace objmapper::protocol::http
