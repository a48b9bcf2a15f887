// Fuzzes ResponseParser, the client's reader, and the metadata inside the answers.
//
// How it works: the input is the byte stream that a server sent, read in both dialects, each time
// in one piece, byte by byte, and in chunks of a size that the input decides; a response's body is
// content_length bytes. TranscribeResponses() checks every step and parses the metadata; here, the
// three readings must have told the same messages. Then the input is the text of an ERROR: however
// wild, the answer that carries it is one response, and its text is stable, which means UTF-8.
//
//   bazel run --config=asan //tests/protocol:response_parser_fuzz --
//       $(mktemp -d) $PWD/tests/protocol/corpus/response -max_total_time=30
//
// (libFuzzer adds what it finds to the first folder, which therefore is not the kept corpus.)
// fuzz_replay_test.cc calls the same function without libFuzzer.
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "glog/logging.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"
#include "tests/protocol/response_transcript.h"

namespace objmapper::protocol {
namespace {

// The ERROR that a client reads when a server answers `message`.
std::string ErrorAsRead(absl::string_view message) {
  char bytes[kResponseBytesMax];
  const size_t size =
      EncodeError(Dialect::kV1, 0, Status::kInternalError, message, /*retry_after_ms=*/0, bytes);
  CHECK_LE(size, sizeof(bytes));
  ResponseParser parser(Dialect::kV1);
  const ResponseParser::Result result = parser.Next(absl::string_view(bytes, size));
  CHECK(result.kind == ResponseParser::Kind::kResponse);
  CHECK_EQ(result.consumed, size);
  const std::optional<Metadata> metadata = ParseMetadata(result.response.metadata);
  CHECK(metadata.has_value());
  CHECK(metadata->error.has_value());
  return *metadata->error;
}

}  // namespace
}  // namespace objmapper::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace objmapper::protocol;
  const absl::string_view stream(reinterpret_cast<const char*>(data), size);
  const size_t chunk_bytes = 2 + std::accumulate(data, data + size, size_t{0}) % 30;
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    const std::vector<std::string> whole = TranscribeResponses(stream, dialect, size + 1);
    CHECK(TranscribeResponses(stream, dialect, 1) == whole) << "byte by byte";
    CHECK(TranscribeResponses(stream, dialect, chunk_bytes) == whole) << "by " << chunk_bytes;
  }
  const std::string error = ErrorAsRead(stream);
  CHECK(ErrorAsRead(error) == error);
  return 0;
}
