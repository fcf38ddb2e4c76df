#include "tests/golden/golden.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace cairn::golden {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "golden files are little-endian");

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Config parse_config(const json& j) {
  Config c;
  j.at("family").get_to(c.family);
  j.at("tied").get_to(c.tied);
  j.at("layers").get_to(c.layers);
  j.at("width").get_to(c.width);
  j.at("heads").get_to(c.heads);
  j.at("kv_heads").get_to(c.kv_heads);
  j.at("ffn").get_to(c.ffn);
  j.at("vocab").get_to(c.vocab);
  j.at("context").get_to(c.context);
  j.at("sequence").get_to(c.sequence);
  j.at("micro_batch").get_to(c.micro_batch);
  j.at("global_batch").get_to(c.global_batch);
  j.at("steps").get_to(c.steps);
  j.at("warmup").get_to(c.warmup);
  j.at("dropout").get_to(c.dropout);
  j.at("epsilon").get_to(c.epsilon);
  j.at("theta").get_to(c.theta);
  j.at("lr").get_to(c.lr);
  j.at("min_lr").get_to(c.min_lr);
  j.at("beta1").get_to(c.beta1);
  j.at("beta2").get_to(c.beta2);
  j.at("adam_epsilon").get_to(c.adam_epsilon);
  j.at("weight_decay").get_to(c.weight_decay);
  j.at("clip").get_to(c.clip);
  return c;
}

std::vector<Batch> split_tokens(const Config& c, const std::int32_t* token) {
  std::vector<Batch> batches(static_cast<std::size_t>(c.steps));
  for (Batch& batch : batches) {
    for (std::int64_t s = 0; s < c.global_batch; ++s) {
      batch.inputs.insert(batch.inputs.end(), token, token + c.sequence);
      batch.targets.insert(batch.targets.end(), token + 1,
                           token + 1 + c.sequence);
      token += c.sequence + 1;
    }
  }
  return batches;
}

}  // namespace

const Entry& Golden::entry(std::string_view name, std::string_view kind) const {
  for (const Entry& e : entries) {
    if (e.name == name && e.kind == kind) return e;
  }
  throw std::runtime_error("no golden " + std::string(kind) + " of " +
                           std::string(name));
}

std::span<const float> Golden::tensor(std::string_view name,
                                      std::string_view kind) const {
  const Entry& e = entry(name, kind);
  return std::span(data).subspan(e.offset, e.elements);
}

std::vector<std::string> Golden::names() const {
  std::vector<std::string> out;
  for (const Entry& e : entries) {
    if (e.kind == "initial") out.push_back(e.name);
  }
  return out;
}

Golden read(const std::string& folder, const std::string& name) {
  const std::string stem = folder + "/" + name;
  const json j = json::parse(slurp(stem + ".json"));
  const std::string raw = slurp(stem + ".bin");
  Golden golden;
  golden.config = parse_config(j.at("config"));
  j.at("losses").get_to(golden.losses);
  j.at("norms").get_to(golden.norms);
  j.at("rates").get_to(golden.rates);

  const auto floats = j.at("tokens").at("offset").get<std::size_t>();
  const Config& c = golden.config;
  const auto tokens =
      static_cast<std::size_t>(c.steps * c.global_batch * (c.sequence + 1));
  if (raw.size() != 4 * (floats + tokens)) {
    throw std::runtime_error(stem + ".bin has " + std::to_string(raw.size()) +
                             " bytes, not the " +
                             std::to_string(4 * (floats + tokens)) + " that " +
                             stem + ".json describes");
  }
  golden.data.resize(floats);
  std::memcpy(golden.data.data(), raw.data(), 4 * floats);
  std::vector<std::int32_t> ids(tokens);
  std::memcpy(ids.data(), raw.data() + 4 * floats, 4 * tokens);
  golden.batches = split_tokens(c, ids.data());

  for (const json& t : j.at("tensors")) {
    Entry e{t.at("name"), t.at("kind"), t.at("shape"), t.at("offset"), 1};
    for (const std::int64_t n : e.shape) {
      e.elements *= static_cast<std::size_t>(n);
    }
    if (e.offset + e.elements > floats) {
      throw std::runtime_error(stem + ".json: " + e.name +
                               " reaches past the end of the tensors");
    }
    golden.entries.push_back(std::move(e));
  }
  return golden;
}

}  // namespace cairn::golden
