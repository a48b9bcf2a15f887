// The workload asks all its questions, with our real server and a real nginx, and what does not
// depend on a machine's speed is as it should be. A radosgw would take longer to start than all
// else; tests/origin/ceph has one.
#include "tools/bench/origin/origin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/short_folder.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/origin/reader.h"

namespace objmapper::bench {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class OriginWorkloadTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<std::string> nginx = InstalledProgram("nginx", "nginx-light");
    if (!nginx.ok()) GTEST_SKIP() << nginx.status();
    run_.settings = {.kinds = {"nginx"},
                     .asks = OriginAsks(),
                     .object_bytes = 20 << 20,  // more than two blocks
                     .model_bytes = 40 << 20,
                     .readers = 7,
                     .fills = 3,
                     .processes = 2};
    run_.duration = absl::Milliseconds(100);
    run_.folder = folder_.path();
    run_.interrupted = [] { return false; };
  }

  // The values of the lines whose titles hold this; some.
  std::vector<double> Values(const std::string& ask, const std::string& what) const {
    std::vector<double> values;
    for (const Line& line : figures_.lines()) {
      if (line.ask == ask && absl::StrContains(line.what, what))
        values.insert(values.end(), line.values.begin(), line.values.end());
    }
    EXPECT_FALSE(values.empty()) << ask << " has no line with \"" << what << "\"";
    return values;
  }

  const net::ShortFolder folder_;
  OriginRun run_;
  Figures figures_;
};

TEST_F(OriginWorkloadTest, AsksEverything) {
  const absl::Status ran = RunOrigin(run_, figures_);
  ASSERT_TRUE(ran.ok()) << ran;
  std::set<std::string> asks;
  for (const Line& line : figures_.lines()) {
    asks.insert(line.ask);
    EXPECT_FALSE(line.values.empty()) << line.what;
    for (const double value : line.values) EXPECT_GE(value, 0) << line.what;
  }
  EXPECT_EQ(asks, std::set<std::string>(OriginAsks().begin(), OriginAsks().end()));
  // Every byte left the origin, and left it once.
  for (const double share : Values("herd", "bytes sent")) {
    EXPECT_GE(share, 1);
    EXPECT_LE(share, 1.01);
  }
  for (const double blocks : Values("range", "blocks sent")) {
    EXPECT_GT(blocks, 0);
    EXPECT_LE(blocks, 2);
  }
  for (const double mib : Values("many_fills", "peak RSS")) EXPECT_GT(mib, 0);
  // Two processes have the model mapped, each of whose pages is there once, or a copy each.
  for (const double ratio : Values("model", "memory, FDPASS / HTTP")) EXPECT_LT(ratio, 1);
  // aws speaks S3 alone; rclone may not be installed.
  EXPECT_THAT(figures_.Table(), HasSubstr("fill, nginx: aws is left out: it speaks S3 alone"));
  // Nothing large is left, neither the origin's nor ours.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    EXPECT_TRUE(!entry.is_regular_file() || entry.file_size() < 1 << 20) << entry.path();
  }
}

// An origin that is not there is named, and the others are asked.
TEST_F(OriginWorkloadTest, SaysWhoIsLeftOut) {
  run_.settings.asks = {};
  ASSERT_TRUE(RunOrigin(run_, figures_).ok());
  EXPECT_THAT(figures_.lines(), IsEmpty());
  run_.settings.kinds = {"no such origin"};
  EXPECT_EQ(RunOrigin(run_, figures_).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(OriginWorkloadTest, IsInterrupted) {
  run_.interrupted = [] { return true; };
  EXPECT_EQ(RunOrigin(run_, figures_).code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(figures_.lines(), IsEmpty());
}

// Objects for which the disk has no room are not even begun.
TEST_F(OriginWorkloadTest, LeavesTheDiskSomeRoom) {
  run_.settings.model_bytes = uint64_t{1} << 50;
  const absl::Status refused = RunOrigin(run_, figures_);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("--model_size"));
}

// A reader with other bytes, or fewer, is told from one that has them right.
TEST(CheckWholeTest, SeesWhatIsWrong) {
  const Content content(1, 100'000);
  const client::TemporaryFolder folder;
  ASSERT_TRUE(content.WriteTo(folder.Path("right")).ok());
  ASSERT_TRUE(Content(2, 100'000).WriteTo(folder.Path("other")).ok());
  ASSERT_TRUE(Content(1, 99'999).WriteTo(folder.Path("short")).ok());
  const auto check = [&](const char* name) {
    const absl::StatusOr<Got> got = ReadFiles({folder.Path(name)});
    EXPECT_TRUE(got.ok()) << got.status();
    return CheckWhole(*got, content, name);
  };
  EXPECT_TRUE(check("right").ok());
  EXPECT_THAT(check("other").message(), HasSubstr("other ones"));
  EXPECT_THAT(check("short").message(), HasSubstr("99999 bytes of 100000"));
}

}  // namespace
}  // namespace objmapper::bench
