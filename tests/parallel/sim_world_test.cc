#include "parallel/sim_world.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/runtime/sim_rank.h"
#include "tests/support/thrown.h"

namespace cairn {
namespace {

// A pretend rank with its end of the world.
class Rank : public SimTestRank {
 public:
  Rank(SimMachine& machine, int number, int size)
      : SimTestRank(machine, number),
        world_(make_sim_world(machine, number, size)) {}

  World& world() { return *world_; }

  std::unique_ptr<Communicator> edge(int from, int to) {
    const std::string name =
        "pipeline " + std::to_string(from) + ">" + std::to_string(to);
    return world_->make(name, {from, to});
  }

 private:
  std::unique_ptr<World> world_;
};

class SimWorld : public testing::Test {
 protected:
  explicit SimWorld(CostModel costs = byte_a_nanosecond()) : machine_(costs) {}

  void make_ranks(int size) {
    for (int r = 0; r < size; ++r) {
      ranks_.push_back(std::make_unique<Rank>(machine_, r, size));
    }
  }
  Rank& rank(int number) { return *ranks_[static_cast<std::size_t>(number)]; }

  std::string failure() {
    const Error error = thrown([this] { machine_.solve(); });
    EXPECT_EQ(error.code(), Code::kBadArgument);
    return error.message();
  }

  SimMachine machine_;
  std::vector<std::unique_ptr<Rank>> ranks_;
};

TEST_F(SimWorld, KnowsItsRankAndItsGroups) {
  make_ranks(3);
  const auto group = rank(2).world().make("data", {0, 2});
  EXPECT_EQ(rank(2).world().rank(), 2);
  EXPECT_EQ(rank(2).world().size(), 3);
  EXPECT_EQ(group->group().name, "data");
  EXPECT_EQ(group->group().rank, 1);
  EXPECT_THROW(rank(1).world().make("data", {0, 2}), Error);
}

TEST_F(SimWorld, BeginsATransferWhenBothEndsHaveCome) {
  make_ranks(2);
  const auto from = rank(0).edge(0, 1);
  const auto to = rank(1).edge(0, 1);
  const Tensor x = rank(0).tensor("send", 400);
  const Tensor y = rank(1).tensor("receive", 400);
  rank(0).write("send", x);
  from->send(rank(0)["send"], x, 1);
  rank(1).write("receive", y);
  rank(1).write("receive", y);
  to->receive(rank(1)["receive"], y, 0);
  rank(1).write("receive", y);
  machine_.solve();

  EXPECT_EQ(rank(0).end(), 800 + 400);
  EXPECT_EQ(rank(1).end(), 800 + 400 + 400);
  const auto tracks = machine_.take_tracks();
  EXPECT_EQ(tracks[0].spans[1].name, "send pipeline 0>1");
  EXPECT_EQ(tracks[0].spans[1].begin.count(), 800);
}

TEST_F(SimWorld, PassesOrderFromOneRankToAnotherAndBack) {
  make_ranks(2);
  const auto there = rank(0).edge(0, 1);
  const auto here = rank(0).edge(1, 0);
  const auto there1 = rank(1).edge(0, 1);
  const auto here1 = rank(1).edge(1, 0);
  const Tensor x = rank(0).tensor("send", 400);
  const Tensor y = rank(0).tensor("receive", 400);
  const Tensor z = rank(1).tensor("s", 400);
  rank(0).write("send", x);
  there->send(rank(0)["send"], x, 1);
  here->receive(rank(0)["receive"], y, 0);  // member 0 of {1, 0}
  rank(0).write("receive", x);              // after the send, by way of rank 1
  there1->receive(rank(1)["s"], z, 0);
  here1->send(rank(1)["s"], z, 1);

  EXPECT_NO_THROW(machine_.solve());
}

TEST_F(SimWorld, FindsATransferThatOnlyItsPeerHasOrdered) {
  make_ranks(2);
  const auto early = rank(0).edge(0, 1);
  const auto late = rank(0).edge(0, 1);
  const auto early1 = rank(1).edge(0, 1);
  const auto late1 = rank(1).edge(0, 1);
  const Tensor x = rank(0).tensor("compute", 400);
  const Tensor y = rank(1).tensor("receive", 400);
  rank(0).write("compute", x);
  early->send(rank(0)["compute"], x, 1);
  late->send(rank(0)["send"], x, 1);  // without a wait for compute
  early1->receive(rank(1)["receive"], y, 0);
  late1->receive(rank(1)["receive"], y, 0);

  EXPECT_NE(failure().find("in no order"), std::string::npos);
}

TEST_F(SimWorld, FindsWhatATransferReadsOverwritten) {
  make_ranks(2);
  const auto from = rank(0).edge(0, 1);
  const auto to = rank(1).edge(0, 1);
  const Tensor x = rank(0).tensor("compute", 400);
  const Tensor y = rank(1).tensor("receive", 400);
  rank(0).write("compute", x);
  rank(0).wait("send", "compute");
  from->send(rank(0)["send"], x, 1);
  rank(0).write("compute", x);  // without a wait for the send
  to->receive(rank(1)["receive"], y, 0);

  const std::string text = failure();

  EXPECT_NE(text.find("fill (operation 4 of stream compute)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("send pipeline 0>1 (operation 2 of stream send)"),
            std::string::npos)
      << text;
}

TEST_F(SimWorld, FindsASendThatNobodyReceives) {
  make_ranks(2);
  const auto from = rank(0).edge(0, 1);
  const Tensor x = rank(0).tensor("send 0>1", 4096);
  from->send(rank(0)["send 0>1"], x, 1);

  EXPECT_EQ(failure(),
            "the ranks wait for ever: rank 0, stream send 0>1: send of 4096 "
            "bytes to rank 1 on group pipeline 0>1, which never receives");
}

TEST_F(SimWorld, FindsAReceiveThatNobodySendsAndAllThatWaitForIt) {
  make_ranks(2);
  const auto from = rank(0).edge(0, 1);
  const auto to = rank(1).edge(0, 1);
  const Tensor x = rank(0).tensor("send", 64);
  const Tensor y = rank(1).tensor("receive", 64);
  from->send(rank(0)["send"], x, 1);
  to->receive(rank(1)["receive"], y, 0);
  to->receive(rank(1)["receive"], y, 0);
  rank(1).wait("compute", "receive");
  rank(1)["compute"].synchronize();
  rank(1).write("other", rank(1).tensor("other", 4));

  EXPECT_EQ(failure(),
            "the ranks wait for ever: rank 1, stream receive: receive of 64 "
            "bytes from rank 0 on group pipeline 0>1, which never sends; rank "
            "1, stream compute: wait for an event of rank 1, stream receive; "
            "rank 1, stream other: allocate, enqueued after the host waits for "
            "rank 1, stream compute");
}

TEST_F(SimWorld, FindsTwoEdgesTakenInOppositeOrdersOnOneStream) {
  make_ranks(2);
  const auto a0 = rank(0).world().make("a", {0, 1});
  const auto b0 = rank(0).world().make("b", {0, 1});
  const auto a1 = rank(1).world().make("a", {0, 1});
  const auto b1 = rank(1).world().make("b", {0, 1});
  const Tensor x = rank(0).tensor("s", 8);
  const Tensor y = rank(1).tensor("s", 8);
  a0->send(rank(0)["s"], x, 1);
  b0->receive(rank(0)["s"], x, 1);
  b1->send(rank(1)["s"], y, 0);
  a1->receive(rank(1)["s"], y, 0);

  EXPECT_EQ(
      failure(),
      "the ranks wait for ever: rank 0, stream s: send of 8 bytes to rank 1 on "
      "group a, whose stream s stands before that at: send of 8 bytes to rank "
      "0 on group b; rank 1, stream s: send of 8 bytes to rank 0 on group b, "
      "whose stream s stands before that at: send of 8 bytes to rank 1 on "
      "group a");
}

TEST_F(SimWorld, FindsTransfersOfOneEdgeSwapped) {
  make_ranks(2);
  const auto from = rank(0).edge(0, 1);
  const auto to = rank(1).edge(0, 1);
  const Tensor x = rank(0).tensor("s", 400);
  const Tensor y = rank(1).tensor("s", 400);
  from->send(rank(0)["s"], x, 1);
  from->send(rank(0)["s"], x.view().part(0, {10}), 1);
  to->receive(rank(1)["s"], y.view().part(0, {10}), 0);
  to->receive(rank(1)["s"], y, 0);

  EXPECT_EQ(failure(),
            "what ranks do together does not fit: rank 0, stream s: send of "
            "400 bytes to rank 1 on group pipeline 0>1; rank 1, stream s: "
            "receive of 40 bytes from rank 0 on group pipeline 0>1");
}

TEST_F(SimWorld, FindsBothEndsSending) {
  make_ranks(2);
  const auto from = rank(0).edge(0, 1);
  const auto to = rank(1).edge(0, 1);
  from->send(rank(0)["s"], rank(0).tensor("s", 8), 1);
  to->send(rank(1)["s"], rank(1).tensor("s", 8), 0);

  const std::string text = failure();

  EXPECT_NE(text.find("which never receives; rank 1"), std::string::npos)
      << text;
}

// Every rank of four writes 400 bytes, rank r r times as long, then all gather.
TEST_F(SimWorld, BeginsACollectiveWhenAllHaveComeAndEndsItForAll) {
  make_ranks(4);
  for (int r = 0; r < 4; ++r) {
    const auto data = rank(r).world().make("data", {0, 1, 2, 3});
    const Tensor x = rank(r).tensor("s", 1600);
    for (int k = 0; k < r; ++k) rank(r).write("s", x.view().part(0, {100}));
    data->all_gather(rank(r)["s"],
                     x.view().part(100L * data->group().rank, {100}), x);
  }
  machine_.solve();

  for (int r = 0; r < 4; ++r) EXPECT_EQ(rank(r).end(), 3 * 400 + 3 * 400) << r;
}

TEST_F(SimWorld, PricesEachCollectiveByWhatItMoves) {
  make_ranks(2);
  for (int r = 0; r < 2; ++r) {
    const auto data = rank(r).world().make("data", {0, 1});
    Stream& stream = rank(r)["s"];
    const Tensor x = rank(r).tensor("s", 800);
    const TensorView part = x.view().part(100L * r, {100});
    data->reduce_scatter(stream, x, part);  // 400 over the link, 800 to add
    data->all_reduce(stream, x);            // that and 400 back
    data->broadcast(stream, x, 1);          // 800
    data->barrier(stream);
  }
  machine_.solve();

  EXPECT_EQ(rank(0).end(), 1200 + 1600 + 800);
}

TEST_F(SimWorld, FindsACollectiveToWhichARankNeverComes) {
  make_ranks(3);
  for (int r = 0; r < 2; ++r) {
    const auto data = rank(r).world().make("data", {0, 1, 2});
    data->barrier(rank(r)["s"]);
  }

  EXPECT_EQ(failure(),
            "the ranks wait for ever: rank 0, stream s: barrier on group data, "
            "waiting for rank 2, which never comes; rank 1, stream s: barrier "
            "on group data, waiting for rank 2, which never comes");
}

TEST_F(SimWorld, FindsMembersThatCallDifferentCollectives) {
  make_ranks(2);
  const auto data0 = rank(0).world().make("data", {0, 1});
  const auto data1 = rank(1).world().make("data", {0, 1});
  data0->all_reduce(rank(0)["s"], rank(0).tensor("s", 400));
  data1->broadcast(rank(1)["s"], rank(1).tensor("s", 400), 0);

  EXPECT_EQ(failure(),
            "what ranks do together does not fit: rank 0, stream s: all_reduce "
            "of 400 bytes on group data; rank 1, stream s: broadcast of 400 "
            "bytes from rank 0 on group data");
}

TEST_F(SimWorld, FindsCollectivesOfDifferentSizesAndRoots) {
  make_ranks(2);
  const auto data0 = rank(0).world().make("data", {0, 1});
  const auto data1 = rank(1).world().make("data", {0, 1});
  data0->broadcast(rank(0)["s"], rank(0).tensor("s", 400), 0);
  data1->broadcast(rank(1)["s"], rank(1).tensor("s", 400), 1);
  EXPECT_NE(failure().find("does not fit"), std::string::npos);
}

TEST_F(SimWorld, TellsApartGroupsMadeTwiceByOneName) {
  make_ranks(2);
  const auto first0 = rank(0).world().make("data", {0, 1});
  const auto second0 = rank(0).world().make("data", {0, 1});
  const auto first1 = rank(1).world().make("data", {0, 1});
  const auto second1 = rank(1).world().make("data", {0, 1});
  first0->barrier(rank(0)["a"]);
  second0->barrier(rank(0)["b"]);
  second1->barrier(rank(1)["b"]);
  first1->barrier(rank(1)["a"]);
  EXPECT_NO_THROW(machine_.solve());
}

TEST_F(SimWorld, RefusesACommunicatorOnTwoStreams) {
  make_ranks(2);
  const auto data = rank(0).world().make("data", {0, 1});
  data->barrier(rank(0)["a"]);
  EXPECT_THROW(data->barrier(rank(0)["b"]), Error);
}

TEST_F(SimWorld, RefusesTransfersToItselfAndToNobody) {
  make_ranks(2);
  const auto edge = rank(1).edge(0, 1);
  const Tensor x = rank(1).tensor("s", 400);
  EXPECT_THROW(edge->send(rank(1)["s"], x, 1), Error);
  EXPECT_THROW(edge->receive(rank(1)["s"], x, 2), Error);
}

TEST_F(SimWorld, RefusesAPartThatIsNotOne) {
  make_ranks(2);
  const auto data = rank(0).world().make("data", {0, 1});
  const Tensor x = rank(0).tensor("s", 400);
  EXPECT_THROW(data->reduce_scatter(rank(0)["s"], x, x), Error);
  EXPECT_THROW(data->all_gather(rank(0)["s"], x, x), Error);
}

TEST_F(SimWorld, DoesWithoutPhantomsButPricesThem) {
  make_ranks(1);
  machine_.add_phantoms({1, 2, 3});
  const auto data = rank(0).world().make("data", {0, 1, 2, 3});
  const Tensor x = rank(0).tensor("s", 1600);
  data->all_gather(rank(0)["s"], x.view().part(0, {100}), x);
  machine_.solve();

  EXPECT_EQ(rank(0).end(), 1200);
}

TEST_F(SimWorld, SendsNothingToAPhantom) {
  make_ranks(1);
  machine_.add_phantoms({1});
  const auto edge = rank(0).edge(0, 1);
  edge->send(rank(0)["s"], rank(0).tensor("s", 8), 1);
  EXPECT_NE(failure().find("phantom"), std::string::npos);
}

TEST_F(SimWorld, StopsWhenARankGaveUp) {
  make_ranks(2);
  rank(1).world().abort("its disk is full");
  const Error error = thrown([this] { machine_.solve(); });
  EXPECT_EQ(error.code(), Code::kPeerLost);
  EXPECT_EQ(error.message(), "rank 1 gave up: its disk is full");
}

class SimWorldOnNodes : public SimWorld {
 protected:
  SimWorldOnNodes() : SimWorld(costs()) {}

  static CostModel costs() {
    CostModel costs = byte_a_nanosecond();
    costs.network = {0, 1e8, 1e9};
    costs.ranks_per_node = 2;
    return costs;
  }
};

TEST_F(SimWorldOnNodes, TakesTheNetworkBetweenThem) {
  make_ranks(4);
  for (const int r : {1, 0, 2, 3}) {
    const Tensor x = rank(r).tensor("s", 400);
    if (r < 2) {
      const auto near = rank(r).edge(0, 1);
      if (r == 0) near->send(rank(r)["s"], x, 1);
      if (r == 1) near->receive(rank(r)["s"], x, 0);
    }
    const Tensor y = rank(r).tensor("t", 400);
    const auto far = rank(r).world().make("far", {r % 2, r % 2 + 2});
    if (r < 2) far->send(rank(r)["t"], y, 1);
    if (r >= 2) far->receive(rank(r)["t"], y, 0);
  }
  machine_.solve();

  EXPECT_EQ(rank(0).end(), 4000);
  const auto tracks = machine_.take_tracks();
  EXPECT_EQ(tracks[0].stream, "s");
  EXPECT_EQ(tracks[0].spans[0].end.count(), 400);
}

}  // namespace
}  // namespace cairn
