// Options::token, and where it comes from.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/channel.h"
#include "client/client.h"
#include "client/error.h"
#include "protocol/limits.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_folder.h"

namespace objmapper::client {
namespace {

using Offer = protocol::RequestParser::Offer;

constexpr char kToken[] = "secret-of-alice-0";

Options WithToken(const std::string& token) {
  Options options;
  options.token = token;
  return options;
}

// It is said behind HELLO, once, before any request; of every length.
TEST(TokenTest, IsSaidFirst) {
  for (const std::string& token :
       {std::string(kToken), std::string(protocol::kTokenBytesMax, 't'), std::string(1, '\0')}) {
    FakeServer server([&](Peer& peer) {
      peer.ReadHello();
      peer.AnswerHello();
      EXPECT_EQ(peer.ReadAuth(), token);
      for (int i = 0; i < 2; ++i) peer.Send(Ok(peer.ReadRequest().id, 0));
      peer.AwaitEnd();
    });
    absl::StatusOr<Client> client = Client::Connect(server.url(), WithToken(token));
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_TRUE(client->Ping().ok());
    EXPECT_TRUE(client->Ping().ok());
  }
}

// Who has none asks for nothing of it.
TEST(TokenTest, WithoutOne) {
  FakeServer server([](Peer& peer) {
    peer.Send(Ok(peer.ReadRequest().id, 0));
    peer.AwaitEnd();
  });
  absl::StatusOr<Client> client = Client::Connect(server.url());
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->capabilities() & protocol::kAuth, 0);
  EXPECT_TRUE(client->Ping().ok());
}

// A server that takes none does not see it, and is not asked as anybody instead.
TEST(TokenTest, ServerWithoutTokens) {
  FakeServer server(
      [](Peer& peer) {
        peer.ReadHello();
        peer.AnswerHello();
        EXPECT_FALSE(peer.AwaitMore());
      },
      Offer{protocol::kAllCapabilities & ~protocol::kAuth});
  const absl::Status status = Client::Connect(server.url(), WithToken(kToken)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(SourceOf(status), ErrorSource::kLocal);
  EXPECT_TRUE(absl::StrContains(status.message(), server.url())) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "takes no tokens")) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
}

// What cannot be said is found before anybody is called.
TEST(TokenTest, BadOptions) {
  const std::string token(protocol::kTokenBytesMax + 1, 't');
  absl::Status status = Client::Connect("unix:/nowhere", WithToken(token)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "4097 bytes; at most 4096")) << status;
  Options v1 = WithToken(kToken);
  v1.dialect = protocol::Dialect::kV1;
  status = Client::Connect("unix:/nowhere", v1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
}

// A file has one, without what surrounds it; and no message tells anything of it.
TEST(TokenTest, Files) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("token");
  const std::string longest(protocol::kTokenBytesMax, 't');
  for (const std::string& text :
       {std::string(kToken), absl::StrCat(kToken, "\n"), absl::StrCat(" \t", kToken, "\r\n\n")}) {
    folder.Write("token", text);
    EXPECT_EQ(*ReadTokenFile(path), kToken);
  }
  folder.Write("token", longest + "\n");
  EXPECT_EQ(*ReadTokenFile(path), longest);
  for (const std::string& text :
       {std::string(), std::string("\n \n"), absl::StrCat(kToken, "\nsecret"),
        absl::StrCat("secret ", kToken), longest + "t", std::string(100'000, 's')}) {
    folder.Write("token", text);
    const absl::Status status = ReadTokenFile(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text.size();
    EXPECT_TRUE(absl::StrContains(status.message(), path)) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
  }
  EXPECT_EQ(ReadTokenFile(folder.Path("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadTokenFile(folder.path()).ok());
}

}  // namespace
}  // namespace objmapper::client
