// A client without checks or retries: it sends and reads exactly what a test says.
#include "tests/e2e/raw_client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace objmapper::e2e {

void ExpectRefused(const Answer& answer, Status status) {
  EXPECT_EQ(answer.kind, Answer::Kind::kResponse);
  EXPECT_FALSE(answer.cut);
  EXPECT_EQ(answer.status, status)
      << (answer.Has(kErrorEntry) ? answer.metadata.at(kErrorEntry) : "no sentence");
  EXPECT_EQ(answer.content_length, 0u);
  EXPECT_FALSE(answer.fd.valid());
  ASSERT_TRUE(answer.Has(kErrorEntry)) << "an error without a sentence";
  EXPECT_FALSE(answer.metadata.at(kErrorEntry).empty());
  EXPECT_TRUE(IsUtf8(answer.metadata.at(kErrorEntry)));
}

std::string Contents(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return "";
  std::string out(info.st_size, '\0');
  size_t at = 0;
  while (at < out.size()) {
    const ssize_t got = pread(fd, out.data() + at, out.size() - at, at);
    if (got <= 0) break;
    at += got;
  }
  out.resize(at);
  return out;
}

RawClient RawClient::V1(Wire wire) { return RawClient(std::move(wire), false); }

RawClient RawClient::V2(Wire wire, uint16_t capabilities, uint16_t max_pipeline) {
  RawClient client(std::move(wire), true);
  client.wire_.Send(Hello(capabilities, max_pipeline));
  const std::string ack = client.wire_.Read(10);
  EXPECT_EQ(ack.substr(0, 5), "OBJM\x02");
  if (ack.size() == 10) {
    client.capabilities_ = BigEndian(absl::string_view(ack).substr(5, 2));
    client.max_pipeline_ = BigEndian(absl::string_view(ack).substr(7, 2));
    client.parallelism_ = static_cast<uint8_t>(ack[9]);
  }
  return client;
}

std::string RawClient::Encode(const std::vector<Question>& questions, std::vector<uint32_t>* ids) {
  std::string bytes;
  for (const Question& question : questions) {
    if (v2_) {
      const uint32_t id = next_id_++;
      asked_[id] = question.mode;
      ids->push_back(id);
      bytes += V2Request(id, question);
    } else {
      asked_in_order_.push_back(question.mode);
      bytes += V1Request(question.mode, question.uri);
    }
  }
  return bytes;
}

std::vector<uint32_t> RawClient::AskAll(const std::vector<Question>& questions) {
  std::vector<uint32_t> ids;
  wire_.Send(Encode(questions, &ids));
  return ids;
}

uint32_t RawClient::Ask(const Question& question) {
  const std::vector<uint32_t> ids = AskAll({question});
  return ids.empty() ? 0 : ids[0];
}

Answer RawClient::NextHead() { return v2_ ? NextV2() : NextV1(); }

Answer RawClient::Next() {
  Answer answer = NextHead();
  if (answer.kind == Answer::Kind::kResponse && answer.mode != kFdPass) {
    ReadBody(&answer, answer.content_length);
  }
  return answer;
}

Answer RawClient::Get(const Question& question) {
  Ask(question);
  return Next();
}

void RawClient::ReadBody(Answer* answer, uint64_t bytes) {
  if (answer->cut) return;
  if (wire_.ReadInto(bytes, &answer->body) != Wire::Got::kAll) answer->cut = true;
}

Answer RawClient::NextV1() {
  Answer answer;
  std::string header;
  if (wire_.ReadInto(kV1HeaderBytes, &header) != Wire::Got::kAll) {
    if (header.empty()) return answer;
    answer.cut = true;
  }
  answer.kind = Answer::Kind::kResponse;
  if (answer.cut) return answer;
  if (!asked_in_order_.empty()) {
    answer.mode = asked_in_order_.front();
    asked_in_order_.pop_front();
  }
  TakeFields(header, &answer);
  return answer;
}

Answer RawClient::NextV2() {
  Answer answer;
  std::string type;
  if (wire_.ReadInto(1, &type) != Wire::Got::kAll) return answer;
  if (type[0] == 0x03) {
    answer.kind = Answer::Kind::kClose;
    answer.reason = BigEndian(wire_.Read(1));
    return answer;
  }
  if (type[0] == 0x04) {
    answer.kind = Answer::Kind::kCloseAck;
    const std::string rest = wire_.Read(5);
    EXPECT_EQ(rest.substr(0, 1), absl::string_view("\0", 1));
    answer.outstanding = BigEndian(rest.substr(1));
    return answer;
  }
  if (type[0] != 0x02) {
    ADD_FAILURE() << "the server sent a message of type " << +type[0];
    return answer;
  }
  answer.kind = Answer::Kind::kResponse;
  std::string header;
  if (wire_.ReadInto(kV2HeaderBytes - 1, &header) != Wire::Got::kAll) {
    answer.cut = true;
    return answer;
  }
  answer.id = BigEndian(absl::string_view(header).substr(0, 4));
  if (const auto asked = asked_.find(answer.id); asked != asked_.end()) {
    answer.mode = asked->second;
    asked_.erase(asked);
  }
  TakeFields(absl::string_view(header).substr(4), &answer);
  if (answer.mode == 0) {
    // An answer to bytes that were no request carries no id of ours; it is never OK.
    EXPECT_NE(answer.status, Status::kOk) << "an answer with id " << answer.id;
  }
  return answer;
}

// status u8 | content_length u64 | metadata_length u16, then metadata and, for FDPASS, what
// brings the descriptor.
void RawClient::TakeFields(absl::string_view fields, Answer* answer) {
  answer->status = static_cast<Status>(fields[0]);
  answer->content_length = BigEndian(fields.substr(1, 8));
  const size_t metadata_bytes = BigEndian(fields.substr(9, 2));
  EXPECT_LE(metadata_bytes, 1024u);
  std::string metadata;
  if (wire_.ReadInto(metadata_bytes, &metadata) != Wire::Got::kAll) {
    answer->cut = true;
    return;
  }
  const std::optional<Metadata> parsed = ParseMetadata(metadata);
  if (parsed.has_value()) {
    answer->metadata = *parsed;
  } else {
    ADD_FAILURE() << "metadata does not parse";
  }
  if (answer->mode == kFdPass && answer->status == Status::kOk) {
    TakeDescriptor(answer);
  } else if ((capabilities_ & kFdBatch) == 0) {
    EXPECT_EQ(wire_.fds_queued(), 0u) << "a descriptor on an answer that has none";
  }
}

void RawClient::TakeDescriptor(Answer* answer) {
  const bool in_header = (capabilities_ & (kFdInHeader | kFdBatch)) != 0;
  if (!in_header) {
    EXPECT_EQ(wire_.fds_queued(), 0u) << "the descriptor came before its 'X'";
    EXPECT_EQ(answer->content_length, 0u);
    std::string x;
    if (wire_.ReadInto(1, &x) != Wire::Got::kAll) {
      answer->cut = true;
      return;
    }
    EXPECT_EQ(x, "X");
  }
  // Only FD_BATCH lets the descriptors of later answers arrive with this one.
  if ((capabilities_ & kFdBatch) == 0) {
    EXPECT_EQ(wire_.fds_queued(), 1u);
  }
  answer->fd = wire_.TakeFd();
  EXPECT_TRUE(answer->fd.valid()) << "OK without a descriptor";
}

}  // namespace objmapper::e2e
