// V1's and V2's replies have one part; HTTP's are made in protocol/http/.
#include "session/reply.h"

#include <time.h>

#include <numeric>

#include "protocol/http/reply.h"

namespace objmapper::session {

using protocol::Dialect;
using protocol::Request;
using protocol::Status;
namespace http = protocol::http;

uint64_t Reply::bytes() const {
  return std::accumulate(parts.begin(), parts.end(), uint64_t{0},
                         [](uint64_t sum, const Extent& part) { return sum + part.length; });
}

namespace {

void MakeHttpReply(const Request& request, const ObjectFacts& facts, Reply* out) {
  thread_local http::Reply reply;
  http::MakeReply(*request.http, {facts.size, facts.mtime_s, facts.etag, facts.cached},
                  time(nullptr), &reply);
  out->head.swap(reply.head);
  for (const http::Part& part : reply.parts) out->parts.push_back({part.offset, part.length});
  out->behind.swap(reply.behind);
  if (reply.status == 416) out->status = Status::kRangeNotSatisfiable;
  if (reply.status == 412) out->status = Status::kPreconditionFailed;
}

}  // namespace

void MakeReply(Dialect dialect, const Request& request, const ObjectFacts& facts, Reply* reply) {
  reply->status = Status::kOk;
  reply->head.clear();
  reply->parts.clear();
  reply->behind.clear();
  if (dialect == Dialect::kHttp) return MakeHttpReply(request, facts, reply);
  reply->status = JudgeVersion(request, facts.etag);
  if (reply->status != Status::kOk) {
    AppendError(dialect, request, reply->status, kNotModifiedText, &reply->head);
    return;
  }
  const std::optional<Extent> extent = ResolveExtent(request, facts.size);
  if (!extent.has_value()) {
    reply->status = Status::kRangeNotSatisfiable;
    AppendError(dialect, request, reply->status, RangeMessage(request, facts.size), &reply->head);
    return;
  }
  char header[protocol::kResponseBytesMax];
  reply->head.assign(header, EncodeBodyHeader(dialect, request, *extent, facts, header));
  if (extent->length > 0) reply->parts.push_back(*extent);
}

std::optional<int64_t> AgeMaxOf(const Request& request) {
  return request.http == nullptr ? std::nullopt : request.http->age_max_s;
}

bool IsOnlyFromHere(const Request& request) {
  return request.http != nullptr && request.http->only_if_cached;
}

bool IsConditional(const Request& request) {
  return request.conditions != nullptr ||
         (request.http != nullptr && request.http->conditions != nullptr);
}

Extent FirstPart(const Request& request, uint64_t size) {
  if (request.http == nullptr) return ResolveExtent(request, size).value_or(Extent());
  if (request.http->head_only()) return {};
  if (request.http->conditions == nullptr) return {0, size};
  std::vector<http::Part> parts;
  switch (http::ParseRanges(request.http->conditions->Find("range"), size, &parts)) {
    case http::Ranges::kWhole:
      return {0, size};
    case http::Ranges::kParts:
      return {parts[0].offset, parts[0].length};
    case http::Ranges::kUnsatisfiable:
      break;
  }
  return {};
}

Extent ForeseenPart(const Request& request) {
  constexpr Extent kAll{0, UINT64_MAX};
  if (request.conditions != nullptr) return {};
  if (request.http == nullptr) {
    if (request.mode == protocol::Mode::kStat) return {};
    if (!request.has_range()) return kAll;
    return {request.offset, request.length == 0 ? UINT64_MAX : request.length};
  }
  if (request.http->head_only()) return {};
  if (request.http->conditions == nullptr) return kAll;
  for (const char* field :
       {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"}) {
    if (!request.http->conditions->Find(field).empty()) return {};
  }
  // Of an object of whichever size: a part at its end, "bytes=-5", is none of all.
  constexpr uint64_t kSize = INT64_MAX;
  std::vector<http::Part> parts;
  switch (http::ParseRanges(request.http->conditions->Find("range"), kSize, &parts)) {
    case http::Ranges::kWhole:
      return kAll;
    case http::Ranges::kUnsatisfiable:
      return {};
    case http::Ranges::kParts:
      break;
  }
  const http::Part& part = parts[0];
  if (part.offset + part.length < kSize) return {part.offset, part.length};
  return part.length < kSize / 2 ? Extent() : Extent{part.offset, UINT64_MAX};
}

}  // namespace objmapper::session
