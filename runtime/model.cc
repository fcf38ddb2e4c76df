#include "runtime/model.h"

#include <algorithm>
#include <utility>

#include "runtime/error.h"
#include "runtime/models/families.h"

namespace cairn {

void ModelFamilies::add(const std::string& name, Maker maker) {
  if (!makers_.emplace(name, std::move(maker)).second) {
    throw Error(Code::kBadArgument,
                "a model family named " + name + " is registered already");
  }
}

Blocks ModelFamilies::make(const ModelConfig& config) const {
  const auto found = makers_.find(config.family);
  if (found != makers_.end()) return found->second(config);
  std::string known;
  for (const auto& [name, maker] : makers_) {
    known += (known.empty() ? "" : ", ") + name;
  }
  throw Error(Code::kBadArgument, "model.family = \"" + config.family +
                                      "\" is not registered; there are " +
                                      known);
}

std::vector<std::string> ModelFamilies::names() const {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers_) names.push_back(name);
  return names;
}

ModelFamilies built_in_families() {
  ModelFamilies families;
  families.add("gpt2", make_gpt2);
  families.add("llama", make_llama);
  return families;
}

Model::Model(Blocks blocks) : blocks_(std::move(blocks)) {
  require(!blocks_.empty(), "a model has at least one block");
  for (const auto& block : blocks_) {
    std::vector<int> indexes;
    for (const ParameterSpec& spec : block->parameters()) {
      indexes.push_back(layout_.add(spec));
    }
    parameters_.push_back(std::move(indexes));
  }
  note_row_gradients();
}

void Model::note_row_gradients() {
  std::vector<int> dense(layout_.entries().size());
  for (int b = 0; b < this->blocks(); ++b) {
    const std::vector<ParameterSpec> specs = block(b).parameters();
    for (std::size_t slot = 0; slot < specs.size(); ++slot) {
      const int parameter = parameters_[b][slot];
      if (specs[slot].by_rows) {
        rows_.push_back({b, static_cast<int>(slot), parameter, false});
      } else {
        ++dense[parameter];
      }
    }
  }
  for (std::size_t p = 0; p < dense.size(); ++p) {
    if (dense[p] <= 1) continue;
    throw Error(Code::kBadArgument,
                "more than one block gives " + layout_.entries()[p].spec.name +
                    " a dense gradient; a parameter is shared by an embedding "
                    "and one other block at most");
  }
  for (RowGradient& row : rows_) row.shared = dense[row.parameter] > 0;
}

std::int64_t Model::vocab() const {
  std::int64_t most = 0;
  for (const RowGradient& row : rows_) {
    most = std::max(most, layout_.entries()[row.parameter].spec.shape[0]);
  }
  return most;
}

double Model::flops_per_token(const BatchShape& batch) const {
  double sum = 0;
  for (const auto& block : blocks_) sum += block->flops(batch);
  return 3.0 * sum / static_cast<double>(batch.tokens());
}

}  // namespace cairn
