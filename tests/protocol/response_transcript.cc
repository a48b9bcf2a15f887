// What the response parser makes of some bytes, as text that tests compare.
#include "tests/protocol/response_transcript.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "protocol/objm/metadata.h"

namespace objmapper::protocol {
namespace {

using Kind = ResponseParser::Kind;

// "unsound" when the bytes do not parse, else the entries that are there.
std::string DescribeMetadata(absl::string_view bytes) {
  const std::optional<Metadata> metadata = ParseMetadata(bytes);
  if (!metadata.has_value()) return "unsound";
  std::string line;
  if (metadata->size) absl::StrAppend(&line, "size=", *metadata->size, " ");
  if (metadata->mtime) absl::StrAppend(&line, "mtime=", *metadata->mtime, " ");
  if (metadata->etag) absl::StrAppend(&line, "etag=", absl::CHexEscape(*metadata->etag), " ");
  if (metadata->mime) absl::StrAppend(&line, "mime=", absl::CHexEscape(*metadata->mime), " ");
  if (metadata->backend) absl::StrAppend(&line, "backend=", *metadata->backend, " ");
  if (metadata->latency_us) absl::StrAppend(&line, "latency=", *metadata->latency_us, " ");
  if (metadata->expires) absl::StrAppend(&line, "expires=", *metadata->expires, " ");
  if (metadata->range) {
    absl::StrAppend(&line, "range=", metadata->range->offset, "+", metadata->range->length, " ");
  }
  if (metadata->cursor) absl::StrAppend(&line, "cursor=", absl::CHexEscape(*metadata->cursor), " ");
  if (metadata->retry_after_ms) absl::StrAppend(&line, "retry=", *metadata->retry_after_ms, " ");
  if (metadata->error) absl::StrAppend(&line, "error=", absl::CHexEscape(*metadata->error), " ");
  return line;
}

}  // namespace

std::string Describe(const ResponseParser::Result& result) {
  switch (result.kind) {
    case Kind::kNeedMore:
      return "need more";
    case Kind::kHelloAck:
      return absl::StrCat("hello_ack capabilities=", result.capabilities,
                          " max_pipeline=", result.max_pipeline,
                          " parallelism=", result.parallelism);
    case Kind::kResponse:
      return absl::StrCat("response id=", result.response.id,
                          " status=", static_cast<int>(result.response.status),
                          " content_length=", result.response.content_length,
                          " metadata=", DescribeMetadata(result.response.metadata));
    case Kind::kClose:
      return absl::StrCat("close reason=", static_cast<int>(result.close_reason));
    case Kind::kCloseAck:
      return absl::StrCat("close_ack outstanding=", result.outstanding);
    case Kind::kBroken:
      return absl::StrCat("broken: ", result.reason);
  }
  return "no kind";
}

std::vector<std::string> TranscribeResponses(absl::string_view stream, Dialect dialect,
                                             size_t chunk_bytes) {
  ResponseParser parser(dialect);
  std::vector<std::string> lines;
  size_t begin = 0;  // the unread part of what has arrived is [begin, end)
  size_t end = 0;
  uint64_t body_bytes = 0;  // what is left of the last response's body
  while (true) {
    const size_t taken = static_cast<size_t>(std::min<uint64_t>(body_bytes, end - begin));
    body_bytes -= taken;
    begin += taken;

    // A buffer of exactly this size, so that AddressSanitizer sees a read past what has arrived.
    const std::vector<char> arrived(stream.begin() + begin, stream.begin() + end);
    ResponseParser::Result result;
    if (body_bytes == 0) result = parser.Next(absl::string_view(arrived.data(), arrived.size()));
    CHECK_LE(result.consumed, arrived.size());
    const bool message = result.kind != Kind::kNeedMore && result.kind != Kind::kBroken;
    CHECK_EQ(result.consumed != 0, message);
    begin += result.consumed;

    if (result.kind == Kind::kNeedMore) {
      if (end == stream.size()) break;
      end = std::min(end + chunk_bytes, stream.size());
      continue;
    }
    lines.push_back(Describe(result));
    if (result.kind == Kind::kBroken) return lines;
    if (result.kind == Kind::kResponse) body_bytes = result.response.content_length;
  }
  lines.push_back(absl::StrCat("unread ", end - begin, body_bytes != 0 ? " inside a body" : ""));
  return lines;
}

}  // namespace objmapper::protocol
