// Who gets a connection next.
#include "origin/fetch/admission.h"

#include <gtest/gtest.h>

namespace objmapper::origin::fetch {
namespace {

TEST(AdmissionTest, InTheOrderOfArrivalUpToTheBound) {
  Admission admission(2, 2);
  for (uint64_t id = 1; id <= 3; ++id) admission.Wait(id, "a");
  EXPECT_EQ(admission.Next(), 1u);
  EXPECT_EQ(admission.Next(), 2u);
  EXPECT_EQ(admission.Next(), 0u);
  EXPECT_EQ(admission.running(), 2u);
  admission.Ended("a");
  EXPECT_EQ(admission.Next(), 3u);
  EXPECT_EQ(admission.Next(), 0u);
}

// An origin that is full does not hold others up.
TEST(AdmissionTest, AnOriginHasItsShare) {
  Admission admission(3, 2);
  for (uint64_t id = 1; id <= 4; ++id) admission.Wait(id, "hangs");
  admission.Wait(5, "other");
  admission.Wait(6, "other");
  EXPECT_EQ(admission.Next(), 1u);
  EXPECT_EQ(admission.Next(), 2u);
  EXPECT_EQ(admission.Next(), 5u);
  EXPECT_EQ(admission.Next(), 0u);
  admission.Ended("hangs");
  EXPECT_EQ(admission.Next(), 3u);  // earlier than 6
}

// What comes again is at its old place.
TEST(AdmissionTest, ARetryIsFirst) {
  Admission admission(1, 1);
  admission.Wait(1, "a");
  EXPECT_EQ(admission.Next(), 1u);
  admission.Wait(2, "a");
  admission.Ended("a");
  admission.Wait(1, "a");
  EXPECT_EQ(admission.Next(), 1u);
}

TEST(AdmissionTest, WhoLeavesIsNotNext) {
  Admission admission(1, 1);
  admission.Wait(1, "a");
  admission.Wait(2, "a");
  EXPECT_TRUE(admission.Leave(1, "a"));
  EXPECT_FALSE(admission.Leave(1, "a"));
  EXPECT_FALSE(admission.Leave(2, "b"));
  EXPECT_EQ(admission.Next(), 2u);
  EXPECT_FALSE(admission.Leave(2, "a"));  // runs
  admission.Ended("a");
  EXPECT_EQ(admission.Next(), 0u);
}

}  // namespace
}  // namespace objmapper::origin::fetch
