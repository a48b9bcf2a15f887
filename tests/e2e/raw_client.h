// A client of either dialect on one Wire: sends questions and reads whole answers, bodies and
// descriptors included. What the protocol forbids (an unknown id, metadata that does not parse, a
// second descriptor) is a test failure here; what it allows is left to the test.
//
//   RawClient client = RawClient::V2(server.Unix(), kInOrder, 64);
//   Answer answer = client.Get({.mode = kCopy, .uri = "a"});
//   EXPECT_EQ(answer.body, contents);
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "net/unique_fd.h"
#include "tests/e2e/messages.h"
#include "tests/e2e/wire.h"

namespace objmapper::e2e {

// One message of the server.
struct Answer {
  enum class Kind : uint8_t {
    kEnd,       // the connection ended here, between two messages
    kResponse,  // the fields below
    kClose,     // reason
    kCloseAck,  // outstanding
  };
  Kind kind = Kind::kEnd;
  uint32_t id = 0;  // V2
  char mode = 0;    // of the question; 0 when no question has this id
  Status status = Status::kOk;
  uint64_t content_length = 0;
  Metadata metadata;
  std::string body;
  net::UniqueFd fd;
  bool cut = false;  // the connection ended inside this message
  int reason = -1;
  uint32_t outstanding = 0;

  bool ok() const { return kind == Kind::kResponse && status == Status::kOk && !cut; }
  bool Has(uint8_t entry) const { return metadata.count(entry) != 0; }
  uint64_t Number(uint8_t entry) const { return BigEndian(metadata.at(entry)); }
};

// Checks that `answer` is a whole response with `status`, no body and a UTF-8 sentence in ERROR.
void ExpectRefused(const Answer& answer, Status status);

// All bytes of the regular file `fd`, by pread(2): its offset stays as it was.
std::string Contents(int fd);

class RawClient {
 public:
  static RawClient V1(Wire wire);
  // Says HELLO and reads the ACK; anything else in its place is a failure.
  static RawClient V2(Wire wire, uint16_t capabilities, uint16_t max_pipeline = 64);

  // Sends one question; returns its id (V2).
  uint32_t Ask(const Question& question);
  // Sends all as one piece; returns their ids.
  std::vector<uint32_t> AskAll(const std::vector<Question>& questions);

  // The next message with all that belongs to it.
  Answer Next();
  // The next message without a COPY or SPLICE body, which ReadBody() takes in pieces.
  Answer NextHead();
  // Reads up to `bytes` more of the body; sets answer->cut when the connection ends first.
  void ReadBody(Answer* answer, uint64_t bytes);
  // Ask() and Next().
  Answer Get(const Question& question);

  Wire& wire() { return wire_; }
  // The bytes of the questions that AskAll() would send. Next() then waits for their answers.
  std::string Encode(const std::vector<Question>& questions, std::vector<uint32_t>* ids);

  // From HELLO_ACK.
  uint16_t capabilities() const { return capabilities_; }
  uint16_t max_pipeline() const { return max_pipeline_; }
  int parallelism() const { return parallelism_; }

 private:
  RawClient(Wire wire, bool v2) : wire_(std::move(wire)), v2_(v2) {}
  Answer NextV1();
  Answer NextV2();
  void TakeFields(absl::string_view fields, Answer* answer);
  void TakeDescriptor(Answer* answer);

  Wire wire_;
  bool v2_;
  uint16_t capabilities_ = 0;
  uint16_t max_pipeline_ = 0;
  int parallelism_ = 0;
  // Ids are far from 0 and from the array index that a server might confuse them with.
  uint32_t next_id_ = 0x80000000u;
  std::map<uint32_t, char> asked_;   // V2: mode of each id without an answer
  std::deque<char> asked_in_order_;  // V1
};

}  // namespace objmapper::e2e
