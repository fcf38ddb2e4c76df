#include "launcher/sample.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "runtime/random.h"

namespace cairn {
namespace {

// Draws from softmax(logits / temperature) by the number `u` in [0, 1).
std::int32_t draw(const std::vector<float>& logits, double temperature,
                  double u) {
  const auto top = std::max_element(logits.begin(), logits.end());
  if (temperature <= 0) {
    return static_cast<std::int32_t>(top - logits.begin());
  }
  std::vector<double> weights;
  double sum = 0;
  for (const float logit : logits) {
    weights.push_back(std::exp((double{logit} - double{*top}) / temperature));
    sum += weights.back();
  }
  double left = u * sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return static_cast<std::int32_t>(i);
  }
  return static_cast<std::int32_t>(weights.size()) - 1;
}

std::string text_of(const Tokenizer* tokenizer,
                    std::span<const std::int32_t> tokens) {
  if (tokenizer != nullptr) return tokenizer->decode(tokens);
  std::string text;
  for (const std::int32_t token : tokens) text += std::to_string(token) + " ";
  return text;
}

}  // namespace

void print_sample(const Run& run, Engine& engine, std::ostream& out) {
  const Config& config = run.config();
  if (config.sample.tokens == 0) return;
  const Tokenizer* tokenizer = run.tokenizer();
  std::vector<std::int32_t> text;
  if (tokenizer != nullptr) text = tokenizer->encode(config.sample.prompt);
  if (text.empty()) text.push_back(0);
  const auto window = static_cast<std::size_t>(config.data.sequence);
  for (std::int64_t k = 0; k < config.sample.tokens; ++k) {
    const std::size_t seen = std::min(window, text.size());
    const auto logits = engine.logits(std::span(text).last(seen));
    const Random4 random =
        philox(static_cast<std::uint64_t>(config.train.seed),
               {static_cast<std::uint32_t>(k), 0, 0, 0xFFFFFFFFU});
    text.push_back(draw(logits, config.sample.temperature,
                        static_cast<double>(random[0]) / 4294967296.0));
  }
  out << "\nsample of " << config.sample.tokens << " tokens:\n"
      << text_of(tokenizer, text) << "\n";
}

}  // namespace cairn
