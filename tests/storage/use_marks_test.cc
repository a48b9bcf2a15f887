// A use of an object is reported once in a turn.
#include "storage/tree/use_marks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace objmapper::storage {
namespace {

using Uris = std::vector<std::string>;

// A thread tells of an object once in a turn, however often it is used.
TEST(UseMarksTest, TellsOnceInATurn) {
  UseMarks marks;
  for (int i = 0; i < 10; ++i) {
    marks.Used("a");
    marks.Used("b");
  }
  EXPECT_EQ(marks.Take(), (Uris{"a", "b"}));
  marks.Used("a");
  EXPECT_EQ(marks.Take(), Uris{});
  marks.NextTurn();
  marks.Used("b");
  EXPECT_EQ(marks.Take(), Uris{"b"});
}

// What one instance has been told another has not, on the same thread; nor what another thread has
// told.
TEST(UseMarksTest, InstancesAndThreadsAreApart) {
  UseMarks one, two;
  one.Used("a");
  two.Used("a");
  std::thread([&] { one.Used("a"); }).join();
  EXPECT_EQ(one.Take(), (Uris{"a", "a"}));
  EXPECT_EQ(two.Take(), Uris{"a"});
}

// No more wait than the bound says; what did not fit is told when there is room, in the same turn.
TEST(UseMarksTest, IsBounded) {
  UseMarks marks;
  for (size_t i = 0; i < UseMarks::kWaitingMax + 100; ++i) marks.Used(absl::StrCat(i));
  EXPECT_EQ(marks.Take().size(), UseMarks::kWaitingMax);
  const std::string last = absl::StrCat(UseMarks::kWaitingMax + 99);
  marks.Used(last);
  EXPECT_EQ(marks.Take(), Uris{last});
}

// Uses by many threads all arrive.
TEST(UseMarksTest, TakesFromManyThreads) {
  UseMarks marks;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) marks.Used(absl::StrCat(t, "/", i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  Uris taken = marks.Take();
  std::sort(taken.begin(), taken.end());
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  EXPECT_EQ(taken.size(), 4000u);
}

}  // namespace
}  // namespace objmapper::storage
