// What every body of Communicator must do. A program that includes a body's
// test links communicator_suite.cc and communicator_failures.cc, and
// instantiates CommunicatorSuite with the body.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "parallel/communicator.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/error.h"

namespace cairn {

using RankProgram = std::function<void(World&)>;

struct Body {
  std::string name;
  int size = 1;
  // Runs the program once for every rank that lives in this process, each with
  // its end of a fresh world.
  std::function<void(const WorldOptions&, const RankProgram&)> run;
  // Whether members look at what the others bring before they begin, and so
  // know of what does not fit, of who never came, and that a receiver did.
  bool looks = true;
};

inline void PrintTo(const Body& body, std::ostream* out) { *out << body.name; }

class CommunicatorSuite : public testing::TestWithParam<Body> {
 protected:
  int size() const { return GetParam().size; }
  bool looks() const { return GetParam().looks; }

  void run(const RankProgram& program) const {
    run({.timeout = std::chrono::seconds(60)}, program);
  }
  void run(const WorldOptions& options, const RankProgram& program) const {
    GetParam().run(options, [&program](World& world) {
      try {
        program(world);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << world.rank() << ": " << error.what();
        world.abort(error.what());
      }
    });
  }
};

// One communicator with a stream of its own.
struct Lane {
  Lane(World& world, const std::string& name, const std::vector<int>& ranks)
      : comm(world.make(name, ranks)), stream(name) {}

  // The failure of all that was enqueued; the test fails if there is none.
  Error failure() {
    try {
      stream.synchronize();
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "the stream did not fail";
    return {Code::kBadArgument, "the stream did not fail"};
  }

  std::unique_ptr<Communicator> comm;
  CpuStream stream;  // ends first: its work uses the communicator
};

inline std::vector<int> all_ranks(const World& world) {
  std::vector<int> ranks(static_cast<std::size_t>(world.size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

template <typename T>
TensorView view_of(std::vector<T>& values) {
  return {reinterpret_cast<std::byte*>(values.data()),
          dtype_of<T>(),
          {static_cast<std::int64_t>(values.size())}};
}

// What `rank` brings: numbers of such different sizes that their sum shows the
// order in which it was made.
template <typename T>
std::vector<T> values_of(int rank, std::size_t count, unsigned salt = 0) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto bits = static_cast<std::uint32_t>(
        i * 2654435761u + salt * 977u + static_cast<unsigned>(rank) * 40503u);
    bits = (bits ^ bits >> 15) * 2246822519u;
    bits ^= bits >> 13;
    const T fraction = static_cast<T>(bits & 0xffff) / T{65536} + T{1};
    const T scale = static_cast<T>(1u << (bits >> 16 & 15u));
    values[i] = (bits >> 31 ? -fraction : fraction) * scale / T{3};
  }
  return values;
}

// ((x0 + x1) + x2) + ... of what these ranks bring.
template <typename T>
std::vector<T> sum_of(const std::vector<int>& ranks, std::size_t count,
                      unsigned salt = 0) {
  std::vector<T> sum = values_of<T>(ranks.front(), count, salt);
  for (std::size_t k = 1; k < ranks.size(); ++k) {
    const std::vector<T> more = values_of<T>(ranks[k], count, salt);
    for (std::size_t i = 0; i < count; ++i) sum[i] = sum[i] + more[i];
  }
  return sum;
}

}  // namespace cairn
