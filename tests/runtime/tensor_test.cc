#include "runtime/tensor.h"

#include <gtest/gtest.h>

#include <array>

#include "runtime/ledger.h"
#include "runtime/sim/sim_memory.h"
#include "tests/support/idle_stream.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

template <typename T, std::size_t kSize>
TensorView view_of(std::array<T, kSize>& values, const Shape& shape) {
  return {reinterpret_cast<std::byte*>(values.data()), dtype_of<T>(), shape};
}

TEST(TensorView, CountsItsElementsAndBytes) {
  const TensorView view{nullptr, DType::kBF16, {2, 3, 4}};
  EXPECT_EQ(view.elements(), 24);
  EXPECT_EQ(view.bytes(), 48U);
  EXPECT_FALSE(view);
}

TEST(TensorView, ReadsItsElementsAsTheirOwnTypeOnly) {
  std::array<float, 6> values{1, 2, 3, 4, 5, 6};
  const TensorView view = view_of(values, {2, 3});

  EXPECT_EQ(view.as<float>()[4], 5.0F);
  const Error error = thrown([&] { view.as<std::int32_t>(); });
  EXPECT_EQ(error.code(), Code::kBadArgument);
  EXPECT_EQ(error.message(), "a tensor [2, 3] of f32 was read as i32");
}

TEST(TensorView, PartStartsAtAnElementAndHasAShapeOfItsOwn) {
  std::array<double, 6> values{1, 2, 3, 4, 5, 6};
  const TensorView part = view_of(values, {6}).part(2, {2, 2});

  EXPECT_EQ(part.shape, (Shape{2, 2}));
  EXPECT_EQ(part.as<double>()[0], 3.0);
  EXPECT_EQ(part.as<double>()[3], 6.0);
}

TEST(TensorView, RefusesAPartThatIsNotInIt) {
  std::array<float, 6> values{};
  const TensorView view = view_of(values, {2, 3});

  EXPECT_EQ(thrown([&] { (void)view.part(4, {3}); }).message(),
            "elements 4 to 7 were taken of a tensor [2, 3] of 6");
  EXPECT_THROW((void)view.part(-1, {1}), Error);
  EXPECT_NO_THROW((void)view.part(6, {0}));
}

TEST(Tensor, FreesItsBytesWithItsLastHandle) {
  IdleStream stream;
  SimMemory memory;
  Ledger ledger(memory);
  Tensor first(ledger, stream, Owner::kActivations, DType::kF32, {100});
  Tensor second = first;

  EXPECT_EQ(ledger.bytes(Owner::kActivations), 512U);
  first = {};
  EXPECT_EQ(ledger.bytes(Owner::kActivations), 512U);
  second = {};
  EXPECT_EQ(ledger.bytes(Owner::kActivations), 0U);
}

TEST(Tensor, IsSoleOwnerWhileNoOtherHandleSharesItsBytes) {
  IdleStream stream;
  SimMemory memory;
  const Tensor tensor(memory, stream, Owner::kData, DType::kI32, {4});
  EXPECT_TRUE(tensor.sole_owner());
  {
    const Tensor other = tensor;
    EXPECT_FALSE(tensor.sole_owner());
  }
  EXPECT_TRUE(tensor.sole_owner());
}

TEST(Tensor, NeverOwnsWhatItBorrowed) {
  std::array<float, 6> values{};
  const Tensor tensor = Tensor::borrowed(view_of(values, {2, 3}));
  EXPECT_TRUE(tensor);
  EXPECT_FALSE(tensor.sole_owner());
  EXPECT_EQ(tensor.bytes(), 24U);
  EXPECT_EQ(tensor.view().as<float>(), values.data());
}

TEST(Tensor, IsEmptyUntilItIsMade) {
  const Tensor tensor;
  EXPECT_FALSE(tensor);
  EXPECT_FALSE(tensor.sole_owner());
}

TEST(Shape, RefusesMoreDimsThanFourAndNegativeExtents) {
  EXPECT_THROW((Shape{1, 1, 1, 1, 1}), Error);
  EXPECT_THROW((Shape{2, -1}), Error);
  EXPECT_EQ(Shape{}.elements(), 1);
  EXPECT_EQ((Shape{3, 0}).elements(), 0);
}

}  // namespace
}  // namespace cairn
