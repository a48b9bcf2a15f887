// What is refused, with which status, and whether the connection goes on afterwards.
#include <gtest/gtest.h>

#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class StatusTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    SharedTree().AddOnce("object", kObject);
  }

  // The connection still works and no byte of the answer before is left over.
  static void ExpectGoesOn(RawClient* client) {
    for (const char mode : {kCopy, kSplice}) {
      const Answer answer = client->Get({.mode = mode, .uri = "object"});
      EXPECT_TRUE(answer.ok()) << answer.status;
      EXPECT_EQ(answer.body, kObject);
    }
  }

  // Nothing but CLOSE (V2 alone) and the end.
  void ExpectEnds(RawClient* client) {
    if (GetParam().is_v2()) {
      const Answer close = client->Next();
      EXPECT_EQ(close.kind, Answer::Kind::kClose);
      EXPECT_EQ(close.reason, kCloseProtocolError);
    }
    EXPECT_TRUE(client->wire().AtEnd());
  }

  static constexpr char kObject[] = "bytes that anybody would recognize";
};

class EveryDialectTest : public StatusTest {};

TEST_P(EveryDialectTest, MissingObjectIsNotFound) {
  RawClient client = Client();
  for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
    if (mode == kFdPass && !GetParam().is_unix()) continue;
    ExpectRefused(client.Get({.mode = mode, .uri = "no/such/object"}), Status::kNotFound);
    // A file is no directory: nothing can be below it.
    ExpectRefused(client.Get({.mode = mode, .uri = "object/below"}), Status::kNotFound);
  }
  ExpectGoesOn(&client);
}

TEST_P(EveryDialectTest, UriMustNotBeEmpty) {
  RawClient client = Client();
  for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
    if (mode == kFdPass && !GetParam().is_unix()) continue;
    for (const char* uri : {"", "/", "///"}) {
      ExpectRefused(client.Get({.mode = mode, .uri = uri}), Status::kInvalidRequest);
    }
  }
  ExpectGoesOn(&client);
}

// No file name holds a NUL; it must not silently end the name either.
TEST_P(EveryDialectTest, UriMustNotHoldNul) {
  RawClient client = Client();
  for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
    if (mode == kFdPass && !GetParam().is_unix()) continue;
    ExpectRefused(client.Get({.mode = mode, .uri = std::string("object\0.txt", 11)}),
                  Status::kInvalidRequest);
    ExpectRefused(client.Get({.mode = mode, .uri = std::string("\0", 1)}), Status::kInvalidRequest);
  }
  ExpectGoesOn(&client);
}

// A mode byte that is none is refused; its request has a sound frame, so the connection goes on.
TEST_P(EveryDialectTest, UnknownModeLaterOnIsInvalid) {
  RawClient client = Client();
  ExpectGoesOn(&client);  // in V1, the first byte of all decides the dialect
  for (const char mode : {'0', '4', 'Z', 's', '\0', '\xff'}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "object"}), Status::kInvalidMode);
  }
  ExpectGoesOn(&client);
}

// TCP carries no descriptors: the mode is not offered there, which is no reason to hang up.
TEST_P(EveryDialectTest, FdPassOverTcpIsAnInvalidMode) {
  if (GetParam().is_unix()) GTEST_SKIP() << "for TCP";
  RawClient client = Client();
  ExpectRefused(client.Get({.mode = kFdPass, .uri = "object"}), Status::kInvalidMode);
  ExpectGoesOn(&client);
  ExpectRefused(client.Get({.mode = kFdPass, .uri = "object"}), Status::kInvalidMode);
  ExpectGoesOn(&client);
}

// On a server that is read-only; V1 has no operations at all.
TEST_P(EveryDialectTest, WritingIsUnsupported) {
  RawClient client = Client();
  for (const char mode : {kDelete, kPutFd}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "object"}), Status::kUnsupportedOp);
  }
  if (!GetParam().is_v2()) {
    ExpectRefused(client.Get({.mode = kList, .uri = "object"}), Status::kUnsupportedOp);
  }
  ExpectGoesOn(&client);
}

// As long as the wire allows, and longer than any path: refused, but taken off the stream.
TEST_P(EveryDialectTest, LongestUriLeavesTheConnectionOpen) {
  RawClient client = Client();
  std::string uri;
  while (uri.size() < kUriBytesMax) uri += "directory/";
  uri.resize(kUriBytesMax, 'x');
  ExpectRefused(client.Get({.mode = kCopy, .uri = uri}), Status::kUriTooLong);
  ExpectGoesOn(&client);
}

// One byte longer: the answer, and the end. As soon as the length has come, the URI not awaited.
TEST_P(EveryDialectTest, TooLongUriIsAnsweredBeforeItComesAndEndsTheConnection) {
  for (const size_t bytes : {kUriBytesMax + 1, size_t{65535}}) {
    for (const bool uri_follows : {false, true}) {
      SCOPED_TRACE(testing::Message() << bytes << (uri_follows ? " bytes sent" : " announced"));
      RawClient client = Client();
      ExpectGoesOn(&client);
      std::vector<uint32_t> ids;
      std::string request = client.Encode({{.mode = kCopy, .uri = std::string(bytes, 'u')}}, &ids);
      if (!uri_follows) request.resize(request.size() - bytes);
      client.wire().Send(request);
      ExpectRefused(client.Next(), Status::kUriTooLong);
      ExpectEnds(&client);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryDialectTest,
                         testing::ValuesIn(Setups(kAllTransports, kAllDialects)), SetupName);

class V1StatusTest : public StatusTest {};

// The first byte of a connection must open a dialect.
TEST_P(V1StatusTest, FirstByteOfNoDialectIsAnsweredAndEnds) {
  for (const char first : {'g', '\0', '0', '\xff', 'o'}) {
    RawClient client = Client();
    client.wire().Send(absl::string_view(&first, 1));
    ExpectRefused(client.Next(), Status::kInvalidMode);
    EXPECT_TRUE(client.wire().AtEnd());
  }
}

// 'O' opens V2, and then only HELLO with our magic and version will do.
TEST_P(V1StatusTest, WrongMagicOrVersionIsAMismatchInV1Form) {
  std::string newer = Hello(kInOrder, 64);
  newer[4] = 3;
  std::string older = Hello(kInOrder, 64);
  older[4] = 1;
  std::string misspelt = Hello(kInOrder, 64);
  misspelt[3] = 'm';
  for (const std::string& hello : {newer, older, misspelt}) {
    RawClient client = Client();
    client.wire().Send(hello);
    ExpectRefused(client.Next(), Status::kVersionMismatch);
    EXPECT_TRUE(client.wire().AtEnd());
  }
}

// V1 has no PUT: no body can follow, so the frame is sound and the connection goes on.
TEST_P(V1StatusTest, HasNoPut) {
  RawClient client = Client();
  client.wire().Send(V1Request(kPut, "object"));
  ExpectRefused(client.Next(), Status::kUnsupportedOp);
  ExpectGoesOn(&client);
}

INSTANTIATE_TEST_SUITE_P(All, V1StatusTest,
                         testing::ValuesIn(Setups(kAllTransports, {Dialect::kV1})), SetupName);

class V2StatusTest : public StatusTest {};

TEST_P(V2StatusTest, UnknownFlagIsInvalid) {
  RawClient client = Client();
  for (const uint8_t flags : {0x08, 0x10, 0x80, 0x81}) {
    ExpectRefused(client.Get({.mode = kCopy, .uri = "object", .flags = flags}),
                  Status::kInvalidRequest);
  }
  ExpectGoesOn(&client);
}

// The body of a PUT that is refused, for whatever reason, is taken off the stream.
TEST_P(V2StatusTest, BodyOfARefusedPutIsSkipped) {
  RawClient client = Client();
  // Bodies that would be understood as requests or as garbage, if they were read as messages.
  for (const std::string& body :
       {std::string(), std::string("x"), std::string(300000, '\x01'), Pattern(5, 70000)}) {
    client.AskAll({{.mode = kPut, .uri = "object", .body = body},
                   {.mode = kCopy, .uri = "object"},
                   {.mode = kPut, .uri = "", .body = body},
                   {.mode = kPut, .uri = "object", .flags = 0x40, .body = body},
                   {.mode = kCopy, .uri = "object"}});
    ExpectRefused(client.Next(), Status::kUnsupportedOp);
    EXPECT_EQ(client.Next().body, kObject);
    const Answer empty_uri = client.Next();
    ExpectRefused(empty_uri, empty_uri.status == Status::kInvalidRequest ? Status::kInvalidRequest
                                                                         : Status::kUnsupportedOp);
    const Answer unknown_flag = client.Next();
    ExpectRefused(unknown_flag, unknown_flag.status == Status::kInvalidRequest
                                    ? Status::kInvalidRequest
                                    : Status::kUnsupportedOp);
    EXPECT_EQ(client.Next().body, kObject);
  }
}

// After a message of unknown type nobody knows where the next one starts.
TEST_P(V2StatusTest, UnknownMessageTypeEndsTheConnection) {
  for (const char type : {'\0', '\x02', '\x04', '\x05', '2', 'O', '\xff'}) {
    RawClient client = Client();
    ExpectGoesOn(&client);
    client.wire().Send(absl::string_view(&type, 1));
    ExpectRefused(client.Next(), Status::kProtocolError);
    ExpectEnds(&client);
  }
}

// What was asked before the stream broke is still answered, first.
TEST_P(V2StatusTest, RequestsBeforeAnUnknownMessageAreAnswered) {
  RawClient client = Client();
  std::vector<uint32_t> ids;
  const std::string requests =
      client.Encode({{.mode = kCopy, .uri = "object"}, {.mode = kSplice, .uri = "object"}}, &ids);
  client.wire().Send(requests + "\x77\x77\x77");
  for (const uint32_t id : ids) {
    const Answer answer = client.Next();
    EXPECT_EQ(answer.id, id);
    EXPECT_EQ(answer.body, kObject);
  }
  ExpectRefused(client.Next(), Status::kProtocolError);
  ExpectEnds(&client);
}

INSTANTIATE_TEST_SUITE_P(All, V2StatusTest,
                         testing::ValuesIn(Setups(kAllTransports,
                                                  {Dialect::kV2, Dialect::kV2FdBatch})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
