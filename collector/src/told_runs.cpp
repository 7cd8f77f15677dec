#include "told_runs.hpp"

#include <algorithm>
#include <chrono>

namespace umbel::collector {
namespace {

// A worker sends its heartbeats past the events of tasks that it has gathered: a loop's at most.
constexpr auto kOnTheWay = std::chrono::milliseconds{3500};
constexpr std::size_t kMarks = 10;
// More than that are never gathered (24 in Celery), whatever the rate.
constexpr std::int64_t kMostGathered = 100;

}  // namespace

void ToldRuns::heartbeat(std::int64_t pid, std::int64_t processed, WallTime stamped, WallTime now) {
  if (pid == state_.pid && stamped <= state_.stamped) return;  // told twice
  if (state_.pid == 0 || pid != state_.pid || processed < state_.processed) {
    marks_.clear();
    untold_ = 0;
    state_ = {.pid = pid,
              .offset = processed,
              .told = 0,
              .processed = processed,
              .stamped = stamped,
              .since = now};
    return;
  }
  state_.processed = processed;
  state_.stamped = stamped;
  const std::int64_t behind = processed - state_.offset - state_.told;
  marks_.push_back({.stamped = stamped, .processed = processed, .behind = behind});
  if (marks_.size() > kMarks) marks_.pop_front();
  // What had been begun by a heartbeat of a while ago has been told by now.
  std::int64_t sure = 0;
  for (const Mark& mark : marks_) {
    if (stamped - mark.stamped < kOnTheWay) break;
    sure = std::max(sure, mark.processed - state_.offset - state_.told);
  }
  // Of a busy worker: what every one of the last heartbeats was ahead by.
  if (marks_.size() == kMarks) {
    const auto least =
        std::min_element(marks_.begin(), marks_.end(),
                         [](const auto& a, const auto& b) { return a.behind < b.behind; });
    if (least->behind > kMostGathered) sure = std::max(sure, least->behind);
  }
  untold_ = sure;
}

}  // namespace umbel::collector
