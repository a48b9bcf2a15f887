// Parsing and evaluating of rules. The first rule that matches the peer and the name decides; names
// are compared by whole components.
#include "session/access_rules.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/text_file.h"
#include "text/printable.h"

namespace objmapper::session {
namespace {

// Whether the kernel would take `uri` for another name than the one it spells: empty components and
// ".".
bool IsPlain(absl::string_view uri) {
  return !absl::StrContains(uri, "//") && !absl::StrContains(uri, "/./") &&
         !absl::StartsWith(uri, "./") && !absl::EndsWith(uri, "/.") && uri != ".";
}

// The components of `path` that mean something, with a slash between.
std::string Normal(absl::string_view path) {
  std::string normal;
  for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    absl::StrAppend(&normal, normal.empty() ? "" : "/", part);
  }
  return normal;
}

bool IsWithin(absl::string_view name, absl::string_view prefix) {
  return prefix.empty() || (absl::StartsWith(name, prefix) &&
                            (name.size() == prefix.size() || name[prefix.size()] == '/'));
}

absl::Status Wrong(absl::string_view what, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat(text::Quoted(what), " is not ", wanted));
}

absl::StatusOr<uint32_t> Number(absl::string_view text, absl::string_view kind) {
  uint32_t id = 0;
  if (!absl::SimpleAtoi(text, &id) || id == UINT32_MAX) {
    return Wrong(text, absl::StrCat("a ", kind, ", a number"));
  }
  return id;
}

}  // namespace

bool Grants::Permits(absl::string_view uri, Right right) const {
  std::string normal;
  if (!IsPlain(uri)) {
    normal = Normal(uri);
    uri = normal;
  }
  while (absl::StartsWith(uri, "/")) uri.remove_prefix(1);
  for (const Grant& grant : grants_) {
    if (IsWithin(uri, grant.prefix)) return grant.Gives(right);
  }
  return false;
}

size_t Grants::KeptFolders(absl::string_view uri) const {
  const std::string normal = Normal(uri);
  for (size_t end = normal.rfind('/'); end != std::string::npos && end != 0;
       end = normal.rfind('/', end - 1)) {
    const absl::string_view folder = absl::string_view(normal).substr(0, end);
    if (!Permits(folder, Right::kWrite))
      return static_cast<size_t>(std::count(folder.begin(), folder.end(), '/')) + 1;
  }
  return 0;
}

std::optional<std::string> Grants::NextAfter(absl::string_view uri, Right right) const {
  while (absl::StartsWith(uri, "/")) uri.remove_prefix(1);
  std::optional<std::string> next;
  const auto consider = [&](std::string candidate) {
    if (!next.has_value() || candidate < *next) next = std::move(candidate);
  };
  const Grant* decides = nullptr;
  bool within_one_that_gives = false;
  for (const Grant& grant : grants_) {
    if (IsWithin(uri, grant.prefix)) {
      if (decides == nullptr) decides = &grant;
      within_one_that_gives = within_one_that_gives || grant.Gives(right);
    } else if (grant.Gives(right)) {
      // What a rule speaks of is the name itself and, further on ("a-" lies between "a" and "a/"),
      // all below it.
      const std::string below = absl::StrCat(grant.prefix, "/");
      if (grant.prefix > uri) {
        consider(grant.prefix);
      } else if (below > uri) {
        consider(below);
      }
    }
  }
  // Behind all below the path of the rule that denies it, some other may give it.
  if (decides != nullptr && within_one_that_gives && !decides->prefix.empty()) {
    const std::string below = absl::StrCat(decides->prefix, "/");
    if (absl::StartsWith(uri, below)) {
      consider(absl::StrCat(decides->prefix, "0"));  // '0' follows '/'
    } else {
      consider(absl::StrCat(uri, absl::string_view("", 1)));
    }
  }
  return next;
}

absl::StatusOr<AccessRules::Rule> AccessRules::ParseLine(absl::string_view line) {
  std::vector<absl::string_view> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  Rule rule{};
  size_t next = 1;
  const absl::string_view who = words[0];
  if (who == "any" || who == "tcp") {
    rule.who = who == "any" ? Who::kAny : Who::kTcp;
  } else if (who == "name") {
    rule.who = Who::kName;
    if (words.size() < 2) return absl::InvalidArgumentError("behind \"name\" it ends");
    rule.name = std::string(words[next++]);
    if (!IsTokenName(rule.name))
      return Wrong(rule.name, "a name: 1 to 64 letters, digits and characters of \"._@-\"");
  } else if (who == "uid" || who == "user" || who == "gid" || who == "group") {
    if (words.size() < 2)
      return absl::InvalidArgumentError(absl::StrCat("behind ", text::Quoted(who), " it ends"));
    const std::string name(words[next++]);
    rule.who = who[0] == 'u' ? Who::kUid : Who::kGid;
    if (who == "uid" || who == "gid") {
      const absl::StatusOr<uint32_t> id = Number(name, who);
      if (!id.ok()) return id.status();
      rule.id = *id;
    } else if (who == "user") {
      const passwd* const user = getpwnam(name.c_str());
      if (user == nullptr) return Wrong(name, "a user of this machine");
      rule.id = user->pw_uid;
    } else {
      const group* const found = getgrnam(name.c_str());
      if (found == nullptr) return Wrong(name, "a group of this machine");
      rule.id = found->gr_gid;
    }
  } else {
    return Wrong(who, "uid, user, gid, group, name, tcp or any at the beginning of a rule");
  }
  if (words.size() != next + 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a rule consists of a peer, a path and permissions, here ",
                     words.size() < next + 2 ? "something is missing" : "is too much"));
  }
  std::string path;
  if (!absl::StartsWith(words[next], "/") || !absl::CUnescape(words[next], &path)) {
    return Wrong(words[next], "a path that begins with \"/\"");
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (std::count(parts.begin(), parts.end(), "..") > 0) return Wrong(path, "a path without \"..\"");
  rule.grant.prefix = Normal(path);
  for (const absl::string_view right : absl::StrSplit(words[next + 1], ',')) {
    if (right == "read") {
      rule.grant.rights |= static_cast<uint8_t>(Right::kRead);
    } else if (right == "write") {
      rule.grant.rights |= static_cast<uint8_t>(Right::kWrite);
    } else if (words[next + 1] != "none") {
      return Wrong(words[next + 1], "read, write, read,write or none");
    }
  }
  return rule;
}

absl::StatusOr<AccessRules> AccessRules::Parse(absl::string_view text) {
  AccessRules rules;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    absl::StatusOr<Rule> rule = ParseLine(line);
    if (!rule.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, ": ", rule.status().message()));
    }
    rules.rules_.push_back(*std::move(rule));
  }
  return rules;
}

absl::StatusOr<AccessRules> AccessRules::Load(const std::string& path) {
  const absl::StatusOr<std::string> text = net::ReadTextFile(path, net::Readers::kAnybody);
  if (!text.ok()) return text.status();
  absl::StatusOr<AccessRules> rules = Parse(*text);
  if (!rules.ok())
    return absl::InvalidArgumentError(
        absl::StrCat(text::Printable(path), ": ", rules.status().message()));
  return rules;
}

std::vector<std::string> AccessRules::Doubts(const Tokens* tokens) const {
  std::vector<std::string> doubts;
  for (const Rule& rule : rules_) {
    std::string doubt;
    if (rule.who == Who::kName) {
      if (tokens == nullptr || !tokens->HasName(rule.name)) {
        doubt = absl::StrCat("no request has the name ", text::Quoted(rule.name), ": ",
                             tokens == nullptr ? "there is no --tokens_file"
                                               : "there is no token for it in --tokens_file");
      }
    } else if (rule.who == Who::kUid || rule.who == Who::kGid) {
      doubt = net::IdDoubt(rule.who == Who::kUid, rule.id);
    }
    if (doubt.empty() || std::count(doubts.begin(), doubts.end(), doubt) > 0) continue;
    doubts.push_back(std::move(doubt));
  }
  return doubts;
}

Grants AccessRules::For(const net::PeerCredentials& peer,
                        absl::FunctionRef<std::vector<gid_t>()> groups,
                        absl::string_view name) const {
  Grants result;
  std::optional<std::vector<gid_t>> others;
  const auto concerns = [&](const Rule& rule) {
    switch (rule.who) {
      case Who::kAny:
        return true;
      case Who::kName:
        return rule.name == name;
      case Who::kTcp:
        return !peer.known();
      case Who::kUid:
        return peer.IsUser(rule.id);
      case Who::kGid:
        if (!peer.known()) return false;
        if (peer.IsGroup(rule.id)) return true;
        if (!others.has_value()) others = groups();
        return std::count(others->begin(), others->end(), rule.id) > 0;
    }
    return false;
  };
  for (const Rule& rule : rules_) {
    if (concerns(rule)) result.grants_.push_back(rule.grant);
  }
  return result;
}

}  // namespace objmapper::session
