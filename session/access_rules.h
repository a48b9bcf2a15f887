// Who may do what with which objects: the rules file, read.
//
//   # who          what          may
//   uid 1000       /models       read
//   group builders /artifacts    read,write
//   name ci        /artifacts    read
//   tcp            /public       read
//   any            /private      none
//   any            /             read
//
// One rule a line; '#' begins a comment. The first rule that speaks of the peer and of the object
// decides; where none does, nothing is allowed.
//   who   uid N or user NAME; gid N or group NAME, any group of the peer, supplementary ones too;
//         name NAME: whoever has sent a token of that name's with the request (session/tokens.h),
//         beside what it is otherwise; tcp: peers of which the kernel knows no uid; any: all of
//         them. A number that stands for all ids that our user namespace does not map
//         (net/peer_credentials.h) is no user and no group
//   what  a path from the root on; it stands for the object of that name and for all below it, in
//         whole components (/models is not about /models2). C escapes (\x20) for what a line cannot
//         hold.
//   may   read (FDPASS, COPY, SPLICE, STAT, LIST), write (PUT, PUT_FD, DELETE), read,write, or none
//
// Rules go by the name that is asked for, components "." and doubled slashes taken out, not by the
// file that a symbolic link leads to.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/peer_credentials.h"
#include "session/tokens.h"

namespace objmapper::session {

enum class Right : uint8_t { kRead = 1, kWrite = 2 };

// What of the rules concerns one peer, in their order.
class Grants {
 public:
  // Whether the peer has `right` to the object `uri`, as a request names it.
  bool Permits(absl::string_view uri, Right right) const;
  // How many of the folders on the way to `uri`, from the root on, are not the peer's to remove: up
  // to the last that it may not write.
  size_t KeptFolders(absl::string_view uri) const;
  // Of a URI without doubled slashes and "." to which the peer does not have `right`: the least
  // greater one, as bytes, to which it may have it, as far as the rules' paths tell; nullopt: there
  // is none. A walk of names in their order goes on there, and so does not see what lies in folders
  // that are denied as a whole.
  std::optional<std::string> NextAfter(absl::string_view uri, Right right) const;

 private:
  friend class AccessRules;
  struct Grant {
    std::string prefix;  // components with a slash between, none at the ends; empty: everything
    uint8_t rights;
    bool Gives(Right right) const { return (rights & static_cast<uint8_t>(right)) != 0; }
  };
  std::vector<Grant> grants_;
};

// Immutable, so thread-safe. Copyable.
class AccessRules {
 public:
  // INVALID_ARGUMENT: the message names the line by its number, and says what is wrong with it.
  static absl::StatusOr<AccessRules> Parse(absl::string_view text);
  // Reads `path`, of at most 1 MiB. Other errors: as ErrnoToStatus; all messages name the file.
  static absl::StatusOr<AccessRules> Load(const std::string& path);

  // groups: asked, at most once, for the supplementary groups if a rule needs them. name: that a
  // token gives; empty: none.
  Grants For(const net::PeerCredentials& peer, absl::FunctionRef<std::vector<gid_t>()> groups,
             absl::string_view name) const;

  size_t size() const { return rules_.size(); }
  // What an operator should know of whom the rules name (net::IdDoubt, and names that have no token
  // in `tokens`; null: there are none): sentences.
  std::vector<std::string> Doubts(const Tokens* tokens) const;

 private:
  enum class Who : uint8_t { kUid, kGid, kName, kTcp, kAny };
  struct Rule {
    Who who;
    uint32_t id;       // kUid, kGid
    std::string name;  // kName
    Grants::Grant grant;
  };
  static absl::StatusOr<Rule> ParseLine(absl::string_view line);

  std::vector<Rule> rules_;
};

}  // namespace objmapper::session
