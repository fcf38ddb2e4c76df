#include "launcher/plan_report.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>
#include <vector>

#include "launcher/byte_size.h"
#include "launcher/step_program.h"
#include "launcher/table.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

// Of the parameters whose names begin alike: "block.3", "embedding", "head".
std::string group_of(const std::string& name) {
  const bool layer = name.rfind("block.", 0) == 0;
  return name.substr(0, name.find('.', layer ? 6 : 0));
}

// Parameters by group, in canonical order.
std::vector<std::pair<std::string, std::int64_t>> by_group(
    const ParameterLayout& layout) {
  std::vector<std::pair<std::string, std::int64_t>> rows;
  for (const ParameterLayout::Entry& entry : layout.entries()) {
    const std::string group = group_of(entry.spec.name);
    if (rows.empty() || rows.back().first != group) rows.push_back({group, 0});
    rows.back().second += entry.spec.shape.elements();
  }
  return rows;
}

std::vector<std::pair<std::string, std::int64_t>> by_owner(
    const RankPlan& rank) {
  std::vector<std::pair<std::string, std::int64_t>> rows;
  rows.reserve(kOwners + 1);
  for (int o = 0; o < kOwners; ++o) {
    rows.emplace_back(name_of(static_cast<Owner>(o)), rank.at_peak[o]);
  }
  rows.emplace_back("gaps between buffers", rank.gaps());
  return rows;
}

std::string digits(double value, int places) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", places, value);
  return text;
}

// "4 to 7": the ranks of a stage.
std::string ranks_of(const Run& run, int place) {
  const int first = make_mesh(run.options().parallel).at(0, "pp", place);
  const int last = first + run.options().parallel.data - 1;
  return first == last ? std::to_string(first)
                       : std::to_string(first) + " to " + std::to_string(last);
}

const RankPlan& plan_of(const Run& run, int place) {
  return run.plan().ranks[static_cast<std::size_t>(
      make_mesh(run.options().parallel).at(0, "pp", place))];
}

// How many blocks a rank has: "5", or "2 + 3" in chunks.
std::string blocks_of(const StagePlan& stages, int place) {
  std::string text;
  for (int s = place; s < stages.shape.stages(); s += stages.shape.ranks) {
    text +=
        (text.empty() ? "" : " + ") + std::to_string(stages.blocks[s].size());
  }
  return text;
}

void print_times(const Run& run, std::ostream& out) {
  const StagePlan stages = plan_stages(run.model(), run.options());
  Table table({"ranks", "stage", "blocks", "step ms", "bubble"});
  for (int place = 0; place < run.options().parallel.pipeline; ++place) {
    const RankPlan& rank = plan_of(run, place);
    const double bubble = rank.ms[static_cast<int>(Phase::kBubble)];
    table.add({ranks_of(run, place), std::to_string(place),
               blocks_of(stages, place), digits(rank.step_ms, 2),
               digits(100 * bubble / rank.step_ms, 1) + " %"});
  }
  table.print(out);
}

void print_memory(const Run& run, std::ostream& out) {
  std::vector<std::string> head{"ranks", "peak"};
  for (const auto& [owner, bytes] : by_owner(plan_of(run, 0))) {
    head.push_back(owner == "gaps between buffers" ? "gaps" : owner);
  }
  Table table(head);
  for (int place = 0; place < run.options().parallel.pipeline; ++place) {
    const RankPlan& rank = plan_of(run, place);
    std::vector<std::string> row{
        ranks_of(run, place),
        human_bytes(static_cast<std::int64_t>(rank.peak_bytes))};
    for (const auto& [owner, bytes] : by_owner(rank)) {
      row.push_back(human_bytes(bytes));
    }
    table.add(row);
  }
  table.print(out);
}

void print_traffic(const Run& run, std::ostream& out) {
  Table table({"ranks", "sent a step, to", "bytes"});
  bool any = false;
  for (int place = 0; place < run.options().parallel.pipeline; ++place) {
    for (const auto& [group, bytes] : plan_of(run, place).sent) {
      if (bytes == 0) continue;
      any = true;
      table.add({ranks_of(run, place), group, std::to_string(bytes)});
    }
  }
  if (!any) return;
  out << "\n";
  table.print(out);
}

Json json_of(const RankPlan& rank, int number) {
  Json memory;
  for (int o = 0; o < kOwners; ++o) {
    memory[name_of(static_cast<Owner>(o))] = rank.at_peak[o];
  }
  memory["gaps"] = rank.gaps();
  Json ms;
  for (int p = 0; p < kPhases; ++p) {
    ms[name_of(static_cast<Phase>(p))] = rank.ms[p];
  }
  Json traffic = Json::object();
  for (const auto& [group, bytes] : rank.sent) traffic[group] = bytes;
  return {{"rank", number},
          {"stage", rank.stage},
          {"step_ms", rank.step_ms},
          {"device_peak_bytes", rank.peak_bytes},
          {"arena_bytes", rank.arena_bytes},
          {"memory", memory},
          {"ms", ms},
          {"traffic", traffic}};
}

}  // namespace

void print_tables(const Run& run, std::ostream& out) {
  Table parameters({"parameters", "count"});
  for (const auto& [group, count] : by_group(run.model().layout())) {
    parameters.add({group, std::to_string(count)});
  }
  parameters.rule();
  parameters.add({"all", std::to_string(run.model().layout().parameters())});
  parameters.print(out);

  const RunPlan& plan = run.plan();
  const int rank = plan.largest();
  std::string title = "memory, activations = " + plan.activations;
  if (plan.ranks.size() > 1) {
    title += ", rank " + std::to_string(rank) + " of " +
             std::to_string(plan.ranks.size()) + " (which needs most)";
  }
  out << "\n";
  byte_table(title, by_owner(plan.ranks[rank])).print(out);
  out << "\n";
}

void print_prediction(const Run& run, std::ostream& out) {
  const RunPlan& plan = run.plan();
  print_times(run, out);
  out << "\n";
  print_memory(run, out);
  print_traffic(run, out);
  const auto tokens = static_cast<double>(run.config().train.global_batch *
                                          run.config().data.sequence);
  out << "\npredicted: " << digits(plan.step_ms(), 2) << " ms a step, "
      << digits(1e3 * tokens / plan.step_ms(), 0) << " tokens/s, bubble "
      << digits(100 * plan.bubble(), 1) << " %\nby " << run.costs().source
      << "\n";
}

std::string plan_json(const Run& run) {
  const RunPlan& plan = run.plan();
  Json ranks = Json::array();
  for (std::size_t r = 0; r < plan.ranks.size(); ++r) {
    ranks.push_back(json_of(plan.ranks[r], static_cast<int>(r)));
  }
  const Json json = {{"parameters", run.model().layout().parameters()},
                     {"activations", plan.activations},
                     {"step_ms", plan.step_ms()},
                     {"bubble", plan.bubble()},
                     {"costs", run.costs().source},
                     {"ranks", ranks}};
  return json.dump(2) + "\n";
}

}  // namespace cairn
