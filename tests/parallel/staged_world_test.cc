// The suite over operands of a backend, staged over ranks that are threads. The
// backend is the cpu's, whose streams are as asynchronous as a device's.

#include "parallel/staged_world.h"

#include <thread>

#include "parallel/worlds.h"
#include "runtime/ledger.h"
#include "tests/parallel/communicator_suite.h"

namespace cairn {
namespace {

void run_staged(int size, const WorldOptions& options,
                const RankProgram& program) {
  std::vector<std::thread> threads;
  for (auto& world : make_thread_worlds(size, options)) {
    threads.emplace_back([&program, host = std::move(world)]() mutable {
      const auto backend = make_backend("cpu", {1});
      const auto staged = make_staged_world(*host, *backend);
      program(*staged);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

Body body_of(int size) {
  return {"staged" + std::to_string(size), size,
          [size](const WorldOptions& options, const RankProgram& program) {
            run_staged(size, options, program);
          }};
}

INSTANTIATE_TEST_SUITE_P(Staged, CommunicatorSuite,
                         testing::Values(body_of(1), body_of(2), body_of(3),
                                         body_of(4)),
                         [](const auto& param) { return param.param.name; });

// A backend of the cpu that counts what is taken of its host memory.
class CountedBackend final : public Backend {
 public:
  Device device() const override { return inner_->device(); }
  std::unique_ptr<Stream> make_stream(const std::string& name) override {
    return inner_->make_stream(name);
  }
  MemoryResource& memory() override { return inner_->memory(); }
  MemoryResource& host_memory() override { return ledger_; }
  std::size_t workspace_bytes() const override {
    return inner_->workspace_bytes();
  }
  std::unique_ptr<Kernels> make_kernels(const TensorView& workspace) override {
    return inner_->make_kernels(workspace);
  }
  void upload(Stream& stream, const TensorView& to, const void* from) override {
    inner_->upload(stream, to, from);
  }
  void download(Stream& stream, void* to, const TensorView& from) override {
    inner_->download(stream, to, from);
  }

  const Ledger& ledger() const { return ledger_; }

 private:
  std::unique_ptr<Backend> inner_ = make_backend("cpu", {1});
  Ledger ledger_{inner_->host_memory()};
};

TEST(StagedWorld, TakesHostMemoryForEachCommunicatorOnceAndGivesItBack) {
  const auto host = std::move(make_thread_worlds(1, {}).front());
  CountedBackend backend;
  const auto world = make_staged_world(*host, backend);
  {
    Lane first(*world, "first", {0});
    Lane second(*world, "second", {0});
    std::vector<double> x = values_of<double>(0, 1000003);
    std::vector<double> y = x;

    first.comm->all_reduce(first.stream, view_of(x));
    second.comm->all_gather(second.stream, view_of(y), view_of(y));
    first.stream.synchronize();
    second.stream.synchronize();

    EXPECT_EQ(backend.ledger().allocations(), 2);
    EXPECT_EQ(backend.ledger().total(), 2 * (std::size_t{4} << 20));
  }
  EXPECT_EQ(backend.ledger().total(), 0);
}

}  // namespace
}  // namespace cairn
