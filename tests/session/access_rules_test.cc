// The first rule that matches decides, for every spelling of a name.
#include "session/access_rules.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::session {
namespace {

const net::PeerCredentials kAlice{/*pid=*/1, /*uid=*/1000, /*gid=*/100};
const net::PeerCredentials kBob{/*pid=*/2, /*uid=*/1001, /*gid=*/100};
const net::PeerCredentials kTcpPeer;

std::vector<gid_t> NoGroups() { return {}; }

Grants GrantsOf(absl::string_view text, const net::PeerCredentials& peer,
                absl::string_view name = "") {
  const absl::StatusOr<AccessRules> rules = AccessRules::Parse(text);
  EXPECT_TRUE(rules.ok()) << rules.status();
  return rules.ok() ? rules->For(peer, NoGroups, name) : Grants();
}

// The first rule that speaks of the peer and the object decides; without one nothing is allowed.
TEST(AccessRulesTest, TheFirstMatchDecides) {
  constexpr char kRules[] =
      "# a comment\n"
      "uid 1000 /models/secret none   # another\n"
      "\n"
      "  uid 1000\t/models read,write\n"
      "gid 100 /models read\n";
  const Grants alice = GrantsOf(kRules, kAlice);
  EXPECT_TRUE(alice.Permits("models/a", Right::kRead));
  EXPECT_TRUE(alice.Permits("models/a", Right::kWrite));
  EXPECT_FALSE(alice.Permits("models/secret/a", Right::kRead));
  EXPECT_FALSE(alice.Permits("models/secret", Right::kRead));
  EXPECT_FALSE(alice.Permits("other", Right::kRead));
  const Grants bob = GrantsOf(kRules, kBob);
  EXPECT_TRUE(bob.Permits("models/secret/a", Right::kRead));
  EXPECT_FALSE(bob.Permits("models/a", Right::kWrite));
  EXPECT_FALSE(GrantsOf(kRules, kTcpPeer).Permits("models/a", Right::kRead));
  EXPECT_FALSE(GrantsOf("", kAlice).Permits("models/a", Right::kRead));
}

// A token's name is known beside what its peer is anyway; the first rule decides as ever.
TEST(AccessRulesTest, NamesOfTokens) {
  constexpr char kRules[] =
      "name ci /builds read,write\n"
      "uid 1000 /builds none\n"
      "name ci /secret none\n"
      "tcp /public read\n"
      "any /secret read\n";
  for (const net::PeerCredentials& peer : {kTcpPeer, kAlice}) {
    const Grants named = GrantsOf(kRules, peer, "ci");
    EXPECT_TRUE(named.Permits("builds/a", Right::kWrite));
    EXPECT_FALSE(named.Permits("secret", Right::kRead));
    EXPECT_EQ(named.Permits("public", Right::kRead), !peer.known());
    for (const char* name : {"", "c", "CI", "ci2", "tcp", "any", "1000"}) {
      const Grants other = GrantsOf(kRules, peer, name);
      EXPECT_FALSE(other.Permits("builds/a", Right::kRead)) << name;
      EXPECT_TRUE(other.Permits("secret", Right::kRead)) << name;
    }
  }
}

// A rule for a name that nobody can have is told.
TEST(AccessRulesTest, NamesWithoutTokens) {
  const AccessRules rules = *AccessRules::Parse("name ci / read\nname bob / read\nname ci /a read");
  EXPECT_EQ(rules.Doubts(nullptr).size(), 2u);
  const Tokens tokens = *Tokens::Parse("bob secret-of-bob-xyz");
  const std::vector<std::string> doubts = rules.Doubts(&tokens);
  ASSERT_EQ(doubts.size(), 1u);
  EXPECT_TRUE(absl::StrContains(doubts[0], "\"ci\"")) << doubts[0];
}

// However a name is spelt, it is the file that counts which the kernel would open.
TEST(AccessRulesTest, SpellingsOfANameAreOne) {
  const Grants grants = GrantsOf("any /a/b none\nany / read", kAlice);
  for (const char* uri : {"a/b", "/a/b", "//a/b", "a//b", "a/./b", "./a/b", "a/b/", "a/b/.",
                          "a/b//c", "/./a///./b/c"}) {
    EXPECT_FALSE(grants.Permits(uri, Right::kRead)) << uri;
  }
  for (const char* uri : {"a", "a/bc", "a/b2/c", "ab", "b", "a/.b", "a.", "..a/b"}) {
    EXPECT_TRUE(grants.Permits(uri, Right::kRead)) << uri;
  }
}

// A prefix is whole components; what a line cannot hold is escaped.
TEST(AccessRulesTest, Prefixes) {
  EXPECT_TRUE(GrantsOf("any //a//./b/ read", kAlice).Permits("a/b/c", Right::kRead));
  EXPECT_TRUE(GrantsOf("any /with\\x20space read", kAlice).Permits("with space/x", Right::kRead));
  EXPECT_TRUE(GrantsOf("any / read", kAlice).Permits("", Right::kRead));
}

TEST(AccessRulesTest, WhoIsMeant) {
  EXPECT_TRUE(GrantsOf("tcp / read", kTcpPeer).Permits("a", Right::kRead));
  EXPECT_FALSE(GrantsOf("tcp / read", kAlice).Permits("a", Right::kRead));
  EXPECT_TRUE(GrantsOf("any / read", kTcpPeer).Permits("a", Right::kRead));
  EXPECT_TRUE(GrantsOf("user root / read", {1, 0, 0}).Permits("a", Right::kRead));
  EXPECT_TRUE(GrantsOf("group root / read", {1, 77, 0}).Permits("a", Right::kRead));
  EXPECT_FALSE(GrantsOf("user root / read", kAlice).Permits("a", Right::kRead));
  // A TCP peer's unknown ids are nobody's: 4294967295 cannot be written.
  EXPECT_FALSE(AccessRules::Parse("uid 4294967295 / read").ok());
}

// Supplementary groups count, and are asked for once, only where a rule needs them.
TEST(AccessRulesTest, SupplementaryGroups) {
  int asked = 0;
  const auto groups = [&asked] {
    ++asked;
    return std::vector<gid_t>{7, 8};
  };
  const absl::StatusOr<AccessRules> rules = AccessRules::Parse("gid 8 /a read\ngid 9 /b read\n");
  ASSERT_TRUE(rules.ok());
  const Grants grants = rules->For(kAlice, groups, "");
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(grants.Permits("a", Right::kRead));
  EXPECT_FALSE(grants.Permits("b", Right::kRead));
  AccessRules::Parse("gid 100 / read\nuid 5 / read")->For(kAlice, groups, "");
  EXPECT_EQ(asked, 1);
}

TEST(AccessRulesTest, NonsenseIsNamedWithItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"uid", "behind \"uid\""},
      {"uid x / read", "\"x\" is not a uid"},
      {"everybody / read", "everybody"},
      {"any", "something is missing"},
      {"any / read now", "too much"},
      {"any models read", "begins with \"/\""},
      {"any /a/../b read", ".."},
      {"any / reed", "\"reed\" is not read"},
      {"any / read,none", "read,none"},
      {"user no-such-user-here / read", "no-such-user-here"},
      {"group no-such-group / read", "no-such-group"},
      {"any /\x01 \x02", "\\x02"},
  };
  for (const auto& [line, word] : cases) {
    const absl::Status status = AccessRules::Parse(absl::StrCat("any / read\n\n", line)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << line;
    EXPECT_TRUE(absl::StartsWith(status.message(), "line 3: ")) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << status;
  }
}

// The folders that a peer may not write are not its to remove, nor is any above one of them.
TEST(AccessRulesTest, FoldersThatAreKept) {
  const auto kept = [](const char* rules, const char* uri) {
    const AccessRules read = *AccessRules::Parse(rules);
    return read
        .For(
            {1, 1000, 100}, [] { return std::vector<gid_t>(); }, "")
        .KeptFolders(uri);
  };
  EXPECT_EQ(kept("any / write", "a/b/c/object"), 0u);
  EXPECT_EQ(kept("any /a write", "a/b/c/object"), 0u);
  EXPECT_EQ(kept("any /a/b write\nany / read", "a/b/c/object"), 1u);
  EXPECT_EQ(kept("any /a/b write", "//a/./b//object"), 1u);
  EXPECT_EQ(kept("any /a/b/c/object write", "a/b/c/object"), 3u);
  EXPECT_EQ(kept("any /a write", "object"), 0u);
  EXPECT_EQ(kept("any /a/b none\nany /a write", "a/b/c/object"), 3u);
}

// A user namespace that does not map everybody tells all the others as one number, which is nobody
// in particular then.
TEST(AccessRulesTest, NumbersThatNameNobody) {
  const net::IdNames initial("         0          0 4294967295\n", "65534\n");
  EXPECT_TRUE(initial.Tells(65534));
  EXPECT_TRUE(initial.Tells(1000));
  for (const char* map : {"", "0 1000 1\n", "0 100000 65536\n", "0 0 1000\n1000 1000 4294966294\n",
                          "nonsense", "0 0 x\n"}) {
    const net::IdNames partial(map, "65534\n");
    EXPECT_FALSE(partial.Tells(65534)) << map;
    EXPECT_TRUE(partial.Tells(0)) << map;
    EXPECT_TRUE(partial.Tells(1000)) << map;
  }
  EXPECT_TRUE(
      net::IdNames("0 0 2147483648\n2147483648 2147483648 2147483647\n", "65534").Tells(65534));
  const net::IdNames other("0 1000 1", "4242");
  EXPECT_FALSE(other.Tells(4242));
  EXPECT_TRUE(other.Tells(65534));
  EXPECT_FALSE(net::IdNames("", "").Tells(65534));
}

TEST(AccessRulesTest, FilesThatCannotBeRead) {
  const absl::Status missing = AccessRules::Load("/nonexistent/rules").status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_TRUE(absl::StrContains(missing.message(), "/nonexistent/rules"));
  EXPECT_FALSE(AccessRules::Load("/").ok());
  const absl::Status endless = AccessRules::Load("/dev/zero").status();
  EXPECT_TRUE(absl::StrContains(endless.message(), "longer than")) << endless;
}

// A walk of all names in their order that asks where to go on sees all that may be read, and little
// else.
TEST(AccessRulesTest, AWalkPassesOverWhatIsDenied) {
  std::vector<std::string> names;
  for (const char* folder : {"a", "a-b", "a/x", "a/x/y", "b", "b-", "b/secret", "b/secret/open",
                             "b/secret-", "c", "z"}) {
    for (int i = 0; i < 20; ++i) names.push_back(absl::StrCat(folder, "/", 10 + i));
  }
  names.insert(names.end(), {"a0", "b/secret0", "single", "b/secret/x"});
  std::sort(names.begin(), names.end());
  const struct {
    const char* rules;
    size_t denied_max;  // that are looked at all the same
  } cases[] = {{"", 1},
               {"any / read\n", 0},
               {"any / none\n", 1},
               {"any /b read\n", 3},
               {"any /b/secret none\nany / read\n", 2},
               {"any /b/secret/open read\nany /b/secret none\nany /b read\nany / none\n", 5},
               {"any /a/x read\nany /z read\nany /single read\n", 5},
               {"any /a/x none\nany /a read\nany /a read\n", 3},
               {"any /nowhere read\n", 2}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.rules);
    const Grants grants = GrantsOf(c.rules, kAlice);
    std::vector<std::string> wanted, got;
    for (const std::string& name : names) {
      if (grants.Permits(name, Right::kRead)) wanted.push_back(name);
    }
    size_t denied = 0;
    for (auto at = names.begin(); at != names.end();) {
      if (grants.Permits(*at, Right::kRead)) {
        got.push_back(*at++);
        continue;
      }
      ++denied;
      const std::optional<std::string> next = grants.NextAfter(*at, Right::kRead);
      if (!next.has_value()) break;
      ASSERT_GT(*next, *at);
      at = std::lower_bound(at, names.end(), *next);
    }
    EXPECT_EQ(got, wanted);
    EXPECT_LE(denied, c.denied_max);
  }
}

}  // namespace
}  // namespace objmapper::session
