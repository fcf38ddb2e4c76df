// The failure of an expression, for tests that look at its code and message.

#pragma once

#include <gtest/gtest.h>

#include "runtime/error.h"

namespace cairn {

// The Error that `work` throws; the test fails if it throws none.
template <typename Work>
Error thrown(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return {Code::kBadArgument, "no Error was thrown"};
}

}  // namespace cairn
