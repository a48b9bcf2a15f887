// Requests of every shape, for tests and as seeds of the fuzzers.
#include "tests/protocol/sample_requests.h"

#include <cstdint>
#include <limits>

namespace objmapper::protocol {
namespace {

constexpr Mode kModes[] = {Mode::kFdPass, Mode::kCopy,  Mode::kSplice, Mode::kStat,
                           Mode::kPut,    Mode::kPutFd, Mode::kDelete, Mode::kList};

}  // namespace

std::vector<RequestToSend> SampleRequests(Dialect dialect) {
  // An unknown type, which is skipped, and TTL 1.
  static constexpr absl::string_view kMetadataBytes("\x77\0\2ab\x13\0\4\0\0\0\1", 12);
  static const std::string* const kLongest = new std::string(kUriBytesMax, 'u');
  const absl::string_view uris[] = {"a", "models/caf\xC3\xA9/\xFF.bin", *kLongest};
  std::vector<RequestToSend> samples;
  for (const Mode mode : kModes) {
    for (const absl::string_view uri : uris) {
      if (dialect != Dialect::kV2) {
        samples.push_back({.mode = mode, .uri = uri});
        continue;
      }
      for (int flags = 0; flags <= kAllFlags; ++flags) {
        const bool stores = mode == Mode::kPut || mode == Mode::kPutFd;
        if ((flags & kFlagMetadata) != 0 && !stores) continue;
        if ((flags & kFlagThrough) != 0 && mode != Mode::kList) continue;
        const bool extreme = flags % 2 == 1;
        RequestToSend request{.mode = mode, .uri = uri, .flags = static_cast<uint8_t>(flags)};
        request.id = extreme ? std::numeric_limits<uint32_t>::max() : 0x01020304;
        if ((flags & kFlagRange) != 0) {
          request.offset = extreme ? std::numeric_limits<uint64_t>::max() : 0x1112131415161718;
          request.length = extreme ? 0 : 0x2122232425262728;
        }
        if (mode == Mode::kPut) request.body_length = extreme ? 0 : 11;
        if ((flags & kFlagMetadata) != 0 && !extreme) request.metadata = kMetadataBytes;
        samples.push_back(request);
      }
    }
  }
  return samples;
}

std::string Encoded(Dialect dialect, const RequestToSend& request) {
  std::string bytes;
  AppendRequest(dialect, request, &bytes);
  return bytes;
}

std::string EncodedHello(uint16_t capabilities, uint16_t max_pipeline) {
  char hello[kHelloBytes];
  const size_t bytes = EncodeHello(capabilities, max_pipeline, hello);
  return std::string(hello, bytes);
}

}  // namespace objmapper::protocol
