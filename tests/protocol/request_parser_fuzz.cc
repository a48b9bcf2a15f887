// Fuzzes RequestParser, the server's reader of bytes from strangers.
//
// How it works: the input is the byte stream of one connection, HELLO included if it opens V2. It
// is read to its end under several offers, each time in one piece, byte by byte, and in chunks of
// a size that the input decides. TranscribeRequests() checks every step (no byte consumed that was
// not given, progress with every message, PeekMode() and Next() in agreement) and hands the parser
// a buffer of exactly what has arrived, so that AddressSanitizer sees a read past it. Here, the
// three readings must have told the same messages.
//
//   bazel run --config=asan //tests/protocol:request_parser_fuzz --
//       $(mktemp -d) $PWD/tests/protocol/corpus/request -max_total_time=30
//
// (libFuzzer adds what it finds to the first folder, which therefore is not the kept corpus.)
// fuzz_replay_test.cc calls the same function without libFuzzer.
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "glog/logging.h"
#include "protocol/capabilities.h"
#include "protocol/objm/request_parser.h"
#include "tests/protocol/request_transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace objmapper::protocol;
  const absl::string_view stream(reinterpret_cast<const char*>(data), size);
  const size_t chunk_bytes = 2 + std::accumulate(data, data + size, size_t{0}) % 30;
  const uint16_t offers[] = {kAllCapabilities, kAllCapabilities & ~kRange & ~kFdInHeader,
                             kAllCapabilities & ~kConditions & ~kVersions & ~kAuth, 0};
  for (const uint16_t capabilities : offers) {
    const RequestParser::Offer offer = {.capabilities = capabilities, .max_pipeline = 16};
    const std::vector<std::string> whole = TranscribeRequests(stream, offer, size + 1);
    CHECK(TranscribeRequests(stream, offer, 1) == whole) << "byte by byte";
    CHECK(TranscribeRequests(stream, offer, chunk_bytes) == whole) << "by " << chunk_bytes;
  }
  return 0;
}
