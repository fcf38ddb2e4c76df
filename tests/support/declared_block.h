// A block that only declares: parameters, and what it would cost. For tests of
// what is decided before anything is computed.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/model.h"

namespace cairn {

class DeclaredBlock : public Block {
 public:
  explicit DeclaredBlock(std::vector<ParameterSpec> parameters)
      : parameters_(std::move(parameters)) {}

  std::vector<ParameterSpec> parameters() const override { return parameters_; }
  std::vector<GroupSpec> groups(const BatchShape& /*batch*/,
                                DType /*dtype*/) const override {
    return {};
  }
  Shape output_shape(const BatchShape& batch) const override {
    return {batch.tokens(), 1};
  }
  Tensor forward(const Call& /*call*/, const Tensor& /*input*/,
                 Saved* /*saved*/) const override {
    return {};
  }
  void rebuild(const Call& /*call*/, Saved& /*saved*/) const override {}
  Tensor backward_input(const Call& /*call*/, Tensor /*dy*/, Saved /*saved*/,
                        WeightWork& /*later*/) const override {
    return {};
  }
  double flops(const BatchShape& /*batch*/) const override { return 1.0; }

 private:
  std::vector<ParameterSpec> parameters_;
};

// A chain of such blocks.
inline Blocks declared(std::vector<std::vector<ParameterSpec>> chain) {
  Blocks blocks;
  for (auto& parameters : chain) {
    blocks.push_back(std::make_unique<DeclaredBlock>(std::move(parameters)));
  }
  return blocks;
}

inline ParameterSpec vector_of(const std::string& name, std::int64_t elements) {
  return {name, {elements}, Init::kNormal, 0.1F};
}
inline ParameterSpec table_of(const std::string& name, std::int64_t rows,
                              std::int64_t width) {
  ParameterSpec spec{name, {rows, width}, Init::kNormal, 0.1F};
  spec.by_rows = true;
  return spec;
}

}  // namespace cairn
