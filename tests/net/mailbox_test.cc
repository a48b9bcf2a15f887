// Mail arrives once, in order, and wakes its reader.
#include "net/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace objmapper::net {
namespace {

template <typename T>
bool Wakes(const Mailbox<T>& mailbox, int timeout_ms = 0) {
  pollfd wait{mailbox.event_fd(), POLLIN, 0};
  return poll(&wait, 1, timeout_ms) == 1;
}

// Everything comes out once, in the order in which it was put.
TEST(MailboxTest, KeepsOrder) {
  Mailbox<int> mailbox;
  EXPECT_TRUE(mailbox.TakeAll().empty());
  for (int i = 0; i < 3; ++i) mailbox.Put(i);
  EXPECT_EQ(mailbox.TakeAll(), (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(mailbox.TakeAll().empty());
}

// The loop is woken by the first item and sleeps again once it has taken all.
TEST(MailboxTest, WakesWhileThereIsSomethingToTake) {
  Mailbox<int> mailbox;
  EXPECT_FALSE(Wakes(mailbox));
  mailbox.Put(1);
  EXPECT_TRUE(Wakes(mailbox));
  mailbox.TakeAll();
  EXPECT_FALSE(Wakes(mailbox));
  mailbox.Put(2);
  EXPECT_TRUE(Wakes(mailbox));
}

// One wake-up serves all that wait: only the item that finds the box empty pays for one.
TEST(MailboxTest, OneWakeUpServesMany) {
  Mailbox<int> mailbox;
  for (int i = 0; i < 100; ++i) mailbox.Put(i);
  uint64_t signals = 0;
  ASSERT_EQ(read(mailbox.event_fd(), &signals, sizeof(signals)),
            static_cast<ssize_t>(sizeof(signals)));
  EXPECT_EQ(signals, 1u);
}

// Wake() wakes without anything in the box.
TEST(MailboxTest, WakeNeedsNoItem) {
  Mailbox<int> mailbox;
  mailbox.Wake();
  EXPECT_TRUE(Wakes(mailbox));
  EXPECT_TRUE(mailbox.TakeAll().empty());
  EXPECT_FALSE(Wakes(mailbox));
}

// An item is owned by whoever has it: the sender, the box, the taker. A box that dies takes what it
// has with it.
TEST(MailboxTest, OwnershipMovesThrough) {
  auto taken = std::make_shared<int>(1);
  auto left = std::make_shared<int>(2);
  {
    Mailbox<std::unique_ptr<std::shared_ptr<int>>> mailbox;
    mailbox.Put(std::make_unique<std::shared_ptr<int>>(taken));
    const auto items = mailbox.TakeAll();
    mailbox.Put(std::make_unique<std::shared_ptr<int>>(left));
    ASSERT_EQ(items.size(), 1u);
    EXPECT_EQ(taken.use_count(), 2);
    EXPECT_EQ(left.use_count(), 2);
  }
  EXPECT_EQ(taken.use_count(), 1);
  EXPECT_EQ(left.use_count(), 1);
}

// Items put while the loop takes are never forgotten: a loop that sleeps whenever the event is
// clear gets all of them, each sender's in order.
TEST(MailboxTest, NoWakeUpIsLost) {
  constexpr int kSenders = 4;
  constexpr int kItems = 5000;
  Mailbox<std::pair<int, int>> mailbox;  // sender, number
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&mailbox, sender] {
      for (int i = 0; i < kItems; ++i) mailbox.Put({sender, i});
    });
  }
  std::vector<int> next(kSenders, 0);
  int taken = 0;
  while (taken < kSenders * kItems && Wakes(mailbox, 20'000)) {
    for (const auto& [sender, number] : mailbox.TakeAll()) {
      EXPECT_EQ(number, next[sender]++);
      ++taken;
    }
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(taken, kSenders * kItems) << "the loop slept with items in the box";
}

}  // namespace
}  // namespace objmapper::net
