#include "parallel/channel.h"

#include <gtest/gtest.h>

#include <future>

#include "runtime/ledger.h"
#include "tests/support/scribbling_memory.h"
#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

constexpr std::int64_t kElements = 100;
constexpr std::size_t kTensorBytes = 512;  // of them, padded

// One rank's end of a channel from rank 0 to rank 1.
struct End {
  End(World& world, int capacity)
      : backend(make_backend("cpu", {1})),
        stream(backend->make_stream("compute")),
        workspace(backend->memory(), *stream, Owner::kWorkspace, DType::kF32,
                  {static_cast<std::int64_t>(backend->workspace_bytes()) / 4}),
        kernels(backend->make_kernels(workspace)),
        ledger(backend->memory()),
        compute{*backend, ledger, *stream, *kernels},
        channel(compute, timeline, world.make("0 to 1", {0, 1}), capacity) {}

  Tensor filled(float value) {
    Tensor tensor = compute.make(Owner::kActivations, DType::kF32, {kElements});
    kernels->fill(*stream, tensor, value);
    return tensor;
  }
  std::vector<float> values(const TensorView& view) {
    std::vector<float> all(static_cast<std::size_t>(view.elements()));
    backend->download(*stream, all.data(), view);
    stream->synchronize();
    return all;
  }

  std::unique_ptr<Backend> backend;
  std::unique_ptr<Stream> stream;
  Tensor workspace;
  std::unique_ptr<Kernels> kernels;
  Ledger ledger;
  Timeline timeline;
  Compute compute;
  Channel channel;
};

void on_both_ends(int capacity, const std::function<void(End&)>& from,
                  const std::function<void(End&)>& to) {
  on_threads(2, [&](World& world) {
    End end(world, capacity);
    (world.rank() == 0 ? from : to)(end);
    end.stream->synchronize();
  });
}

void send_all(End& end, int count) {
  for (int i = 0; i < count; ++i) {
    end.channel.send(end.filled(static_cast<float>(i)), "send");
  }
  end.channel.settle();
}

std::vector<float> all_of(int number) {
  return std::vector<float>(kElements, static_cast<float>(number));
}

TEST(Channel, BringsTensorsInTheOrderInWhichTheyWereSent) {
  for (const int capacity : {1, 2, 7}) {
    on_both_ends(
        capacity, [](End& end) { send_all(end, 7); },
        [](End& end) {
          for (int i = 0; i < 7; ++i) {
            const Tensor came =
                await(end.compute, end.timeline,
                      end.channel.receive(DType::kF32, {kElements}, "receive"));
            EXPECT_EQ(end.values(came), all_of(i));
          }
        });
  }
}

TEST(Channel, BringsWhatWasReceivedEarlyToWhoWaitsLate) {
  on_both_ends(
      1, [](End& end) { send_all(end, 4); },
      [](End& end) {
        std::vector<Arrival> early;
        for (int i = 0; i < 4; ++i) {
          early.push_back(
              end.channel.receive(DType::kF32, {kElements}, "receive"));
        }
        for (int i = 3; i >= 0; --i) {
          const Tensor came =
              await(end.compute, end.timeline,
                    std::move(early[static_cast<std::size_t>(i)]));
          EXPECT_EQ(end.values(came), all_of(i));
        }
      });
}

TEST(Channel, HoldsNoMoreOfWhatItSentThanItsCapacity) {
  for (const std::size_t capacity : {1U, 3U}) {
    on_both_ends(
        static_cast<int>(capacity),
        [&](End& end) {
          for (std::size_t i = 0; i < 6; ++i) {
            end.channel.send(end.filled(1.0F), "send");
            EXPECT_EQ(end.ledger.bytes(Owner::kActivations),
                      std::min(i + 1, capacity) * kTensorBytes);
          }
          // The one that is about to go is there beside them.
          EXPECT_EQ(end.ledger.peak(Owner::kActivations),
                    (capacity + 1) * kTensorBytes);

          end.channel.settle();

          EXPECT_EQ(end.ledger.bytes(Owner::kActivations), 0U);
        },
        [](End& end) {
          for (int i = 0; i < 6; ++i) {
            await(end.compute, end.timeline,
                  end.channel.receive(DType::kF32, {kElements}, "receive"));
          }
        });
  }
}

// What compute waits for is bubble; on the channel's stream it is transfers.
TEST(Channel, IsMarkedOnTheTimeline) {
  on_both_ends(
      1,
      [](End& end) {
        end.channel.send(end.filled(1.0F), "so0.0");
        end.channel.settle();

        const auto spans = end.timeline.take();
        ASSERT_EQ(spans.size(), 2U);
        EXPECT_EQ(spans[0].stream->name(), "0 to 1");
        EXPECT_EQ(spans[0].name, "so0.0");
        EXPECT_EQ(spans[0].phase, Phase::kCommunication);
        EXPECT_EQ(spans[1].stream, end.stream.get());
        EXPECT_EQ(spans[1].phase, Phase::kBubble);
      },
      [](End& end) {
        Arrival arrival =
            end.channel.receive(DType::kF32, {kElements}, "ri1.0");
        const Tensor came =
            await(end.compute, end.timeline, std::move(arrival));
        await(end.compute, end.timeline, {came, nullptr});

        const auto spans = end.timeline.take();
        ASSERT_EQ(spans.size(), 2U);
        EXPECT_EQ(spans[0].name, "ri1.0");
        EXPECT_EQ(spans[1].phase, Phase::kBubble);
      });
}

// A rank that gives up in the middle of a step.
TEST(Channel, KeepsWhatItSendsUntilItsStreamHasEnded) {
  std::promise<void> leaves;
  on_threads(2, [&](World& world) {
    End end(world, 1);
    if (world.rank() == 1) {
      leaves.get_future().wait();
      const Tensor came =
          await(end.compute, end.timeline,
                end.channel.receive(DType::kF32, {kElements}, "receive"));
      EXPECT_EQ(end.values(came), all_of(5));
      return;
    }
    ScribblingMemory memory(end.backend->memory(), *end.stream);
    Tensor value(memory, *end.stream, Owner::kActivations, DType::kF32,
                 {kElements});
    end.kernels->fill(*end.stream, value, 5.0F);
    end.stream->synchronize();
    Channel ending = std::move(end.channel);
    ending.send(std::move(value), "send");
    leaves.set_value();
  });
}

}  // namespace
}  // namespace cairn
