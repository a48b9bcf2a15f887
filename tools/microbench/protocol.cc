// Requests parsed, answers encoded.
#include <benchmark/benchmark.h>
#include <glog/logging.h>

#include <string>

#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"

namespace objmapper {
namespace {

using protocol::RequestParser;

constexpr char kUri[] = "models/llama/70b/shard-00017.bin";

std::string V1Request() {
  std::string bytes = "1";
  bytes.push_back(0);
  bytes.push_back(static_cast<char>(sizeof(kUri) - 1));
  return bytes + kUri;
}

void ParseV1(benchmark::State& state) {
  const std::string bytes = V1Request();
  RequestParser parser({});
  for (auto _ : state) {
    RequestParser::Result result = parser.Next(bytes);
    benchmark::DoNotOptimize(result);
    CHECK(result.kind == RequestParser::Kind::kRequest);
  }
}
BENCHMARK(ParseV1);

void PeekMode(benchmark::State& state) {
  const std::string bytes = V1Request();
  RequestParser parser({});
  parser.Next(bytes);
  for (auto _ : state) {
    protocol::Mode mode;
    benchmark::DoNotOptimize(parser.PeekMode(bytes, &mode));
  }
}
BENCHMARK(PeekMode);

void EncodeResponse(benchmark::State& state) {
  char out[protocol::kResponseBytesMax];
  uint32_t id = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(protocol::EncodeResponse(protocol::Dialect::kV2, ++id,
                                                      protocol::Status::kOk, 4096, "", out));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(EncodeResponse);

}  // namespace
}  // namespace objmapper
