#include "launcher/rehearsal.h"

#include <algorithm>
#include <span>

#include "launcher/engine.h"
#include "launcher/step_program.h"
#include "parallel/sim_world.h"
#include "runtime/arena.h"
#include "runtime/ledger.h"

namespace cairn {
namespace {

// More than any device has; nothing of it is ever touched.
constexpr std::size_t kPretendBytes = std::size_t{1} << 50;

// The step whose times count: the first that another precedes.
constexpr std::uint64_t kTimedStep = 1;

}  // namespace

struct Rehearsal::Rank {
  Rank(SimMachine& on, const PlanRequest& request, const std::string& policy,
       int number)
      : machine(on),
        backend(machine.make_backend(
            number, workspace_bytes_of(name_of(request.device),
                                       request.backend_options()))),
        sim_world(
            make_sim_world(machine, number, request.options.parallel.world())),
        world(make_counted_world(*sim_world, sent)),
        stream(backend->make_stream("memory")),
        arena(backend->memory(), kPretendBytes, *stream),
        ledger(arena),
        memory(machine.make_memory(number, ledger)),
        engine(*backend, *memory, *world, request.model, policy_named(policy),
               request.options) {}

  // The first step, and the one that is timed.
  void begin(const PlanRequest& request) {
    const std::vector<std::int32_t> all = tokens_of(request);
    engine.draw_weights();
    engine.step(0, {all, all}, 0.0F);
    const Traffic before = sent;
    const std::vector<SimKernel> earlier = machine.kernels();
    mark = arena.high_water();
    engine.step(kTimedStep, {all, all}, 0.0F);
    step_kernels = machine.kernels();
    for (std::size_t k = 0; k < earlier.size(); ++k) {
      step_kernels[k].calls -= earlier[k].calls;
    }
    std::erase_if(step_kernels,
                  [](const SimKernel& k) { return k.calls == 0; });
    for (auto& [group, bytes] : sent)
      step_sent[group] = bytes - before.at(group);
  }

  void step_again(const PlanRequest& request, std::uint64_t number) {
    const std::vector<std::int32_t> all = tokens_of(request);
    mark = arena.high_water();
    engine.step(number, {all, all}, 0.0F);
  }

  // What a run does to memory between steps: an evaluation, the weights, a
  // sample.
  void look(const PlanRequest& request) {
    const std::vector<std::int32_t> all = tokens_of(request);
    const BatchShape& batch = request.options.batch;
    const auto one =
        std::span(all).first(static_cast<std::size_t>(batch.tokens()));
    engine.evaluate(one, one);
    engine.visit_weights([](const ParameterSpec&, const TensorView&) {});
    if (!request.samples_text) return;
    engine.logits(one.first(static_cast<std::size_t>(batch.sequence)));
  }

  // Whether the last step, or what came after it, took more than was taken
  // before. Once none does, a run can go on for ever.
  bool grew() const { return arena.high_water() > mark; }

  // Of a step; as many different ones as there can be.
  static std::vector<std::int32_t> tokens_of(const PlanRequest& request) {
    std::vector<std::int32_t> all(static_cast<std::size_t>(
        request.options.batch.tokens() * request.options.microbatches));
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = static_cast<std::int32_t>(static_cast<std::int64_t>(i) %
                                         request.model.vocab());
    }
    return all;
  }

  SimMachine& machine;
  Traffic sent;
  Traffic step_sent;
  std::vector<SimKernel> step_kernels;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<World> sim_world;
  std::unique_ptr<World> world;
  std::unique_ptr<Stream> stream;
  Arena arena;
  Ledger ledger;
  std::unique_ptr<MemoryResource> memory;
  Engine engine;
  std::size_t mark = 0;  // of the arena, before the last step
};

Rehearsal::Rehearsal(const PlanRequest& request, const std::string& policy,
                     const Prepare& prepare)
    : request_(request),
      machine_(request.costs.in_mode(request.options.deterministic)) {
  const Mesh mesh = make_mesh(request.options.parallel);
  std::vector<int> phantoms;
  for (int rank = 0; rank < mesh.size(); ++rank) {
    if (mesh.coordinate(rank, "dp") > 0) phantoms.push_back(rank);
  }
  machine_.add_phantoms(phantoms);
  if (prepare) prepare(machine_);
  for (int place = 0; place < request.options.parallel.pipeline; ++place) {
    ranks_.push_back(std::make_unique<Rank>(machine_, request, policy,
                                            mesh.at(0, "pp", place)));
    ranks_.back()->begin(request);
    ranks_.back()->look(request);
  }
  const auto grew = [](const auto& rank) { return rank->grew(); };
  // Two steps' outcomes are kept, by odd and even numbers: the timed one stays.
  for (std::uint64_t step = kTimedStep + 1;
       std::any_of(ranks_.begin(), ranks_.end(), grew); step += 2) {
    for (const auto& rank : ranks_) {
      rank->step_again(request, step);
      rank->look(request);
    }
  }
  machine_.solve();
}

Rehearsal::~Rehearsal() = default;

RankPlan Rehearsal::rank_plan(int place) const {
  Rank& rank = *ranks_[static_cast<std::size_t>(place)];
  const StepOutcome outcome = rank.engine.outcome(kTimedStep);
  RankPlan plan;
  plan.stage = place;
  plan.arena_bytes = rank.arena.high_water();
  plan.peak_bytes = rank.ledger.total_peak();
  plan.at_peak = rank.ledger.at_total_peak();
  plan.step_ms = outcome.step_ms;
  plan.ms = outcome.ms;
  plan.sent = rank.step_sent;
  return plan;
}

std::vector<TraceSpan> Rehearsal::trace() const {
  const Mesh mesh = make_mesh(request_.options.parallel);
  const Event& origin = *ranks_.front()->engine.spans(kTimedStep).front().begin;
  std::vector<TraceSpan> all;
  for (std::size_t place = 0; place < ranks_.size(); ++place) {
    const auto spans =
        trace_spans(mesh.at(0, "pp", static_cast<int>(place)),
                    ranks_[place]->engine.spans(kTimedStep), origin);
    all.insert(all.end(), spans.begin(), spans.end());
  }
  return all;
}

std::vector<SimKernel> Rehearsal::step_kernels(int place) const {
  return ranks_[static_cast<std::size_t>(place)]->step_kernels;
}

std::vector<KernelOp> Rehearsal::kernels() const {
  std::vector<KernelOp> ops;
  for (const SimKernel& kernel : machine_.kernels()) ops.push_back(kernel.op);
  return ops;
}

}  // namespace cairn
