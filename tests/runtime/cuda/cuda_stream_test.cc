#include "runtime/cuda/cuda_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <numeric>
#include <thread>
#include <vector>

#include "runtime/backend.h"
#include "runtime/cuda_place.h"
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

// With pageable memory the call comes back only when the bytes have gone.
TEST_F(CudaStreams, CopyFromAndToLockedMemoryWithoutHoldingUpTheHost) {
  constexpr std::int64_t kNumbers = std::int64_t{32} << 20;
  const Tensor tensor(backend_->memory(), *first_, Owner::kData, DType::kI32,
                      {kNumbers});
  const Buffer host(backend_->host_memory(), 2 * tensor.bytes(), Owner::kData,
                    *first_);
  auto* const sent = reinterpret_cast<std::int32_t*>(host.data());
  std::int32_t* const received = sent + kNumbers;
  std::iota(sent, received, 7);
  std::promise<void> enqueued;
  second_->enqueue_host(
      [future = enqueued.get_future().share()] { future.wait(); });
  first_->wait(second_->record());

  // Nothing moves before both are enqueued.
  backend_->upload(*first_, tensor, sent);
  backend_->download(*first_, received, tensor);
  const auto end = first_->record();
  EXPECT_FALSE(end->reached());
  enqueued.set_value();
  end->synchronize();

  EXPECT_TRUE(std::equal(sent, received, received));
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

// Also of those that the device would put into one queue.
TEST_F(CudaStreams, LetHostWorkWaitForThatOfAnyOtherStream) {
  constexpr std::size_t kStreams = 40;
  std::vector<std::unique_ptr<Stream>> streams;
  std::atomic<std::size_t> turn = kStreams;
  for (std::size_t s = 0; s < kStreams; ++s) {
    streams.push_back(backend_->make_stream("stream"));
    streams[s]->enqueue_host([&turn, s] {
      while (turn.load() != s + 1) std::this_thread::yield();
      turn.store(s);
    });
  }
  for (const auto& stream : streams) stream->synchronize();

  EXPECT_EQ(turn, 0);
}

TEST_F(CudaStreams, QueueMarksWaitsAndCopiesBehindHostWork) {
  const Tensor tensor(backend_->memory(), *first_, Owner::kData, DType::kF32,
                      {3});
  std::vector<float> sent{1, 2, 3};
  std::vector<float> received(3);
  std::atomic<bool> go = false;

  first_->enqueue_host([&] {
    while (!go) std::this_thread::yield();
    sent = {4, 5, 6};
  });
  backend_->upload(*first_, tensor, sent.data());
  const auto mark = first_->record();
  second_->wait(mark);
  backend_->download(*second_, received.data(), tensor);
  const auto end = second_->record();

  EXPECT_FALSE(mark->reached());
  EXPECT_FALSE(end->reached());
  go = true;
  end->synchronize();
  EXPECT_TRUE(mark->reached());
  EXPECT_EQ(received, (std::vector<float>{4, 5, 6}));
}

TEST_F(CudaStreams, WaitForThoseOfTheCpuAndTakeTheirFailures) {
  const auto cpu = make_backend("cpu", {})->make_stream("cpu");
  std::atomic<bool> go = false;
  cpu->enqueue_host([&] {
    while (!go) std::this_thread::yield();
    fail();
  });
  first_->wait(cpu->record());
  const auto mark = first_->record();

  EXPECT_FALSE(mark->reached());
  go = true;
  EXPECT_EQ(thrown([&] { mark->synchronize(); }).message(), "on purpose");
}

TEST_F(CudaStreams, FailFromAPlaceOnWhenTold) {
  const auto before = first_->record();
  const CudaPlace place = cuda_place(*first_);
  std::atomic<bool> go = false;
  first_->enqueue_host([&] {
    while (!go) std::this_thread::yield();
  });
  const auto after = first_->record();
  second_->wait(after);

  place.fail(std::make_exception_ptr(Error(Code::kPeerLost, "on purpose")));
  go = true;

  EXPECT_NO_THROW(before->synchronize());
  EXPECT_EQ(thrown([&] { after->synchronize(); }).message(), "on purpose");
  EXPECT_EQ(thrown([&] { second_->synchronize(); }).message(), "on purpose");
}

TEST_F(CudaStreams, SumInTheOrderOfTheParts) {
  const std::vector<float> parts{1e8F, 3, 0, 0, -1e8F, 5};  // own is the second
  const std::vector<float> own{1, 4};
  const Tensor all(backend_->memory(), *first_, Owner::kData, DType::kF32, {6});
  const Tensor x(backend_->memory(), *first_, Owner::kData, DType::kF32, {2});
  std::vector<float> sum(2);

  backend_->upload(*first_, all, parts.data());
  backend_->upload(*first_, x, own.data());
  cuda_sum_in_order(*first_, all, 1, x, x);
  backend_->download(*first_, sum.data(), x);
  first_->synchronize();

  EXPECT_EQ(sum, (std::vector<float>{(1e8F + 1) - 1e8F, 12}));
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
