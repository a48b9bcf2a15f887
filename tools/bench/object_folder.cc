#include "tools/bench/object_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "tools/bench/machine.h"

namespace objmapper::bench {

namespace {

absl::Status MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
  return net::ErrnoToStatus(errno, absl::StrCat("make ", path));
}

absl::Status WriteObject(const std::string& path, uint64_t bytes, bool sparse) {
  struct stat there;
  if (stat(path.c_str(), &there) == 0 && static_cast<uint64_t>(there.st_size) == bytes) {
    return absl::OkStatus();
  }
  net::UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) return net::ErrnoToStatus(errno, absl::StrCat("create ", path));
  if (sparse) {
    if (ftruncate(file.get(), static_cast<off_t>(bytes)) == 0) return absl::OkStatus();
    return net::ErrnoToStatus(errno, absl::StrCat("make ", path, " as large as ", bytes));
  }
  std::mt19937_64 random(bytes);
  std::vector<uint64_t> block(std::min<uint64_t>(64 << 10, bytes / sizeof(uint64_t) + 1));
  for (uint64_t done = 0; done < bytes;) {
    for (uint64_t& word : block) word = random();
    const size_t part = std::min<uint64_t>(bytes - done, block.size() * sizeof(block[0]));
    const ssize_t written = write(file.get(), block.data(), part);
    if (written <= 0) return net::ErrnoToStatus(errno, absl::StrCat("write ", path));
    done += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

// ---- Out of the page cache ----

// Adds its size to `bytes_dropped`.
absl::Status DropPages(const std::string& path, size_t& bytes_dropped) {
  net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat stat;
  // Dirty pages are not dropped: fsync first.
  if (file.get() < 0 || fsync(file.get()) != 0 || fstat(file.get(), &stat) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("sync ", path));
  }
  if (stat.st_size == 0) return absl::OkStatus();
  if (const int error = posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    return net::ErrnoToStatus(error, absl::StrCat("drop ", path, " from the page cache"));
  }
  const size_t bytes = static_cast<size_t>(stat.st_size);
  bytes_dropped += bytes;
  void* const mapping = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapping == MAP_FAILED) return net::ErrnoToStatus(errno, absl::StrCat("map ", path));
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  const int result = mincore(mapping, bytes, resident.data());
  munmap(mapping, bytes);
  if (result != 0) return net::ErrnoToStatus(errno, absl::StrCat("mincore ", path));
  const auto stayed = std::count_if(resident.begin(), resident.end(),
                                    [](unsigned char flags) { return (flags & 1) != 0; });
  if (stayed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(stayed, " pages of ", path,
                   " stay in the page cache; --work_dir must be on a disk, not on tmpfs"));
}

absl::Status TouchFreeMemory(size_t bytes) {
  constexpr size_t kHugePage = 2 << 20;
  bytes = std::min(bytes, MemoryAvailable() / 2) / kHugePage * kHugePage;
  if (bytes == 0) return absl::OkStatus();
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return net::ErrnoToStatus(errno, absl::StrCat("map ", bytes, " bytes"));
  // Both are for a steadier figure only; an old kernel (before 5.14 for the second) measures
  // without.
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
  (void)madvise(memory, bytes, MADV_POPULATE_WRITE);
  munmap(memory, bytes);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ObjectFolder> ObjectFolder::Make(const std::string& work_dir) {
  std::string path = absl::StrCat(work_dir.empty() ? "/tmp" : work_dir, "/bench.XXXXXX");
  if (path.size() > 60) {
    return absl::InvalidArgumentError(
        absl::StrCat("--work_dir=", work_dir, " is too long for sockets' paths; 48 characters do"));
  }
  if (mkdtemp(path.data()) == nullptr) {
    return net::ErrnoToStatus(errno, absl::StrCat("make a folder like ", path));
  }
  // Peers run as users of their own.
  chmod(path.c_str(), 0755);
  absl::Status status = MakeFolder(path + "/objects");
  return status.ok() ? ObjectFolder(std::move(path)) : absl::StatusOr<ObjectFolder>(status);
}

ObjectFolder::ObjectFolder(ObjectFolder&& other)
    : path_(std::exchange(other.path_, "")), rooms_(other.rooms_) {}

ObjectFolder::~ObjectFolder() {
  std::error_code ignored;  // what remains in a temporary folder harms nobody
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

absl::StatusOr<std::string> ObjectFolder::Room(const std::string& name) {
  std::string room = absl::StrCat(path_, "/", ++rooms_);
  if (mkdir(room.c_str(), 0755) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("make ", room, " for ", name));
  }
  return room;
}

absl::StatusOr<ObjectSet> ObjectFolder::Prepare(const std::vector<ObjectSet::Object>& objects,
                                                bool sparse, const std::string& folder,
                                                uint64_t files_max) {
  const std::string root = folder.empty() ? path_ + "/objects" : absl::StrCat(path_, "/", folder);
  if (absl::Status status = MakeFolder(root); !status.ok()) return status;
  for (size_t i = 0; i < objects.size(); ++i) {
    const std::string path = absl::StrCat(root, "/", objects[i].name);
    if (i < files_max) {
      absl::Status status = WriteObject(path, objects[i].bytes, sparse);
      if (!status.ok()) return status;
      continue;
    }
    const std::string file = absl::StrCat(root, "/", objects[i % files_max].name);
    if (link(file.c_str(), path.c_str()) != 0 && errno != EEXIST) {
      return net::ErrnoToStatus(errno, absl::StrCat("link ", file, " to ", path));
    }
  }
  return ObjectSet{.root = root, .objects = objects};
}

void ObjectFolder::Drop(const std::string& folder) {
  std::error_code ignored;  // as in the destructor, which tries again
  if (!folder.empty()) std::filesystem::remove_all(absl::StrCat(path_, "/", folder), ignored);
}

std::vector<std::string> ObjectFolder::PathsOf(const std::vector<std::string>& objects) const {
  std::vector<std::string> paths;
  for (const std::string& object : objects) {
    paths.push_back(absl::StrCat(path_, "/objects/", object));
  }
  return paths;
}

absl::Status MakeCold(const std::vector<std::string>& paths) {
  size_t bytes = 0;
  for (const std::string& path : paths) {
    absl::Status status = DropPages(path, bytes);
    if (!status.ok()) return status;
  }
  return TouchFreeMemory(bytes);
}

}  // namespace objmapper::bench
