#include "parallel/nccl/watch.h"

#include <algorithm>
#include <exception>

namespace cairn {
namespace {

constexpr std::chrono::milliseconds kLook{20};

}  // namespace

NcclWatch::NcclWatch(World& host) : host_(host), thread_([this] { watch(); }) {}

NcclWatch::~NcclWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void NcclWatch::add(Watched& each) {
  const std::lock_guard lock(mutex_);
  all_.push_back(&each);
  if (const auto cause = failure()) each.end(*cause);
}

void NcclWatch::remove(Watched& each) {
  const std::lock_guard lock(mutex_);
  std::erase(all_, &each);
}

std::optional<std::string> NcclWatch::failure() const {
  if (!failed_.load()) return std::nullopt;
  const std::lock_guard lock(cause_mutex_);
  return cause_;
}

std::optional<std::string> NcclWatch::cause() const {
  const auto cause = failure();
  return cause ? cause : host_.lost();
}

void NcclWatch::look_now() {
  if (const auto cause = host_.lost()) {
    const std::lock_guard lock(mutex_);
    fail(*cause);
  }
}

void NcclWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    try {
      if (!failed_.load()) look();
    } catch (const std::exception& error) {
      fail(std::string("the other ranks cannot be watched: ") + error.what());
    }
    changed_.wait_for(lock, kLook, [this] { return stop_; });
  }
}

// What this rank finds the others learn of, and the first of all that were
// found is everybody's.
void NcclWatch::look() {
  for (Watched* each : all_) {
    if (const auto fault = each->look()) {
      host_.abort(*fault);
      return fail(host_.lost().value_or(*fault));
    }
  }
  if (const auto cause = host_.lost()) fail(*cause);
}

// All at once, since NCCL takes its time over each.
void NcclWatch::fail(const std::string& cause) {
  if (failed_.load()) return;
  {
    const std::lock_guard lock(cause_mutex_);
    cause_ = cause;
  }
  failed_.store(true);
  std::vector<std::thread> endings;
  for (Watched* each : all_) {
    try {
      endings.emplace_back([each, &cause] { each->end(cause); });
    } catch (const std::exception&) {  // there are too many threads
      each->end(cause);
    }
  }
  for (std::thread& ending : endings) ending.join();
}

}  // namespace cairn
