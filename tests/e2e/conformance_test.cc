// Every engine, transport, dialect, mode and size: the client gets the object's bytes.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

// Around a page, around the 64 KiB that a pipe and many a buffer hold, and far beyond each.
const std::vector<size_t> kSizes = {0,     1,     4095,  4096,        4097,
                                    65535, 65536, 65537, 1024 * 1024, 100 * 1024 * 1024};

// The object of `bytes` bytes: its contents; it is made when first asked for.
const std::string& ObjectOf(size_t bytes) {
  static std::map<size_t, std::string> made;
  const auto [object, fresh] = made.try_emplace(bytes);
  if (fresh) {
    object->second = Pattern(bytes, bytes);
    SharedTree().Add(absl::StrCat("size/", bytes), object->second);
  }
  return object->second;
}

class BodyTest : public testing::TestWithParam<std::tuple<Setup, char, size_t>> {};

TEST_P(BodyTest, IsTheObject) {
  const auto& [setup, mode, bytes] = GetParam();
  if (const std::string why = WhyNot(setup); !why.empty()) GTEST_SKIP() << why;
  const std::string& expected = ObjectOf(bytes);
  RawClient client = Open(SharedServer(setup.engine), setup.transport, setup.dialect);

  // Twice: the second finds whatever the first has left in caches and pipes.
  for (int round = 0; round < 2; ++round) {
    const Answer answer = client.Get({.mode = mode, .uri = absl::StrCat("size/", bytes)});
    ASSERT_TRUE(answer.ok()) << answer.status;
    // Not EXPECT_EQ, which would print both.
    if (mode == kFdPass) {
      EXPECT_TRUE(Contents(answer.fd.get()) == expected);
      if (setup.dialect == Dialect::kV2FdBatch) {
        EXPECT_EQ(answer.content_length, bytes);
      }
    } else {
      EXPECT_EQ(answer.content_length, bytes);
      EXPECT_TRUE(answer.body == expected);
      if (setup.is_v2()) {
        ASSERT_TRUE(answer.Has(kSizeEntry));
        EXPECT_EQ(answer.Number(kSizeEntry), bytes);
      }
    }
  }
}

// All of them, and a server that is confined as Docker confines, where there is no io_uring.
std::vector<Setup> AllSetups() {
  std::vector<Setup> setups = Setups(kAllTransports, kAllDialects);
  if (getenv("OBJMAPPER_MODEL") != nullptr) return setups;
  for (const Transport transport : {Transport::kUnix, Transport::kTcp}) {
    for (const Dialect dialect : {Dialect::kV1, Dialect::kV2})
      setups.push_back({"container", transport, dialect});
  }
  return setups;
}

std::vector<std::tuple<Setup, char, size_t>> Cases() {
  std::vector<std::tuple<Setup, char, size_t>> cases;
  for (const Setup& setup : AllSetups()) {
    for (const char mode : {kFdPass, kCopy, kSplice}) {
      if (mode == kFdPass && !setup.is_unix()) continue;
      // How descriptors travel changes nothing for bytes.
      if (mode != kFdPass && setup.dialect == Dialect::kV2FdBatch) continue;
      for (const size_t bytes : kSizes) cases.emplace_back(setup, mode, bytes);
    }
  }
  return cases;
}

std::string CaseName(const testing::TestParamInfo<BodyTest::ParamType>& info) {
  const auto& [setup, mode, bytes] = info.param;
  return absl::StrCat(Name(setup), "_mode", std::string(1, mode), "_", bytes);
}

INSTANTIATE_TEST_SUITE_P(All, BodyTest, testing::ValuesIn(Cases()), CaseName);

class StatTest : public SetupTest {};

// STAT tells about the object and sends none of it.
TEST_P(StatTest, HasTheSizeAndNoBody) {
  ObjectOf(65537);
  RawClient client = Client();
  const Answer answer = client.Get({.mode = kStat, .uri = "size/65537"});
  ASSERT_TRUE(answer.ok()) << answer.status;
  EXPECT_EQ(answer.content_length, 0u);
  if (GetParam().is_v2()) {
    ASSERT_TRUE(answer.Has(kSizeEntry));
    EXPECT_EQ(answer.Number(kSizeEntry), 65537u);
  }
  // The next answer starts right behind: nothing followed the metadata.
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "size/65537"}).body == ObjectOf(65537));
  ExpectRefused(client.Get({.mode = kStat, .uri = "missing"}), Status::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(All, StatTest, testing::ValuesIn(AllSetups()), SetupName);

}  // namespace
}  // namespace objmapper::e2e
