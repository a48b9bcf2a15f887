// The V2 handshake, and how requests may arrive: in pieces of any size.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class HelloTest : public SetupTest {
 protected:
  RawClient Greet(uint16_t capabilities, uint16_t max_pipeline) {
    return RawClient::V2(Connect(Server(), GetParam().transport), capabilities, max_pipeline);
  }
};

// Every capability of the protocol is offered, but for descriptors where none can travel.
TEST_P(HelloTest, AllCapabilitiesAreOffered) {
  const uint16_t everywhere = kOutOfOrder | kPipelining | kRange | kListsThrough;
  EXPECT_EQ(Greet(0xFFFF, 64).capabilities() & everywhere, everywhere);
  EXPECT_EQ(Greet(0xFFFF, 64).capabilities() & (kFdInHeader | kFdBatch),
            GetParam().is_unix() ? kFdInHeader | kFdBatch : 0);
}

// The ACK never claims what the client did not ask for, nor bits that mean nothing.
TEST_P(HelloTest, AckIsTheIntersection) {
  const uint16_t known = kOutOfOrder | kPipelining | kFdInHeader | kFdBatch | kRange | kObjectOps |
                         kMetadata | kTellsVersions | kConditions | kListsThrough;
  EXPECT_EQ(Greet(0xFFFF, 64).capabilities() & ~known, 0);
  EXPECT_EQ(Greet(0, 64).capabilities(), 0);
  for (const uint16_t one : {kOutOfOrder, kPipelining, kRange}) {
    EXPECT_EQ(Greet(one, 64).capabilities(), one);
  }
}

// The smaller of both sides' counts; 0 from the client means the server's (1000 here).
TEST_P(HelloTest, PipelineIsTheSmaller) {
  EXPECT_EQ(Greet(kInOrder, 1).max_pipeline(), 1);
  EXPECT_EQ(Greet(kInOrder, 7).max_pipeline(), 7);
  EXPECT_EQ(Greet(kInOrder, 1000).max_pipeline(), 1000);
  EXPECT_EQ(Greet(kInOrder, 1001).max_pipeline(), 1000);
  EXPECT_EQ(Greet(kInOrder, 65535).max_pipeline(), 1000);
  EXPECT_EQ(Greet(kInOrder, 0).max_pipeline(), 1000);
}

TEST_P(HelloTest, SomebodyWorksOnRequests) { EXPECT_GT(Greet(kInOrder, 0).parallelism(), 0); }

// A client need not wait for the ACK before it asks.
TEST_P(HelloTest, MayTravelWithRequests) {
  SharedTree().AddOnce("hello", "world");
  Wire wire = Connect(Server(), GetParam().transport);
  wire.Send(absl::StrCat(Hello(kInOrder, 64), V2Request(5, {.mode = kCopy, .uri = "hello"}),
                         V2Request(6, {.mode = kSplice, .uri = "hello"})));
  EXPECT_EQ(wire.Read(10).substr(0, 5), "OBJM\x02");
  for (const char id : {5, 6}) {
    const std::string header = wire.Read(kV2HeaderBytes);
    ASSERT_EQ(header.size(), kV2HeaderBytes);
    EXPECT_EQ(header[4], id);
    wire.Read(BigEndian(header.substr(14)));
    EXPECT_EQ(wire.Read(5), "world");
  }
}

INSTANTIATE_TEST_SUITE_P(All, HelloTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV2})),
                         SetupName);

class ArrivalTest : public SetupTest {
 protected:
  // Requests of every kind for this setup, each naming its answer.
  std::vector<Question> Questions() const {
    std::vector<Question> questions = {{.mode = kCopy, .uri = "arrival"},
                                       {.mode = kSplice, .uri = "/arrival"},
                                       {.mode = kStat, .uri = "arrival"},
                                       {.mode = kCopy, .uri = "missing"}};
    if (GetParam().is_unix()) questions.push_back({.mode = kFdPass, .uri = "arrival"});
    if (GetParam().is_v2()) {
      questions.push_back(
          {.mode = kCopy, .uri = "arrival", .flags = kWithRange, .offset = 3, .length = 4});
      questions.push_back({.mode = kPut, .uri = "arrival", .body = "put here"});
    }
    questions.push_back({.mode = kCopy, .uri = "arrival"});
    return questions;
  }

  static void ExpectAnswers(const std::vector<Question>& questions, RawClient* client) {
    for (const Question& question : questions) {
      const Answer answer = client->Next();
      ASSERT_EQ(answer.kind, Answer::Kind::kResponse);
      EXPECT_EQ(answer.mode, question.mode);
      if (question.uri == "missing") {
        ExpectRefused(answer, Status::kNotFound);
      } else if (question.mode == kPut) {
        ExpectRefused(answer, Status::kUnsupportedOp);
      } else if (question.mode == kFdPass) {
        EXPECT_EQ(Contents(answer.fd.get()), "0123456789");
      } else if (question.mode == kStat) {
        EXPECT_TRUE(answer.ok());
      } else {
        EXPECT_EQ(answer.body, question.length == 4 ? "3456" : "0123456789");
      }
    }
  }

  void SetUp() override {
    SetupTest::SetUp();
    SharedTree().AddOnce("arrival", "0123456789");
  }
};

// A message may come in any number of pieces.
TEST_P(ArrivalTest, OneByteAtATime) {
  RawClient client = Client();
  std::vector<uint32_t> ids;
  const std::string bytes = client.Encode(Questions(), &ids);
  client.wire().SendByteByByte(bytes);
  ExpectAnswers(Questions(), &client);
}

TEST_P(ArrivalTest, HelloOneByteAtATime) {
  Wire wire = Connect(Server(), GetParam().transport);
  wire.SendByteByByte(Hello(kInOrder, 64));
  EXPECT_EQ(wire.Read(10).substr(0, 5), "OBJM\x02");
}

// A piece may hold any number of messages, and end in the middle of one.
TEST_P(ArrivalTest, CutAnywhere) {
  std::vector<uint32_t> ids;
  const size_t bytes = Client().Encode(Questions(), &ids).size();
  for (size_t cut = 1; cut < bytes; cut += 3) {
    SCOPED_TRACE(cut);
    RawClient client = Client();
    const std::string all = client.Encode(Questions(), &ids);
    client.wire().Send(all.substr(0, cut));
    client.wire().Send(all.substr(cut));
    ExpectAnswers(Questions(), &client);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ArrivalTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  kAllDialects)),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
