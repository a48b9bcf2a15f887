// Each descriptor belongs to the answer that it is due for, or to nobody.
#include "client/received_fds.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "tests/client/fake_server.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

std::vector<net::UniqueFd> FilesWith(std::initializer_list<const char*> contents) {
  std::vector<net::UniqueFd> files;
  for (const char* bytes : contents) files.push_back(FileWith(bytes));
  return files;
}

// They are taken in the order in which they came, however many came at a time.
TEST(ReceivedFdsTest, AreTakenInOrder) {
  ReceivedFds fds;
  for (int i = 0; i < 4; ++i) fds.Expect();
  EXPECT_EQ(fds.missing(), 4u);
  fds.Add(FilesWith({"a"}), /*lost=*/false);
  fds.Add(FilesWith({"b", "c"}), /*lost=*/false);
  EXPECT_EQ(fds.missing(), 1u);
  for (const char* content : {"a", "b", "c"}) EXPECT_EQ(ContentOf(fds.Take().get()), content);
  EXPECT_EQ(fds.missing(), 1u);
  EXPECT_FALSE(fds.Take().valid());
  EXPECT_FALSE(fds.lost());
  EXPECT_EQ(fds.missing(), 0u);
}

// An error brings none: what came for it is one too many.
TEST(ReceivedFdsTest, AnErrorBringsNone) {
  ReceivedFds fds;
  fds.Expect();
  fds.Expect();
  fds.Add(FilesWith({"a", "b"}), /*lost=*/false);
  EXPECT_FALSE(fds.too_many());
  fds.ExpectOneLess();
  EXPECT_TRUE(fds.too_many());
}

// Behind a lost one nobody knows whose the next are, so they are closed, until all answers are in.
TEST(ReceivedFdsTest, WhatIsBehindALostOneIsClosed) {
  ReceivedFds fds;
  for (int i = 0; i < 3; ++i) fds.Expect();
  const ptrdiff_t before = net::OpenFds();
  fds.Add(FilesWith({"a"}), /*lost=*/true);
  fds.Add(FilesWith({"c"}), /*lost=*/false);
  EXPECT_EQ(net::OpenFds(), before + 1);
  EXPECT_EQ(ContentOf(fds.Take().get()), "a");
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(fds.Take().valid());
    EXPECT_TRUE(fds.lost());
  }
  fds.BeginAnew();
  EXPECT_FALSE(fds.lost());
  fds.Expect();
  fds.Add(FilesWith({"d"}), /*lost=*/false);
  EXPECT_EQ(ContentOf(fds.Take().get()), "d");
  EXPECT_EQ(net::OpenFds(), before);
}

// Those that nobody took are closed when they are to be, and at the end.
TEST(ReceivedFdsTest, TheRestIsClosed) {
  const ptrdiff_t before = net::OpenFds();
  {
    ReceivedFds fds;
    for (int i = 0; i < 3; ++i) fds.Expect();
    fds.Add(FilesWith({"a", "b"}), /*lost=*/false);
    fds.CloseAll();
    EXPECT_EQ(net::OpenFds(), before);
    fds.Add(FilesWith({"c"}), /*lost=*/false);
  }
  EXPECT_EQ(net::OpenFds(), before);
}

}  // namespace
}  // namespace objmapper::client
