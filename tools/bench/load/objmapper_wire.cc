// V1 and V2 of docs/protocol.md.
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/limits.h"
#include "protocol/mode.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"
#include "protocol/status.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

using protocol::Dialect;
using protocol::ResponseParser;

constexpr protocol::Mode kModes[] = {  // by Ask, as far as both dialects have it
    protocol::Mode::kFdPass, protocol::Mode::kCopy, protocol::Mode::kSplice, protocol::Mode::kPut,
    protocol::Mode::kPutFd};

std::string Encode(Dialect dialect, Ask ask, absl::string_view name, absl::string_view body) {
  std::string out;
  protocol::AppendRequest(
      dialect, {.mode = kModes[static_cast<size_t>(ask)], .uri = name, .body_length = body.size()},
      &out);
  out.append(body.data(), body.size());
  return out;
}

// The server's words, where they lie in the input; else the name of the status.
absl::string_view ErrorText(const protocol::Response& response) {
  constexpr size_t kEntryHeaderBytes = 3;  // type u8 | length u16
  absl::string_view rest = response.metadata;
  while (rest.size() >= kEntryHeaderBytes) {
    const size_t bytes = static_cast<uint8_t>(rest[1]) << 8 | static_cast<uint8_t>(rest[2]);
    const absl::string_view data = rest.substr(kEntryHeaderBytes, bytes);
    if (rest[0] == static_cast<char>(protocol::MetadataType::kError)) return data;
    rest.remove_prefix(kEntryHeaderBytes + data.size());
  }
  return protocol::StatusName(response.status);
}

// An answer's head as both dialects have it.
Head FromResponse(const ResponseParser::Result& result, Ask ask) {
  Head head = AnswerHead(result.consumed);
  head.ok = result.response.status == protocol::Status::kOk;
  if (!head.ok) {
    head.message = ErrorText(result.response);
    return head;
  }
  head.brings_fd = ask == Ask::kFdPass;
  // FDPASS's content_length tells the object's size; no body follows.
  if (ask != Ask::kFdPass) head.body_bytes = result.response.content_length;
  return head;
}

class V1 : public WireDriver {
 public:
  std::string Request(Ask ask, absl::string_view name, absl::string_view) const override {
    return Encode(Dialect::kV1, ask, name, "");
  }

  Head Next(absl::string_view input, Ask ask, uint32_t) const override {
    const ResponseParser::Result result = ResponseParser(Dialect::kV1).Next(input);
    if (result.kind == ResponseParser::Kind::kNeedMore) return Head();
    if (result.kind == ResponseParser::Kind::kBroken) return BrokenHead(result.reason);
    if (!protocol::IsStatus(static_cast<uint8_t>(input[0]))) {
      return BrokenHead("an answer has a status that the protocol does not define");
    }
    Head head = FromResponse(result, ask);
    if (!head.brings_fd) return head;
    if (input.size() == head.consumed) return Head();
    if (input[head.consumed] != 'X') return BrokenHead("no 'X' follows the header of an FDPASS");
    ++head.consumed;
    return head;
  }
};

class V2 : public WireDriver {
 public:
  V2(uint16_t capabilities, uint16_t depth) : capabilities_(capabilities), depth_(depth) {
    char ack[protocol::kHelloAckBytes];
    const size_t bytes = protocol::EncodeHelloAck(0, 1, 1, ack);
    acknowledged_.Next(absl::string_view(ack, bytes));
  }

  std::string Opening() const override {
    char hello[protocol::kHelloBytes];
    const size_t bytes = protocol::EncodeHello(capabilities_, depth_, hello);
    return std::string(hello, bytes);
  }

  Head NextOpening(absl::string_view input, int) const override {
    const ResponseParser::Result result = ResponseParser(Dialect::kV2).Next(input);
    switch (result.kind) {
      case ResponseParser::Kind::kNeedMore:
        return Head();
      case ResponseParser::Kind::kHelloAck:
        if ((result.capabilities & capabilities_) != capabilities_) {
          return BrokenHead("the server does not grant the capabilities asked for in HELLO");
        }
        if (result.max_pipeline < depth_) {
          return BrokenHead("the server's max_pipeline is smaller than the depth to measure");
        }
        return AnswerHead(result.consumed);
      case ResponseParser::Kind::kResponse:
        return BrokenHead(ErrorText(result.response));
      default:
        return BrokenHead(result.reason);
    }
  }

  std::string Request(Ask ask, absl::string_view name, absl::string_view body) const override {
    return Encode(Dialect::kV2, ask, name, body);
  }

  // type u8 | id u32, big-endian
  void SetId(char* request, uint32_t id) const override {
    id = __builtin_bswap32(id);
    __builtin_memcpy(request + 1, &id, sizeof(id));
  }

  Head Next(absl::string_view input, Ask ask, uint32_t id) const override {
    const ResponseParser::Result result = ResponseParser(acknowledged_).Next(input);
    Head head;
    switch (result.kind) {
      case ResponseParser::Kind::kNeedMore:
        return head;
      case ResponseParser::Kind::kResponse:
        if (result.response.id != id) {
          return BrokenHead("an answer's id is not that of the oldest request");
        }
        return FromResponse(result, ask);
      case ResponseParser::Kind::kClose:
        if (result.close_reason == protocol::CloseReason::kProtocolError) {
          return BrokenHead("the server closes: CLOSE says that the client broke the protocol");
        }
        head.kind = Head::Kind::kGoAway;
        head.consumed = result.consumed;
        return head;
      case ResponseParser::Kind::kBroken:
        return BrokenHead(result.reason);
      default:
        return BrokenHead("the server sent a message that nothing asked for");
    }
  }

 private:
  const uint16_t capabilities_;
  const uint16_t depth_;
  ResponseParser acknowledged_{Dialect::kV2};  // as it is after HELLO_ACK; copied, never used up
};

}  // namespace

std::unique_ptr<WireDriver> MakeObjmapperV1() { return std::make_unique<V1>(); }

std::unique_ptr<WireDriver> MakeObjmapperV2(bool descriptors, bool batch, bool stores,
                                            uint16_t depth) {
  uint16_t capabilities = protocol::kPipelining;
  if (stores) capabilities |= protocol::kObjectOps;
  if (descriptors) capabilities |= protocol::kFdInHeader;
  if (descriptors && batch) capabilities |= protocol::kFdBatch;
  return std::make_unique<V2>(capabilities, depth);
}

}  // namespace objmapper::bench
