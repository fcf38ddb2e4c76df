#include "tests/parallel/communicator_suite.h"

#include <algorithm>
#include <random>

#include "tests/support/thrown.h"

namespace cairn {
namespace {

constexpr std::size_t kCounts[] = {0, 1, 7, 1000003};

template <typename T>
std::vector<T> part_of(const std::vector<T>& whole, int part, int parts) {
  const std::size_t length = whole.size() / static_cast<std::size_t>(parts);
  const auto begin =
      whole.begin() +
      static_cast<std::ptrdiff_t>(static_cast<std::size_t>(part) * length);
  return {begin, begin + static_cast<std::ptrdiff_t>(length)};
}

// The elements of x from its part `rank` of `size`.
TensorView part_view(const TensorView& x, int rank, int size) {
  const std::int64_t length = x.elements() / size;
  return x.part(rank * length, {length});
}

template <typename T>
std::vector<T> gathered(int size, std::size_t count, unsigned salt) {
  std::vector<T> all;
  for (int rank = 0; rank < size; ++rank) {
    const std::vector<T> one = values_of<T>(rank, count, salt);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

template <typename T>
void gathers(World& world, Lane& lane) {
  for (const std::size_t count : kCounts) {
    std::vector<T> from = values_of<T>(world.rank(), count);
    std::vector<T> to(count * static_cast<std::size_t>(world.size()));
    std::vector<T> own = to;
    const TensorView place =
        part_view(view_of(own), world.rank(), world.size());
    if (count != 0) std::copy(from.begin(), from.end(), place.as<T>());

    lane.comm->all_gather(lane.stream, view_of(from), view_of(to));
    lane.comm->all_gather(lane.stream, place, view_of(own));
    lane.stream.synchronize();

    EXPECT_TRUE(to == gathered<T>(world.size(), count, 0)) << count;
    EXPECT_TRUE(own == to) << count << " in place";
    EXPECT_TRUE(from == values_of<T>(world.rank(), count)) << count;
  }
}

TEST_P(CommunicatorSuite, GathersPartsInRankOrder) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    gathers<float>(world, lane);
    gathers<double>(world, lane);
    gathers<std::int32_t>(world, lane);
  });
}

template <typename T>
void scatters(World& world, Lane& lane) {
  const int size = world.size();
  for (const std::size_t each : kCounts) {
    const std::size_t count = each * static_cast<std::size_t>(size);
    const std::vector<T> sum =
        part_of(sum_of<T>(all_ranks(world), count), world.rank(), size);
    std::vector<T> from = values_of<T>(world.rank(), count);
    std::vector<T> to(each);
    std::vector<T> own = from;
    std::vector<T> expected = from;
    std::copy(
        sum.begin(), sum.end(),
        expected.begin() + static_cast<std::ptrdiff_t>(
                               each * static_cast<std::size_t>(world.rank())));

    lane.comm->reduce_scatter(lane.stream, view_of(from), view_of(to));
    lane.comm->reduce_scatter(lane.stream, view_of(own),
                              part_view(view_of(own), world.rank(), size));
    lane.stream.synchronize();

    EXPECT_TRUE(to == sum) << each;
    EXPECT_TRUE(from == values_of<T>(world.rank(), count)) << each;
    EXPECT_TRUE(own == expected) << each << " in place";
  }
}

TEST_P(CommunicatorSuite, ScattersTheSumMadeInRankOrder) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    scatters<float>(world, lane);
    scatters<double>(world, lane);
  });
}

template <typename T>
void reduces(World& world, Lane& lane) {
  for (const std::size_t count : kCounts) {
    std::vector<T> x = values_of<T>(world.rank(), count);

    lane.comm->all_reduce(lane.stream, view_of(x));
    lane.stream.synchronize();

    EXPECT_TRUE(x == sum_of<T>(all_ranks(world), count)) << count;
  }
}

TEST_P(CommunicatorSuite, ReducesToTheSumMadeInRankOrder) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    reduces<float>(world, lane);
    reduces<double>(world, lane);
  });
}

TEST(ReferenceSum, ShowsTheOrderInWhichItWasMade) {
  EXPECT_NE(sum_of<float>({0, 1, 2}, 1000), sum_of<float>({2, 1, 0}, 1000));
}

TEST_P(CommunicatorSuite, BroadcastsFromAnyRoot) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    for (int root = 0; root < world.size(); ++root) {
      for (const std::size_t count : kCounts) {
        std::vector<float> x = values_of<float>(world.rank(), count);

        lane.comm->broadcast(lane.stream, view_of(x), root);
        lane.stream.synchronize();

        EXPECT_TRUE(x == values_of<float>(root, count)) << root << count;
      }
    }
  });
}

TEST_P(CommunicatorSuite, SumsInTheOrderOfTheGroup) {
  run([](World& world) {
    std::vector<int> ranks = all_ranks(world);
    std::reverse(ranks.begin(), ranks.end());
    Lane lane(world, "reversed", ranks);
    std::vector<float> x = values_of<float>(world.rank(), 5000);

    lane.comm->all_reduce(lane.stream, view_of(x));
    lane.stream.synchronize();

    EXPECT_EQ(lane.comm->group().rank, world.size() - 1 - world.rank());
    EXPECT_TRUE(x == sum_of<float>(ranks, 5000));
  });
}

TEST_P(CommunicatorSuite, KeepsGroupsApart) {
  run([](World& world) {
    std::vector<int> ranks;
    for (int rank = world.rank() % 2; rank < world.size(); rank += 2) {
      ranks.push_back(rank);
    }
    Lane lane(world, world.rank() % 2 == 0 ? "even" : "odd", ranks);
    std::vector<double> x = values_of<double>(world.rank(), 100);

    for (int k = 0; k <= world.rank() % 2; ++k) {
      lane.comm->all_reduce(lane.stream, view_of(x));
    }
    lane.comm->barrier(lane.stream);
    lane.stream.synchronize();

    std::vector<double> sum = sum_of<double>(ranks, 100);
    if (world.rank() % 2 != 0) {
      const std::vector<double> once = sum;
      for (std::size_t k = 1; k < ranks.size(); ++k) {
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += once[i];
      }
    }
    EXPECT_TRUE(x == sum);
  });
}

TEST_P(CommunicatorSuite, CarriesABatonRoundAllRanks) {
  if (size() == 1) GTEST_SKIP() << "a rank has no channel to itself";
  run([](World& world) {
    const int next = (world.rank() + 1) % world.size();
    const int before = (world.rank() + world.size() - 1) % world.size();
    Lane lane(world, "ring", all_ranks(world));
    for (const std::size_t count : kCounts) {
      std::vector<float> mine = values_of<float>(world.rank(), count);
      std::vector<float> theirs(count);

      if (world.rank() == 0) {
        lane.comm->send(lane.stream, view_of(mine), next);
        lane.comm->receive(lane.stream, view_of(theirs), before);
      } else {
        lane.comm->receive(lane.stream, view_of(theirs), before);
        lane.comm->send(lane.stream, view_of(mine), next);
      }
      lane.stream.synchronize();

      EXPECT_TRUE(theirs == values_of<float>(before, count)) << count;
    }
  });
}

TEST_P(CommunicatorSuite, SendsBothWaysAtOnceOnTwoChannels) {
  if (size() == 1) GTEST_SKIP() << "a rank has no channel to itself";
  run([](World& world) {
    if (world.rank() > 1) return;
    const int peer = 1 - world.rank();
    Lane up(world, "up", {0, 1});
    Lane down(world, "down", {0, 1});
    Lane& out = world.rank() == 0 ? up : down;
    Lane& in = world.rank() == 0 ? down : up;
    std::vector<std::vector<float>> sent;
    std::vector<std::vector<float>> got(20, std::vector<float>(30001));
    for (unsigned k = 0; k < 20; ++k) {
      sent.push_back(values_of<float>(world.rank(), 30001, k));
    }

    for (unsigned k = 0; k < 20; ++k) {
      out.comm->send(out.stream, view_of(sent[k]), peer);
      in.comm->receive(in.stream, view_of(got[k]), peer);
    }
    out.stream.synchronize();
    in.stream.synchronize();

    for (unsigned k = 0; k < 20; ++k) {
      EXPECT_TRUE(got[k] == values_of<float>(peer, 30001, k)) << k;
    }
  });
}

TEST_P(CommunicatorSuite, HoldsASendUntilItsReceiverCame) {
  if (!looks()) GTEST_SKIP() << "members do not look at the others";
  if (size() == 1) GTEST_SKIP() << "a rank has no channel to itself";
  run([](World& world) {
    if (world.rank() > 1) return;
    Lane lane(world, "channel", {0, 1});
    Lane token(world, "token", {0, 1});
    std::vector<float> x{1.0F};
    if (world.rank() == 0) {
      lane.comm->send(lane.stream, view_of(x), 1);
      EXPECT_FALSE(lane.stream.record()->reached());
      token.comm->send(token.stream, view_of(x), 1);
    } else {
      token.comm->receive(token.stream, view_of(x), 0);
      token.stream.synchronize();
      lane.comm->receive(lane.stream, view_of(x), 0);
    }
    lane.stream.synchronize();
    token.stream.synchronize();
  });
}

TEST_P(CommunicatorSuite, HoldsABarrierUntilAllCame) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    Lane token(world, "token", all_ranks(world));
    std::vector<float> x{1.0F};

    if (world.rank() == 0) {
      lane.comm->barrier(lane.stream);
      const auto mark = lane.stream.record();
      EXPECT_EQ(mark->reached() && world.size() > 1, false);
    }
    token.comm->broadcast(token.stream, view_of(x), 0);
    token.stream.synchronize();
    if (world.rank() != 0) lane.comm->barrier(lane.stream);
    lane.stream.synchronize();
  });
}

TEST_P(CommunicatorSuite, TakesItsPlaceInTheOrderOfTheStream) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    std::vector<float> x(1000);
    std::vector<float> seen;

    lane.stream.enqueue([&] {
      const std::vector<float> values = values_of<float>(world.rank(), 1000);
      std::copy(values.begin(), values.end(), x.begin());
    });
    lane.comm->all_reduce(lane.stream, view_of(x));
    lane.stream.enqueue([&] { seen = x; });
    lane.stream.enqueue([&] { std::fill(x.begin(), x.end(), 0.0F); });
    lane.stream.synchronize();

    EXPECT_TRUE(seen == sum_of<float>(all_ranks(world), 1000));
  });
}

// Each rank feeds its lanes in an order of its own.
TEST_P(CommunicatorSuite, RunsManyCommunicatorsAtOnceInAnyInterleaving) {
  run([](World& world) {
    constexpr std::size_t kLanes = 4;
    constexpr std::size_t kSteps = 15;
    std::vector<std::unique_ptr<Lane>> lanes;
    std::vector<std::size_t> turns;
    std::vector<std::vector<std::vector<float>>> x(kLanes);
    for (std::size_t l = 0; l < kLanes; ++l) {
      lanes.push_back(std::make_unique<Lane>(world, "lane" + std::to_string(l),
                                             all_ranks(world)));
      turns.insert(turns.end(), kSteps, l);
      for (unsigned k = 0; k < kSteps; ++k) {
        x[l].push_back(values_of<float>(world.rank(), 3001, k));
      }
    }
    std::mt19937 draw(static_cast<unsigned>(world.rank()));
    std::shuffle(turns.begin(), turns.end(), draw);

    std::vector<std::size_t> next(kLanes);
    for (const std::size_t l : turns) {
      lanes[l]->comm->all_reduce(lanes[l]->stream, view_of(x[l][next[l]++]));
    }
    for (const auto& lane : lanes) lane->stream.synchronize();

    for (std::size_t l = 0; l < kLanes; ++l) {
      for (unsigned k = 0; k < kSteps; ++k) {
        EXPECT_TRUE(x[l][k] == sum_of<float>(all_ranks(world), 3001, k));
      }
    }
  });
}

TEST_P(CommunicatorSuite, RefusesOperandsThatNobodyCouldMatch) {
  run([](World& world) {
    Lane lane(world, "data", all_ranks(world));
    std::vector<std::int32_t> whole(7);
    std::vector<std::int32_t> part(5);

    const Error parts = thrown([&] {
      lane.comm->all_gather(lane.stream, view_of(part), view_of(whole));
    });
    const Error type =
        thrown([&] { lane.comm->all_reduce(lane.stream, view_of(part)); });
    const Error root =
        thrown([&] { lane.comm->broadcast(lane.stream, view_of(part), 9); });
    const Error self = thrown(
        [&] { lane.comm->send(lane.stream, view_of(part), world.rank()); });

    EXPECT_EQ(parts.message(),
              "all_gather on group data: a part has 5 of i32 and the whole 7 "
              "of i32; the whole is " +
                  std::to_string(world.size()) + " parts of the same type");
    EXPECT_EQ(type.message(),
              "all_reduce on group data: sums are of f32 or f64, not i32");
    EXPECT_EQ(root.message(),
              "broadcast on group data: index 9 of a group of " +
                  std::to_string(world.size()));
    EXPECT_EQ(self.message(),
              "send on group data: a rank has no channel to itself");
  });
}

TEST_P(CommunicatorSuite, RefusesGroupsThatCannotBe) {
  run([](World& world) {
    const std::string own = std::to_string(world.rank());
    const Error without =
        thrown([&] { world.make("data", {(world.rank() + 1) % 2}); });
    const Error twice = thrown([&] {
      world.make("data", {world.rank(), world.rank()});
    });
    const Error foreign = thrown([&] { world.make("data", {-1}); });

    EXPECT_EQ(without.code(), Code::kBadArgument);
    EXPECT_EQ(twice.message(),
              "rank " + own + " of group data was given twice");
    EXPECT_EQ(foreign.message(), "rank -1 of group data is not in a world of " +
                                     std::to_string(world.size()));
  });
}

}  // namespace
}  // namespace cairn
