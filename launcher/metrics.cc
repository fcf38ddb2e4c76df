#include "launcher/metrics.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <string_view>

namespace cairn {
namespace {

std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  std::array<char, 64> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

// Builds one JSON object. Names and texts here need no escapes.
class Object {
 public:
  Object& add(std::string_view name, double value) {
    return raw(name, number(value));
  }
  Object& add(std::string_view name, std::int64_t value) {
    return raw(name, std::to_string(value));
  }
  Object& add(std::string_view name, const std::string& text) {
    return raw(name, '"' + text + '"');
  }
  Object& add(std::string_view name, const std::optional<double>& value) {
    return raw(name, value ? number(*value) : "null");
  }
  Object& raw(std::string_view name, const std::string& json) {
    text_ += text_.empty() ? "{" : ",";
    text_ += '"' + std::string(name) + "\":" + json;
    return *this;
  }
  std::string close() const { return text_ + '}'; }

 private:
  std::string text_;
};

std::string ledger(const std::array<double, kPhases>& ms) {
  Object object;
  for (int phase = 0; phase < kPhases; ++phase) {
    object.add(name_of(static_cast<Phase>(phase)),
               ms[static_cast<std::size_t>(phase)]);
  }
  return object.close();
}

}  // namespace

std::string step_line(const StepRecord& record) {
  Object object;
  object.add("step", record.step)
      .add("loss", record.loss)
      .add("grad_norm", record.grad_norm)
      .add("lr", record.lr)
      .add("tokens", record.tokens)
      .add("tokens_per_s", record.tokens_per_s)
      .add("step_ms", record.step_ms)
      .add("mfu", record.mfu)
      .add("power_w", record.power_w)
      .add("joules_per_token", record.joules_per_token)
      .add("sm_clock_mhz", record.sm_clock_mhz)
      .add("temperature_c", record.temperature_c)
      .add("device_peak_bytes", record.device_peak_bytes)
      .add("host_peak_bytes", record.host_peak_bytes)
      .add("offload_bytes", record.offload_bytes)
      .raw("ms", ledger(record.ms));
  if (record.valid_loss) object.add("valid_loss", *record.valid_loss);
  return object.close();
}

std::string evaluation_line(std::int64_t step, double valid_loss) {
  return Object()
      .add("event", std::string("eval"))
      .add("step", step)
      .add("valid_loss", valid_loss)
      .close();
}

std::string end_line(std::int64_t steps, const std::string& weights_hash,
                     double loss) {
  return Object()
      .add("event", std::string("end"))
      .add("steps", steps)
      .add("weights_hash", weights_hash)
      .add("loss", loss)
      .close();
}

}  // namespace cairn
