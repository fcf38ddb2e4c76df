#include "runtime/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "runtime/tensor.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

TEST(Backend, NamesThoseThatWereBuiltWhenAnUnknownOneIsAskedFor) {
  std::string sentence = "a backend 'abacus' was asked for; built are:";
  for (const std::string& name : backend_names()) sentence += " " + name;

  const Error error = thrown([] { make_backend("abacus", {}); });

  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(), sentence);
}

TEST(Backend, IsThePreferredOneWhenThatIsLeftOpen) {
  BackendOptions options;
  options.threads = 1;
  const auto open = make_backend("auto", options);
  const auto named = make_backend(backend_names().front(), options);
  EXPECT_EQ(open->device(), named->device());
}

TEST(Backend, OfSimHasTheWorkspaceOfTheCpu) {
  for (const int threads : {0, 1, 3}) {
    BackendOptions options;
    options.threads = threads;
    EXPECT_EQ(make_backend("sim", options)->workspace_bytes(),
              make_backend("cpu", options)->workspace_bytes());
  }
}

TEST(Backend, OfTheCpuCopiesBothWaysInTheOrderOfItsStream) {
  BackendOptions options;
  options.threads = 1;
  const auto backend = make_backend("cpu", options);
  const auto stream = backend->make_stream("s");
  const Tensor tensor(backend->memory(), *stream, Owner::kData, DType::kF32,
                      {3});
  const std::array<float, 3> sent{1, 2, 3};
  std::array<float, 3> received{};

  backend->upload(*stream, tensor, sent.data());
  backend->download(*stream, received.data(), tensor);
  stream->synchronize();

  EXPECT_EQ(received, sent);
}

TEST(Backend, HasHostMemoryThatCopiesGoThrough) {
  for (const char* name : {"cpu", "sim"}) {
    const auto backend = make_backend(name, {.threads = 1});
    const auto stream = backend->make_stream("s");
    constexpr std::int64_t kNumbers = 3L << 20;
    const Tensor tensor(backend->memory(), *stream, Owner::kData, DType::kI32,
                        {kNumbers});
    const Buffer host(backend->host_memory(), 2 * tensor.bytes(), Owner::kData,
                      *stream);
    auto* const sent = reinterpret_cast<std::int32_t*>(host.data());
    std::int32_t* const received = sent + kNumbers;
    std::iota(sent, received, 7);
    std::fill(received, received + kNumbers, 0);

    backend->upload(*stream, tensor, sent);
    backend->download(*stream, received, tensor);
    stream->synchronize();

    const bool copies = backend->device().kind == Device::Kind::kCpu;
    EXPECT_EQ(std::equal(sent, received, received), copies) << name;
  }
}

// A plan may hold more than the machine it is made on.
TEST(Backend, OfSimPretendsHostMemoryToo) {
  const auto backend = make_backend("sim", {.threads = 1});
  const auto stream = backend->make_stream("s");
  const std::size_t bytes = std::size_t{1} << 37;  // more than machines have

  const Buffer host(backend->host_memory(), bytes, Owner::kData, *stream);

  EXPECT_EQ(host.data()[bytes - 1], std::byte{0});
}

}  // namespace
}  // namespace cairn
