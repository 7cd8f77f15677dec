#include "pool.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "settled.hpp"

namespace umbel {

namespace {

constexpr std::chrono::seconds kLookAfter{1};  // an idle slot after its process
constexpr double kSmooth = 0.2;  // the share of the newest run in what runs took lately

}  // namespace

Pool::Pool(std::size_t slots, std::shared_ptr<Callers> callers, Begin begin, Run run,
           std::function<void(Ended)> done, Instruments& instruments)
    : callers_{std::move(callers)},
      begin_{std::move(begin)},
      run_{std::move(run)},
      done_{std::move(done)},
      instruments_{instruments},
      wanted_{std::clamp<std::size_t>(slots, 1, kMostSlots)} {
  const std::lock_guard lock{mutex_};
  add_slots();
}

Pool::~Pool() {
  (void)close();
  interrupt();
  if (callers_->can_kill()) (void)abandon();
}

void Pool::add_slots() {
  for (; there_ < wanted_; ++there_) {
    Slot& slot = slots_.emplace_back();
    slot.tools.caller = callers_->make();
    slot.thread = std::jthread{[this, &slot](const std::stop_token& stop) { work(slot, stop); }};
  }
}

void Pool::retire_stuck() {
  for (auto& running : running_) {
    if (there_ <= wanted_) return;
    if (!running.stuck || std::exchange(running.slot->retired, true)) continue;
    --there_;
  }
}

std::size_t Pool::lost_to_stuck() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      running_, [](const Running& one) { return one.stuck && !one.slot->retired; }));
}

void Pool::take_left(std::list<Slot>& into) {
  for (auto slot = slots_.begin(); slot != slots_.end();) {
    const auto next = std::next(slot);
    if (slot->left) into.splice(into.end(), slots_, slot);
    slot = next;
  }
}

std::size_t Pool::resize(std::size_t slots) {
  std::list<Slot> left;  // joined when the lock is free again
  const std::lock_guard lock{mutex_};
  if (closed_) return wanted_;
  wanted_ = std::clamp<std::size_t>(slots, 1, kMostSlots);
  take_left(left);
  retire_stuck();
  add_slots();
  instruments_.slots.Set(static_cast<double>(wanted_));
  submitted_.notify_all();  // those that are too many end
  return wanted_;
}

void Pool::renew() {
  std::list<Slot> left;  // joined when the lock is free again
  const std::lock_guard lock{mutex_};
  if (closed_) return;
  take_left(left);
  for (auto& slot : slots_) {
    if (slot.left || std::exchange(slot.retired, true)) continue;
    --there_;
  }
  add_slots();
  submitted_.notify_all();
}

std::shared_ptr<RunControl> Pool::terminate(const TaskId& id, int signal) {
  std::shared_ptr<RunControl> control;
  {
    const std::lock_guard lock{mutex_};
    const auto running = std::ranges::find_if(
        running_, [&id](const Running& one) { return one.id == id && !one.abandoned; });
    if (running == running_.end()) return nullptr;
    control = running->control;
    control->terminated = signal;
    running->caller->wake();
  }
  if (!callers_->can_kill()) control->stop.request_stop();
  return control;
}

std::optional<Job> Pool::submit(Job job) {
  const std::lock_guard lock{mutex_};
  if (closed_) return job;
  waiting_.push_back(std::move(job));
  submitted_.notify_one();
  return std::nullopt;
}

std::vector<Job> Pool::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
  for (auto& slot : slots_) slot.thread.request_stop();
  std::vector<Job> left;
  for (auto& job : waiting_) left.push_back(std::move(job));
  waiting_.clear();
  return left;
}

std::vector<Job> Pool::take_waiting(const Consumer* consumer) {
  const std::lock_guard lock{mutex_};
  std::vector<Job> taken;
  std::deque<Job> kept;
  for (auto& job : waiting_) {
    if (job.consumer.get() == consumer) {
      taken.push_back(std::move(job));
    } else {
      kept.push_back(std::move(job));
    }
  }
  waiting_ = std::move(kept);
  return taken;
}

std::vector<Job> Pool::take_waiting() {
  const std::lock_guard lock{mutex_};
  std::vector<Job> taken{std::move_iterator{waiting_.begin()}, std::move_iterator{waiting_.end()}};
  waiting_.clear();
  return taken;
}

// What has begun reads its job and leaves it as it is until it is done, which is under the lock.
std::optional<Job> Pool::give_up(const RunControl* control) {
  const std::lock_guard lock{mutex_};
  const auto running = std::ranges::find_if(
      running_, [control](const Running& one) { return one.control.get() == control; });
  if (running == running_.end() || running->abandoned) return std::nullopt;
  if (callers_->can_kill()) {
    running->control->overdue = true;
    running->caller->wake();
    return std::nullopt;
  }
  if (running->control->started == 0) return std::nullopt;
  running->abandoned = running->stuck = true;
  running->control->given_up = true;
  running->active.reset();
  instruments_.stuck.Increment();
  ++stuck_;
  if (running_.size() == stuck_) idle_.notify_all();
  return face_of(running->ended.job);
}

bool Pool::wait_idle(Steady::time_point until) {
  std::unique_lock lock{mutex_};
  return idle_.wait_until(lock, until, [this] { return running_.size() == stuck_; });
}

void Pool::interrupt() {
  std::vector<std::shared_ptr<RunControl>> controls;
  {
    const std::lock_guard lock{mutex_};
    interrupted_ = true;
    for (const auto& running : running_) controls.push_back(running.control);
  }
  for (const auto& control : controls) {
    control->worker_stops = true;
    control->stop.request_stop();  // outside the lock: it calls what the task registered
  }
}

std::vector<Job> Pool::abandon() {
  const std::lock_guard lock{mutex_};
  std::vector<Job> jobs;
  for (auto& running : running_) {
    if (std::exchange(running.abandoned, true)) continue;
    running.control->abandoned = true;
    running.caller->wake();
    Job job;
    job.consumer = running.consumer;
    job.tag = running.tag;
    job.task.id = running.id;
    job.task.task = running.name;
    job.queue = running.queue;
    job.started = true;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

PoolFigures Pool::figures() const {
  const std::lock_guard lock{mutex_};
  PoolFigures figures;
  figures.size = wanted_;
  figures.active = running_.size() - stuck_;
  figures.stuck = stuck_;
  figures.lost = lost_to_stuck();
  figures.started = started_;
  for (const auto& slot : slots_) {
    if (slot.left) continue;
    figures.jobs.push_back(slot.jobs);
    if (const auto process = slot.tools.caller->process()) figures.processes.push_back(*process);
    if (auto fault = slot.tools.caller->fault()) {
      ++figures.unready;
      figures.fault = std::move(fault);
    }
  }
  return figures;
}

// A job's task is read by its slot while it runs, and written by nobody until it is done, which is
// under the lock.
std::vector<HeldTask> Pool::running() const {
  const std::lock_guard lock{mutex_};
  std::vector<HeldTask> tasks;
  for (const auto& one : running_) {
    if (one.stuck) continue;
    auto& task = tasks.emplace_back(held_task(one.ended.job));
    if (const auto started = one.control->started.load(); started != 0) {
      task.started = from_micros(started);
      task.process = one.caller->process().value_or(getpid());
    }
  }
  return tasks;
}

std::vector<std::pair<std::string, std::string>> Pool::running_with_stamps(
    const std::string& key, const std::vector<std::string>& values) const {
  const std::lock_guard lock{mutex_};
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& one : running_) {
    if (one.stuck) continue;
    for (const auto& [name, borne] : stamps_of(one.ended.job.task)) {
      if (name != key) continue;
      for (const auto& value : borne) {
        if (std::ranges::find(values, value) != values.end()) {
          found.emplace_back(one.id.str(), value);
        }
      }
    }
  }
  return found;
}

std::vector<HeldTask> Pool::waiting() const {
  const std::lock_guard lock{mutex_};
  std::vector<HeldTask> tasks;
  for (const auto& job : waiting_) tasks.push_back(held_task(job));
  return tasks;
}

std::size_t Pool::load() const {
  const std::lock_guard lock{mutex_};
  return running_.size() - stuck_ + waiting_.size();
}

std::map<std::string, std::uint64_t> Pool::totals() const {
  const std::lock_guard lock{mutex_};
  std::map<std::string, std::uint64_t> totals;
  for (const auto& [task, count] : totals_) totals[task->entry.name] = count;
  return totals;
}

std::size_t Pool::size() const {
  const std::lock_guard lock{mutex_};
  return wanted_;
}

std::size_t Pool::active() const {
  const std::lock_guard lock{mutex_};
  return running_.size() - stuck_;
}

std::size_t Pool::stuck() const {
  const std::lock_guard lock{mutex_};
  return stuck_;
}

std::size_t Pool::lost() const {
  const std::lock_guard lock{mutex_};
  auto lost = lost_to_stuck();
  if (callers_->can_kill()) {
    for (const auto& slot : slots_) {
      if (!slot.left && slot.tools.caller->fault()) ++lost;
    }
  }
  return std::min(lost, wanted_);
}

std::vector<std::string> Pool::stuck_names() const {
  const std::lock_guard lock{mutex_};
  std::set<std::string> names;
  for (const auto& running : running_) {
    if (running.stuck) names.insert(running.name);
  }
  return {names.begin(), names.end()};
}

std::size_t Pool::unreturned() const {
  const std::lock_guard lock{mutex_};
  return running_.size();
}

std::uint64_t Pool::started() const {
  const std::lock_guard lock{mutex_};
  return started_;
}

std::size_t Pool::told_together() const {
  if (!lately_) return 1;
  const double most = static_cast<double>(kMostTogether);
  const double fit = std::chrono::duration<double>(kTogether).count() / std::max(*lately_, 1e-6);
  return static_cast<std::size_t>(std::clamp(fit, 1.0, most));
}

// While one slot tells the store of some, another that told of those behind them would put these
// in front: they would run, and be acknowledged, out of turn.
bool Pool::can_start() const {
  if (waiting_.empty()) return false;
  return !telling_ || waiting_.front().begun || waiting_.front().redelivered;
}

std::optional<Job> Pool::take_next(std::unique_lock<std::mutex>& lock) {
  Job first = std::move(waiting_.front());
  waiting_.pop_front();
  if (first.begun || first.redelivered) return first;  // the latter is told by its run
  std::vector<Job> batch;
  batch.push_back(std::move(first));
  for (const auto most = told_together(); batch.size() < most && !waiting_.empty();) {
    if (waiting_.front().begun || waiting_.front().redelivered) break;
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  // One alone is told by its run, which waits for a store that does not answer.
  if (batch.size() > 1) {
    telling_ = true;
    lock.unlock();
    begin_(batch);
    lock.lock();
    telling_ = false;
    if (closed_) {
      for (auto& job : batch) {
        Ended back;
        back.job = std::move(job);
        back.hand_back = true;
        done_(std::move(back));
      }
      return std::nullopt;
    }
    for (auto job = batch.rbegin(); job + 1 != batch.rend(); ++job) {
      waiting_.push_front(std::move(*job));
    }
    submitted_.notify_all();
  }
  return std::move(batch.front());
}

bool Pool::make_ready(std::unique_lock<std::mutex>& lock, Slot& slot, const std::stop_token& stop) {
  auto& caller = *slot.tools.caller;
  while (!caller.can_call()) {
    if (stop.stop_requested() || there_ > wanted_ || slot.retired) return false;
    submitted_.notify_one();  // another slot may be quicker
    lock.unlock();
    caller.ready(stop);
    lock.lock();
  }
  return true;
}

bool Pool::wait_for_job(std::unique_lock<std::mutex>& lock, Slot& slot,
                        const std::stop_token& stop) {
  for (;;) {
    if (!make_ready(lock, slot, stop)) return false;
    const auto something = [this, &slot] {
      return can_start() || there_ > wanted_ || slot.retired;
    };
    if (!callers_->can_kill()) {
      submitted_.wait(lock, stop, something);
    } else if (!submitted_.wait_for(lock, stop, kLookAfter, something) && !stop.stop_requested()) {
      continue;  // a process may have gone while there was nothing to do
    }
    if ((there_ > wanted_ || slot.retired) && !closed_) {
      submitted_.notify_one();  // the word may have been for a job
      return false;
    }
    if (!can_start()) return false;  // told to stop, and nothing left
    if (slot.tools.caller->can_call()) return true;
  }
}

void Pool::work(Slot& slot, const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (wait_for_job(lock, slot, stop)) {
    auto job = take_next(lock);
    if (!job) continue;
    const auto running = running_.emplace(running_.end());
    running->slot = &slot;
    running->caller = slot.tools.caller.get();
    running->ended.job = std::move(*job);
    running->consumer = running->ended.job.consumer;
    running->name = running->ended.job.task.task;
    running->queue = running->ended.job.queue;
    running->tag = running->ended.job.tag;
    running->id = running->ended.job.task.id;
    if (interrupted_) {
      running->control->worker_stops = true;
      running->control->stop.request_stop();
    }
    ++started_;
    ++slot.jobs;
    ++totals_[running->ended.job.registered];
    const auto control = running->control;
    running->active = GaugeHold{instruments_.active};
    lock.unlock();
    running->ended.job.prefetched.reset();
    const auto begin = Steady::now();
    run_(running->ended, control, slot.tools);
    const auto took = std::chrono::duration<double>(Steady::now() - begin).count();
    lock.lock();
    lately_ = lately_ ? kSmooth * took + (1 - kSmooth) * *lately_ : took;
    // Under the lock, so that abandon(), give_up() and this agree on whose it is.
    if (!running->abandoned) done_(std::move(running->ended));
    if (running->stuck) {
      --stuck_;
      instruments_.stuck.Decrement();
    }
    running_.erase(running);
    if (running_.size() == stuck_) idle_.notify_all();
  }
  if (!slot.retired) --there_;
  slot.left = true;
  const auto caller = std::move(slot.tools.caller);
  lock.unlock();  // its process may take a while to end
}

}  // namespace umbel
