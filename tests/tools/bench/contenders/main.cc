// The main() of tests that start floors, which are the same program executed again.
#include <gtest/gtest.h>

#include "tools/bench/contenders/floor/floor_main.h"

int main(int argc, char** argv) {
  if (objmapper::bench::IsFloor(argc, argv)) return objmapper::bench::FloorMain(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
