// A memfd with something in it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// Whoever has it knows that its bytes stay as they are.
inline constexpr int kSealed = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

// seals: 0, none; more can be added.
inline UniqueFd Memfd(absl::string_view contents, int seals = kSealed) {
  UniqueFd fd(memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(write(fd.get(), contents.data(), contents.size()),
            static_cast<ssize_t>(contents.size()));
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

}  // namespace objmapper::net
