#include "result_desk.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "umbel/celery/canvas.hpp"

namespace umbel {
namespace {

constexpr std::size_t kMostTogether = 200;
constexpr std::size_t kOverhead = 500;  // bytes that an entry takes beside its texts, about

bool may_pass(const Error& error) {
  return error.code == Errc::Unavailable || error.code == Errc::TimedOut ||
         error.code == Errc::OutcomeUnknown || error.code == Errc::Cancelled;
}

bool in_chord(const celery::TaskMessage& task) {
  return !task.group.empty() && task.embed.contains("chord");
}

// What a chain member that fell with a task is told of: the same end, under its own name.
CallerResult as_of(const celery::TaskMessage& task, const CallerResult& ended) {
  auto result = caller_result_of(task);
  result.state = ended.state;
  result.result = ended.result;
  result.traceback = ended.traceback;
  result.done = ended.done;
  return result;
}

}  // namespace

CallerResult caller_result_of(const celery::TaskMessage& task) {
  CallerResult result;
  result.id = task.id;
  result.group = task.group;
  result.parent = task.parent_id;
  result.reply_to = task.reply_to;
  return result;
}

ResultDesk::ResultDesk(Parts parts, Limits limits,
                       std::function<void(std::vector<Released>)> release, OnChord on_chord,
                       Log log)
    : parts_{parts},
      limits_{limits},
      release_{std::move(release)},
      on_chord_{std::move(on_chord)},
      log_{std::move(log)},
      outage_{"where callers read their results", parts.clock, log_},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

bool ResultDesk::concerns(const Settled& settled) const {
  if (in_chord(settled.task) || !settled.fallen.empty()) return true;
  if (settled.ignored) return false;
  if (settled.ignored_success && !settled.from_store &&
      settled.result.state == TaskState::Success) {
    return false;
  }
  return parts_.callers.reaches(settled.result);
}

std::vector<Released> ResultDesk::push(std::vector<Settled> settled) {
  const std::lock_guard lock{mutex_};
  for (auto& one : settled) {
    Entry entry;
    entry.on_the_way = !one.from_store && !is_final(one.result.state);
    entry.settled = std::move(one);
    add(std::move(entry));
  }
  if (!held_long_enough()) return {};
  auto free = take_held();
  keep_bounds();
  show_waiting();
  return free;
}

// Of all that waits.
std::vector<Released> ResultDesk::take_held() {
  std::vector<Released> free;
  for (auto& entry : queue_) {
    if (!entry.released) free.push_back(taken_from(entry));
  }
  return free;
}

bool ResultDesk::held_long_enough() const {
  return outage_.failing() && outage_.lasted() >= limits_.hold;
}

void ResultDesk::tell(CallerResult state) {
  if (!parts_.callers.reaches(state)) return;
  Entry entry;
  entry.on_the_way = true;
  entry.released = true;  // it holds nothing
  entry.settled.result = std::move(state);
  const std::lock_guard lock{mutex_};
  add(std::move(entry));
}

Released ResultDesk::taken_from(Entry& entry) {
  entry.released = true;
  return {std::move(entry.settled.held), entry.settled.reject};
}

void ResultDesk::add(Entry entry) {
  const auto& result = entry.settled.result;
  entry.bytes = kOverhead + result.result.size() + result.traceback.size();
  bytes_ += entry.bytes;
  queue_.push_back(std::move(entry));
  show_waiting();
  pushed_.notify_one();
}

void ResultDesk::show_waiting() const {
  parts_.instruments.callers_waiting.Set(static_cast<double>(queue_.size() + in_hand_));
}

std::size_t ResultDesk::waiting() const {
  const std::lock_guard lock{mutex_};
  return queue_.size() + in_hand_;
}

bool ResultDesk::wait_idle(Steady::time_point until) {
  std::unique_lock lock{mutex_};
  return idle_.wait_until(lock, until, [this] { return queue_.empty() && in_hand_ == 0; });
}

bool ResultDesk::wait_told(Steady::time_point until) {
  std::unique_lock lock{mutex_};
  return idle_.wait_until(lock, until, [this] {
    if (in_hand_ > 0) return false;
    if (queue_.empty()) return true;
    return outage_.failing() && std::ranges::all_of(queue_, [](const Entry& entry) {
             return !entry.released || entry.on_the_way;
           });
  });
}

std::vector<Job> ResultDesk::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock{mutex_};
  std::vector<Job> left;
  std::size_t lost = 0;
  for (auto& entry : queue_) {
    if (!entry.released) {
      left.push_back(std::move(entry.settled.held));
    } else if (!entry.on_the_way) {
      ++lost;
      parts_.instruments.told_callers("dropped");
    }
  }
  if (!left.empty()) {
    log_.warn("results not told yet; their messages go back, and are told of by who gets them",
              {{"messages", left.size()}});
  }
  if (lost > 0) {
    log_.error("results not told to their callers before the stop; the store has them",
               {{"results", lost}});
  }
  queue_.clear();
  bytes_ = 0;
  show_waiting();
  return left;
}

void ResultDesk::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  for (;;) {
    pushed_.wait(lock, stop, [this] { return !queue_.empty(); });
    if (queue_.empty()) return;  // told to stop, and nothing left
    if (stop.stop_requested() && outage_.failing()) return;
    std::deque<Entry> batch;
    while (!queue_.empty() && batch.size() < kMostTogether) {
      bytes_ -= queue_.front().bytes;
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    in_hand_ = batch.size();
    lock.unlock();
    std::vector<Released> free;
    const auto step = work_off(batch, free);
    if (!free.empty()) release_(std::move(free));
    lock.lock();
    in_hand_ = 0;
    if (step == Step::Done) {
      outage_.over();
      dropped_ = 0;
    }
    put_back(batch);
    if (step == Step::Done) continue;
    if (held_long_enough()) let_go(lock);
    idle_.notify_all();
    pushed_.wait_for(lock, stop, outage_.wait(), [] { return false; });
  }
}

// Nothing that waits keeps its message any longer.
void ResultDesk::let_go(std::unique_lock<std::mutex>& lock) {
  auto free = take_held();
  keep_bounds();
  show_waiting();
  if (queue_.empty()) idle_.notify_all();
  if (free.empty()) return;
  lock.unlock();
  log_.warn("results wait for longer than their messages are held; these are acknowledged",
            {{"messages", free.size()}});
  release_(std::move(free));
  lock.lock();
}

void ResultDesk::put_back(std::deque<Entry>& batch) {
  for (; !batch.empty(); batch.pop_back()) {
    bytes_ += batch.back().bytes;
    queue_.push_front(std::move(batch.back()));
  }
  if (outage_.failing() && !held_long_enough()) keep_bounds();  // otherwise let_go() does
  show_waiting();
  if (queue_.empty()) idle_.notify_all();
}

void ResultDesk::keep_bounds() {
  // A state on the way is told in time or not at all.
  std::erase_if(queue_, [this](const Entry& entry) {
    if (!entry.on_the_way || !entry.released) return false;
    if (!entry.told) parts_.instruments.told_callers("skipped");
    bytes_ -= entry.bytes;
    return true;
  });
  while (queue_.size() > limits_.most || bytes_ > limits_.bytes) {
    // What is still held is bounded by the prefetch, and is not ours to drop.
    const auto oldest = std::find_if(queue_.begin(), queue_.end(),
                                     [](const Entry& entry) { return entry.released; });
    if (oldest == queue_.end()) break;
    if (dropped_++ == 0) {
      log_.error("results dropped untold: too many wait for their callers' place to answer",
                 {{"most", limits_.most}, {"most_bytes", limits_.bytes}});
    }
    parts_.instruments.told_callers("dropped");
    bytes_ -= oldest->bytes;
    queue_.erase(oldest);
  }
}

// `free` takes what may be acknowledged: all that was worked off; and of what was not, what an
// outage does not hold.
ResultDesk::Step ResultDesk::work_off(std::deque<Entry>& batch, std::vector<Released>& free) {
  auto step = read_from_store(batch);
  if (step == Step::Done) step = tell_all(batch);
  while (step == Step::Done && !batch.empty()) {
    auto& entry = batch.front();
    step = return_parts(entry);
    if (step == Step::Later) break;
    if (!entry.released) free.push_back(taken_from(entry));
    batch.pop_front();
  }
  if (step == Step::Done) return step;
  for (auto& entry : batch) {
    if (!entry.released && entry.on_the_way) free.push_back(taken_from(entry));
  }
  return step;
}

// What a message that came again is about: its first run's result, told before or not.
ResultDesk::Step ResultDesk::read_from_store(std::deque<Entry>& batch) {
  for (auto& entry : batch) {
    auto& settled = entry.settled;
    if (!settled.from_store) continue;
    auto found = parts_.results.find(settled.result.id);
    if (!found) {
      if (may_pass(found.error())) {
        failed("find", found.error());
        return Step::Later;
      }
      entry.told = true;  // nothing is known of it any more
      settled.from_store = false;
      settled.task = {};
      settled.fallen.clear();
      continue;
    }
    settled.from_store = false;
    auto& result = settled.result;
    result.state = found->state;
    result.result = std::move(found->result);
    if (found->runtime) result.traceback = std::move(found->traceback);
    result.children = std::move(found->children);
    result.done = found->done;
    if (result.state == TaskState::Success) settled.fallen.clear();
    if (!is_final(result.state)) {
      entry.told = true;
      settled.task = {};
      settled.fallen.clear();
    }
  }
  return Step::Done;
}

ResultDesk::Step ResultDesk::tell_all(std::deque<Entry>& batch) {
  std::vector<CallerResult> results;
  for (const auto& entry : batch) {
    if (entry.told) continue;
    const auto& settled = entry.settled;
    const bool unwanted =
        settled.ignored || (settled.ignored_success && settled.result.state == TaskState::Success);
    if (!unwanted && parts_.callers.reaches(settled.result)) results.push_back(settled.result);
    for (const auto& task : settled.fallen) {
      auto result = as_of(task, settled.result);
      if (parts_.callers.reaches(result)) results.push_back(std::move(result));
    }
  }
  if (!results.empty()) {
    const auto told = parts_.callers.tell(results);
    if (!told && may_pass(told.error())) {
      failed("tell", told.error());
      return Step::Later;
    }
    if (!told) {
      if (tell_one_by_one(results) == Step::Later) return Step::Later;
    } else {
      parts_.instruments.told_callers("told", results.size());
    }
  }
  for (auto& entry : batch) entry.told = true;
  return Step::Done;
}

// One that will never be taken must not keep the others out.
ResultDesk::Step ResultDesk::tell_one_by_one(const std::vector<CallerResult>& results) {
  for (const auto& result : results) {
    const auto told = parts_.callers.tell({&result, 1});
    if (told) {
      parts_.instruments.told_callers("told");
    } else if (may_pass(told.error())) {
      failed("tell", told.error());
      return Step::Later;
    } else {
      parts_.instruments.told_callers("refused");
      log_.error("result refused where its caller reads; the store has it",
                 {{"task_id", result.id.str()}, {"reason", told.error().what}});
    }
  }
  return Step::Done;
}

ResultDesk::Step ResultDesk::return_parts(Entry& entry) {
  const auto& settled = entry.settled;
  if (!is_final(settled.result.state)) return Step::Done;
  const auto parts = 1 + settled.fallen.size();
  for (; entry.parts_done < parts; ++entry.parts_done) {
    const auto& task = entry.parts_done == 0 ? settled.task : settled.fallen[entry.parts_done - 1];
    if (return_part(task, settled) == Step::Later) return Step::Later;
  }
  return Step::Done;
}

ResultDesk::Step ResultDesk::return_part(const celery::TaskMessage& task, const Settled& of) {
  if (!in_chord(task)) return Step::Done;
  const auto& result = of.result;
  const auto given_up = [&](const Error& error) {
    parts_.instruments.chord_part("refused");
    log_.error("a chord will not go on: its part could not be counted, or its body not be sent",
               {{"task_id", task.id.str()}, {"group", task.group}, {"reason", error.what}});
    return Step::Done;
  };
  const auto chord = parts_.callers.chord_part(
      {task.group, celery::group_index_of(task), task.id, result.state, result.result});
  if (!chord) {
    if (!may_pass(chord.error())) return given_up(chord.error());
    failed("chord_part", chord.error());
    return Step::Later;
  }
  if (chord->is == ChordReturn::Is::Waiting) {
    parts_.instruments.chord_part("waiting");
    return Step::Done;
  }
  if (!on_chord_) return given_up(unavailable("nobody here sends the bodies of chords"));
  const auto sent = on_chord_(task, of.queue, *chord);
  if (!sent) {
    if (!may_pass(sent.error())) return given_up(sent.error());
    failed("chord_body", sent.error());
    return Step::Later;
  }
  if (chord->is == ChordReturn::Is::Failed) {
    parts_.instruments.chord_part("failed");
    return Step::Done;
  }
  parts_.instruments.chord_part("complete");
  // What stays behind after a failure is forgotten in its time.
  if (const auto ended = parts_.callers.chord_ended(task.group); !ended) {
    parts_.instruments.callers_failed("chord_ended");
  }
  return Step::Done;
}

void ResultDesk::failed(const char* call, const Error& error) {
  parts_.instruments.callers_failed(call);
  (void)outage_.failed(error);
}

}  // namespace umbel
