// The queue of answers keeps its order and gives memory back.
#include "loop/answer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <deque>
#include <new>
#include <random>
#include <string>
#include <utility>

// The largest piece of memory that was asked for, to see that a queue's does not grow for ever.
namespace {
size_t largest_allocation = 0;
}  // namespace

// Not inlined: the compiler must not see one of them without the other.
[[gnu::noinline]] void* operator new(size_t bytes) {
  largest_allocation = std::max(largest_allocation, bytes);
  void* memory = malloc(bytes);
  if (memory == nullptr) abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { free(memory); }

namespace objmapper::loop {
namespace {

Answer WithId(uint32_t id) {
  Answer answer;
  answer.request.id = id;
  answer.text = std::to_string(id);
  return answer;
}

// Whatever is pushed, put back and taken from wherever, it behaves as a plain queue would.
TEST(AnswerQueueTest, BehavesAsAQueue) {
  AnswerQueue queue;
  std::deque<uint32_t> model;
  std::mt19937 random(5);
  uint32_t next = 0;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t choice = random() % 8;
    if (choice < 4 && model.size() < 50) {
      model.push_back(next);
      queue.Push(WithId(next++));
    } else if (!model.empty()) {
      // Mostly the oldest, as in life.
      const size_t i = choice < 7 ? 0 : random() % model.size();
      const Answer taken = queue.Take(i);
      ASSERT_EQ(taken.request.id, model[i]);
      ASSERT_EQ(taken.text, std::to_string(model[i]));
      model.erase(model.begin() + static_cast<ptrdiff_t>(i));
      if (random() % 10 == 0) {
        model.push_front(taken.request.id);
        queue.PushFront(WithId(taken.request.id));
      }
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
    for (size_t i = 0; i < model.size(); ++i) ASSERT_EQ(queue[i].request.id, model[i]);
  }
}

// What is taken takes its object along.
TEST(AnswerQueueTest, TakingTakesTheObject) {
  AnswerQueue queue;
  Answer answer = WithId(1);
  answer.object = copypath::ObjectRef(new copypath::CachedObject("object"));
  copypath::CachedObject* object = answer.object.get();
  queue.Push(std::move(answer));
  queue.Push(WithId(2));
  const Answer taken = queue.Take(0);
  EXPECT_EQ(taken.object.get(), object);
  EXPECT_EQ(queue[0].object.get(), nullptr);
}

// A connection whose client always has something in the pipeline never empties its queue; the
// memory it takes is that of what waits, not of all that ever has.
TEST(AnswerQueueTest, MemoryIsThatOfWhatWaits) {
  AnswerQueue queue;
  queue.Push(WithId(0));
  queue.Push(WithId(1));
  largest_allocation = 0;
  for (uint32_t id = 2; id < 100'000; ++id) {
    queue.Push(WithId(id));
    ASSERT_EQ(queue.Take(0).request.id, id - 2);
  }
  EXPECT_LE(largest_allocation, 100 * sizeof(Answer));
}

}  // namespace
}  // namespace objmapper::loop
