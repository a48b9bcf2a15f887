// Asks in requests that the server's bounds have room for. A member that is missing in an answer is
// an error that names it, since the server may be of another version.
#include "tools/cli/cache_door.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "protocol/http/target.h"
#include "text/printable.h"
#include "tools/cli/admin.h"
#include "tools/cli/progress.h"

namespace objmapper::tools {
namespace {

using Json = nlohmann::ordered_json;

// A head has 32 KiB, and a request 256 URIs.
constexpr size_t kTargetBytesMax = 24 * 1024;
constexpr size_t kUrisMax = 256;

absl::Status NotAServers(const std::string& admin, const char* why) {
  return absl::DataLossError(
      absl::StrCat(admin, " sent no answer of an objmapper server's: ", why));
}

// An error that the server tells of one object, with the code that its status stands for.
absl::Status ErrorOf(const Json& json) {
  const std::string text = json.at("error").get<std::string>();
  switch (json.at("status").get<int>()) {
    case 400:
      return absl::InvalidArgumentError(text);
    case 403:
      return absl::PermissionDeniedError(text);
    case 404:
      return absl::NotFoundError(text);
    case 409:
      return absl::FailedPreconditionError(text);
    case 501:
      return absl::UnimplementedError(text);
    case 503:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

CachedObject Read(const Json& json, CacheAction action) {
  CachedObject object;
  if (json.contains("error")) {
    object.status = ErrorOf(json);
  } else if (action == CacheAction::kLook) {
    object.state = json.at("state").get<std::string>();
    object.size = json.at("size").get<uint64_t>();
    object.bytes_here = json.at("bytes_here").get<uint64_t>();
    object.pinned = json.at("pinned").get<bool>();
    object.being_fetched = json.at("being_fetched").get<bool>();
    object.source = json.value("source", "");
    object.etag = json.value("etag", "");
    for (const auto& [name, time] : {std::pair("fetched_unix_s", &object.fetched_s),
                                     std::pair("checked_unix_s", &object.checked_s)}) {
      if (json.contains(name)) *time = json.at(name).get<int64_t>();
    }
  } else if (action == CacheAction::kEvict || action == CacheAction::kEvictPinned) {
    object.freed_bytes = json.at("freed_bytes").get<uint64_t>();
  } else {
    object.pinned = json.at("pinned").get<bool>();
  }
  return object;
}

// What stands behind "/cache" up to the first URI.
const char* BehindCache(CacheAction action) {
  switch (action) {
    case CacheAction::kLook:
      break;
    case CacheAction::kPin:
      return "/pin?";
    case CacheAction::kUnpin:
      return "/unpin?";
    case CacheAction::kEvict:
      return "/evict?";
    case CacheAction::kEvictPinned:
      return "/evict?force=1&";
  }
  return "?";
}

// Runs `read` on what is JSON; what it finds missing is an error, not an end.
template <typename ReadJson>
absl::Status Parse(const CacheDoor& door, const std::string& body, ReadJson read) {
  // Ours have 4 levels; to take one apart takes the stack for each.
  constexpr int kDepthMax = 16;
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kDepthMax) throw std::length_error("it is nested too deeply");
    return true;
  };
  try {
    read(Json::parse(body, not_too_deep));
  } catch (const std::exception& error) {
    return NotAServers(door.admin, error.what());
  }
  return absl::OkStatus();
}

// Asks `target`, which has `count` URIs, and appends what is said of them.
absl::Status AskSome(const CacheDoor& door, CacheAction action, const std::string& target,
                     size_t count, std::vector<CachedObject>* objects) {
  const char* const method = action == CacheAction::kLook ? "GET" : "POST";
  const absl::StatusOr<AdminAnswer> answer = AskAdmin(door.admin, method, target, door.timeout);
  if (!answer.ok()) return answer.status();
  // An error of the request as a whole is a sentence.
  if (answer->status != 200 && (answer->body.empty() || answer->body[0] != '{'))
    return RefusedByAdmin(door.admin, *answer);
  const size_t before = objects->size();
  absl::Status parsed = Parse(door, answer->body, [&](const Json& json) {
    for (const Json& object : json.at("objects")) objects->push_back(Read(object, action));
  });
  if (parsed.ok() && objects->size() - before != count)
    parsed = NotAServers(door.admin, "it is about another number of objects");
  return parsed;
}

absl::StatusOr<Json> AskOrigins(const CacheDoor& door) {
  const absl::StatusOr<AdminAnswer> answer = AskAdmin(door.admin, "GET", "/origins", door.timeout);
  if (!answer.ok()) return answer.status();
  if (answer->status != 200) return RefusedByAdmin(door.admin, *answer);
  Json origins;
  const absl::Status parsed =
      Parse(door, answer->body, [&](Json json) { origins = std::move(json.at("origins")); });
  if (!parsed.ok()) return parsed;
  return origins;
}

std::string TextOf(const Json& origin) {
  const auto count = [&](const char* name) { return origin.at(name).get<uint64_t>(); };
  const auto text = [&](const char* name) { return origin.at(name).get<std::string>(); };
  std::string lines =
      absl::StrFormat("%-8s %10d %10d %10d %10d %10d %11s  %s\n", text("state"), count("hits"),
                      count("requests"), count("fetched"), count("absent"), count("failed"),
                      FormatBytes(count("bytes")), text("line"));
  std::string retries;
  for (const auto& [cause, n] : origin.at("retries").items())
    absl::StrAppend(&retries, retries.empty() ? "" : ", ", cause, " ", n.get<uint64_t>());
  if (!retries.empty()) absl::StrAppend(&lines, "  retries: ", retries, "\n");
  if (!text("keys").empty()) absl::StrAppend(&lines, "  keys: ", text("keys"), "\n");
  if (origin.contains("trouble")) {
    absl::StrAppend(&lines, "  last trouble, ",
                    FormatMtime(origin.at("trouble_unix_s").get<int64_t>()), ": ", text("trouble"),
                    "\n");
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::vector<CachedObject>> AskCache(const CacheDoor& door, CacheAction action,
                                                   absl::Span<const std::string> uris) {
  std::vector<CachedObject> objects;
  const std::string path = absl::StrCat("/cache", BehindCache(action));
  std::string target = path;
  size_t count = 0;
  for (size_t i = 0; i < uris.size(); ++i) {
    absl::StrAppend(&target, count == 0 ? "uri=" : "&uri=", protocol::http::EncodePath(uris[i]));
    ++count;
    const bool more = i + 1 < uris.size() && count < kUrisMax &&
                      target.size() + 3 * uris[i + 1].size() < kTargetBytesMax;
    if (more) continue;
    if (absl::Status asked = AskSome(door, action, target, count, &objects); !asked.ok())
      return asked;
    target = path;
    count = 0;
  }
  return objects;
}

absl::StatusOr<std::string> OriginsText(const CacheDoor& door) {
  const absl::StatusOr<Json> origins = AskOrigins(door);
  if (!origins.ok()) return origins.status();
  std::string text = absl::StrFormat("%-8s %10s %10s %10s %10s %10s %11s  %s\n", "state", "hits",
                                     "waited", "fetched", "absent", "failed", "bytes", "origin");
  try {
    for (const Json& origin : *origins) text += TextOf(origin);
  } catch (const std::exception& error) {
    return NotAServers(door.admin, error.what());
  }
  return text;
}

absl::StatusOr<std::string> OriginsLines(const CacheDoor& door) {
  const absl::StatusOr<Json> origins = AskOrigins(door);
  if (!origins.ok()) return origins.status();
  std::string lines;
  for (const Json& origin : *origins) {
    absl::StrAppend(
        &lines, origin.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace), "\n");
  }
  return lines;
}

}  // namespace objmapper::tools
