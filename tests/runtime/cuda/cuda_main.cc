// Runs the CUDA tests, or says that there is no device (exit 77).

#include <gtest/gtest.h>

#include <cstdio>

#include "runtime/backend.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (cairn::backend_names().front() != "cuda") {
    std::puts("no CUDA device was found");
    return 77;
  }
  return RUN_ALL_TESTS();
}
