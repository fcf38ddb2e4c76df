#include <gtest/gtest.h>

#include "runtime/sim/sim_backend.h"
#include "runtime/tensor.h"

namespace cairn {
namespace {

TEST(SimMemory, GivesAlignedAddressesThatAreNeverNullAndNeverReused) {
  SimBackend backend(0);
  const auto stream = backend.make_stream("s");
  std::uintptr_t end = 0;
  for (const std::size_t bytes : {0U, 1U, 256U, 257U, 1U << 30}) {
    void* address = backend.memory().allocate(bytes, Owner::kData, *stream);
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    EXPECT_NE(address, nullptr);
    EXPECT_EQ(place % kMemoryAlignment, 0U);
    EXPECT_GE(place, end);
    end = place + bytes + (bytes == 0 ? 1 : 0);
    backend.memory().deallocate(address, bytes, Owner::kData, *stream);
  }
}

TEST(SimStream, ReachesEveryMarkAtOnceAndAtTimeZero) {
  SimBackend backend(0);
  const auto first = backend.make_stream("a");
  const auto second = backend.make_stream("b");
  const auto begin = first->record();
  second->wait(begin);
  const auto end = second->record();

  EXPECT_TRUE(end->reached());
  EXPECT_EQ(end->seconds_since(*begin), 0.0);
}

TEST(SimBackend, HasTheWorkspaceOfWhatItStandsInFor) {
  const SimBackend backend(4096);
  EXPECT_EQ(backend.workspace_bytes(), 4096U);
  EXPECT_EQ(to_text(backend.device()), "sim:0");
}

TEST(SimBackend, TouchesNoMemory) {
  SimBackend backend(4096);
  const auto stream = backend.make_stream("s");
  const Tensor workspace(backend.memory(), *stream, Owner::kWorkspace,
                         DType::kF32, {1024});
  const Tensor tensor(backend.memory(), *stream, Owner::kData, DType::kF32,
                      {std::int64_t{1} << 40});
  const auto kernels = backend.make_kernels(workspace);
  float host = 3.0F;

  // The addresses are nobody's: to follow one is a fault.
  backend.upload(*stream, tensor, &host);
  kernels->fill(*stream, tensor, 1.0F);
  kernels->add(*stream, tensor, tensor);
  backend.download(*stream, &host, tensor);
  stream->synchronize();

  EXPECT_EQ(host, 3.0F);
}

}  // namespace
}  // namespace cairn
