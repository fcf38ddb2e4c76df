#include "runtime/cuda/cuda_stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory_resource>
#include <thread>
#include <vector>

#include "runtime/backend.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

class CudaStreams : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend_ = make_backend("cuda", {});
  std::unique_ptr<Stream> first_ = backend_->make_stream("first");
  std::unique_ptr<Stream> second_ = backend_->make_stream("second");
};

void fail() { throw Error(Code::kPeerLost, "on purpose"); }

TEST_F(CudaStreams, CopyBothWaysInOrder) {
  const Tensor tensor(backend_->memory(), *first_, Owner::kData, DType::kF32,
                      {3});
  const std::vector<float> sent{1, 2, 3};
  std::vector<float> received(3);

  backend_->upload(*first_, tensor, sent.data());
  backend_->download(*first_, received.data(), tensor);
  first_->synchronize();

  EXPECT_EQ(received, sent);
}

TEST_F(CudaStreams, RunHostWorkInOrderAndTimeIt) {
  std::vector<int> order;
  const auto begin = first_->record();
  first_->enqueue_host([&] { order.push_back(1); });
  second_->wait(first_->record());
  second_->enqueue_host([&] { order.push_back(2); });
  const auto end = second_->record();
  end->synchronize();

  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_TRUE(begin->reached());
  EXPECT_GE(end->seconds_since(*begin), 0.0);
}

TEST_F(CudaStreams, KeepTheFirstFailureAndRunNoHostWorkAfterIt) {
  std::atomic<bool> ran = false;
  const auto before = first_->record();
  first_->enqueue_host(fail);
  first_->enqueue_host([&] { ran = true; });
  const auto after = first_->record();

  EXPECT_EQ(thrown([&] { first_->synchronize(); }).message(), "on purpose");
  EXPECT_EQ(thrown([&] { after->synchronize(); }).message(), "on purpose");
  EXPECT_NO_THROW(before->synchronize());
  EXPECT_FALSE(ran);
}

TEST_F(CudaStreams, HandFailuresToThoseThatWait) {
  std::atomic<bool> ran = false;
  const auto before = second_->record();
  first_->enqueue_host(fail);
  second_->wait(first_->record());
  second_->enqueue_host([&] { ran = true; });

  EXPECT_EQ(thrown([&] { second_->synchronize(); }).code(), Code::kPeerLost);
  EXPECT_NO_THROW(before->synchronize());
  EXPECT_FALSE(ran);
}

class CudaStreamsInTurn : public CudaStreams {
 protected:
  // Host work that waits for `release_`, then streams that wait for each other
  // in turn, while nothing of it is over.
  void wait_in_turn(bool fails) {
    first_->enqueue_host([this, fails] {
      while (!release_) std::this_thread::yield();
      if (fails) fail();
    });
    for (int i = 0; i < 200; ++i) {
      second_->wait(first_->record());
      first_->wait(second_->record());
    }
    second_->enqueue_host([this] { ran_ = true; });
    release_ = true;
  }

  std::atomic<bool> release_ = false;
  std::atomic<bool> ran_ = false;
};

TEST_F(CudaStreamsInTurn, HandDownNothingWhereNothingFailed) {
  wait_in_turn(/*fails=*/false);
  second_->synchronize();
  first_->synchronize();

  EXPECT_TRUE(ran_);
  EXPECT_NO_THROW(first_->record()->synchronize());
}

TEST_F(CudaStreamsInTurn, HandFailuresDownAllTheWay) {
  wait_in_turn(/*fails=*/true);

  EXPECT_EQ(thrown([&] { second_->synchronize(); }).code(), Code::kPeerLost);
  EXPECT_EQ(thrown([&] { first_->synchronize(); }).code(), Code::kPeerLost);
  EXPECT_FALSE(ran_);
}

TEST_F(CudaStreams, UseAgainTheNativeEventsThatNobodyHolds) {
  const auto native = [](const std::shared_ptr<Event>& event) {
    return dynamic_cast<const CudaEvent&>(*event).native();
  };
  const auto kept = first_->record();
  const cudaEvent_t given_back = native(first_->record());
  const auto next = first_->record();

  EXPECT_EQ(native(next), given_back);
  EXPECT_NE(native(next), native(kept));
}

TEST_F(CudaStreams, CopyFromMemoryOfTheHostWhileTheHostGoesOn) {
  std::pmr::vector<float> sent({1, 2, 3}, &backend_->host_memory());
  std::pmr::vector<float> received(3, &backend_->host_memory());
  const Tensor tensor(backend_->memory(), *first_, Owner::kData, DType::kF32,
                      {3});
  std::atomic<bool> release = false;
  first_->enqueue_host([&] {
    while (!release) std::this_thread::yield();
  });
  backend_->upload(*first_, tensor, sent.data());
  backend_->download(*first_, received.data(), tensor);
  release = true;  // would not be reached if a copy waited for the stream
  first_->synchronize();

  EXPECT_EQ(received, sent);
}

TEST_F(CudaStreams, AreNotTakenForThoseOfTheCpu) {
  const auto cpu = make_backend("cpu", {})->make_stream("cpu");

  EXPECT_EQ(thrown([&] { cuda_native(*cpu); }).code(), Code::kBadArgument);
}

TEST_F(CudaStreams, SayHowMuchThereWasWhenMemoryRunsOut) {
  const std::size_t wanted = std::size_t{1} << 50;

  const Error error = thrown([&] {
    backend_->memory().allocate(wanted, Owner::kParameters, *first_);
  });

  EXPECT_EQ(error.code(), Code::kOutOfMemory);
  EXPECT_NE(error.message().find(std::to_string(wanted)), std::string::npos);
}

}  // namespace
}  // namespace cairn
