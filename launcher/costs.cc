#include "launcher/costs.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/device_report.h"
#include "runtime/error.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

template <typename Rate, typename Visit>
void visit_attention(const std::string& name, Rate& rate, Visit visit) {
  visit(name + "_flops_per_second", rate.flops_per_second);
  visit(name + "_half_sequence", rate.half_sequence);
  visit(name + "_half_head", rate.half_head);
}

template <typename Rates, typename Visit>
void visit_type(const std::string& name, Rates& rates, Visit visit) {
  visit(name + "_flops_per_second", rates.flops_per_second);
  visit(name + "_half_depth", rates.half_depth);
  visit_attention(name + "_attention_forward", rates.forward, visit);
  visit_attention(name + "_attention_backward", rates.backward, visit);
  visit_attention(name + "_attention_backward_fast", rates.backward_fast,
                  visit);
}

// Every number of a CostModel but whole ones and the table, with its name in
// the file.
template <typename Costs, typename Visit>
void visit_rates(Costs& costs, Visit visit) {
  visit_type("f32", costs.f32, visit);
  visit_type("bf16", costs.bf16, visit);
  visit("bytes_per_second", costs.bytes_per_second);
  visit("kernel_overhead", costs.kernel_overhead);
  visit("event_overhead", costs.event_overhead);
  visit("kernel_issue", costs.kernel_issue);
  visit("event_issue", costs.event_issue);
  visit("copy_latency", costs.copy_latency);
  visit("upload_bytes_per_second", costs.upload_bytes_per_second);
  visit("download_bytes_per_second", costs.download_bytes_per_second);
  visit("link_latency", costs.link.latency);
  visit("link_bytes_per_second", costs.link.bytes_per_second);
  visit("link_sum_bytes_per_second", costs.link.sum_bytes_per_second);
  visit("network_latency", costs.network.latency);
  visit("network_bytes_per_second", costs.network.bytes_per_second);
  visit("network_sum_bytes_per_second", costs.network.sum_bytes_per_second);
}

[[noreturn]] void refuse(const std::filesystem::path& file,
                         const std::string& why) {
  throw Error(Code::kBadArgument, "costs file " + file.string() + ": " + why +
                                      "; cairn bench --costs writes one");
}

// A time may be nothing; a rate, by which is divided, may not.
void check_costs(const CostModel& costs, const std::filesystem::path& file) {
  const auto refuse_number = [&](const std::string& name, double found) {
    refuse(file,
           name + " is " + std::to_string(found) + ", which no machine takes");
  };
  visit_rates(costs, [&](const std::string& name, const double& rate) {
    const bool divides = name.find("per_second") != std::string::npos;
    if (divides ? rate <= 0 : rate < 0) refuse_number(name, rate);
  });
  for (const auto* table : {&costs.measured, &costs.measured_fast}) {
    for (const auto& [key, op] : *table) {
      if (op.seconds < 0) refuse_number(key, op.seconds);
    }
  }
}

constexpr std::array<const char*, 4> kKinds = {
    "pass", "product", "attention_forward", "attention_backward"};
constexpr std::array<DType, 4> kTypes = {DType::kF32, DType::kBF16, DType::kF64,
                                         DType::kI32};

Json json_of(const MeasuredOp& op) {
  return {{"seconds", op.seconds},
          {"kind", kKinds[static_cast<std::size_t>(op.profile.kind)]},
          {"type", name_of(op.profile.type)},
          {"sizes", op.profile.sizes},
          {"flops", op.profile.flops},
          {"bytes", op.profile.bytes}};
}

MeasuredOp measured_of(const Json& json, const std::filesystem::path& file) {
  const auto kind = json.at("kind").get<std::string>();
  const auto type = json.at("type").get<std::string>();
  const auto* const known_kind = std::find(kKinds.begin(), kKinds.end(), kind);
  const auto* const known_type =
      std::find_if(kTypes.begin(), kTypes.end(),
                   [&](DType each) { return name_of(each) == type; });
  if (known_kind == kKinds.end() || known_type == kTypes.end()) {
    refuse(file, "an operation of kind " + kind + " and type " + type +
                     " is not known");
  }
  MeasuredOp op;
  op.seconds = json.at("seconds").get<double>();
  op.profile.kind = static_cast<OpClass>(known_kind - kKinds.begin());
  op.profile.type = *known_type;
  op.profile.sizes = json.at("sizes").get<std::vector<double>>();
  op.profile.flops = json.at("flops").get<double>();
  op.profile.bytes = json.at("bytes").get<double>();
  const bool is_pass = op.profile.kind == OpClass::kPass;
  if (!is_pass && op.profile.sizes.size() != 3) {
    refuse(file, "an operation of kind " + kind + " has three sizes, not " +
                     std::to_string(op.profile.sizes.size()));
  }
  return op;
}

std::map<std::string, MeasuredOp> table_of(const Json& json,
                                           const std::filesystem::path& file) {
  std::map<std::string, MeasuredOp> table;
  for (const auto& [key, op] : json.items()) {
    table[key] = measured_of(op, file);
  }
  return table;
}

Json json_of(const std::map<std::string, MeasuredOp>& table) {
  Json json = Json::object();
  for (const auto& [key, op] : table) json[key] = json_of(op);
  return json;
}

CostModel read_costs_of(const Json& json, const std::filesystem::path& file) {
  CostModel costs;
  costs.source = json.at("source").get<std::string>();
  visit_rates(costs, [&](const std::string& name, double& rate) {
    rate = json.at(name).get<double>();
  });
  costs.processors = json.at("processors").get<int>();
  costs.ranks_per_node = json.at("ranks_per_node").get<int>();
  costs.measured = table_of(json.at("kernels"), file);
  if (json.contains("kernels_fast")) {
    costs.measured_fast = table_of(json.at("kernels_fast"), file);
  }
  return costs;
}

}  // namespace

CostModel read_costs(const std::filesystem::path& file) {
  if (const auto shipped = shipped_costs(file.string())) return *shipped;
  std::ifstream in(file);
  if (!in) refuse(file, "it cannot be read");
  try {
    CostModel costs = read_costs_of(Json::parse(in), file);
    check_costs(costs, file);
    costs.source += ", from " + file.string();
    return costs;
  } catch (const nlohmann::json::exception& error) {
    refuse(file, error.what());
  }
}

void write_costs(const CostModel& costs, const std::filesystem::path& file) {
  Json json;
  json["source"] = costs.source;
  visit_rates(costs, [&](const std::string& name, const double& rate) {
    json[name] = rate;
  });
  json["processors"] = costs.processors;
  json["ranks_per_node"] = costs.ranks_per_node;
  json["kernels"] = json_of(costs.measured);
  if (!costs.measured_fast.empty()) {
    json["kernels_fast"] = json_of(costs.measured_fast);
  }
  std::ofstream out(file);
  out << json.dump(1) << "\n";
  out.close();
  if (!out) refuse(file, "it cannot be written");
}

CostModel default_costs(Device::Kind device) {
  if (device != Device::Kind::kCuda) return {};
  const bool older =
      card_of({device, 0}).name.find("H100") != std::string::npos;
  return *shipped_costs(older ? "h100" : "h200");
}

}  // namespace cairn
