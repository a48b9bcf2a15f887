// The wire as docs/protocol.md writes it down, for tests: bytes built and taken apart by hand.
//
// Nothing here shares code with protocol/ or client/: a mistake made there is not repeated here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::e2e {

// Mode bytes. Plain chars: tests send bytes that are no mode, too.
inline constexpr char kFdPass = '1';
inline constexpr char kCopy = '2';
inline constexpr char kSplice = '3';
inline constexpr char kStat = 'S';
inline constexpr char kPut = 'W';
inline constexpr char kPutFd = 'F';
inline constexpr char kDelete = 'D';
inline constexpr char kList = 'L';

enum class Status : uint8_t {
  kOk = 0x00,
  kNotFound = 0x01,
  kInvalidRequest = 0x02,
  kInvalidMode = 0x03,
  kUriTooLong = 0x04,
  kUnsupportedOp = 0x05,
  kPermissionDenied = 0x06,
  kRangeNotSatisfiable = 0x07,
  kPreconditionFailed = 0x0A,
  kNotModified = 0x0B,
  kTimeout = 0x13,
  kUnavailable = 0x14,
  kProtocolError = 0x20,
  kVersionMismatch = 0x21,
  kCapabilityError = 0x22,
};
// Prints as "status 0x14".
std::ostream& operator<<(std::ostream& out, Status status);

// Capabilities of HELLO.
inline constexpr uint16_t kOutOfOrder = 0x0001;
inline constexpr uint16_t kPipelining = 0x0002;
inline constexpr uint16_t kListsThrough = 0x0004;
inline constexpr uint16_t kFdInHeader = 0x0100;
inline constexpr uint16_t kFdBatch = 0x0200;
inline constexpr uint16_t kRange = 0x0400;
inline constexpr uint16_t kObjectOps = 0x0800;
inline constexpr uint16_t kMetadata = 0x1000;
inline constexpr uint16_t kTellsVersions = 0x2000;
inline constexpr uint16_t kConditions = 0x4000;
inline constexpr uint16_t kTakesTokens = 0x8000;
// What a plain client wants: many requests in flight, answers in order, descriptors after 'X'.
inline constexpr uint16_t kInOrder = kPipelining | kRange | kObjectOps;

// Flags of a V2 request.
inline constexpr uint8_t kOrdered = 0x01;
inline constexpr uint8_t kPriority = 0x02;
inline constexpr uint8_t kWithRange = 0x04;
inline constexpr uint8_t kWithMetadata = 0x08;
inline constexpr uint8_t kThrough = 0x10;

// Types of metadata entries.
inline constexpr uint8_t kSizeEntry = 0x01;
inline constexpr uint8_t kEtagEntry = 0x03;
inline constexpr uint8_t kMimeEntry = 0x04;
inline constexpr uint8_t kExpiresEntry = 0x07;
inline constexpr uint8_t kRangeEntry = 0x10;
inline constexpr uint8_t kRetryAfterEntry = 0x12;
inline constexpr uint8_t kTtlEntry = 0x13;
inline constexpr uint8_t kIfMatchEntry = 0x14;
inline constexpr uint8_t kIfAbsentEntry = 0x15;
inline constexpr uint8_t kIfNoneMatchEntry = 0x16;
inline constexpr uint8_t kErrorEntry = 0xFF;

// Reasons of CLOSE.
inline constexpr int kCloseNormal = 0;
inline constexpr int kCloseIdle = 1;
inline constexpr int kCloseProtocolError = 2;
inline constexpr int kCloseShuttingDown = 3;

inline constexpr size_t kUriBytesMax = 4096;
inline constexpr size_t kV1HeaderBytes = 11;
inline constexpr size_t kV2HeaderBytes = 16;  // with the message type

// What a test asks for. V1 sends mode and uri alone.
struct Question {
  char mode = kCopy;
  std::string uri;
  uint8_t flags = 0;
  uint64_t offset = 0;   // with kWithRange
  uint64_t length = 0;   // with kWithRange; 0: to the end
  std::string body;      // kPut
  std::string metadata;  // with kWithMetadata; see Entry()
};

std::string V1Request(char mode, absl::string_view uri);
std::string Hello(uint16_t capabilities, uint16_t max_pipeline);
std::string V2Request(uint32_t id, const Question& question);
std::string Close(uint8_t reason);
std::string Auth(absl::string_view token);
// One entry of metadata.
std::string Entry(uint8_t type, absl::string_view data);
// The entry of a request's metadata that says how long the object lives.
std::string TimeToLive(uint32_t seconds);

// The big-endian integer that `bytes` (1..8 of them) spell.
uint64_t BigEndian(absl::string_view bytes);

// Entries by type.
using Metadata = std::map<uint8_t, std::string>;
// nullopt: an entry is cut short, or a type occurs twice.
std::optional<Metadata> ParseMetadata(absl::string_view bytes);

bool IsUtf8(absl::string_view text);

}  // namespace objmapper::e2e
