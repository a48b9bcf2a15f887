// The two buffers of an OP_PUT, with the test in the place of engine and store.
#include "copypath/put_body.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "copypath/blocking_pool.h"
#include "protocol/http/ask.h"
#include "tests/copypath/pattern.h"

namespace objmapper::copypath {
namespace {

// Takes writes, and ends them when the test says so.
struct Writer : FileWriter {
  void BeginWrite(Write* write, int, const char* data, size_t bytes, uint64_t offset) override {
    ASSERT_EQ(under_way, nullptr) << "one write at a time";
    under_way = write;
    at = offset;
    piece.assign(data, bytes);
  }
  // Writes so many of the bytes.
  void End(size_t bytes) {
    file.resize(std::max(file.size(), at + bytes));
    file.replace(at, bytes, piece, 0, bytes);
    std::exchange(under_way, nullptr)->OnWritten(static_cast<ssize_t>(bytes));
  }
  void Fail(int error) { std::exchange(under_way, nullptr)->OnWritten(-error); }

  Write* under_way = nullptr;
  uint64_t at = 0;
  std::string piece;
  std::string file;
};

struct Object : storage::NewObject {
  explicit Object(uint64_t room_in) : room(room_in) {}
  int fd() const override { return -1; }
  uint64_t size() const override { return 0; }
  absl::Status Extend(uint64_t bytes) override {
    if (bytes > room) return absl::UnavailableError("no room");
    room -= bytes;
    return absl::OkStatus();
  }
  absl::Status WriteWhole(absl::string_view bytes) override { return Extend(bytes.size()); }
  void KnownAs(std::string) override {}
  absl::StatusOr<bool> Prepare() override { return true; }
  absl::Status Commit() override { return absl::OkStatus(); }
  bool replaced() const override { return false; }
  uint64_t room;
};

class PutBodyTest : public testing::Test {
 protected:
  ~PutBodyTest() override { pool_.Stop(); }
  std::unique_ptr<PutBody> Make(uint64_t bytes, uint64_t room = uint64_t{1} << 40) {
    return Make(session::BodyReader(bytes), room);
  }
  std::unique_ptr<PutBody> Make(const session::BodyReader& of, uint64_t room = uint64_t{1} << 40) {
    auto body = std::make_unique<PutBody>(of, &writer_, &pool_,
                                          [this](int error) { ended_.push_back(error); });
    body->set_object(std::make_shared<Object>(room));
    return body;
  }

  BlockingPool pool_{1};
  Writer writer_;
  std::vector<int> ended_;
  absl::Status error_;
};

// Whatever pieces it comes in, and however little a write takes, the file has the body.
TEST_F(PutBodyTest, TheFileHasTheBody) {
  const std::string content = Pattern(1000 * 1000, 3);
  const auto body = Make(content.size());
  absl::string_view input = content;
  while (!body->done()) {
    const size_t taken = body->Take(input.substr(0, 70'000), &error_);
    ASSERT_TRUE(error_.ok()) << error_;
    input.remove_prefix(taken);
    if (taken == 0) {
      ASSERT_TRUE(body->writing()) << "neither takes nor writes";
      writer_.End((writer_.piece.size() + 1) / 2);
    }
  }
  EXPECT_FALSE(body->awaited());
  EXPECT_TRUE(writer_.file == content);
}

// A small one without an object is gathered, whatever pieces it comes in, and nothing is written;
// not a byte behind it is taken.
TEST_F(PutBodyTest, Gathers) {
  const std::string content = Pattern(100'000, 5);
  const std::string input = content + "what comes behind";
  const auto body = Make(content.size());
  body->DropObject();
  size_t taken = 0;
  for (int pieces = 0; !body->done(); ++pieces) {
    ASSERT_LT(pieces, 100);
    taken += body->Take(absl::string_view(input).substr(taken, 7'000), &error_);
    ASSERT_TRUE(error_.ok()) << error_;
    EXPECT_FALSE(body->writing());
    EXPECT_FALSE(body->full());
  }
  EXPECT_EQ(taken, content.size());
  EXPECT_TRUE(body->gathered() == content);
  const auto empty = Make(0);
  empty->DropObject();
  EXPECT_TRUE(empty->done());
  EXPECT_EQ(empty->gathered(), "");
}

// A body in chunks, whose end comes by itself and finds a buffer half full.
TEST_F(PutBodyTest, InChunks) {
  const std::string content = Pattern(600'000, 4);
  std::string input;
  for (size_t at = 0; at < content.size(); at += 65'000) {
    const std::string part = content.substr(at, 65'000);
    absl::StrAppend(&input, absl::Hex(part.size()), "\r\n", part, "\r\n");
  }
  input += "0\r\n\r\n";
  protocol::Request request;
  auto ask = std::make_shared<protocol::http::Ask>();
  ask->chunked = true;
  request.http = std::move(ask);
  const auto body = Make(session::BodyReader(request));
  absl::string_view rest = input;
  for (size_t offered = 0; !body->done();) {
    offered = std::min(rest.size(), std::max(offered, size_t{1}) + 9'999);
    const size_t taken = body->Take(rest.substr(0, offered), &error_);
    ASSERT_TRUE(error_.ok()) << error_;
    rest.remove_prefix(taken);
    offered -= taken;
    if (taken == 0 && body->writing()) writer_.End(writer_.piece.size());
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_TRUE(writer_.file == content);
}

// With one buffer full and the other being written nothing is taken; when the write has ended there
// is room again.
TEST_F(PutBodyTest, TakesNothingWhileBothBuffersAreFull) {
  const std::string content(2 * 1024 * 1024, 'x');
  const auto body = Make(content.size());
  const size_t taken = body->Take(content, &error_);
  EXPECT_LT(taken, content.size());
  EXPECT_TRUE(body->full());
  EXPECT_EQ(body->Take(content, &error_), 0u);
  writer_.End(writer_.piece.size());
  EXPECT_EQ(ended_, std::vector<int>{0});
  EXPECT_FALSE(body->full());
  EXPECT_GT(body->Take(content, &error_), 0u);
  writer_.End(writer_.piece.size());
  writer_.End(writer_.piece.size());
}

// A write that fails says with what; one that takes nothing has met a full disk.
TEST_F(PutBodyTest, FailuresAreTold) {
  for (const int error : {EIO, 0}) {
    const auto body = Make(10);
    EXPECT_EQ(body->Take("0123456789", &error_), 10u);
    if (error != 0) {
      writer_.Fail(error);
    } else {
      writer_.End(0);
    }
    EXPECT_FALSE(body->writing());
  }
  EXPECT_EQ(ended_, (std::vector<int>{EIO, ENOSPC}));
}

// Where the store has no room nothing is taken, then or later.
TEST_F(PutBodyTest, NoRoomIsToldAndNothingTaken) {
  const auto body = Make(10, /*room=*/5);
  EXPECT_EQ(body->Take("0123456789", &error_), 0u);
  EXPECT_EQ(error_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(body->Take("0123", &error_), 0u);
  EXPECT_EQ(body->body().left(), 10u);
}

}  // namespace
}  // namespace objmapper::copypath
