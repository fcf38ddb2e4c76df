#include "launcher/bench/exchanges.h"

#include <algorithm>
#include <array>
#include <exception>
#include <numeric>
#include <thread>

#include "launcher/transport.h"
#include "parallel/worlds.h"

namespace cairn {
namespace {

constexpr std::array<Exchange, 5> kKinds = {
    Exchange::kAllGather, Exchange::kReduceScatter, Exchange::kAllReduce,
    Exchange::kBroadcast, Exchange::kSend};
constexpr std::array<std::size_t, 3> kBytes = {
    std::size_t{4} << 10, std::size_t{1} << 20, std::size_t{32} << 20};
constexpr int kRepeats = 7;

// One rank's end: the whole tensor, its part, and who takes part.
class End {
 public:
  End(World& host, const BenchRequest& request)
      : backend_(make_backend(name_of(request.device),
                              options_of(request, host.rank()))),
        stream_(backend_->make_stream("exchange")),
        world_(make_device_world(request.config, host, *backend_,
                                 {host.rank(), host.size()})) {
    std::vector<int> ranks(static_cast<std::size_t>(host.size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    group_ = (world_ ? *world_ : host).make("bench", ranks);
  }

  // Seconds of one exchange, as this rank saw it, in each of some timings.
  std::vector<double> seconds(Exchange kind, std::size_t bytes) {
    const auto ranks = static_cast<std::int64_t>(group_->group().size());
    const auto all =
        static_cast<std::int64_t>(bytes / sizeof(float)) / ranks * ranks;
    const Tensor whole(backend_->memory(), *stream_, Owner::kWorkspace,
                       DType::kF32, {all});
    const std::vector<float> zeros(static_cast<std::size_t>(all), 1.0F);
    backend_->upload(*stream_, whole, zeros.data());
    const TensorView part =
        whole.view().part(group_->group().rank * (all / ranks), {all / ranks});
    std::vector<double> timings;
    for (int i = 0; i <= kRepeats; ++i) {
      group_->barrier(*stream_);
      const auto begin = stream_->record();
      enqueue(kind, whole, part);
      const auto end = stream_->record();
      end->synchronize();
      if (i > 0) timings.push_back(end->seconds_since(*begin));
    }
    return timings;
  }

 private:
  static BackendOptions options_of(const BenchRequest& request, int rank) {
    BackendOptions options = request.backend;
    options.device = rank;
    return options;
  }

  void enqueue(Exchange kind, const TensorView& whole, const TensorView& part) {
    const int rank = group_->group().rank;
    switch (kind) {
      case Exchange::kAllGather:
        return group_->all_gather(*stream_, part, whole);
      case Exchange::kReduceScatter:
        return group_->reduce_scatter(*stream_, whole, part);
      case Exchange::kAllReduce:
        return group_->all_reduce(*stream_, whole);
      case Exchange::kBroadcast:
        return group_->broadcast(*stream_, whole, 0);
      default:  // from the first to the second; others look on
        if (rank == 0) group_->send(*stream_, whole, 1);
        if (rank == 1) group_->receive(*stream_, whole, 0);
    }
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<World> world_;  // over the host's; or none
  std::unique_ptr<Communicator> group_;
};

// Parts of the whole that go over each rank's link.
double share_of(Exchange kind, int ranks) {
  const double others = (ranks - 1.0) / ranks;
  if (kind == Exchange::kAllReduce) return 2 * others;
  const bool parts =
      kind == Exchange::kAllGather || kind == Exchange::kReduceScatter;
  return parts ? others : 1;
}

double median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::vector<ExchangeRate> rates_of(End& end, int ranks) {
  std::vector<ExchangeRate> rates;
  for (const Exchange kind : kKinds) {
    for (const std::size_t bytes : kBytes) {
      const double seconds = median(end.seconds(kind, bytes));
      rates.push_back(
          {kind, bytes, seconds,
           static_cast<double>(bytes) * share_of(kind, ranks) / seconds});
    }
  }
  return rates;
}

const ExchangeRate& rate_of(const std::vector<ExchangeRate>& rates,
                            Exchange kind, std::size_t bytes) {
  return *std::find_if(rates.begin(), rates.end(), [&](const auto& rate) {
    return rate.kind == kind && rate.bytes == bytes;
  });
}

}  // namespace

std::vector<ExchangeRate> measure_exchanges(const BenchRequest& request,
                                            int ranks) {
  if (ranks < 2) return {};
  const auto worlds = make_thread_worlds(ranks, {});
  std::vector<ExchangeRate> first;
  std::vector<std::exception_ptr> failures(worlds.size());
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < worlds.size(); ++r) {
    threads.emplace_back([&, r] {
      try {
        End end(*worlds[r], request);
        auto rates = rates_of(end, ranks);
        if (r == 0) first = std::move(rates);
      } catch (const std::exception& error) {
        failures[r] = std::current_exception();
        worlds[r]->abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return first;
}

Link link_of(const std::vector<ExchangeRate>& rates, int ranks,
             const Link& otherwise) {
  if (rates.empty()) return otherwise;
  const std::size_t bytes = kBytes.back();
  const double others = (ranks - 1.0) / ranks;
  Link link;
  link.latency = rate_of(rates, Exchange::kSend, kBytes.front()).seconds;
  const double gather = rate_of(rates, Exchange::kAllGather, bytes).seconds;
  const double reduce = rate_of(rates, Exchange::kReduceScatter, bytes).seconds;
  const auto all = static_cast<double>(bytes);
  // A sum that takes no longer than a gather costs nothing that can be told.
  constexpr double kLeast = 1e-9;
  link.bytes_per_second =
      all * others / std::max(gather - link.latency, kLeast);
  link.sum_bytes_per_second = all / std::max(reduce - gather, kLeast);
  return link;
}

}  // namespace cairn
