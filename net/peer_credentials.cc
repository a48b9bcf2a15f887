// SO_PEERCRED and SO_PEERGROUPS, and which ids the user namespace maps. An id that stands for
// several users is reported as unknown.
#include "net/peer_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

// Of a small file in /proc; empty when it cannot be read. A map has at most 340 lines
// (user_namespaces(7)).
std::string ReadSmall(const char* path) {
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return "";
  std::string text(16384, '\0');
  const ssize_t got = read(file.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

}  // namespace

IdNames::IdNames(absl::string_view map, absl::string_view overflow) {
  uint32_t id;
  if (absl::SimpleAtoi(absl::StripAsciiWhitespace(overflow), &id)) overflow_ = id;
  // Lines of: first id inside, first id outside, how many. They do not overlap. -1 is no id.
  constexpr uint64_t kIds = UINT32_MAX;
  uint64_t mapped = 0;
  for (const absl::string_view line : absl::StrSplit(map, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> numbers =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    uint64_t count = 0;
    if (numbers.size() == 3 && absl::SimpleAtoi(numbers[2], &count) && count <= kIds)
      mapped += count;
  }
  whole_ = mapped >= kIds;
}

const IdNames& IdNames::Users() {
  static const IdNames names(ReadSmall("/proc/self/uid_map"),
                             ReadSmall("/proc/sys/kernel/overflowuid"));
  return names;
}

const IdNames& IdNames::Groups() {
  static const IdNames names(ReadSmall("/proc/self/gid_map"),
                             ReadSmall("/proc/sys/kernel/overflowgid"));
  return names;
}

bool PeerCredentials::IsUser(uid_t user) const {
  return known() && uid == user && IdNames::Users().Tells(uid);
}

bool PeerCredentials::IsGroup(gid_t group) const {
  return known() && gid == group && IdNames::Groups().Tells(gid);
}

std::string IdDoubt(bool user, uint32_t id) {
  if ((user ? IdNames::Users() : IdNames::Groups()).Tells(id)) return "";
  return absl::StrCat(
      user ? "uid " : "gid ", id, user ? " is not a user" : " is not a group",
      " here: in this user namespace it stands for all users that the namespace does not map (",
      user ? "/proc/self/uid_map" : "/proc/self/gid_map", "), so it matches no client.");
}

PeerCredentials PeerCredentialsOf(int fd) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  return {credentials.pid, credentials.uid, credentials.gid};
}

std::vector<gid_t> PeerGroupsOf(int fd) {
  std::vector<gid_t> groups(32);
  while (true) {
    socklen_t size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      std::erase_if(groups, [](gid_t group) { return !IdNames::Groups().Tells(group); });
      return groups;
    }
    // ERANGE says in `size` how much there is; it cannot change, so that the second time it fits.
    if (errno != ERANGE || size / sizeof(gid_t) <= groups.size()) return {};
    groups.resize(size / sizeof(gid_t));
  }
}

}  // namespace objmapper::net
