// One connection that mixes modes and sizes: whichever lane, thread or path of the kernel answers,
// the answers are those that the questions asked for, in their order.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr int kQuestions = 120;  // of one conversation

// engine, --answer_in_place, --splice_in_loop, --sendfile_bytes_min ("": the default)
using Mix = std::tuple<std::string, bool, bool, std::string>;

class MixedModesTest : public testing::TestWithParam<Mix> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNotEngine(std::get<0>(GetParam())); !why.empty()) {
      GTEST_SKIP() << why;
    }
    for (const auto& [uri, bytes] : std::map<std::string, size_t>{{"empty", 0},
                                                                  {"small", 1000},
                                                                  {"a/b/small", 10000},
                                                                  {"copied", 16384},
                                                                  {"mapped", 16385},
                                                                  {"a/large", 300 * 1024},
                                                                  {"huge", 5 * 1024 * 1024}}) {
      contents_[uri] = Pattern(bytes + 1, bytes);
      SharedTree().AddOnce(uri, contents_[uri]);
    }
  }

  Question Pick(std::mt19937* random) const {
    // The large are rare: they are most of the bytes all the same.
    static const std::vector<std::string> kUris = {
        "small", "small", "a/b/small", "a/b/small", "copied", "mapped",  "a/large",
        "empty", "small", "absent",    "a/absent",  "copied", "a/large", "huge"};
    static const std::string kModes = "1123S";
    const auto below = [&](size_t n) { return (*random)() % n; };
    return {.mode = kModes[below(kModes.size())], .uri = kUris[below(kUris.size())]};
  }

  void Check(const Question& question, const Answer& answer, bool v2) {
    SCOPED_TRACE(testing::Message() << "mode " << question.mode << " of " << question.uri);
    const auto found = contents_.find(question.uri);
    if (found == contents_.end()) return ExpectRefused(answer, Status::kNotFound);
    const std::string& content = found->second;
    ASSERT_TRUE(answer.ok()) << answer.status;
    if (question.mode == kStat) {
      EXPECT_EQ(answer.body, "");
      ASSERT_TRUE(answer.Has(kSizeEntry));
      EXPECT_EQ(answer.Number(kSizeEntry), content.size());
      return;
    }
    if (question.mode != kFdPass) {
      EXPECT_EQ(answer.content_length, content.size());
      EXPECT_TRUE(answer.body == content) << "not its bytes";
      if (v2) {
        ASSERT_TRUE(answer.Has(kSizeEntry));
        EXPECT_EQ(answer.Number(kSizeEntry), content.size());
      }
      return;
    }
    ASSERT_TRUE(answer.fd.valid());
    EXPECT_EQ(lseek(answer.fd.get(), 0, SEEK_CUR), 0) << "not at its beginning";
    EXPECT_TRUE(Contents(answer.fd.get()) == content) << "not its bytes";
  }

  // `depth` questions are always on their way, until all have been asked.
  void Converse(RawClient client, size_t depth, bool v2, uint32_t seed) {
    std::mt19937 random(seed);
    std::deque<std::pair<Question, uint32_t>> asked;
    std::vector<net::UniqueFd> held;
    int left = kQuestions;
    while ((left > 0 || !asked.empty()) && !HasFailure()) {
      std::vector<Question> burst;
      while (left > 0 && asked.size() + burst.size() < depth) {
        burst.push_back(Pick(&random));
        --left;
      }
      const std::vector<uint32_t> ids = client.AskAll(burst);
      for (size_t i = 0; i < burst.size(); ++i) asked.emplace_back(burst[i], v2 ? ids[i] : 0);
      Answer answer = client.Next();
      ASSERT_FALSE(asked.empty());
      const auto [question, id] = asked.front();
      asked.pop_front();
      EXPECT_EQ(answer.id, id) << "out of order";
      Check(question, answer, v2);
      if (answer.fd.valid()) {
        // Whose offset is moved by another's reading shows here, or in the next answer.
        EXPECT_EQ(lseek(answer.fd.get(), 1 + held.size(), SEEK_SET),
                  static_cast<off_t>(1 + held.size()));
        held.push_back(std::move(answer.fd));
      }
    }
    for (size_t i = 0; i < held.size(); ++i) {
      EXPECT_EQ(lseek(held[i].get(), 0, SEEK_CUR), static_cast<off_t>(1 + i)) << "a shared offset";
    }
  }

  std::map<std::string, std::string> contents_;
};

// Every answer is right and in order, and every descriptor is the client's own.
TEST_P(MixedModesTest, EveryAnswerIsRightAndInOrder) {
  const auto& [engine, in_place, in_loop, sendfile_bytes_min] = GetParam();
  std::vector<std::string> flags = {absl::StrCat("--answer_in_place=", in_place ? "true" : "false"),
                                    absl::StrCat("--splice_in_loop=", in_loop ? "true" : "false"),
                                    // Both leave bodies to the splice threads.
                                    absl::StrCat("--use_async_copy=", in_loop ? "true" : "false")};
  if (!sendfile_bytes_min.empty()) {
    flags.push_back(absl::StrCat("--sendfile_bytes_min=", sendfile_bytes_min));
  }
  ServerProcess server(SharedTree().root(), {.engine = engine, .flags = flags});
  uint32_t seed = 1;
  for (const Dialect dialect : kAllDialects) {
    for (const size_t depth : {1, 8, 64}) {
      SCOPED_TRACE(testing::Message() << Name({engine, Transport::kUnix, dialect}) << ", depth "
                                      << depth << ", seed " << seed);
      Converse(Open(server, Transport::kUnix, dialect), depth, dialect != Dialect::kV1, seed++);
      if (HasFailure()) return;
    }
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0) << server.log();
}

std::string MixName(const testing::TestParamInfo<Mix>& info) {
  const auto& [engine, in_place, in_loop, sendfile_bytes_min] = info.param;
  return absl::StrCat(engine, in_place ? "_in_place" : "_move", in_loop ? "_loop" : "_threads",
                      sendfile_bytes_min.empty()  ? "_default"
                      : sendfile_bytes_min == "0" ? "_sendfile"
                                                  : "_mapping");
}

INSTANTIATE_TEST_SUITE_P(All, MixedModesTest,
                         testing::Combine(testing::Values("uring", "epoll"), testing::Bool(),
                                          testing::Bool(),
                                          testing::Values("0", "", "9223372036854775807")),
                         MixName);

}  // namespace
}  // namespace objmapper::e2e
