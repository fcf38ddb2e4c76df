#include "launcher/step_trace.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <numeric>
#include <sstream>

namespace cairn {
namespace {

// A span a line, fields apart by tabs. Names are a schedule's texts and ours,
// which have none.
std::string to_lines(const std::vector<TraceSpan>& spans) {
  std::ostringstream out;
  out << std::setprecision(17);
  for (const TraceSpan& span : spans) {
    out << span.rank << '\t' << span.stream << '\t' << span.name << '\t'
        << span.phase << '\t' << span.begin_ms << '\t' << span.end_ms << '\n';
  }
  return out.str();
}

std::vector<TraceSpan> from_lines(const std::string& text) {
  std::vector<TraceSpan> spans;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    TraceSpan span;
    fields >> span.rank;
    fields.ignore(1);
    std::getline(fields, span.stream, '\t');
    std::getline(fields, span.name, '\t');
    std::getline(fields, span.phase, '\t');
    fields >> span.begin_ms >> span.end_ms;
    spans.push_back(std::move(span));
  }
  return spans;
}

}  // namespace

StepTrace::StepTrace(World& world, Backend& backend)
    : world_(world), backend_(backend) {
  std::vector<int> ranks(static_cast<std::size_t>(world.size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  ranks_ = world.make("trace", ranks);
  stream_ = backend.make_stream("trace");
}

void StepTrace::begin() {
  ranks_->barrier(*stream_);
  origin_ = stream_->record();
  origin_->synchronize();
}

std::vector<TraceSpan> StepTrace::gather(
    const std::vector<Timeline::Record>& records) {
  // What goes on beside compute may end after the step.
  for (const Timeline::Record& record : records) record.end->synchronize();
  const auto mine = trace_spans(world_.rank(), records, *origin_);
  std::vector<TraceSpan> all;
  for (const std::string& text : gather_texts(to_lines(mine))) {
    if (world_.rank() != 0) continue;
    const std::vector<TraceSpan> spans = from_lines(text);
    all.insert(all.end(), spans.begin(), spans.end());
  }
  return all;
}

std::vector<std::string> StepTrace::gather_texts(const std::string& text) {
  const std::vector<std::int32_t> sizes =
      all_gather({static_cast<std::int32_t>(text.size())});
  const auto longest =
      static_cast<std::size_t>(*std::max_element(sizes.begin(), sizes.end()));
  std::vector<std::int32_t> words(longest / sizeof(std::int32_t) + 1);
  std::memcpy(words.data(), text.data(), text.size());
  const std::vector<std::int32_t> all = all_gather(words);
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    const auto* first =
        reinterpret_cast<const char*>(all.data() + rank * words.size());
    texts.emplace_back(first, static_cast<std::size_t>(sizes[rank]));
  }
  return texts;
}

std::vector<std::int32_t> StepTrace::all_gather(
    const std::vector<std::int32_t>& words) {
  const auto count = static_cast<std::int64_t>(words.size());
  const auto make = [&](std::int64_t ranks) {
    return Tensor(backend_.memory(), *stream_, Owner::kData, DType::kI32,
                  {ranks * count});
  };
  const Tensor own = make(1);
  const Tensor all = make(world_.size());
  std::vector<std::int32_t> gathered(static_cast<std::size_t>(world_.size()) *
                                     words.size());
  backend_.upload(*stream_, own, words.data());
  ranks_->all_gather(*stream_, own, all);
  backend_.download(*stream_, gathered.data(), all);
  stream_->synchronize();
  return gathered;
}

}  // namespace cairn
