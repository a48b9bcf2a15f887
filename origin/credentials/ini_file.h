// ~/.aws/config and ~/.aws/credentials: sections, keys, values.
//
//   [profile ci]                    section "profile ci"
//   region = eu-west-1              key "region"
//   s3 =                            with lines below that are indented: key "s3.addressing_style"
//     addressing_style = path
//
// Source: "Configuration and credential file settings" in the AWS CLI's user guide. A line that
// begins with '#' or ';' is a comment, and so is what is behind a blank and one of these. Names of
// keys are in lower case here.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::origin {

class IniFile {
 public:
  using Section = absl::flat_hash_map<std::string, std::string>;

  // INVALID_ARGUMENT: the message names the line by its number and shows nothing of it, since it
  // may be a secret. Of keys that are there twice the last counts, as for the SDKs.
  static absl::StatusOr<IniFile> Parse(absl::string_view text);
  // Of at most 1 MiB; no file is an empty one. Other errors: as ErrnoToStatus; all messages name
  // the file.
  static absl::StatusOr<IniFile> Load(const std::string& path);

  // Null: there is none.
  const Section* Find(absl::string_view section) const;

 private:
  absl::flat_hash_map<std::string, Section> sections_;
};

// The value of `key`; empty: there is none.
std::string Value(const IniFile::Section& section, absl::string_view key);

}  // namespace objmapper::origin
