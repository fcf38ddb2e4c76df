// What the tests of kernels share: arrays that are views, a body of kernels on
// a team of its own, and comparisons with the reference.

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "runtime/cpu/cpu_kernels.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/cpu/team.h"
#include "runtime/error.h"
#include "tests/runtime/reference_kernels.h"

namespace cairn {

template <typename T>
struct Array {
  Shape shape;
  std::vector<T> data;

  // Poisoned, so that what is not written shows.
  explicit Array(const Shape& of)
      : shape(of), data(static_cast<std::size_t>(of.elements())) {
    if constexpr (!std::is_integral_v<T>) {
      for (T& x : data) x = std::numeric_limits<T>::quiet_NaN();
    }
  }
  template <typename U>
  explicit Array(const Array<U>& from)
      : shape(from.shape), data(from.data.begin(), from.data.end()) {}

  // NOLINTNEXTLINE(google-explicit-constructor): an array is its view here
  operator TensorView() {
    return {reinterpret_cast<std::byte*>(data.data()), dtype_of<T>(), shape};
  }
};
using Singles = Array<float>;
using Doubles = Array<double>;
using Integers = Array<std::int32_t>;

// A fresh seed for each run, or CAIRN_TEST_SEED to repeat one.
class KernelTest : public testing::Test {
 protected:
  KernelTest() : seed_(choose()), random_(seed_) {
    RecordProperty("CAIRN_TEST_SEED", std::to_string(seed_));
    trace_.emplace(__FILE__, __LINE__,
                   "CAIRN_TEST_SEED=" + std::to_string(seed_));
  }

  Singles normal(const Shape& shape) {
    std::normal_distribution<float> draw;
    Singles array(shape);
    for (float& x : array.data) x = draw(random_);
    return array;
  }

  Integers below(std::int64_t n, std::int32_t limit) {
    std::uniform_int_distribution<std::int32_t> draw(0, limit - 1);
    Integers array({n});
    for (std::int32_t& x : array.data) x = draw(random_);
    return array;
  }

  Dropout some_dropout() {
    return {.probability = 0.3F,
            .seed = random_(),
            .first_sample = (std::uint64_t{3} << 32) + 5,
            .site = 17};
  }

  // The derivative of `loss` in `input`, by central differences, against the
  // gradient that a kernel made: at some elements and along one direction.
  void expect_gradient(const char* name, Doubles& input, const Singles& found,
                       const std::function<double()>& loss);

  std::mt19937_64& random() { return random_; }

 private:
  static std::uint64_t choose() {
    const char* given = std::getenv("CAIRN_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10)
                            : std::random_device{}();
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::optional<testing::ScopedTrace> trace_;
};

// The CPU body on a team of so many threads.
class Lab {
 public:
  explicit Lab(int threads)
      : team_(threads),
        scratch_({static_cast<std::int64_t>(cpu_workspace_bytes(threads) / 4)}),
        stream_("lab"),
        kernels_(make_cpu_kernels(team_, scratch_)) {}

  Kernels& kernels() { return *kernels_; }
  CpuStream& stream() { return stream_; }

  template <typename... Operands>
  void operator()(void (Kernels::*op)(Stream&, const Operands&...),
                  const Operands&... operands) {
    ((*kernels_).*op)(stream_, operands...);
    stream_.synchronize();
  }

 private:
  Team team_;
  Singles scratch_;
  CpuStream stream_;
  std::unique_ptr<Kernels> kernels_;
};

template <typename A, typename B>
double relative_error(const std::vector<A>& found, const std::vector<B>& want) {
  double difference = 0.0;
  double norm = 1e-30;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double w = static_cast<double>(want[i]);
    const double d = static_cast<double>(found[i]) - w;
    difference += d * d;
    norm += w * w;
  }
  return std::sqrt(difference / norm);
}

template <typename T>
double dot(const std::vector<double>& a, const std::vector<T>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] * static_cast<double>(b[i]);
  }
  return sum;
}

// `work` gives its results; they must not depend on the number of threads.
inline void expect_same_bits(
    const std::function<std::vector<Singles>(Lab&)>& work) {
  Lab one(1);
  const std::vector<Singles> want = work(one);
  for (const int threads : {2, 3}) {
    Lab lab(threads);
    const std::vector<Singles> found = work(lab);
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(std::memcmp(found[i].data.data(), want[i].data.data(),
                            want[i].data.size() * sizeof(float)),
                0)
          << "result " << i << " on " << threads << " threads";
    }
  }
}

inline void KernelTest::expect_gradient(const char* name, Doubles& input,
                                        const Singles& found,
                                        const std::function<double()>& loss) {
  constexpr double kStep = 1e-5;
  std::vector<double> at_found;
  std::vector<double> at_want;
  std::uniform_int_distribution<std::size_t> draw(0, input.data.size() - 1);
  for (int i = 0; i < 24; ++i) {
    double& x = input.data[draw(random_)];
    const double kept = x;
    x = kept + kStep;
    const double above = loss();
    x = kept - kStep;
    const double below_it = loss();
    x = kept;
    at_found.push_back(found.data[&x - input.data.data()]);
    at_want.push_back((above - below_it) / (2 * kStep));
  }
  EXPECT_LT(relative_error(at_found, at_want), 2e-5) << name;
  const std::vector<double> kept = input.data;
  const std::vector<float> along = normal(input.shape).data;
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < kept.size(); ++i) {
      input.data[i] = kept[i] + by * static_cast<double>(along[i]);
    }
    return loss();
  };
  const double slope = (moved(kStep) - moved(-kStep)) / (2 * kStep);
  input.data = kept;
  double want = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const double term = static_cast<double>(found.data[i] * along[i]);
    want += term;
    size += term * term;
  }
  EXPECT_NEAR(slope, want, 2e-5 * std::sqrt(size)) << name;
}

}  // namespace cairn
