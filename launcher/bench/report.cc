// The report of a bench, as tables and as JSON.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>

#include "launcher/bench.h"
#include "launcher/byte_size.h"
#include "launcher/table.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

std::string digits(double value, int places) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", places, value);
  return text;
}

std::string percent(double part) { return digits(100 * part, 1) + " %"; }
std::string giga(double per_second) { return digits(1e-9 * per_second, 1); }

// "linear_forward 16384 x 3072 x 768 bf16 gelu": the verb, sizes, type and
// settings of a key.
std::string title_of(const KernelRate& rate) {
  const std::string family = family_of(rate.key);
  std::string title;
  std::string settings;
  std::size_t begin = 0;
  while (begin < family.size()) {
    const std::size_t end = std::min(family.find(' ', begin), family.size());
    const std::string word = family.substr(begin, end - begin);
    if (begin == 0) {
      title = word;
    } else if (word.find('=') == std::string::npos && word != "of") {
      settings += " " + word;
    }
    begin = end + 1;
  }
  const char* between = " ";
  for (const double size : rate.profile.sizes) {
    title += between + digits(size, 0);
    between = " x ";
  }
  return title + " " + name_of(rate.profile.type) + settings;
}

void print_ceilings(const BenchReport& report, std::ostream& out) {
  const Ceilings& most = report.ceilings;
  out << "ceilings of " << report.device << ": copy within it "
      << giga(most.bytes_per_second) << " GB/s, products f32 "
      << digits(1e-12 * most.f32_flops_per_second, 2);
  if (most.bf16_flops_per_second > 0) {
    out << ", bf16 " << digits(1e-12 * most.bf16_flops_per_second, 1);
  }
  out << " TFLOP/s\n";
}

std::string speed_of(const KernelRate& rate) {
  if (rate.profile.kind == OpClass::kPass) {
    return giga(rate.profile.bytes / rate.seconds) + " GB/s";
  }
  return digits(1e-12 * rate.profile.flops / rate.seconds, 2) + " TFLOP/s";
}

void print_kernels(const BenchReport& report, std::ostream& out) {
  if (report.kernels.empty()) return;
  Table table({"operation", "calls", "us", "of the step", "speed", "of ceiling",
               "floor us", "lost of a step, us"});
  for (const KernelRate& rate : report.kernels) {
    const double all = static_cast<double>(rate.calls) * rate.seconds;
    table.add({title_of(rate), std::to_string(rate.calls),
               digits(1e6 * rate.seconds, 1),
               percent(all / report.kernel_seconds()), speed_of(rate),
               percent(rate.fraction), digits(1e6 * rate.floor_seconds, 1),
               digits(1e6 * rate.lost_seconds(), 1)});
  }
  out << "\n";
  table.print(out);
  out << "\nkernels of a step: " << digits(1e3 * report.kernel_seconds(), 3)
      << " ms; floor: " << digits(1e3 * report.floor_seconds(), 3) << " ms ("
      << percent(report.floor_seconds() / report.kernel_seconds())
      << " of it)\n";
}

// What the step takes beyond the floor, and where.
void print_step(const BenchReport& report, std::ostream& out) {
  if (!report.step) return;
  const StepRate& step = *report.step;
  const double floor = report.floor_seconds();
  const double kernels = report.kernel_seconds();
  out << "a step: " << digits(1e3 * step.seconds, 3) << " ms";
  if (step.watts) out << " at " << digits(*step.watts, 0) << " W";
  if (step.sm_clock_mhz) {
    out << (step.watts ? " and " : " at ") << digits(*step.sm_clock_mhz, 0)
        << " MHz";
  }
  out << ", predicted " << digits(1e3 * step.predicted_seconds, 3)
      << " ms; it is " << percent(step.seconds / floor - 1)
      << " over the floor: " << percent((kernels - floor) / floor)
      << " in kernels, " << percent((step.seconds - kernels) / floor)
      << " beside them\n";
}

void print_copies(const BenchReport& report, std::ostream& out) {
  if (!report.copies) return;
  const CopyRates& rates = *report.copies;
  Table table({"copy", "GB/s"});
  table.add({"host to device", giga(rates.upload)});
  table.add({"device to host", giga(rates.download)});
  table.add({"both at once, together", giga(rates.both)});
  table.add({"host to device, pageable", giga(rates.pageable_upload)});
  table.add({"device to host, pageable", giga(rates.pageable_download)});
  out << "\n";
  table.print(out);
  out << "\na small copy takes " << digits(1e6 * rates.latency, 1)
      << " us; a product beside copies both ways runs "
      << percent(rates.slowdown()) << " slower\n";
}

void print_exchanges(const BenchReport& report, std::ostream& out) {
  if (report.exchanges.empty()) return;
  Table table({"exchange of " + std::to_string(report.ranks) + " ranks",
               "bytes", "us", "bus GB/s"});
  for (const ExchangeRate& rate : report.exchanges) {
    table.add({name_of(rate.kind),
               human_bytes(static_cast<std::int64_t>(rate.bytes)),
               digits(1e6 * rate.seconds, 1), giga(rate.bus_bytes_per_second)});
  }
  out << "\n";
  table.print(out);
}

Json json_of(const KernelRate& rate) {
  return {{"key", rate.key},
          {"calls", rate.calls},
          {"seconds", rate.seconds},
          {"floor_seconds", rate.floor_seconds},
          {"flops", rate.profile.flops},
          {"bytes", rate.profile.bytes},
          {"fraction_of_ceiling", rate.fraction}};
}

Json json_of(const CopyRates& rates) {
  return {{"host_to_device_bytes_per_second", rates.upload},
          {"device_to_host_bytes_per_second", rates.download},
          {"both_bytes_per_second", rates.both},
          {"pageable_host_to_device_bytes_per_second", rates.pageable_upload},
          {"pageable_device_to_host_bytes_per_second", rates.pageable_download},
          {"latency_seconds", rates.latency},
          {"product_seconds", rates.product},
          {"product_beside_copies_seconds", rates.product_beside}};
}

Json json_of(const std::optional<double>& number) {
  return number ? Json(*number) : Json();
}

Json json_of(const StepRate& step) {
  return {{"seconds", step.seconds},
          {"predicted_seconds", step.predicted_seconds},
          {"power_w", json_of(step.watts)},
          {"sm_clock_mhz", json_of(step.sm_clock_mhz)}};
}

Json json_of(const ExchangeRate& rate) {
  return {{"exchange", name_of(rate.kind)},
          {"bytes", rate.bytes},
          {"seconds", rate.seconds},
          {"bus_bytes_per_second", rate.bus_bytes_per_second}};
}

template <typename Rates>
Json list_of(const Rates& rates) {
  Json list = Json::array();
  for (const auto& rate : rates) list.push_back(json_of(rate));
  return list;
}

}  // namespace

void print_bench(const BenchReport& report, std::ostream& out) {
  if (report.ceilings.bytes_per_second > 0) print_ceilings(report, out);
  print_kernels(report, out);
  print_step(report, out);
  print_copies(report, out);
  print_exchanges(report, out);
}

std::string bench_json(const BenchReport& report) {
  Json json;
  json["device"] = report.device;
  const Ceilings& most = report.ceilings;
  if (most.bytes_per_second > 0) {
    json["ceilings"] = {{"copy_bytes_per_second", most.bytes_per_second},
                        {"f32_flops_per_second", most.f32_flops_per_second},
                        {"bf16_flops_per_second", most.bf16_flops_per_second}};
  }
  if (!report.kernels.empty()) {
    json["kernels"] = list_of(report.kernels);
    json["kernel_seconds"] = report.kernel_seconds();
    json["floor_seconds"] = report.floor_seconds();
  }
  if (report.step) json["step"] = json_of(*report.step);
  if (report.copies) json["copies"] = json_of(*report.copies);
  if (!report.exchanges.empty()) {
    json["ranks"] = report.ranks;
    json["exchanges"] = list_of(report.exchanges);
  }
  return json.dump(2) + "\n";
}

}  // namespace cairn
