// Many requests in flight: order, ids, priorities, the limit, and the orderly end.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kBig = 1024 * 1024;  // more than any socket buffer takes at once

class PipelineTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    for (size_t i = 0; i < kObjects; ++i) SharedTree().AddOnce(Uri(i), ContentsOf(i));
    SharedTree().AddOnce("pipeline/big", Pattern(99, kBig));
  }

  static constexpr size_t kObjects = 12;
  static std::string Uri(size_t i) { return absl::StrCat("pipeline/", i); }
  // Sizes from nothing to a few pages, all different.
  static std::string ContentsOf(size_t i) { return Pattern(1000 + i, i * i * 97); }

  // A question of any kind, and what its answer must be.
  struct Expected {
    Question question;
    Status status = Status::kOk;
    std::string contents;  // of the body, or behind the descriptor
  };

  // Questions that mix all modes, errors among them, as `seed` has it.
  std::vector<Expected> Mixture(size_t count, uint32_t seed) const {
    std::mt19937 random(seed);
    std::vector<Expected> mixture;
    while (mixture.size() < count) {
      const size_t i = random() % kObjects;
      const std::string contents = ContentsOf(i);
      switch (random() % 10) {
        case 0:
        case 1:
          if (GetParam().is_unix()) {
            mixture.push_back({{.mode = kFdPass, .uri = Uri(i)}, Status::kOk, contents});
          } else {
            mixture.push_back({{.mode = kFdPass, .uri = Uri(i)}, Status::kInvalidMode, ""});
          }
          break;
        case 2:
        case 3:
          mixture.push_back({{.mode = kCopy, .uri = Uri(i)}, Status::kOk, contents});
          break;
        case 4:
        case 5:
          mixture.push_back({{.mode = kSplice, .uri = Uri(i)}, Status::kOk, contents});
          break;
        case 6:
          mixture.push_back({{.mode = kStat, .uri = Uri(i)}, Status::kOk, ""});
          break;
        case 7:
          mixture.push_back(
              {{.mode = "123S"[random() % 4], .uri = "pipeline/missing"}, Status::kNotFound, ""});
          if (mixture.back().question.mode == kFdPass && !GetParam().is_unix()) {
            mixture.back().status = Status::kInvalidMode;
          }
          break;
        case 8:
          mixture.push_back({{.mode = kDelete, .uri = Uri(i)}, Status::kUnsupportedOp, ""});
          break;
        default:
          if (GetParam().is_v2()) {
            mixture.push_back(
                {{.mode = kPut, .uri = Uri(i), .body = ContentsOf(i)}, Status::kUnsupportedOp, ""});
          } else if (!mixture.empty()) {  // a connection must not open with it
            mixture.push_back({{.mode = 'Q', .uri = Uri(i)}, Status::kInvalidMode, ""});
          }
      }
    }
    return mixture;
  }

  static std::vector<Question> QuestionsOf(const std::vector<Expected>& mixture) {
    std::vector<Question> questions;
    for (const Expected& expected : mixture) questions.push_back(expected.question);
    return questions;
  }

  static void ExpectAnswer(const Expected& expected, const Answer& answer) {
    ASSERT_EQ(answer.kind, Answer::Kind::kResponse);
    if (expected.status != Status::kOk) return ExpectRefused(answer, expected.status);
    EXPECT_TRUE(answer.ok()) << answer.status;
    EXPECT_EQ(answer.mode, expected.question.mode);
    EXPECT_TRUE((answer.mode == kFdPass ? Contents(answer.fd.get()) : answer.body) ==
                expected.contents)
        << expected.question.mode << " " << expected.question.uri;
  }

  RawClient OutOfOrderClient(uint16_t more = 0) {
    return RawClient::V2(Connect(Server(), GetParam().transport), kInOrder | kOutOfOrder | more,
                         1000);
  }
};

class AnyDialectPipelineTest : public PipelineTest {};

// Without OOO_REPLIES answers come in the order of the questions, however modes and errors mix.
TEST_P(AnyDialectPipelineTest, MixedModesInOneSegmentKeepOrder) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<Expected> mixture = Mixture(60, seed);
    RawClient client = Client();
    const std::vector<uint32_t> ids = client.AskAll(QuestionsOf(mixture));
    for (size_t i = 0; i < mixture.size(); ++i) {
      SCOPED_TRACE(i);
      const Answer answer = client.Next();
      if (GetParam().is_v2()) {
        EXPECT_EQ(answer.id, ids[i]);
      }
      ExpectAnswer(mixture[i], answer);
      if (HasFatalFailure()) return;
    }
  }
}

// One question at a time, the mode changing all the while: the connection moves between lanes and
// loses nothing.
TEST_P(AnyDialectPipelineTest, ModeChangesBetweenRequests) {
  RawClient client = Client();
  for (const Expected& expected : Mixture(300, 12345)) {
    ExpectAnswer(expected, client.Get(expected.question));
    if (HasFatalFailure()) return;
  }
}

// Some answers still under way when the next mode's request comes.
TEST_P(AnyDialectPipelineTest, ModeChangesBehindABigBody) {
  const std::string big = Pattern(99, kBig);
  RawClient client = Client();
  client.AskAll({{.mode = kCopy, .uri = "pipeline/big"},
                 {.mode = kStat, .uri = Uri(1)},
                 {.mode = kSplice, .uri = "pipeline/big"},
                 {.mode = kFdPass, .uri = Uri(2)},
                 {.mode = kCopy, .uri = Uri(3)}});
  EXPECT_TRUE(client.Next().body == big);
  EXPECT_TRUE(client.Next().ok());
  EXPECT_TRUE(client.Next().body == big);
  const Answer descriptor = client.Next();
  if (GetParam().is_unix()) {
    EXPECT_TRUE(Contents(descriptor.fd.get()) == ContentsOf(2));
  } else {
    ExpectRefused(descriptor, Status::kInvalidMode);
  }
  EXPECT_TRUE(client.Next().body == ContentsOf(3));
}

INSTANTIATE_TEST_SUITE_P(All, AnyDialectPipelineTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  kAllDialects)),
                         SetupName);

// With OOO_REPLIES each id is answered once, with its own answer.
TEST_P(PipelineTest, OutOfOrderAnswersMatchTheirIds) {
  for (const uint16_t descriptors : {0, kFdInHeader | 0, kFdInHeader | kFdBatch}) {
    for (uint32_t seed = 20; seed < 24; ++seed) {
      SCOPED_TRACE(seed);
      const std::vector<Expected> mixture = Mixture(200, seed);
      RawClient client = OutOfOrderClient(descriptors);
      const std::vector<uint32_t> ids = client.AskAll(QuestionsOf(mixture));
      std::map<uint32_t, const Expected*> open;
      for (size_t i = 0; i < ids.size(); ++i) open[ids[i]] = &mixture[i];
      while (!open.empty()) {
        const Answer answer = client.Next();
        ASSERT_EQ(open.count(answer.id), 1u) << answer.id;
        ExpectAnswer(*open[answer.id], answer);
        if (HasFatalFailure()) return;
        open.erase(answer.id);
      }
    }
  }
}

// An ORDERED answer goes out after those of all earlier requests, whatever overtakes elsewhere.
TEST_P(PipelineTest, OrderedWaitsForAllEarlier) {
  for (uint32_t seed = 40; seed < 48; ++seed) {
    SCOPED_TRACE(seed);
    std::vector<Expected> mixture = Mixture(60, seed);
    mixture[0] = {{.mode = kCopy, .uri = "pipeline/big"}, Status::kOk, Pattern(99, kBig)};
    for (size_t i = 5; i < mixture.size(); i += 7) mixture[i].question.flags |= kOrdered;
    RawClient client = OutOfOrderClient();
    const std::vector<uint32_t> ids = client.AskAll(QuestionsOf(mixture));
    std::vector<bool> answered(ids.size(), false);
    for (size_t n = 0; n < ids.size(); ++n) {
      const Answer answer = client.Next();
      const size_t i = std::find(ids.begin(), ids.end(), answer.id) - ids.begin();
      ASSERT_LT(i, ids.size());
      ASSERT_FALSE(answered[i]);
      ExpectAnswer(mixture[i], answer);
      if ((mixture[i].question.flags & kOrdered) != 0) {
        EXPECT_EQ(std::count(answered.begin(), answered.begin() + i, false), 0)
            << "request " << i << " was answered before an earlier one";
      }
      answered[i] = true;
    }
  }
}

// PRIORITY is served before what is queued without it, where answers may change order.
TEST_P(PipelineTest, PriorityOvertakesWhereOrderIsFree) {
  for (const char mode : {kCopy, kSplice}) {
    std::vector<Question> questions(16, Question{.mode = mode, .uri = "pipeline/big"});
    questions.push_back({.mode = mode, .uri = Uri(1), .flags = kPriority});
    RawClient client = OutOfOrderClient();
    const std::vector<uint32_t> ids = client.AskAll(questions);
    size_t place = 0;
    for (size_t n = 0; n < ids.size(); ++n) {
      const Answer answer = client.Next();
      EXPECT_TRUE(answer.ok()) << answer.status;
      if (answer.id == ids.back()) place = n;
    }
    EXPECT_LT(place, ids.size() - 1) << "sixteen bodies of 1 MiB went first";
  }
}

TEST_P(PipelineTest, PriorityKeepsItsPlaceWhereOrderIsPromised) {
  std::vector<Question> questions(6, Question{.mode = kCopy, .uri = "pipeline/big"});
  for (const char mode : {kCopy, kSplice, kStat}) {
    questions.push_back({.mode = mode, .uri = Uri(1), .flags = kPriority});
    questions.push_back({.mode = mode, .uri = Uri(2)});
  }
  RawClient client = Client();
  for (const uint32_t id : client.AskAll(questions)) {
    const Answer answer = client.Next();
    EXPECT_TRUE(answer.ok()) << answer.status;
    EXPECT_EQ(answer.id, id);
  }
}

// PRIORITY never makes an ORDERED answer come early.
TEST_P(PipelineTest, OrderedBindsPriorityToo) {
  std::vector<Question> questions(8, Question{.mode = kCopy, .uri = "pipeline/big"});
  questions.push_back({.mode = kCopy, .uri = Uri(1), .flags = kPriority | kOrdered});
  RawClient client = OutOfOrderClient();
  const std::vector<uint32_t> ids = client.AskAll(questions);
  for (size_t n = 0; n < ids.size(); ++n) {
    EXPECT_EQ(client.Next().id == ids.back(), n + 1 == ids.size()) << n;
  }
}

// As many as were agreed are served; exactly those beyond are refused, and refusing them costs
// nobody else an answer.
TEST_P(PipelineTest, RequestsBeyondThePipelineAreRefused) {
  for (const size_t excess : {size_t{0}, size_t{1}, size_t{3}}) {
    for (const char mode : {kCopy, kSplice, kFdPass}) {
      if (mode == kFdPass && !GetParam().is_unix()) continue;
      SCOPED_TRACE(testing::Message() << "mode " << mode << ", excess " << excess);
      constexpr uint16_t kAgreed = 4;
      RawClient client = RawClient::V2(Connect(Server(), GetParam().transport), kInOrder, kAgreed);
      ASSERT_EQ(client.max_pipeline(), kAgreed);
      const std::vector<uint32_t> ids = client.AskAll(
          std::vector<Question>(kAgreed + excess, Question{.mode = mode, .uri = Uri(3)}));
      size_t served = 0, refused = 0;
      for (const uint32_t id : ids) {
        const Answer answer = client.Next();
        EXPECT_EQ(answer.id, id);
        if (answer.ok()) {
          ++served;
        } else {
          ++refused;
          ExpectRefused(answer, Status::kInvalidRequest);
        }
      }
      EXPECT_EQ(served, kAgreed);
      EXPECT_EQ(refused, excess);
      EXPECT_TRUE(client.Get({.mode = kCopy, .uri = Uri(3)}).body == ContentsOf(3));
    }
  }
}

// Without PIPELINING there is no such limit: who sends early is served in order, as in V1.
TEST_P(PipelineTest, WithoutPipeliningNothingIsRefused) {
  RawClient client = RawClient::V2(Connect(Server(), GetParam().transport), 0, 4);
  ASSERT_EQ(client.capabilities(), 0);
  for (const char mode : {kCopy, kSplice, kStat}) {
    const std::vector<uint32_t> ids =
        client.AskAll(std::vector<Question>(100, Question{.mode = mode, .uri = Uri(3)}));
    for (const uint32_t id : ids) {
      const Answer answer = client.Next();
      EXPECT_TRUE(answer.ok()) << answer.status;
      EXPECT_EQ(answer.id, id);
    }
  }
}

// CLOSE: what was asked is answered, then CLOSE_ACK, then the end. Nothing behind CLOSE is read.
TEST_P(PipelineTest, CloseAnswersWhatIsOutstanding) {
  const std::vector<Expected> mixture = Mixture(40, 7);
  RawClient client = Client();
  std::vector<uint32_t> ids;
  std::string bytes = client.Encode(QuestionsOf(mixture), &ids) + Close(0);
  client.wire().Send(bytes);
  for (size_t i = 0; i < mixture.size(); ++i) {
    SCOPED_TRACE(i);
    const Answer answer = client.Next();
    EXPECT_EQ(answer.id, ids[i]);
    ExpectAnswer(mixture[i], answer);
    if (HasFatalFailure()) return;
  }
  const Answer ack = client.Next();
  EXPECT_EQ(ack.kind, Answer::Kind::kCloseAck);
  EXPECT_EQ(ack.outstanding, 0u);  // since the answers went out before
  EXPECT_TRUE(client.wire().AtEnd());
}

TEST_P(PipelineTest, CloseAfterABigBodyAsked) {
  RawClient client = Client();
  client.Ask({.mode = kCopy, .uri = "pipeline/big"});
  client.Ask({.mode = kSplice, .uri = "pipeline/big"});
  client.wire().Send(Close(0));
  EXPECT_TRUE(client.Next().body == Pattern(99, kBig));
  EXPECT_TRUE(client.Next().body == Pattern(99, kBig));
  EXPECT_EQ(client.Next().kind, Answer::Kind::kCloseAck);
  EXPECT_TRUE(client.wire().AtEnd());
}

TEST_P(PipelineTest, CloseWithNothingOutstanding) {
  RawClient client = Client();
  client.wire().Send(Close(0));
  const Answer ack = client.Next();
  EXPECT_EQ(ack.kind, Answer::Kind::kCloseAck);
  EXPECT_EQ(ack.outstanding, 0u);
  EXPECT_TRUE(client.wire().AtEnd());
}

INSTANTIATE_TEST_SUITE_P(All, PipelineTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV2})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
