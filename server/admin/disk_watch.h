// How full the file system below a folder is, as of a few seconds ago.
//
// It is asked by a thread of its own, which nobody waits for: a file system on a disk or a machine
// that has gone may not answer for ever (statfs(2) sleeps uninterruptibly), and then the figure is
// old, but whoever reads it goes on.
#pragma once

#include <sys/statvfs.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "server/repeating.h"

namespace objmapper::server {

// Thread-safe.
class DiskWatch {
 public:
  // folder: that is asked, by its path.
  explicit DiskWatch(std::string folder)
      : fill_(std::make_shared<Fill>()),
        thread_(
            "admin/disk", absl::Seconds(5),
            [folder = std::move(folder), fill = fill_] {
              struct statvfs status;
              if (statvfs(folder.c_str(), &status) != 0) return;
              fill->available_bytes = static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
              fill->bytes = static_cast<uint64_t>(status.f_blocks) * status.f_frsize;
            },
            /*waits=*/false) {}

  struct Fill {
    std::atomic<uint64_t> bytes{0};            // 0: not known, or it has no end
    std::atomic<uint64_t> available_bytes{0};  // to who is not root
  };
  const Fill& fill() const { return *fill_; }

 private:
  const std::shared_ptr<Fill> fill_;  // the thread's too, which may outlive this object
  Repeating thread_;
};

}  // namespace objmapper::server
