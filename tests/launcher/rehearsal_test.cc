// What is rehearsed is what happens: the same bytes on every rank, and the same
// things on every stream in the same order.

#include "launcher/rehearsal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "layout_cases.h"
#include "rank_threads.h"
#include "runtime/arena.h"
#include "tests/support/thread_ranks.h"

namespace cairn {
namespace {

// What one rank of a real run came to.
struct Found {
  std::size_t peak_bytes = 0;
  std::size_t arena_bytes = 0;
  BytesByOwner at_peak{};
  std::vector<TraceSpan> spans;  // of step 1
};

// All that a run does to memory, oftener than it was rehearsed. Steps after
// the second have even numbers, so that the spans of step 1 are kept.
void run_all(Engine& engine, const EngineOptions& options) {
  const auto tokens = static_cast<std::size_t>(options.batch.tokens());
  const std::vector<std::int32_t> all(
      tokens * static_cast<std::size_t>(options.microbatches), 3);
  const auto one = std::span(all).first(tokens);
  engine.draw_weights();
  for (const std::uint64_t step : {0, 1, 2, 4, 6, 8}) {
    engine.step(step, {all, all}, 1e-2F);
    engine.outcome(step);
    if (step == 0) continue;
    engine.evaluate(one, one);
    engine.weights_hash();
    engine.logits(one.first(static_cast<std::size_t>(options.batch.sequence)));
  }
}

// Each rank in an arena of exactly what was planned for it.
std::vector<Found> run_ranks(const Model& model, const LayoutCase& layout,
                             const RunPlan& plan) {
  const EngineOptions options = options_of(layout);
  std::vector<Found> found(plan.ranks.size());
  on_threads(options.parallel.world(), [&](World& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const auto backend = make_backend("cpu", {1});
    const auto stream = backend->make_stream("memory");
    Arena arena(backend->memory(), plan.ranks[rank].arena_bytes, *stream);
    Ledger ledger(arena);
    Engine engine(*backend, ledger, world, model, policy_named(layout.policy),
                  options);
    run_all(engine, options);
    const auto& records = engine.spans(1);
    // What goes on beside compute may end after the step.
    for (const auto& record : records) record.end->synchronize();
    found[rank] = {ledger.total_peak(), arena.high_water(),
                   ledger.at_total_peak(),
                   trace_spans(world.rank(), records, *records.front().begin)};
  });
  return found;
}

// What a stream did, in its order; "> " for each span that is around.
using Order = std::map<std::string, std::vector<std::string>>;

Order order_of(std::vector<TraceSpan> spans, int rank) {
  std::erase_if(spans, [&](const TraceSpan& s) { return s.rank != rank; });
  std::stable_sort(spans.begin(), spans.end(),
                   [](const TraceSpan& a, const TraceSpan& b) {
                     return a.begin_ms < b.begin_ms;
                   });
  Order order;
  std::map<std::string, std::vector<double>> open;  // ends of spans, by stream
  for (const TraceSpan& span : spans) {
    std::vector<double>& ends = open[span.stream];
    while (!ends.empty() && ends.back() <= span.begin_ms) ends.pop_back();
    std::string text;
    for (std::size_t i = 0; i < ends.size(); ++i) text += "> ";
    order[span.stream].push_back(text + span.name + " (" + span.phase + ")");
    ends.push_back(span.end_ms);
  }
  return order;
}

// Which send meets which receive.
std::set<std::string> transfers(const std::vector<TraceSpan>& spans) {
  const auto text = [](const TraceSpan& span) {
    return "rank " + std::to_string(span.rank) + " " + span.name;
  };
  std::set<std::string> pairs;
  for (const TraceArrow& arrow : transfer_arrows(spans, 1)) {
    pairs.insert(text(spans[arrow.from]) + " to " + text(spans[arrow.to]));
  }
  return pairs;
}

void expect_memory(const std::vector<Found>& found, const RunPlan& plan) {
  for (std::size_t rank = 0; rank < found.size(); ++rank) {
    SCOPED_TRACE("rank " + std::to_string(rank));
    EXPECT_EQ(found[rank].peak_bytes, plan.ranks[rank].peak_bytes);
    EXPECT_EQ(found[rank].at_peak, plan.ranks[rank].at_peak);
    EXPECT_EQ(found[rank].arena_bytes, plan.ranks[rank].arena_bytes);
  }
}

// Replicas do what the first does.
void expect_order(const std::vector<Found>& found,
                  const std::vector<TraceSpan>& rehearsed,
                  const LayoutCase& layout) {
  std::vector<TraceSpan> first_replica;
  for (std::size_t rank = 0; rank < found.size(); ++rank) {
    SCOPED_TRACE("rank " + std::to_string(rank));
    const auto number = static_cast<int>(rank);
    const int first = number - number % layout.data;
    const Order want = order_of(rehearsed, first);
    EXPECT_FALSE(want.empty());
    EXPECT_EQ(order_of(found[rank].spans, number), want);
    if (first != number) continue;
    first_replica.insert(first_replica.end(), found[rank].spans.begin(),
                         found[rank].spans.end());
  }
  const std::set<std::string> want = transfers(rehearsed);
  EXPECT_EQ(want.empty(), layout.pipeline == 1);
  EXPECT_EQ(transfers(first_replica), want);
  const bool shares =
      std::any_of(want.begin(), want.end(), [](const std::string& pair) {
        return pair.find(" ss") != std::string::npos &&
               pair.find(" to rank 0 rs0") != std::string::npos;
      });
  EXPECT_EQ(shares, layout.tied && layout.pipeline > 1);
}

void expect_as_rehearsed(const LayoutCase& layout) {
  const Model model = model_of(layout);
  const PlanRequest request{model, options_of(layout), /*threads=*/1,
                            /*samples_text=*/true};
  const RunPlan plan = plan_run(request, layout.policy);

  const std::vector<Found> found = run_ranks(model, layout, plan);

  ASSERT_EQ(found.size(), plan.ranks.size());
  expect_memory(found, plan);
  expect_order(found, Rehearsal(request, layout.policy).trace(), layout);
}

class EveryLayout : public testing::TestWithParam<std::string> {};

TEST_P(EveryLayout, PeaksAndRunsAsItWasRehearsed) {
  int tried = 0;
  for (const LayoutCase& layout : all_layouts()) {
    if (layout.schedule != GetParam()) continue;
    SCOPED_TRACE(to_text(layout));
    ++tried;
    expect_as_rehearsed(layout);
    if (HasFailure()) return;
  }
  EXPECT_GT(tried, 0);
}

TEST(EveryLayoutInBf16, PeaksAndRunsAsItWasRehearsed) {
  for (const LayoutCase& layout : bf16_layouts()) {
    SCOPED_TRACE(to_text(layout));
    expect_as_rehearsed(layout);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Schedules, EveryLayout,
                         testing::Values("1f1b", "gpipe", "interleaved",
                                         "zb-h1"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace cairn
