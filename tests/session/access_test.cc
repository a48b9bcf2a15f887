// New rules apply from the next request on.
#include "session/access.h"

#include <gtest/gtest.h>

#include <memory>

namespace objmapper::session {
namespace {

const net::PeerCredentials kAlice{1, 1000, 100};

bool Reads(const Access& access, std::unique_ptr<Standing>* standing) {
  return access.Permits(standing, kAlice, /*fd=*/-1, "a", Right::kRead);
}

// New rules hold from the next request on, for connections that are open too.
TEST(AccessTest, ReplacedRulesHoldAtOnce) {
  Access access(*AccessRules::Parse("uid 1000 / read"));
  std::unique_ptr<Standing> standing;
  EXPECT_TRUE(Reads(access, &standing));
  EXPECT_TRUE(Reads(access, &standing));
  access.Replace(*AccessRules::Parse(""));
  EXPECT_FALSE(Reads(access, &standing));
  access.Replace(*AccessRules::Parse("any / read"));
  EXPECT_TRUE(Reads(access, &standing));
  std::unique_ptr<Standing> another;
  EXPECT_TRUE(Reads(access, &another));
}

}  // namespace
}  // namespace objmapper::session
