// A transfer moves exactly the range, over both transports, and stops where the socket is full.
#include "copypath/transfer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>
#include <utility>

#include "copypath/blocking_pool.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/copypath/pattern.h"
#include "tests/net/socket_pair.h"

namespace objmapper::copypath {
namespace {

using Outcome = Transfer::Outcome;

constexpr size_t kFileBytes = 3 * 1024 * 1024 + 17;  // more than any socket takes at once

// True for the Unix socket, false for TCP.
class TransferTest : public testing::TestWithParam<bool> {
 protected:
  static void SetUpTestSuite() { signal(SIGPIPE, SIG_IGN); }  // as the server does

  void SetUp() override { file_ = Write("file", content_); }
  void TearDown() override { pool_.Stop(); }

  net::UniqueFd Write(const std::string& name, const std::string& content) {
    folder_.Write(name, content);
    net::UniqueFd file(open(folder_.Path(name).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(file.valid());
    return file;
  }
  static net::SocketPair NewPair() {
    return GetParam() ? net::SocketPair::Unix() : net::SocketPair::Tcp();
  }
  Transfer NewTransfer(const net::SocketPair& pair, const net::UniqueFd& file, uint64_t offset,
                       uint64_t bytes) {
    Transfer transfer;
    transfer.socket = pair.ours.get();
    transfer.file = file.get();
    transfer.unix_socket = GetParam();
    transfer.header = header_;
    transfer.offset = offset;
    transfer.remaining = bytes;
    return transfer;
  }

  // One turn, on the pool's thread. Whatever came of it, the socket blocks again, and what is left
  // to move is what has not been moved.
  Outcome Run(Transfer* transfer) {
    const uint64_t end = transfer->offset + transfer->remaining;
    std::promise<Outcome> outcome;
    pool_.Run([&] { outcome.set_value(transfer->Run(pool_)); });
    const Outcome result = outcome.get_future().get();
    EXPECT_EQ(fcntl(transfer->socket, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(transfer->offset + transfer->remaining, end);
    return result;
  }
  // Turns until it ends otherwise than by a full socket, which is waited for.
  Outcome RunToEnd(Transfer* transfer) {
    Outcome outcome;
    while ((outcome = Run(transfer)) == Outcome::kSocketFull || outcome == Outcome::kYield) {
      pollfd wait{transfer->socket, POLLOUT, 0};
      if (poll(&wait, 1, 20'000) != 1) break;
    }
    return outcome;
  }

  const client::TemporaryFolder folder_;
  const std::string header_ = "the header;";
  const std::string content_ = Pattern(kFileBytes, 1);
  net::UniqueFd file_;
  net::SocketPair pair_ = NewPair();
  // One thread: it is never idle while it runs a transfer, so a full socket is given back at once.
  BlockingPool pool_{1};
};

// Header and bytes arrive whole, however often the socket is full in between.
TEST_P(TransferTest, MovesEverything) {
  std::string received;
  std::thread reader(
      [&] { received = net::ReadBytes(pair_.peer.get(), header_.size() + kFileBytes); });
  Transfer transfer = NewTransfer(pair_, file_, 0, kFileBytes);
  EXPECT_EQ(RunToEnd(&transfer), Outcome::kDone);
  EXPECT_EQ(transfer.remaining, 0u);
  reader.join();
  EXPECT_EQ(received, header_ + content_);
}

// A part of the file is that part.
TEST_P(TransferTest, MovesARange) {
  Transfer transfer = NewTransfer(pair_, file_, 1'000'001, 5000);
  EXPECT_EQ(Run(&transfer), Outcome::kDone);
  EXPECT_EQ(net::ReadBytes(pair_.peer.get(), header_.size() + 5000),
            header_ + content_.substr(1'000'001, 5000));
}

// An empty body is a header.
TEST_P(TransferTest, MovesNothingButTheHeader) {
  Transfer transfer = NewTransfer(pair_, file_, 0, 0);
  EXPECT_EQ(Run(&transfer), Outcome::kDone);
  EXPECT_EQ(net::ReadBytes(pair_.peer.get(), header_.size()), header_);
}

// A reader that is slow gets identical bytes, in as many turns as it takes; between them the
// transfer holds no thread.
TEST_P(TransferTest, SlowReader) {
  Transfer transfer = NewTransfer(pair_, file_, 0, kFileBytes);
  ASSERT_EQ(Run(&transfer), Outcome::kSocketFull);
  std::string received;
  int turns = 1;
  Outcome outcome = Outcome::kSocketFull;
  while (outcome == Outcome::kSocketFull && turns < 10'000) {
    received += net::ReadSome(pair_.peer.get(), 100'000);
    outcome = Run(&transfer);
    ++turns;
  }
  EXPECT_EQ(outcome, Outcome::kDone);
  EXPECT_GT(turns, 2);
  received += net::ReadBytes(pair_.peer.get(), header_.size() + kFileBytes - received.size());
  EXPECT_EQ(received, header_ + content_);
}

// A socket that is full from the start takes neither header nor body, and both later.
TEST_P(TransferTest, FullFromTheStart) {
  const std::string before = net::FillSocket(pair_.ours.get());
  Transfer transfer = NewTransfer(pair_, file_, 0, 1000);
  if (GetParam()) {
    EXPECT_EQ(Run(&transfer), Outcome::kSocketFull);
    EXPECT_EQ(transfer.header_sent, 0u);
    EXPECT_EQ(transfer.remaining, 1000u);
  }
  EXPECT_EQ(net::ReadBytes(pair_.peer.get(), before.size()), before);
  EXPECT_EQ(RunToEnd(&transfer), Outcome::kDone);
  EXPECT_EQ(net::ReadBytes(pair_.peer.get(), header_.size() + 1000),
            header_ + content_.substr(0, 1000));
}

// Two transfers that take turns on one thread never mix: not a byte of one goes to the other's
// client, although both leave in the middle of a full pipe.
TEST_P(TransferTest, InterleavedTransfersNeverMix) {
  const std::string other_content = Pattern(kFileBytes, 2);
  const net::UniqueFd other_file = Write("other", other_content);
  const net::SocketPair other_pair = NewPair();
  Transfer first = NewTransfer(pair_, file_, 0, kFileBytes);
  Transfer second = NewTransfer(other_pair, other_file, 0, kFileBytes);
  std::string first_received, second_received;
  Outcome first_outcome = Outcome::kSocketFull, second_outcome = Outcome::kSocketFull;
  for (int turn = 0; turn < 10'000; ++turn) {
    if (first_outcome != Outcome::kDone) first_outcome = Run(&first);
    if (second_outcome != Outcome::kDone) second_outcome = Run(&second);
    if (first_outcome == Outcome::kDone && second_outcome == Outcome::kDone) break;
    // Odd amounts, so that they leave the pipe at odd places.
    const size_t part = 10'000 + turn * 777 % 50'000;
    if (first_outcome != Outcome::kDone) {
      first_received += net::ReadSome(pair_.peer.get(), part);
    }
    if (second_outcome != Outcome::kDone) {
      second_received += net::ReadSome(other_pair.peer.get(), part / 2 + 1);
    }
  }
  const size_t bytes = header_.size() + kFileBytes;
  first_received += net::ReadBytes(pair_.peer.get(), bytes - first_received.size());
  second_received += net::ReadBytes(other_pair.peer.get(), bytes - second_received.size());
  EXPECT_TRUE(first_received == header_ + content_);
  EXPECT_TRUE(second_received == header_ + other_content);
}

// A file that has become shorter ends the transfer: what there was has gone, and nothing else.
TEST_P(TransferTest, ShrunkFile) {
  ASSERT_EQ(truncate(folder_.Path("file").c_str(), 50'000), 0);
  Transfer transfer = NewTransfer(pair_, file_, 0, 100'000);
  EXPECT_EQ(Run(&transfer), Outcome::kShrunk);
  EXPECT_EQ(transfer.remaining, 50'000u);
  pair_.ours.Reset();
  EXPECT_EQ(net::ReadToEnd(pair_.peer.get()), header_ + content_.substr(0, 50'000));
}

// A file that shrinks while its client is slow ends it too, and the thread's pipe is clean for the
// next one.
TEST_P(TransferTest, ShrunkBetweenTurns) {
  Transfer transfer = NewTransfer(pair_, file_, 0, kFileBytes);
  ASSERT_EQ(Run(&transfer), Outcome::kSocketFull);
  ASSERT_EQ(truncate(folder_.Path("file").c_str(), 0), 0);
  Outcome outcome = Outcome::kSocketFull;
  for (int turn = 0; turn < 10'000 && outcome == Outcome::kSocketFull; ++turn) {
    net::ReadSome(pair_.peer.get(), 100'000);
    outcome = Run(&transfer);
  }
  EXPECT_EQ(outcome, Outcome::kShrunk);

  const net::SocketPair next_pair = NewPair();
  const net::UniqueFd next_file = Write("next", "next content");
  Transfer next = NewTransfer(next_pair, next_file, 0, 12);
  EXPECT_EQ(Run(&next), Outcome::kDone);
  EXPECT_EQ(net::ReadBytes(next_pair.peer.get(), header_.size() + 12), header_ + "next content");
}

// A peer that has gone ends the transfer, whether the header or the body finds out.
TEST_P(TransferTest, GonePeer) {
  Transfer transfer = NewTransfer(pair_, file_, 0, kFileBytes);
  ASSERT_EQ(Run(&transfer), Outcome::kSocketFull);
  if (GetParam()) {
    pair_.peer.Reset();
  } else {
    net::Reset(&pair_.peer);
  }
  EXPECT_EQ(RunToEnd(&transfer), Outcome::kGone);

  net::SocketPair gone = NewPair();
  if (GetParam()) {
    gone.peer.Reset();
  } else {
    net::Reset(&gone.peer);
    pollfd wait{gone.ours.get(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 20'000), 1);  // the reset has arrived
  }
  Transfer header_first = NewTransfer(gone, file_, 0, kFileBytes);
  EXPECT_EQ(Run(&header_first), Outcome::kGone);
}

// What the file says no to is told with its errno.
TEST_P(TransferTest, UnreadableFile) {
  const net::UniqueFd write_only(open(folder_.Path("file").c_str(), O_WRONLY | O_CLOEXEC));
  Transfer transfer = NewTransfer(pair_, write_only, 0, 1000);
  EXPECT_EQ(Run(&transfer), Outcome::kFailed);
  EXPECT_EQ(transfer.error, EBADF);
}

INSTANTIATE_TEST_SUITE_P(Transports, TransferTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Unix" : "Tcp"; });

}  // namespace
}  // namespace objmapper::copypath
