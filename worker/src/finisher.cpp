#include "finisher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "canvas_desk.hpp"
#include "pause.hpp"
#include "settled.hpp"

namespace umbel {
namespace {

// By then the broker has given the messages to somebody else, who finds their results.
constexpr std::chrono::seconds kGiveUpAcknowledging{30};

bool may_pass(Errc code) {
  return code == Errc::Unavailable || code == Errc::TimedOut || code == Errc::OutcomeUnknown ||
         code == Errc::Cancelled;
}

const char* outcome_name(TaskState state) {
  switch (state) {
    case TaskState::Success:
      return "success";
    case TaskState::Retry:
      return "retry";
    case TaskState::Revoked:
      return "revoked";
    default:
      return "failure";
  }
}

std::string label_of(const Job& job) {
  return job.registered != nullptr ? job.task.task : std::string{"other"};
}

}  // namespace

Finisher::Finisher(Parts parts, Told told, std::function<void(std::vector<Job>)> again, Log log)
    : parts_{parts},
      again_{std::move(again)},
      log_{std::move(log)},
      store_outage_{"store, for results", parts.clock, log_},
      broker_outage_{"broker, for acknowledgements", parts.clock, log_},
      desk_{
          told.callers == nullptr
              ? nullptr
              : std::make_unique<ResultDesk>(
                    ResultDesk::Parts{*told.callers, parts.results, parts.instruments, parts.clock},
                    told.limits, [this](std::vector<Released> jobs) { release(std::move(jobs)); },
                    std::move(told.on_chord), log_)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Finisher::push(Ended ended) {
  const std::lock_guard lock{mutex_};
  queue_.push_back(std::move(ended));
  pushed_.notify_one();
}

void Finisher::tell_state(CallerResult state) {
  if (desk_) desk_->tell(std::move(state));
}

void Finisher::release(std::vector<Released> jobs) {
  const std::lock_guard lock{mutex_};
  std::move(jobs.begin(), jobs.end(), std::back_inserter(released_));
  pushed_.notify_one();
}

bool Finisher::wait_idle(Steady::time_point until) {
  for (;;) {
    {
      std::unique_lock lock{mutex_};
      if (!idle_.wait_until(lock, until, [this] { return is_idle(); })) return false;
    }
    if (!desk_) return true;
    if (!desk_->wait_told(until)) return false;
    const std::lock_guard lock{mutex_};  // what it has released is to be acknowledged
    if (is_idle()) return true;
  }
}

Finisher::Left Finisher::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  Left left;
  for (auto* ended : {&unstored_, &queue_}) {
    for (auto& one : *ended) left.unstored.push_back(std::move(one.job));
    ended->clear();
  }
  if (desk_) {
    left.untold = desk_->close();
    std::move(released_.begin(), released_.end(), std::back_inserter(to_acknowledge_));
    released_.clear();
    if (!to_acknowledge_.empty()) acknowledge();
  }
  return left;
}

void Finisher::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  for (;;) {
    const auto something = [this] { return !queue_.empty() || !released_.empty(); };
    if (to_acknowledge_.empty()) {
      pushed_.wait(lock, stop, something);
    } else {
      pushed_.wait_for(lock, stop, acknowledge_again_, something);
    }
    if (!something() && to_acknowledge_.empty()) return;  // told to stop, and nothing left
    auto batch = std::exchange(queue_, {});
    std::move(released_.begin(), released_.end(), std::back_inserter(to_acknowledge_));
    released_.clear();
    busy_ = true;
    lock.unlock();
    const bool settled = settle(batch, stop);
    lock.lock();
    busy_ = !to_acknowledge_.empty();
    if (!settled) unstored_ = std::move(batch);
    if (is_idle()) idle_.notify_all();
    if (stop.stop_requested() && (!settled || queue_.empty())) return;
  }
}

bool Finisher::settle(std::vector<Ended>& batch, const std::stop_token& stop) {
  std::vector<FinishedRun> runs;
  std::vector<FinishOutcome> outcomes;
  if (!store(batch, stop, runs, outcomes)) return false;

  std::vector<OutboxRow> retries;
  std::vector<Job> waited;
  std::size_t next = 0;
  for (auto& ended : batch) {
    if (ended.finished) {
      auto& run = *ended.finished;
      const auto& outcome = outcomes[next++];
      if (outcome.retry_row && run.retry) {
        retries.push_back({*outcome.retry_row, run.id, run.retry->queue, run.retry->message,
                           run.retry->not_before});
      }
    }
    auto copies = parts_.in_flight.leave(ended.job.task.id);
    std::move(copies.begin(), copies.end(), std::back_inserter(waited));
  }
  if (!retries.empty()) parts_.enqueuer.publish_rows(retries);
  parts_.enqueuer.publish_successors(runs, outcomes);
  tell_chords(batch, outcomes);
  // The message may be given up once the result is stored, whatever becomes of the telling.
  hand_on(batch, outcomes);
  acknowledge();
  tell(batch, outcomes);
  if (!waited.empty()) again_(std::move(waited));
  return true;
}

// `runs`: those of `batch` in order, with what follows them; then what else is stored.
bool Finisher::store(std::vector<Ended>& batch, const std::stop_token& stop,
                     std::vector<FinishedRun>& runs, std::vector<FinishOutcome>& outcomes) {
  for (auto& ended : batch) {
    if (!ended.finished) continue;
    auto successors = std::exchange(ended.finished->successors, {});
    runs.push_back(*ended.finished);
    runs.back().successors = std::move(successors);
  }
  for (auto& ended : batch) {
    if (ended.also) runs.push_back(std::move(*ended.also));
  }
  if (runs.empty()) return true;
  bool tried_before = false;
  for (;;) {
    auto stored = finish_all(runs, batch);
    if (stored) {
      store_outage_.over();
      outcomes = std::move(*stored);
      // An earlier try may have been the one that stored it: then this one is refused, and it is
      // ours all the same.
      for (std::size_t i = 0; tried_before && i < runs.size(); ++i) {
        if (!outcomes[i].stored) outcomes[i].stored = is_ours(runs[i], stop);
      }
      return true;
    }
    parts_.instruments.store_failed("finish");
    tried_before = true;
    if (!pause_for(stop, store_outage_.failed(stored.error()))) return false;
  }
}

// Chords that nobody counts where callers wait.
void Finisher::tell_chords(const std::vector<Ended>& batch,
                           const std::vector<FinishOutcome>& outcomes) const {
  if (parts_.by.canvas == nullptr) return;
  const auto tell = [this](const celery::TaskMessage& part) {
    if (part.group.empty() || !part.embed.contains("chord")) return;
    parts_.by.canvas->part_ended(part.group, part.id);
  };
  std::size_t next = 0;
  for (const auto& ended : batch) {
    if (!ended.finished || !outcomes[next++].stored || !is_final(ended.finished->state)) continue;
    tell(ended.job.task);
    for (const auto& task : ended.fallen) tell(task);
  }
}

// By what the store shows: a result of this worker and this run. Of a retry whose next attempt has
// ended already nothing shows any more; then it counts as superseded, and an event is missing.
bool Finisher::is_ours(const FinishedRun& run, const std::stop_token& stop) {
  for (;;) {
    const auto found = parts_.results.find(run.id);
    if (found) {
      const auto number = run.retry ? run.run + 1 : run.run;
      return found->worker == parts_.by.worker && found->state == run.state && found->run == number;
    }
    if (!may_pass(found.error().code)) return false;
    parts_.instruments.store_failed("find");
    if (!pause_for(stop, store_outage_.failed(found.error()))) return false;
  }
}

// Of errbacks, in the one case that nobody has counted them yet.
Result<void> Finisher::count_chords(Ended& ended) const {
  const auto chords = std::exchange(ended.chords, {});
  if (chords.empty() || parts_.by.canvas == nullptr) return {};
  return parts_.by.canvas->count(chords);
}

// One transaction for all; a run that the store will never take must not keep the others out.
Result<std::vector<FinishOutcome>> Finisher::finish_all(std::vector<FinishedRun>& runs,
                                                        std::vector<Ended>& batch) {
  if (parts_.by.canvas != nullptr) {
    if (auto routed = parts_.by.canvas->route(runs); !routed) return routed.error();
  }
  auto all = parts_.results.finish(runs);
  if (all || may_pass(all.error().code)) return all;
  std::vector<FinishOutcome> outcomes;
  for (auto& run : runs) {
    auto one = parts_.results.finish({&run, 1});
    if (!one && !may_pass(one.error().code)) {
      log_.error("result refused by the store; the task ends as failed",
                 {{"task_id", run.id.str()}, {"reason", one.error().what}});
      const auto ending =
          failed({Raised::Kind::Final, "RuntimeError",
                  "the result could not be stored: " + one.error().what, "builtins", std::nullopt});
      const auto ended = std::ranges::find_if(batch, [&run](const Ended& each) {
        return each.finished && each.finished->id == run.id && each.finished->run == run.run;
      });
      if (ended == batch.end()) {  // what fell with a revoked task: the others must not wait for it
        outcomes.emplace_back();
        continue;
      }
      conclude(*ended, ending, parts_.by, run.done, run.runtime);
      ended->finished->traceback.clear();
      if (auto counted = count_chords(*ended); !counted) {
        parts_.by.canvas->leave_out_errbacks(*ended, counted.error());
      }
      run = *ended->finished;
      ended->finished->successors.clear();
      if (parts_.by.canvas != nullptr) {
        if (auto routed = parts_.by.canvas->route({&run, 1}); !routed) return routed.error();
      }
      one = parts_.results.finish({&run, 1});
    }
    if (!one) return one.error();
    outcomes.push_back(one->at(0));
  }
  return outcomes;
}

// What callers outside are to learn goes by the desk, and is acknowledged when that lets go of it.
void Finisher::hand_on(std::vector<Ended>& batch, const std::vector<FinishOutcome>& outcomes) {
  std::vector<Settled> to_tell;
  std::size_t next = 0;
  for (auto& ended : batch) {
    const auto* outcome = ended.finished ? &outcomes[next++] : nullptr;
    auto settled = desk_ ? settled_of(ended, outcome) : std::nullopt;
    Job held;
    held.consumer = ended.job.consumer;
    held.tag = ended.job.tag;
    held.slot = std::move(ended.job.slot);
    held.task.id = ended.job.task.id;
    held.task.task = ended.job.task.task;
    if (settled && desk_->concerns(*settled)) {
      settled->held = std::move(held);
      settled->reject = ended.reject;
      to_tell.push_back(std::move(*settled));
    } else {
      to_acknowledge_.push_back({std::move(held), ended.reject});
    }
  }
  if (to_tell.empty()) return;
  auto free = desk_->push(std::move(to_tell));
  std::move(free.begin(), free.end(), std::back_inserter(to_acknowledge_));
}

Result<void> Finisher::give_up(Consumer& consumer, const std::vector<DeliveryTag>& held) {
  const auto lost = consumer.ack(held);
  if (!lost) {
    parts_.instruments.broker_failed("ack");
    return lost.error();
  }
  if (!lost->empty()) {
    log_.warn("messages were no longer ours when they were done; their copies will be dropped",
              {{"messages", lost->size()}});
  }
  return {};
}

Result<void> Finisher::refuse(Consumer& consumer, const std::vector<DeliveryTag>& held) {
  auto refused = consumer.reject(held);
  if (!refused) parts_.instruments.broker_failed("reject");
  return refused;
}

void Finisher::acknowledge() {
  std::map<std::pair<std::shared_ptr<Consumer>, bool>, std::vector<DeliveryTag>> tags;
  for (const auto& one : to_acknowledge_) {
    tags[{one.job.consumer, one.reject}].push_back(one.job.tag);
  }
  std::optional<Error> failure;
  for (const auto& [way, held] : tags) {
    const auto& [consumer, reject] = way;
    const auto given = reject ? refuse(*consumer, held) : give_up(*consumer, held);
    if (!given) {
      failure = given.error();
      continue;
    }
    std::erase_if(to_acknowledge_, [&w = way](const Released& one) {
      return one.job.consumer == w.first && one.reject == w.second;
    });
  }
  if (!failure) {
    broker_outage_.over();
    return;
  }
  acknowledge_again_ = broker_outage_.failed(*failure);
  if (broker_outage_.lasted() > kGiveUpAcknowledging) {
    log_.warn("acknowledgements given up; the messages come again and will be dropped",
              {{"messages", to_acknowledge_.size()}});
    to_acknowledge_.clear();
  }
}

void Finisher::tell(std::vector<Ended>& batch, const std::vector<FinishOutcome>& outcomes) {
  std::size_t next = 0;
  std::vector<const Ended*> ours;
  for (auto& ended : batch) {
    if (!ended.finished) {
      if (ended.event) tell_revoked(ended);
      continue;
    }
    const auto& run = *ended.finished;
    if (!outcomes[next++].stored) {
      parts_.instruments.duplicates.Increment();
      parts_.instruments.superseded.Increment();
      log_.info("result refused: the task has a newer run or its result already",
                {{"task_id", run.id.str()}, {"task", run.name}});
      continue;
    }
    const auto label = label_of(ended.job);
    parts_.instruments.finished(label, run.queue, outcome_name(run.state));
    if (run.runtime) parts_.instruments.ran(label, run.queue, *run.runtime);
    if (ended.event && parts_.events.tells_of_tasks()) {
      parts_.events.send(std::move(*ended.event));
    }
    if (!ended.line.empty()) log_.info(ended.line);
    ours.push_back(&ended);
  }
  for (const auto* ended : ours) call_hook(*ended);
}

void Finisher::tell_revoked(Ended& ended) {
  parts_.instruments.finished(label_of(ended.job), ended.job.queue,
                              outcome_name(TaskState::Revoked));
  if (parts_.events.tells_of_tasks()) parts_.events.send(std::move(*ended.event));
  if (!ended.line.empty()) log_.info(ended.line);
}

void Finisher::call_hook(const Ended& ended) const {
  if (!ended.context || ended.job.registered == nullptr) return;
  const auto& options = ended.job.registered->options;
  const auto state = ended.finished->state;
  const auto& hook = state == TaskState::Success ? options.on_success
                     : state == TaskState::Retry ? options.on_retry
                                                 : options.on_failure;
  if (!hook) return;
  std::string thrown;
  try {
    hook({*ended.context, ended.message});
    return;
  } catch (...) {
    thrown = raised_by(std::current_exception()).message;
  }
  ended.context->log().warn("hook failed", {{"task", ended.context->name()}, {"reason", thrown}});
}

}  // namespace umbel
