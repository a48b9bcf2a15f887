// Preconditions first, then ranges (RFC 9110, 13.2.2).
#include "protocol/http/reply.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "protocol/http/answer.h"
#include "protocol/http/preconditions.h"
#include "protocol/media_types.h"

namespace objmapper::protocol::http {
namespace {

// Stands between the parts of multipart/byteranges, and may not stand in them (RFC 2046, 5.1.1):
// clients look for it, whatever lengths the parts tell. So it is another one in each answer, and
// nobody can have written it into an object.
std::string NewBoundary() {
  uint64_t random = 0;
  if (getentropy(&random, sizeof(random)) != 0) random = 0;  // on kernels before 3.17 alone
  return absl::StrCat("objmapper-part-", absl::Hex(random, absl::kZeroPad16));
}

std::string PartHead(absl::string_view delimiter, absl::string_view type, const Part& part,
                     uint64_t size) {
  return absl::StrCat(delimiter, "\r\nContent-Type: ", type,
                      "\r\nContent-Range: ", ContentRange(part, size), "\r\n\r\n");
}

// Age (RFC 9111, 5.1) and Cache-Status (RFC 9211), of what has come from an origin alone.
void AddCached(const Cached& cached, int64_t now_s, AnswerHead* head) {
  using How = Cached::How;
  if (cached.how == How::kNone) return;
  head->Add("Age", std::max<int64_t>(now_s - cached.checked_s, 0));
  // Why its origin was asked though the object was here.
  const absl::string_view why = cached.at_wish ? "request" : "stale";
  std::string said = "objmapper; ";
  switch (cached.how) {
    case How::kNone:
    case How::kHit:
      said += "hit";
      if (cached.due_s != INT64_MAX) absl::StrAppend(&said, "; ttl=", cached.due_s - now_s);
      if (cached.stale) said += "; detail=stale-if-error";
      break;
    case How::kFetched:
      said += "fwd=uri-miss; stored";
      break;
    case How::kReplaced:
      absl::StrAppend(&said, "fwd=", why, "; stored");
      break;
    case How::kNotModified:
      absl::StrAppend(&said, "fwd=", why, "; fwd-status=304");
      break;
    case How::kConfirmed:
      absl::StrAppend(&said, "fwd=", why, "; stored=?0");
      break;
  }
  head->Add("Cache-Status", said);
}

}  // namespace

void MakeReply(const Ask& ask, const ObjectFacts& facts, int64_t now_s, Reply* out) {
  Reply& reply = *out;
  reply.status = 200;
  reply.head.clear();
  reply.parts.clear();
  reply.behind.clear();
  const absl::string_view type = MediaTypeOf(ask.path);
  std::vector<Part>& parts = reply.parts;
  if (ask.conditions != nullptr) {
    const std::string tag = absl::StrCat("\"", facts.etag, "\"");
    const Head& conditions = *ask.conditions;
    const Selected selected{true, tag, facts.mtime_s};
    switch (EvaluatePreconditions(conditions, /*reads=*/true, selected, now_s)) {
      case Verdict::kNotModified:
        reply.status = 304;
        break;
      case Verdict::kFailed:
        AppendNote({.status = reply.status = 412,
                    .text = "the object is another version than the one asked for"},
                   &ask, now_s, &reply.head);
        return;
      case Verdict::kProceed:
        if (ask.head_only() || !RangeApplies(conditions, selected, now_s)) break;
        switch (ParseRanges(conditions.FindOnly("range"), facts.size, &parts)) {
          case Ranges::kWhole:
            break;
          case Ranges::kParts:
            reply.status = 206;
            break;
          case Ranges::kUnsatisfiable:
            reply.status = 416;
            break;
        }
    }
  }
  AnswerHead head(reply.status, now_s, &reply.head);
  head.AddEtag(facts.etag).AddLastModified(facts.mtime_s).AddCors(ask);
  if (ask.connection != nullptr && !ask.connection->cache_control.empty())
    head.Add("Cache-Control", ask.connection->cache_control);
  AddCached(facts.cached, now_s, &head);
  if (reply.status == 304) {
    ask.Answered(304, 0);
    head.End(ask.persists(), ask.minor);
    return;
  }
  head.Add("Accept-Ranges", "bytes").Add("X-Content-Type-Options", "nosniff");
  if (reply.status == 416) {
    ask.Answered(416, 0);
    parts.clear();
    head.Add("Content-Range", UnsatisfiedRange(facts.size)).Add("Content-Length", 0);
    head.End(ask.persists(), ask.minor);
    return;
  }
  if (reply.status == 200) parts.push_back({0, facts.size});
  uint64_t length = parts[0].length;
  if (parts.size() == 1) {
    head.Add("Content-Type", type).Add("Content-Length", parts[0].length);
    if (reply.status == 206) head.Add("Content-Range", ContentRange(parts[0], facts.size));
    head.End(ask.persists(), ask.minor);
  } else {
    const std::string boundary = NewBoundary();
    const std::string delimiter = absl::StrCat("\r\n--", boundary);
    const std::string first =
        PartHead(absl::string_view(delimiter).substr(2), type, parts[0], facts.size);
    length = first.size();
    for (size_t i = 0; i < parts.size(); ++i) {
      reply.behind.push_back(i + 1 < parts.size()
                                 ? PartHead(delimiter, type, parts[i + 1], facts.size)
                                 : absl::StrCat(delimiter, "--\r\n"));
      length += parts[i].length + reply.behind.back().size();
    }
    head.Add("Content-Type", absl::StrCat("multipart/byteranges; boundary=", boundary))
        .Add("Content-Length", length)
        .End(ask.persists(), ask.minor);
    reply.head += first;
  }
  ask.Answered(reply.status, ask.head_only() ? 0 : length);
  if (ask.head_only() || parts[0].length == 0) parts.clear();
}

}  // namespace objmapper::protocol::http
