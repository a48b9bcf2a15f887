// Warnings and errors about the root: case folding with rules, and a root that cannot be written
// to.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "origin/cache/mark.h"
#include "server/checks.h"
#include "storage/tree/case_folding.h"
#include "text/printable.h"

namespace objmapper::server {

absl::Status CheckSpelling(const Config& config, const storage::Tree& tree) {
  if (config.rules_file.empty()) return absl::OkStatus();
  const absl::StatusOr<net::UniqueFd> root = tree.OpenDirectory("", storage::Wait::kMayBlock);
  return root.ok() ? CheckSpelling(config, root->get()) : absl::OkStatus();
}

absl::Status CheckSpelling(const Config& config, int root) {
  if (config.rules_file.empty() || !storage::FoldsCase(root)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--rules_file: names in ", config.root,
                   " do not distinguish upper and lower case, so a rule for one spelling would not "
                   "apply to the others: serve a directory that does, or use no rules"));
}

absl::Status CheckKeeping(const Config& config, const storage::Tree& tree) {
  if (!config.fetches()) return absl::OkStatus();
  const absl::Status kept = origin::CheckMarks(tree);
  return kept.ok() ? kept
                   : OfFlag(config.OriginsFlag(),
                            absl::Status(kept.code(),
                                         absl::StrCat("the root cannot keep what is fetched: ",
                                                      kept.message())));
}

std::string DoubtAboutWriting(const Config& config) {
  if (!config.writes_root() ||
      faccessat(AT_FDCWD, config.root.c_str(), W_OK | X_OK, AT_EACCESS) == 0)
    return "";
  const int error = errno;
  if (error != EACCES && error != EROFS) return "";  // nobody knows
  struct stat status {};
  stat(config.root.c_str(), &status);
  return absl::StrCat(
      config.limits.writable ? "--writable" : "origins", ", but objects cannot be stored in ",
      text::Printable(config.root), ": ", strerror(error), " (", strerrorname_np(error), ") ",
      error == EROFS
          ? absl::StrCat("where it is mounted. In a systemd unit ReadWritePaths=",
                         text::Printable(config.root), " makes it writable")
          : absl::StrCat("for uid ", geteuid(), "; it belongs to uid ", status.st_uid, ", gid ",
                         status.st_gid, ": give it to the server's user with chown"));
}

}  // namespace objmapper::server
