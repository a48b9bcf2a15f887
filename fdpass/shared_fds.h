// Descriptors that are opened once and passed many times: --fd_sharing=always.
//
// All receivers of one share its open file description: one client's lseek(2) moves every other's
// offset, one's fcntl(2) flags and flock(2) are everyone's. Only for clients that trust each other
// and use positional reads (pread, mmap). It saves the opening, about a third of an answer's work.
//
// One worker's, touched by its thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

class SharedFds {
 public:
  // entries_max: 1 or more. valid: how long a name is believed to mean the descriptor's file.
  SharedFds(const storage::Tree* tree, size_t entries_max, absl::Duration valid)
      : tree_(tree), entries_max_(entries_max), valid_ns_(absl::ToInt64Nanoseconds(valid)) {}

  // The object, opened now or lately, and since this server last changed anything; whoever holds it
  // keeps it open. Errors as Tree::OpenObject().
  absl::StatusOr<std::shared_ptr<const storage::OpenedObject>> Open(absl::string_view uri,
                                                                    int64_t now_ns);

 private:
  struct Entry {
    std::shared_ptr<const storage::OpenedObject> object;
    int64_t checked_ns = 0;
    uint64_t changes = 0;  // Tree::changes(), before it was checked
  };

  const storage::Tree* const tree_;
  const size_t entries_max_;
  const int64_t valid_ns_;
  absl::flat_hash_map<std::string, Entry> entries_;
};

}  // namespace objmapper::fdpass
