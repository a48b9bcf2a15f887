// A deleted file counts for as long as it is open elsewhere.
#include "storage/catalog/unlinked_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/net/open_fds.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::storage {
namespace {

class UnlinkedFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    scratch_.Write("probe", "1");
    const net::UniqueFd fd = Open("probe");
    if (fcntl(fd.get(), F_SETLEASE, F_WRLCK) != 0) GTEST_SKIP() << "no leases on this file system";
  }
  net::UniqueFd Open(const std::string& name) {
    return net::UniqueFd(open(scratch_.PathOf(name).c_str(), O_RDONLY | O_CLOEXEC));
  }
  // Deletes it as the server does: open first, so that it can be asked for afterwards.
  void Delete(const std::string& name) {
    net::UniqueFd fd = Open(name);
    ASSERT_EQ(unlink(scratch_.PathOf(name).c_str()), 0);
    unlinked_.Take(std::move(fd));
  }
  uint64_t BlocksOf(const net::UniqueFd& fd) {
    struct stat status;
    EXPECT_EQ(fstat(fd.get(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  const ScratchRoot scratch_;
  UnlinkedFiles unlinked_{2};
};

// A deleted file counts as long as somebody has it open, and no longer.
TEST_F(UnlinkedFilesTest, CountsWhatIsStillOpen) {
  scratch_.Write("a", std::string(100'000, 'a'));
  net::UniqueFd client = Open("a");
  ASSERT_EQ(fsync(client.get()), 0);  // its blocks are allocated late
  const uint64_t bytes = BlocksOf(client);
  EXPECT_GE(bytes, 100'000u);
  Delete("a");
  EXPECT_EQ(unlinked_.files(), 1u);
  EXPECT_EQ(unlinked_.bytes(), bytes);
  unlinked_.Probe();
  EXPECT_EQ(unlinked_.bytes(), bytes);
  const ptrdiff_t fds = net::OpenFds();
  client.Reset();
  unlinked_.Probe();
  EXPECT_EQ(unlinked_.files(), 0u);
  EXPECT_EQ(unlinked_.bytes(), 0u);
  EXPECT_EQ(net::OpenFds(), fds - 2) << "its descriptor and ours";
}

// A mapping holds a file as a descriptor does.
TEST_F(UnlinkedFilesTest, CountsWhatIsStillMapped) {
  scratch_.Write("a", std::string(4096, 'a'));
  net::UniqueFd client = Open("a");
  void* const map = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, client.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  client.Reset();
  Delete("a");
  EXPECT_EQ(unlinked_.files(), 1u);
  munmap(map, 4096);
  unlinked_.Probe();
  EXPECT_EQ(unlinked_.files(), 0u);
}

// What nobody has open, or what has another name, is none of it.
TEST_F(UnlinkedFilesTest, LeavesOutWhatIsFreeOrNamed) {
  scratch_.Write("a", "1");
  Delete("a");
  EXPECT_EQ(unlinked_.files(), 0u);
  scratch_.Write("b", "1");
  ASSERT_EQ(link(scratch_.PathOf("b").c_str(), scratch_.PathOf("c").c_str()), 0);
  const net::UniqueFd client = Open("b");
  Delete("b");
  EXPECT_EQ(unlinked_.files(), 0u);
}

// Beyond the bound files are counted as untold, and cost no descriptor.
TEST_F(UnlinkedFilesTest, IsBounded) {
  net::UniqueFd clients[3];
  for (int i = 0; i < 3; ++i) {
    scratch_.Write(std::to_string(i), "1");
    clients[i] = Open(std::to_string(i));
  }
  const ptrdiff_t fds = net::OpenFds();
  for (int i = 0; i < 3; ++i) Delete(std::to_string(i));
  EXPECT_EQ(unlinked_.files(), 2u);
  EXPECT_EQ(unlinked_.untold(), 1u);
  EXPECT_EQ(net::OpenFds(), fds + 2);
}

}  // namespace
}  // namespace objmapper::storage
