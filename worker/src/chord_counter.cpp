#include "chord_counter.hpp"

#include <utility>

namespace umbel {
namespace {

bool may_pass(Errc code) {
  return code == Errc::Unavailable || code == Errc::TimedOut || code == Errc::OutcomeUnknown;
}

}  // namespace

ChordCounter::ChordCounter(Ways ways, Instruments& instruments, const Clock& clock, Log log)
    : ways_{std::move(ways)},
      instruments_{instruments},
      outage_{"where chords are counted", clock, std::move(log)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void ChordCounter::push(Ended ended) {
  const std::lock_guard lock{mutex_};
  queue_.push_back(std::move(ended));
  pushed_.notify_one();
}

bool ChordCounter::wait_idle(Steady::time_point until) {
  std::unique_lock lock{mutex_};
  return idle_.wait_until(lock, until, [this] { return queue_.empty() && !busy_; });
}

std::vector<Job> ChordCounter::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  std::vector<Job> left;
  const std::lock_guard lock{mutex_};
  for (auto& ended : queue_) left.push_back(std::move(ended.job));
  queue_.clear();
  return left;
}

void ChordCounter::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  for (;;) {
    pushed_.wait(lock, stop, [this] { return !queue_.empty(); });
    if (queue_.empty()) return;  // told to stop, and nothing left
    if (stop.stop_requested() && outage_.failing()) return;
    Ended ended = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    const bool done = work_off(ended);
    lock.lock();
    busy_ = false;
    if (!done) {
      queue_.push_front(std::move(ended));
      pushed_.wait_for(lock, stop, outage_.wait(), [] { return false; });
    } else if (queue_.empty()) {
      idle_.notify_all();
    }
  }
}

bool ChordCounter::work_off(Ended& ended) {
  const auto counted = ways_.count(ended.chords);
  if (!counted) {
    instruments_.callers_failed("set_chord_size");
    if (may_pass(counted.error().code)) {
      (void)outage_.failed(counted.error());
      return false;
    }
  }
  outage_.over();
  ended.chords.clear();
  if (counted) {
    ways_.pass(std::move(ended));
  } else {
    ways_.refuse(std::move(ended), counted.error());
  }
  return true;
}

}  // namespace umbel
