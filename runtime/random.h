// Random numbers as a pure function: Philox4x32-10 (Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A key and a counter
// give four 32-bit words; nothing is stored, so recompute, resume and any
// layout draw the same.
//
// Everything here is inline and free of branches, so that kernels vectorise it,
// and constexpr, so that device code may call it.

#pragma once

#include <array>
#include <cstdint>

namespace cairn {

using Random4 = std::array<std::uint32_t, 4>;

// The two halves of the key of a round, and one round.
inline constexpr int kPhiloxRounds = 10;
using PhiloxKey = std::array<std::uint32_t, 2>;

constexpr PhiloxKey first_key(std::uint64_t key) {
  return {static_cast<std::uint32_t>(key),
          static_cast<std::uint32_t>(key >> 32)};
}
constexpr PhiloxKey next_key(PhiloxKey key) {
  return {key[0] + 0x9E3779B9U, key[1] + 0xBB67AE85U};
}
constexpr Random4 philox_round(PhiloxKey key, Random4 counter) {
  const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter[0];
  const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter[2];
  return {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0],
          static_cast<std::uint32_t>(b),
          static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1],
          static_cast<std::uint32_t>(a)};
}

constexpr Random4 philox(std::uint64_t seed, Random4 counter) {
  PhiloxKey key = first_key(seed);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    counter = philox_round(key, counter);
    key = next_key(key);
  }
  return counter;
}

// One dropout of one step. The element at channel c of position t of sample s
// of the micro-batch is drawn from word c % 4 of
//   philox(seed, {c / 4, t, low 32 bits of n, high 16 bits of n << 16 | site})
// with n = first_sample + s, the sample's number since the run began. It is
// kept if the word is at least `threshold`, and then scaled by `scale`.
struct Dropout {
  float probability = 0.0F;  // 0 switches it off
  std::uint64_t seed = 0;
  std::uint64_t first_sample = 0;
  std::uint16_t site = 0;  // differs for every place in the model

  explicit operator bool() const { return probability > 0.0F; }
  std::uint32_t threshold() const {
    return static_cast<std::uint32_t>(static_cast<double>(probability) *
                                      4294967296.0);
  }
  float scale() const { return 1.0F / (1.0F - probability); }
};

}  // namespace cairn
