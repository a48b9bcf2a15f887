// Deadlines expire in order, not early, and a process that was stopped excuses its peers once.
#include "net/deadline_list.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace objmapper::net {
namespace {

struct Entry {
  DeadlineHook deadline;
};
using List = DeadlineList<Entry, &Entry::deadline>;

constexpr int64_t kAfterNs = 1000;

class DeadlineListTest : public testing::Test {
 protected:
  Entry a_, b_, c_;
  List list_{absl::Nanoseconds(kAfterNs)};
};

// An entry expires one duration after it was started, not a nanosecond before.
TEST_F(DeadlineListTest, ExpiresOneDurationAfterTheStart) {
  list_.Start(&a_, 5);
  EXPECT_EQ(list_.NextExpiryNs(), kAfterNs + 5);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 4), nullptr);
  EXPECT_TRUE(list_.Has(&a_));
  EXPECT_EQ(list_.PopExpired(kAfterNs + 5), &a_);
  EXPECT_FALSE(list_.Has(&a_));
  EXPECT_EQ(list_.NextExpiryNs(), kNever);
}

// Entries started once come out in the order of their starts.
TEST_F(DeadlineListTest, PopsInOrderOfExpiry) {
  list_.Start(&c_, 0);
  list_.Start(&a_, 10);
  list_.Start(&b_, 20);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 15), &c_);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 15), &a_);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 15), nullptr);
  EXPECT_EQ(list_.NextExpiryNs(), kAfterNs + 20);
}

// Starting a running deadline anew gives it its whole time again.
TEST_F(DeadlineListTest, StartedAnewItWaitsAnew) {
  list_.Start(&a_, 0);
  list_.Start(&b_, 10);
  list_.Start(&a_, 20);
  EXPECT_LE(list_.NextExpiryNs(), kAfterNs + 10);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 19), &b_);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 19), nullptr);
  EXPECT_EQ(list_.PopExpired(kAfterNs + 20), &a_);
}

// A loop that pops may start the same entry again.
TEST_F(DeadlineListTest, APoppedEntryMayBeStartedAgain) {
  list_.Start(&a_, 0);
  ASSERT_EQ(list_.PopExpired(kAfterNs), &a_);
  list_.Start(&a_, kAfterNs);
  EXPECT_EQ(list_.PopExpired(kAfterNs), nullptr);
  EXPECT_EQ(list_.PopExpired(2 * kAfterNs), &a_);
}

// Stopping one that does not run is nothing.
TEST_F(DeadlineListTest, StoppingTwiceIsHarmless) {
  list_.Stop(&a_);
  list_.Start(&a_, 0);
  list_.Stop(&a_);
  list_.Stop(&a_);
  EXPECT_FALSE(list_.Has(&a_));
  EXPECT_EQ(list_.PopExpired(kNever), nullptr);
}

// An entry is known to the list it is in alone: another can neither see nor stop it.
TEST_F(DeadlineListTest, ListsDoNotMeddle) {
  List other(absl::Nanoseconds(kAfterNs));
  list_.Start(&a_, 0);
  EXPECT_FALSE(other.Has(&a_));
  other.Stop(&a_);
  EXPECT_TRUE(list_.Has(&a_));
  EXPECT_EQ(other.PopExpired(kNever), nullptr);
  list_.Stop(&a_);
  other.Start(&a_, 0);
  EXPECT_TRUE(other.Has(&a_));
  EXPECT_FALSE(list_.Has(&a_));
}

// A list that dies lets go of its entries, which may live on and be started elsewhere.
TEST_F(DeadlineListTest, DiesBeforeItsEntries) {
  {
    List other(absl::Nanoseconds(kAfterNs));
    other.Start(&a_, 0);
    other.Start(&b_, 0);
  }
  list_.Start(&b_, 0);
  EXPECT_EQ(list_.PopExpired(kNever), &b_);
}

class NeverTest : public testing::TestWithParam<absl::Duration> {};

// A duration that means "never" keeps nothing.
TEST_P(NeverTest, KeepsNothing) {
  Entry entry;
  List list(GetParam());
  list.Start(&entry, 0);
  EXPECT_FALSE(list.Has(&entry));
  EXPECT_EQ(list.NextExpiryNs(), kNever);
  EXPECT_EQ(list.PopExpired(kNever), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Durations, NeverTest,
                         testing::Values(absl::ZeroDuration(), absl::InfiniteDuration(),
                                         -absl::Seconds(1), -absl::InfiniteDuration()));

#if DCHECK_IS_ON()
// An object that dies with its deadline running would be popped after its death.
TEST(DeadlineListDeathTest, AnEntryMustBeStoppedBeforeItDies) {
  EXPECT_DEATH(
      {
        List list(absl::Seconds(1));
        Entry entry;
        list.Start(&entry, 0);
      },
      "running deadline");
}
#endif

// Who is found late only since nobody has looked for a second has its time once more, and once
// only; a new start gives that anew.
TEST_F(DeadlineListTest, OversleepingIsExcusedOnce) {
  const int64_t slept_ns = kAfterNs + kOversleptNs;
  list_.Start(&a_, 0);
  EXPECT_EQ(list_.PopLate(slept_ns), &a_);
  list_.Start(&a_, 0);
  EXPECT_EQ(list_.PopLate(slept_ns + 1), nullptr);
  EXPECT_EQ(list_.PopLate(slept_ns + kAfterNs), nullptr);
  EXPECT_EQ(list_.PopLate(2 * slept_ns + kAfterNs + 2), &a_);
  list_.Start(&a_, 0);
  EXPECT_EQ(list_.PopExpired(kAfterNs), &a_);
  EXPECT_TRUE(list_.Excuse(&a_, kAfterNs));
  EXPECT_EQ(list_.PopExpired(2 * kAfterNs), &a_);
  EXPECT_FALSE(list_.Excuse(&a_, 2 * kAfterNs));
  list_.Start(&a_, 0);
  EXPECT_EQ(list_.PopExpired(kAfterNs), &a_);
  EXPECT_TRUE(list_.Excuse(&a_, kAfterNs));
  list_.Stop(&a_);
}

// Whatever is started, stopped and popped in whatever order, an entry comes out after its time and
// never before, and the time to ask next is never too late, nor one at which nothing is to be had.
TEST_F(DeadlineListTest, NoneIsEarlyAndNoneForgotten) {
  Entry entries[8];
  std::map<Entry*, int64_t> model;  // when each expires
  std::mt19937 random(7);
  int64_t now_ns = 0;
  for (int step = 0; step < 50000; ++step) {
    now_ns += random() % 200;
    Entry* entry = &entries[random() % 8];
    switch (random() % 4) {
      case 0:
      case 1:
        model[entry] = now_ns + kAfterNs;
        list_.Start(entry, now_ns);
        break;
      case 2:
        model.erase(entry);
        list_.Stop(entry);
        break;
      case 3:
        if (Entry* popped = list_.PopExpired(now_ns); popped != nullptr) {
          ASSERT_EQ(model.count(popped), 1u) << "step " << step;
          ASSERT_LE(model[popped], now_ns) << "step " << step;
          model.erase(popped);
        } else {
          for (const auto& waiting : model) ASSERT_GT(waiting.second, now_ns) << "step " << step;
          ASSERT_GT(list_.NextExpiryNs(), now_ns) << "step " << step;
        }
        break;
    }
    for (Entry& e : entries) ASSERT_EQ(list_.Has(&e), model.count(&e) == 1);
    ASSERT_EQ(list_.NextExpiryNs() == kNever, model.empty());
    for (const auto& waiting : model) ASSERT_LE(list_.NextExpiryNs(), waiting.second);
  }
  for (Entry& entry : entries) list_.Stop(&entry);
}

}  // namespace
}  // namespace objmapper::net
