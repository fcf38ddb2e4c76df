// Philox as in runtime/random.h, in the form that the compiler vectorises, with
// no template of the standard library (its code must not be made here).

#include "runtime/cpu/variants/vector.h"

namespace cairn::CAIRN_ISA {
namespace {

struct Words {
  std::uint32_t w[4][kLanes];
};

// Lane i has the counter {first + i (64 bits in the first two words when
// `wide`), b, c, d}.
[[gnu::always_inline]] inline void philox16(std::uint64_t key,
                                            std::uint64_t first, bool wide,
                                            const std::uint32_t (&rest)[3],
                                            Words& out) {
#pragma omp simd
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::uint64_t at = first + static_cast<std::uint64_t>(lane);
    auto c0 = static_cast<std::uint32_t>(at);
    std::uint32_t c1 = wide ? static_cast<std::uint32_t>(at >> 32) : rest[0];
    std::uint32_t c2 = rest[1];
    std::uint32_t c3 = rest[2];
    auto k0 = static_cast<std::uint32_t>(key);
    auto k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t a = std::uint64_t{0xD2511F53U} * c0;
      const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * c2;
      c0 = static_cast<std::uint32_t>(b >> 32) ^ c1 ^ k0;
      c1 = static_cast<std::uint32_t>(b);
      c2 = static_cast<std::uint32_t>(a >> 32) ^ c3 ^ k1;
      c3 = static_cast<std::uint32_t>(a);
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
    out.w[0][lane] = c0;
    out.w[1][lane] = c1;
    out.w[2][lane] = c2;
    out.w[3][lane] = c3;
  }
}

[[gnu::always_inline]] inline Floats log_of(Floats u) {
  const Ints bits = reinterpret_cast<Ints>(u);
  const Ints shifted = bits - 0x3f3504f3;  // sqrt(1/2)
  const Ints exponent = shifted >> 23;
  const Ints mantissa = (shifted & 0x007fffff) + 0x3f3504f3;
  const Floats f = reinterpret_cast<Floats>(mantissa) - 1.0F;
  const Floats z = f * f;
  Floats p = f * 7.0376836292e-2F - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  const Floats e = __builtin_convertvector(exponent, Floats);
  return e * 0.69314718F + (f - 0.5F * z + f * z * p);
}

struct Turn {
  Floats cosine;
  Floats sine;
};

// Of 2 pi a, |a| <= 1/2: to the nearest quarter, then polynomials.
[[gnu::always_inline]] inline Turn turn_of(Floats a) {
  const Floats magic = all(12582912.0F);
  const Floats shifted = a * 4.0F + magic;
  const Floats quarter = shifted - magic;
  const Ints q = reinterpret_cast<Ints>(shifted);
  const Floats x = (a - quarter * 0.25F) * 6.2831853F;
  const Floats z = x * x;
  Floats s = z * -1.9515295891e-4F + 8.3321608736e-3F;
  s = (s * z - 1.6666654611e-1F) * z * x + x;
  Floats c = z * 2.443315711809948e-5F - 1.388731625493765e-3F;
  c = (c * z + 4.166664568298827e-2F) * z * z - 0.5F * z + 1.0F;
  const Ints odd = (q & 1) != 0;
  const Floats sine = odd ? c : s;
  const Floats cosine = odd ? s : c;
  return {((q + 1) & 2) != 0 ? -cosine : cosine, (q & 2) != 0 ? -sine : sine};
}

}  // namespace

void dropout_factors(const DropoutRow& row, std::int64_t column,
                     float* factors) {
  Words words;
  philox16(row.seed, static_cast<std::uint64_t>(column / 4), false,
           {row.position, row.sample_low, row.sample_high_and_site}, words);
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int word = 0; word < 4; ++word) {
      factors[lane * 4 + word] =
          words.w[word][lane] >= row.threshold ? row.scale : 0.0F;
    }
  }
}

void normal(float* x, std::int64_t n, std::uint64_t first, std::uint64_t seed,
            std::uint32_t stream, float deviation) {
  Words words;
  float pairs[2 * kLanes];
  for (std::int64_t i = 0; i < n; i += 2 * kLanes) {
    philox16(seed, (first + static_cast<std::uint64_t>(i)) / 2, true,
             {0, stream, 0}, words);
    Ints high;
    Ints angle;
    for (int lane = 0; lane < kLanes; ++lane) {
      high[lane] = static_cast<std::int32_t>(words.w[0][lane] >> 9);
      angle[lane] = static_cast<std::int32_t>(words.w[1][lane]) >> 8;
    }
    const Floats u =
        (__builtin_convertvector(high, Floats) + 0.5F) * 1.1920929e-7F;
    const Floats squared = -2.0F * log_of(u);
    float radius[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      radius[lane] = __builtin_sqrtf(squared[lane]) * deviation;
    }
    const Turn t =
        turn_of(__builtin_convertvector(angle, Floats) * 5.9604645e-8F);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      pairs[2 * lane] = radius[lane] * t.cosine[lane];
      pairs[2 * lane + 1] = radius[lane] * t.sine[lane];
    }
    const std::int64_t left = n - i < 2 * kLanes ? n - i : 2 * kLanes;
    for (std::int64_t k = 0; k < left; ++k) x[i + k] = pairs[k];
  }
}

}  // namespace cairn::CAIRN_ISA
