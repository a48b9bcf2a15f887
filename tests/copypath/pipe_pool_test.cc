// Pipes are lent empty, used again, and limited in number.
#include "copypath/pipe_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/fds_left.h"
#include "tests/net/open_fds.h"

namespace objmapper::copypath {
namespace {

// One after the other uses the same pipe.
TEST(PipePoolTest, OnePipeServesManyInTurn) {
  PipePool pool;
  std::unique_ptr<Pipe> pipe = pool.Take();
  ASSERT_NE(pipe, nullptr);
  const Pipe* const first = pipe.get();
  const ptrdiff_t open_fds = net::OpenFds();
  for (int i = 0; i < 100; ++i) {
    pool.Give(std::move(pipe));
    pipe = pool.Take();
    EXPECT_EQ(pipe.get(), first);
  }
  EXPECT_EQ(net::OpenFds(), open_fds);
  pool.Give(std::move(pipe));
}

// There are so many and no more; one that comes back is there again.
TEST(PipePoolTest, LendsNoMoreThanItHas) {
  const ptrdiff_t open_fds = net::OpenFds();
  {
    PipePool pool;
    std::vector<std::unique_ptr<Pipe>> out;
    for (size_t i = 0; i < PipePool::kPipesMax; ++i) {
      out.push_back(pool.Take());
      ASSERT_NE(out.back(), nullptr);
    }
    EXPECT_EQ(pool.Take(), nullptr);
    pool.Give(std::move(out.back()));
    EXPECT_NE(pool.Take(), nullptr);
  }
  EXPECT_EQ(net::OpenFds(), open_fds);
}

// What one has left in a pipe nobody else finds there.
TEST(PipePoolTest, APipeThatComesBackIsEmptied) {
  const client::TemporaryFolder folder;
  folder.Write("file", std::string(100'000, 'x'));
  const net::UniqueFd file(open(folder.Path("file").c_str(), O_RDONLY | O_CLOEXEC));
  PipePool pool;
  std::unique_ptr<Pipe> pipe = pool.Take();
  ASSERT_NE(pipe, nullptr);
  ASSERT_GT(pipe->Fill(file.get(), 0, 100'000), 0);
  pool.Give(std::move(pipe));
  pipe = pool.Take();
  ASSERT_NE(pipe, nullptr);
  EXPECT_TRUE(pipe->empty());
  EXPECT_EQ(pipe->Fill(file.get(), 50'000, 10), 10);  // which CHECKs that it is
  pool.Give(std::move(pipe));
}

// Without descriptors there is none, and there is one again once there are.
TEST(PipePoolTest, LacksDescriptors) {
  PipePool pool;
  {
    const net::FdsLeft none(0);
    EXPECT_EQ(pool.Take(), nullptr);
  }
  std::unique_ptr<Pipe> pipe = pool.Take();
  EXPECT_NE(pipe, nullptr);
  pool.Give(std::move(pipe));
}

}  // namespace
}  // namespace objmapper::copypath
