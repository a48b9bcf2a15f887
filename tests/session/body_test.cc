// Which bytes of what comes are a body's, however it is cut up.
#include "session/body.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/ask.h"

namespace objmapper::session {
namespace {

protocol::Request InChunks() {
  protocol::Request request;
  auto ask = std::make_shared<protocol::http::Ask>();
  ask->chunked = true;
  request.http = std::move(ask);
  return request;
}

// Takes the body of `input`, which is offered in pieces of `step` bytes and more, at most `take` of
// its bytes at a time; *rest: what is behind it.
std::string Read(BodyReader body, absl::string_view input, size_t step, size_t take,
                 std::string* rest) {
  std::string taken;
  size_t offered = 0;
  while (!body.ended()) {
    if (offered < input.size()) offered = std::min(input.size(), offered + step);
    const BodyReader::Piece piece = body.Next(input.substr(0, offered));
    if (piece.broken != nullptr) return piece.broken;
    const size_t some = std::min(take, piece.data.size());
    taken.append(piece.data.data(), some);
    body.Took(some);
    if (piece.skipped + some == 0 && offered == input.size()) return "more has to come";
    input.remove_prefix(piece.skipped + some);
    offered -= piece.skipped + some;
  }
  *rest = std::string(input);
  return taken;
}

TEST(BodyReaderTest, HoweverItIsCutUp) {
  constexpr char kChunks[] =
      "5\r\nfirst\r\n1;of=it\r\n \r\n00a\r\nsecond one\r\n0\r\nA: b\r\n\r\nGET";
  for (size_t step = 1; step < sizeof(kChunks); ++step) {
    for (size_t take = 1; take < 12; ++take) {
      std::string rest;
      EXPECT_EQ(Read(BodyReader(InChunks()), kChunks, step, take, &rest), "first second one");
      EXPECT_TRUE(absl::string_view("GET").substr(0, rest.size()) == rest) << rest;
      EXPECT_EQ(Read(BodyReader(5), "first second", step, take, &rest), "first");
    }
  }
  std::string rest;
  EXPECT_EQ(Read(BodyReader(InChunks()), "5\r\nfir", 1, 9, &rest), "more has to come");
}

TEST(BodyReaderTest, HowMuchIsToCome) {
  BodyReader counted(7);
  EXPECT_EQ(counted.left(), 7u);
  counted.Took(counted.Next("some").data.size());
  EXPECT_EQ(counted.left(), 3u);
  EXPECT_FALSE(counted.ended());
  EXPECT_TRUE(BodyReader(uint64_t{0}).ended());
  BodyReader chunks(InChunks());
  EXPECT_EQ(chunks.left(), std::nullopt);
  chunks.Took(chunks.Next("4\r\nsome\r\n").data.size());
  EXPECT_EQ(chunks.left(), std::nullopt) << "only its end tells";
  EXPECT_TRUE(chunks.Next("\r\n0\r\n\r\n").data.empty());
  EXPECT_TRUE(chunks.ended());
  EXPECT_EQ(chunks.left(), 0u);
}

// What has been found broken is not taken for something else when it is looked at again.
TEST(BodyReaderTest, WhatIsBrokenStaysSo) {
  BodyReader body(InChunks());
  EXPECT_NE(body.Next("0\r\nno field\r\n\r\n").broken, nullptr);
  EXPECT_NE(body.Next("\r\n").broken, nullptr);
  EXPECT_FALSE(body.ended());
}

}  // namespace
}  // namespace objmapper::session
