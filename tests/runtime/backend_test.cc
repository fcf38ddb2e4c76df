#include "runtime/backend.h"

#include <gtest/gtest.h>

#include <array>

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

}  // namespace
}  // namespace cairn
