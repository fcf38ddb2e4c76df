#include "launcher/costs.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "runtime/calibration.h"
#include "runtime/error.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

// Every number of a CostModel but the table, with its name in the file.
template <typename Costs, typename Visit>
void visit_rates(Costs& costs, Visit visit) {
  visit("flops_per_second", costs.flops_per_second);
  visit("bytes_per_second", costs.bytes_per_second);
  visit("kernel_overhead", costs.kernel_overhead);
  visit("event_overhead", costs.event_overhead);
  visit("copy_latency", costs.copy_latency);
  visit("copy_bytes_per_second", costs.copy_bytes_per_second);
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
                                      "; cairn plan --measure writes one");
}

// The mean of what several ranks measured side by side.
std::map<std::string, double> mean_of(
    const std::vector<std::map<std::string, double>>& tables) {
  std::map<std::string, double> mean;
  for (const auto& table : tables) {
    for (const auto& [key, seconds] : table) {
      mean[key] += seconds / static_cast<double>(tables.size());
    }
  }
  return mean;
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
  for (const auto& [key, seconds] : costs.seconds_of) {
    if (seconds < 0) refuse_number(key, seconds);
  }
}

CostModel read_costs_of(const Json& json) {
  CostModel costs;
  visit_rates(costs, [&](const char* name, double& rate) {
    rate = json.at(name).get<double>();
  });
  costs.ranks_per_node = json.at("ranks_per_node").get<int>();
  costs.seconds_of = json.at("kernels").get<std::map<std::string, double>>();
  return costs;
}

}  // namespace

CostModel read_costs(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) refuse(file, "it cannot be read");
  try {
    CostModel costs = read_costs_of(Json::parse(in));
    check_costs(costs, file);
    return costs;
  } catch (const nlohmann::json::exception& error) {
    refuse(file, error.what());
  }
}

void write_costs(const CostModel& costs, const std::filesystem::path& file) {
  Json json;
  visit_rates(costs,
              [&](const char* name, const double& rate) { json[name] = rate; });
  json["ranks_per_node"] = costs.ranks_per_node;
  json["kernels"] = costs.seconds_of;
  std::ofstream out(file);
  out << json.dump(2) << "\n";
  out.close();
  if (!out) refuse(file, "it cannot be written");
}

CostModel measure_costs(const PlanRequest& request, const std::string& policy) {
  const std::vector<KernelOp> ops = plan_kernels(request, policy);
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  const int ranks = std::clamp(cores / std::max(1, request.threads), 1,
                               request.options.parallel.world());
  std::vector<std::map<std::string, double>> tables(
      static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  threads.reserve(tables.size());
  for (std::map<std::string, double>& table : tables) {
    threads.emplace_back([&] {
      const auto backend =
          make_backend(name_of(request.device), request.backend_options());
      table = measure(*backend, ops);
    });
  }
  for (std::thread& thread : threads) thread.join();

  CostModel costs = request.costs;
  costs.seconds_of = mean_of(tables);
  const HostRates rates = measure_host(std::size_t{1} << 20);
  costs.link.bytes_per_second = rates.copy;
  costs.link.sum_bytes_per_second = rates.sum;
  costs.copy_bytes_per_second = rates.copy;
  return costs;
}

}  // namespace cairn
