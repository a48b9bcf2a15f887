// Parses, asks, prints: what is done is origin/cache/control.h's.
#include "server/admin/cache_pages.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "origin/cache/control.h"
#include "origin/flight/flights.h"
#include "server/origin_side.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

using Json = nlohmann::ordered_json;
using origin::Holding;

constexpr absl::string_view kPages[] = {"/origins", "/cache"};
constexpr absl::string_view kChanges[] = {"/cache/pin", "/cache/unpin", "/cache/evict"};

bool IsAmong(absl::string_view path, absl::Span<const absl::string_view> paths) {
  for (const absl::string_view one : paths)
    if (path == one) return true;
  return false;
}

HttpAnswer Text(int status, absl::string_view text) {
  return {.status = status, .body = absl::StrCat(text, "\n")};
}

HttpAnswer Answer(int status, const Json& json) {
  return {.status = status,
          .type = "application/json",
          .body = absl::StrCat(
              json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace), "\n")};
}

int StatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
      return 503;
    default:
      return 500;
  }
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t bytes = text::FirstCharacter(text).bytes;
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

void AddText(const char* name, const std::string& text, Json* json) {
  if (IsUtf8(text)) {
    (*json)[name] = text;
  } else {
    (*json)[absl::StrCat(name, "_hex")] = absl::BytesToHexString(text);
  }
}

const char* NameOf(Holding::State state) {
  switch (state) {
    case Holding::State::kWhole:
      return "whole";
    case Holding::State::kPart:
      return "part";
    case Holding::State::kOwn:
      break;
  }
  return "own";
}

void Add(const Holding& holding, Json* json) {
  (*json)["state"] = NameOf(holding.state);
  (*json)["size"] = holding.size;
  (*json)["bytes_here"] = holding.bytes_here;
  (*json)["pinned"] = holding.pinned;
  (*json)["being_fetched"] = holding.filling;
  if (holding.state == Holding::State::kOwn) return;
  (*json)["encoded_name"] = holding.encoded;
  AddText("source", holding.source, json);
  AddText("etag", holding.etag, json);
  if (holding.last_modified_s.has_value())
    (*json)["last_modified_unix_s"] = *holding.last_modified_s;
  if (holding.state != Holding::State::kWhole) return;
  (*json)["fetched_unix_s"] = holding.fetched_s;
  (*json)["checked_unix_s"] = holding.checked_s;
}

// Calls `one` for each URI of the request, which adds what there is to be told.
HttpAnswer ForEachUri(const HttpRequest& request,
                      absl::FunctionRef<absl::Status(const std::string& uri, Json* json)> one) {
  const std::optional<std::vector<std::string>> uris = request.Parameters("uri");
  if (!uris.has_value())
    return Text(400, "in ?uri= a '%' is followed by two hexadecimal digits; %25 is a '%'");
  if (uris->empty())
    return Text(400, absl::StrCat(request.path, " needs ?uri= and the object's URI, encoded"));
  if (uris->size() > kUrisMax) {
    return Text(400,
                absl::StrCat("at most ", kUrisMax, " uri= in a request; these are ", uris->size()));
  }
  int first_error = 200;
  Json objects = Json::array();
  for (const std::string& uri : *uris) {
    Json json = Json::object();
    AddText("uri", uri, &json);
    const absl::Status status = one(uri, &json);
    if (!status.ok()) {
      json["status"] = StatusOf(status);
      json["error"] = std::string(status.message());
      if (first_error == 200) first_error = StatusOf(status);
    }
    objects.push_back(std::move(json));
  }
  return Answer(first_error, {{"objects", std::move(objects)}});
}

Json Describe(const origin::Flights::Report& report) {
  const origin::Account::Counts& counts = report.counts;
  const bool used = counts.brought + counts.absent + counts.failed > 0;
  const bool well = counts.over || counts.trouble.empty();
  Json json = {{"prefix", absl::StrCat("/", text::Printable(report.origin->prefix))},
               {"url", report.origin->Url()},
               {"line", report.origin->Text()},
               // empty: its requests are not signed, or there are none yet
               {"keys", text::Printable(report.keys)},
               {"state", !used  ? "unused"
                         : well ? "ok"
                                : "trouble"},
               {"requests", counts.requests},
               {"fetches", counts.begun},
               {"fetched", counts.brought},
               {"absent", counts.absent},
               {"failed", counts.failed},
               {"bytes", counts.bytes},
               {"hits", counts.hits()},
               {"part_hits", counts.part},
               {"misses", counts.nothing},
               {"compared", counts.whole},
               {"http_requests", counts.attempts},
               {"evicted", counts.evicted}};
  Json& retries = json["retries"] = Json::object();
  for (size_t i = 0; i < counts.retries.size(); ++i) {
    if (counts.retries[i] == 0) continue;
    retries[std::string(origin::fetch::CauseName(static_cast<origin::fetch::Cause>(i)))] =
        counts.retries[i];
  }
  if (!counts.trouble.empty()) {
    json["trouble"] = text::Printable(counts.trouble);
    json["trouble_unix_s"] = absl::ToUnixSeconds(counts.trouble_at);
  }
  return json;
}

HttpAnswer OriginsPage(const OriginSide& side) {
  Json origins = Json::array();
  for (const origin::Flights::Report& report : side.ReadOrigins())
    origins.push_back(Describe(report));
  return Answer(200, {{"origins", std::move(origins)}});
}

HttpAnswer Evict(const HttpRequest& request, const origin::Control& control) {
  const std::string force = request.Parameter("force").value_or("0");
  if (force != "0" && force != "1")
    return Text(400, "force=1 evicts what is pinned, too; force=0 does not");
  return ForEachUri(request, [&](const std::string& uri, Json* json) {
    const absl::StatusOr<uint64_t> freed = control.Evict(uri, force == "1");
    if (freed.ok()) (*json)["freed_bytes"] = *freed;
    return freed.status();
  });
}

}  // namespace

bool IsCachePage(const HttpRequest& request) {
  return IsAmong(request.path, kPages) || IsAmong(request.path, kChanges);
}

std::optional<HttpAnswer> RefuseCachePage(const HttpRequest& request) {
  const bool changes = IsAmong(request.path, kChanges);
  if (changes != request.post) {
    HttpAnswer answer =
        Text(405, changes ? "this is a change: POST" : "this is to be looked at: GET");
    answer.headers = changes ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";
    return answer;
  }
  if (!changes || request.may_change) return std::nullopt;
  return Text(403, absl::StrCat("a change needs the header ", kChangeHeader,
                                ": yes, so that no web page can make a browser ask for it"));
}

HttpAnswer CachePage(const HttpRequest& request, OriginSide* origins) {
  if (origins == nullptr) {
    return Text(request.post ? 412 : 404, "this server has no origins (--origin, --origins_file)");
  }
  if (request.path == "/origins") return OriginsPage(*origins);
  const origin::Control& control = origins->control();
  if (request.path == "/cache/evict") return Evict(request, control);
  if (request.path != "/cache") {
    const bool pin = request.path == "/cache/pin";
    return ForEachUri(request, [&](const std::string& uri, Json* json) {
      absl::Status set = control.SetPinned(uri, pin);
      if (set.ok()) (*json)["pinned"] = pin;
      return set;
    });
  }
  return ForEachUri(request, [&](const std::string& uri, Json* json) {
    const absl::StatusOr<Holding> holding = control.Look(uri);
    if (holding.ok()) Add(*holding, json);
    return holding.status();
  });
}

}  // namespace objmapper::server
