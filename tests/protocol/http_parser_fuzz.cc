// Fuzzes what reads HTTP from strangers: heads, targets, chunks, preconditions and ranges.
//
// How it works: the input is the byte stream of one connection, and is read to its end in one
// piece, byte by byte, and in chunks of a size that the input decides; each time the same has to
// come of it. What is asked is then answered for an object of ten bytes, and the answer has to add
// up. Every reader is given a buffer of exactly what has arrived, so that AddressSanitizer sees a
// read past it.
//
//   tools/fuzz http_parser_fuzz 60
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "protocol/http/ask.h"
#include "protocol/http/chunked.h"
#include "protocol/http/head.h"
#include "protocol/http/reply.h"

namespace objmapper::protocol::http {
namespace {

// What is said of the object adds up to what is promised.
void CheckReply(const Ask& ask) {
  Reply reply;
  MakeReply(ask, {10, 784111777, "tag"}, 1'800'000'000, &reply);
  CHECK(absl::EndsWith(reply.head, "\r\n\r\n") || !reply.behind.empty() || reply.status == 412);
  CHECK(reply.behind.empty() || reply.behind.size() == reply.parts.size());
  uint64_t body = 0;
  for (const Part& part : reply.parts) {
    CHECK_GT(part.length, 0u);
    CHECK_LE(part.length, 10u);
    CHECK_LE(part.offset, 10 - part.length);
    body += part.length;
  }
  for (const std::string& text : reply.behind) body += text.size();
  const size_t end = reply.head.find("\r\n\r\n");
  CHECK_NE(end, std::string::npos);
  body += reply.head.size() - end - 4;
  const size_t at = reply.head.find("Content-Length: ");
  if (at > end || ask.head_only()) return;
  uint64_t promised = 0;
  CHECK(absl::SimpleAtoi(reply.head.substr(at + 16, reply.head.find("\r\n", at) - at - 16),
                         &promised));
  CHECK_EQ(promised, body);
}

// One line for each head, and for each end of a body in chunks.
std::vector<std::string> Transcribe(absl::string_view stream, size_t chunk_bytes) {
  std::vector<std::string> lines;
  HeadReader heads;
  size_t begin = 0, end = 0;
  while (true) {
    const std::vector<char> arrived(stream.begin() + begin, stream.begin() + end);
    const absl::string_view input(arrived.data(), arrived.size());
    Head head;
    const HeadReader::Result read = heads.Read(input, &head);
    CHECK_LE(read.consumed, input.size());
    if (read.refusal.status != 0) {
      lines.push_back(absl::StrCat("refused ", read.refusal.status));
      return lines;
    }
    if (read.consumed == 0) {
      if (end == stream.size()) break;
      end = std::min(end + chunk_bytes, stream.size());
      continue;
    }
    const Ask ask = AskOf(&head, /*writable=*/true);
    lines.push_back(absl::StrCat(head.method, " ", ask.path, " ", ask.refusal, " ", head.host, " ",
                                 head.chunked, " ", head.content_length.value_or(0), " ",
                                 ask.persists(), " ", head.fields.size()));
    if (ask.refusal == 0 && ask.reads()) CheckReply(ask);
    begin += read.consumed;
    ChunkReader chunks;
    std::string body;
    while (head.chunked) {
      const std::vector<char> more(stream.begin() + begin, stream.begin() + end);
      const ChunkReader::Result result = chunks.Next({more.data(), more.size()});
      CHECK_LE(result.consumed, more.size());
      begin += result.consumed;
      body.append(result.data.data(), result.data.size());
      if (result.kind == ChunkReader::Kind::kData) continue;
      if (result.kind == ChunkReader::Kind::kNeedMore && end < stream.size()) {
        end = std::min(end + chunk_bytes, stream.size());
        continue;
      }
      lines.push_back(absl::StrCat("body ", static_cast<int>(result.kind), " ", body));
      if (result.kind != ChunkReader::Kind::kEnd) return lines;
      break;
    }
    begin += std::min<uint64_t>(head.content_length.value_or(0), end - begin);
    // What of a counted body has not come is not waited for: what follows is another head.
    if (head.content_length.value_or(0) > 0) return lines;
  }
  return lines;
}

}  // namespace
}  // namespace objmapper::protocol::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace objmapper::protocol::http;
  const absl::string_view stream(reinterpret_cast<const char*>(data), size);
  const size_t chunk_bytes = 2 + std::accumulate(data, data + size, size_t{0}) % 30;
  const std::vector<std::string> whole = Transcribe(stream, size + 1);
  CHECK(Transcribe(stream, 1) == whole) << "byte by byte";
  CHECK(Transcribe(stream, chunk_bytes) == whole) << "by " << chunk_bytes;
  return 0;
}
