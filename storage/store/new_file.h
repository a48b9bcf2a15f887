// A file that has no name until it is complete, and then has one at once.
//
//   absl::StatusOr<NewFile> file = NewFile::Make(directory, "model.bin");
//   ... write to file->fd() ...
//   absl::Status published = file->Publish(directory, &replaced);
//
// It is made without a name (O_TMPFILE) and linked. A name that is taken cannot be linked over, so
// there it gets a reserved name first (reserved_name.h) and is renamed: who opens the name finds
// the old file or the new one, never none. Where the file system has no O_TMPFILE, or it is to be
// so, it has a reserved name from the start. One that dies unpublished is gone. Source: open(2),
// O_TMPFILE; linkat(2); rename(2).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

class NewFile {
 public:
  // directory: borrowed, where it will be; O_PATH will do. name: one component, not reserved.
  // replaces: another has the name, and this one is published in a moment: a reserved name from the
  // start saves two links then, and a killed process leaves it behind in that moment only.
  // NOT_FOUND: the directory has been removed. UNAVAILABLE: no room. Else as ErrnoToStatus.
  static absl::StatusOr<NewFile> Make(int directory, const std::string& name,
                                      bool replaces = false);
  // One that has been written already, under a name that the server keeps for itself: `reserved` in
  // `named_in`, where a crash, or the end of this without Publish(), leaves it. Both are kept. To
  // be published on the same mount.
  static NewFile Of(net::UniqueFd fd, net::UniqueFd named_in, const std::string& reserved,
                    const std::string& name);
  NewFile(NewFile&&) = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  // Open for reading and writing.
  int fd() const { return fd_.get(); }

  // Gives it its name in `directory`, which may be another than it was made in (it was pruned, and
  // made again). Once it has succeeded it is not to be called again. NOT_FOUND: the directory has
  // been removed: try again with the next one. ALREADY_EXISTS: the name is a directory. *replaced:
  // whether another had the name.
  absl::Status Publish(int directory, bool* replaced);
  // The same where nothing has the name; it is tested and taken in one step. ALREADY_EXISTS:
  // something has.
  absl::Status PublishNew(int directory);
  // After either: the file itself.
  net::UniqueFd TakeFd() && { return std::move(fd_); }

 private:
  NewFile(net::UniqueFd fd, net::UniqueFd named_in, std::string name, std::string reserved)
      : fd_(std::move(fd)),
        named_in_(std::move(named_in)),
        name_(std::move(name)),
        reserved_(std::move(reserved)) {}

  static absl::StatusOr<NewFile> MakeNamed(int directory, const std::string& name);
  bool Link(int directory, const std::string& name) const;
  absl::Status Rename(int directory);

  net::UniqueFd fd_;
  net::UniqueFd named_in_;  // where it has its reserved name
  std::string name_;
  std::string reserved_;  // empty: it has none
  bool stays_ = false;    // there, should it not be published
};

}  // namespace objmapper::storage
