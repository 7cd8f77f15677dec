#include "intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "pause.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/canvas.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel {

namespace {

// Whatever foreign bytes do to the decoder, the worker lives on.
Result<celery::TaskMessage> read_task(const Message& message) {
  try {
    auto task = celery::decode_task(message);
    if (!task) return task;
    if (auto canvas = celery::check_canvas(*task); !canvas) return canvas.error();
    return task;
  } catch (const std::exception& error) {
    return invalid(fmt::format("reading the message failed: {}", error.what()));
  }
}

}  // namespace

Intake::Intake(Parts parts, Ways ways, EndedBy by, std::size_t most_held, Log log)
    : parts_{parts},
      ways_{std::move(ways)},
      by_{std::move(by)},
      most_held_{most_held},
      log_{std::move(log)},
      store_outage_{"store, for delivered tasks", parts.clock, log_} {}

Job Intake::decoded(Delivery delivery, const std::shared_ptr<Consumer>& consumer,
                    const std::shared_ptr<Slots>& slots) {
  Job job;
  job.consumer = consumer;
  job.tag = delivery.tag;
  job.queue = std::move(delivery.queue);
  job.redelivered = delivery.redelivered;
  job.published = delivery.published;
  job.slot = SlotHold{slots};
  job.prefetched = GaugeHold{parts_.instruments.prefetched};
  auto task = read_task(delivery.message);
  if (task) {
    job.task = std::move(*task);
    if (!job.task.expires) job.task.expires = delivery.message.expires;
    job.registered = parts_.tasks.find(job.task.task);
  } else {
    job.unfit = task.error().what;
    if (auto id = celery::id_of(delivery.message)) job.task.id = std::move(*id);
  }
  job.message = std::move(delivery.message);
  return job;
}

void Intake::deliver(std::vector<Delivery> deliveries, const std::shared_ptr<Consumer>& consumer,
                     const std::shared_ptr<Slots>& slots, const std::stop_token& stop) {
  std::vector<Job> claimed;
  for (auto& delivery : deliveries) {
    parts_.instruments.received(delivery.queue, delivery.redelivered);
    auto job = decoded(std::move(delivery), consumer, slots);
    if (job.task.id.empty()) {
      route(std::move(job), parts_.clock.wall());
    } else if (auto mine = parts_.in_flight.claim(std::move(job))) {
      claimed.push_back(std::move(*mine));
    }
  }
  admit(std::move(claimed), &stop);
}

void Intake::again(std::vector<Job> jobs) {
  std::vector<Job> claimed;
  for (auto& job : jobs) {
    if (auto mine = parts_.in_flight.claim(std::move(job))) claimed.push_back(std::move(*mine));
  }
  admit(std::move(claimed), nullptr);
}

void Intake::admit(std::vector<Job> jobs, const std::stop_token* patience) {
  if (jobs.empty()) return;
  if (!look_up(jobs, patience)) {
    std::vector<Job> back;
    for (auto& job : jobs) {
      auto copies = parts_.in_flight.leave(job.task.id);
      std::move(copies.begin(), copies.end(), std::back_inserter(back));
      back.push_back(std::move(job));
    }
    parts_.returns.give(std::move(back));
    return;
  }
  const auto now = parts_.clock.wall();
  for (auto& job : jobs) route(std::move(job), now);
}

bool Intake::look_up(std::vector<Job>& jobs, const std::stop_token* patience) {
  std::vector<TaskId> ids;
  for (const auto& job : jobs) ids.push_back(job.task.id);
  for (;;) {
    const auto states = parts_.results.look_up(ids);
    if (states) {
      store_outage_.over();
      for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].state = (*states)[i];
      return true;
    }
    parts_.instruments.store_failed("look_up");
    const auto wait = store_outage_.failed(states.error());
    if (patience == nullptr || !pause_for(*patience, wait)) return false;
  }
}

void Intake::route(Job job, WallTime now) {
  Delivered it;
  it.decoded = !job.unfit;
  it.registered = job.registered != nullptr;
  it.redelivered = job.redelivered;
  it.final = job.state.final;
  it.revoked = parts_.revocations.cover(job.task);
  it.run = job.state.run;
  it.lost_starts = job.state.lost_starts;
  it.lost_workers = job.state.lost_workers();
  it.retries = job.task.retries;
  it.postponed = postponements_of(job.task);
  it.eta = job.task.eta;
  it.expires = job.task.expires;
  switch (judge(it, now)) {
    case Verdict::Drop: {
      auto ended = only_acknowledge(std::move(job));
      if (!conclude_as_known(ended, by_, now)) parts_.instruments.duplicates.Increment();
      ways_.end(std::move(ended));
      return;
    }
    case Verdict::Unfit: {
      const auto reason = shortened(*job.unfit, 500);
      parts_.instruments.undecodable(job.queue);
      log_.warn("message dropped: it is no task message",
                {{"queue", job.queue.str()}, {"task_id", job.task.id.str()}, {"reason", reason}});
      if (job.task.id.empty()) {
        auto ended = only_acknowledge(std::move(job));
        ended.reject = true;
        ways_.end(std::move(ended));
      } else {
        end(std::move(job), failed(undecodable(reason)), now, Given::Reject);
      }
      return;
    }
    case Verdict::WorkerLost: {
      const auto times = job.state.lost_workers();
      end(std::move(job), failed(worker_lost(times)), now);
      return;
    }
    case Verdict::Unknown: {
      log_.warn("task refused: no task of this name is registered here",
                {{"queue", job.queue.str()},
                 {"task", shortened(job.task.task, 200)},
                 {"task_id", job.task.id.str()}});
      const auto name = job.task.task;
      received(job);  // the only event that tells its name
      end(std::move(job), failed(not_registered(name)), now, Given::Reject);
      return;
    }
    case Verdict::Expired:
      end(std::move(job), revoked_as_expired(), now);
      return;
    case Verdict::Revoked:
      end(std::move(job), revoked_by_request(), now);
      return;
    case Verdict::SendOn:
      send_on(std::move(job));
      return;
    case Verdict::Hold:
      hold(std::move(job));
      return;
    case Verdict::Run:
      received(job);
      job.message = {};
      ways_.run(std::move(job));
      return;
  }
}

void Intake::end(Job job, const Ending& ending, WallTime now, Given given) {
  Ended ended;
  ended.job = std::move(job);
  ended.reject = given == Given::Reject;
  conclude(ended, ending, by_, now, std::nullopt);
  ways_.end(std::move(ended));
}

void Intake::received(const Job& job) {
  const auto& task = job.task;
  if (by_.log_tasks) log_.info(fmt::format("Task {}[{}] received", task.task, task.id.str()));
  if (!parts_.events.tells_of_tasks()) return;
  const auto text = [](const std::optional<WallTime>& time) {
    return time ? std::optional{iso8601(*time)} : std::nullopt;
  };
  TaskEvent event;
  event.type = TaskEventType::Received;
  event.uuid = task.id;
  event.name = task.task;
  event.args = task.argsrepr.empty() ? celery::repr_args(task.args) : task.argsrepr;
  event.kwargs = task.kwargsrepr.empty() ? celery::repr_kwargs(task.kwargs) : task.kwargsrepr;
  event.root_id = task.root_id.empty() ? task.id.str() : task.root_id;
  if (!task.parent_id.empty()) event.parent_id = task.parent_id;
  event.retries = task.retries;
  event.eta = text(task.eta);
  event.expires = text(task.expires);
  event.queue = job.queue.str();
  parts_.events.send(std::move(event));
}

void Intake::hold(Job job) {
  {
    const std::lock_guard lock{mutex_};
    if (held_.size() < most_held_) {
      received(job);
      keep(std::move(job));
      return;
    }
  }
  send_on(std::move(job));
}

// The broker keeps a delayed message better than we do: it survives us, and takes no room of our
// prefetch.
void Intake::send_on(Job job) {
  const OutgoingMessage delayed{job.queue, job.message, job.task.eta};
  if (const auto sent = parts_.broker.publish({&delayed, 1}); sent) {
    ways_.end(only_acknowledge(std::move(job)));
    return;
  }
  parts_.instruments.broker_failed("publish");
  received(job);
  const std::lock_guard lock{mutex_};
  keep(std::move(job));
}

// What waits for its time takes no room of what may start now.
void Intake::keep(Job job) {
  job.slot.put_aside();
  const auto eta = *job.task.eta;
  held_.emplace(eta, std::move(job));
}

std::chrono::milliseconds Intake::start_due(std::chrono::milliseconds most) {
  const auto now = parts_.clock.wall();
  std::vector<Job> due, far;
  {
    const std::lock_guard lock{mutex_};
    const auto end = held_.upper_bound(now);
    for (auto it = held_.begin(); it != end; ++it) due.push_back(std::move(it->second));
    held_.erase(held_.begin(), end);
    const auto beyond = held_.upper_bound(now + 2 * kLongestHold);
    for (auto it = beyond; it != held_.end(); ++it) far.push_back(std::move(it->second));
    held_.erase(beyond, held_.end());
    if (!held_.empty()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(held_.begin()->first - now);
      most = std::min(most, left);
    }
  }
  for (auto& job : far) send_on(std::move(job));
  for (auto& job : due) {
    job.slot.take_back();
    job.message = {};
    ways_.run(std::move(job));
  }
  return most;
}

std::vector<HeldTask> Intake::scheduled() const {
  const std::lock_guard lock{mutex_};
  std::vector<HeldTask> tasks;
  for (const auto& [due, job] : held_) {
    tasks.push_back(held_task(job));
    tasks.back().eta = due;
  }
  return tasks;
}

std::vector<Job> Intake::take_held() {
  const std::lock_guard lock{mutex_};
  std::vector<Job> jobs;
  for (auto& [due, job] : held_) jobs.push_back(std::move(job));
  held_.clear();
  return jobs;
}

std::vector<Job> Intake::take_held(const Consumer* consumer) {
  const std::lock_guard lock{mutex_};
  std::vector<Job> jobs;
  for (auto it = held_.begin(); it != held_.end();) {
    if (it->second.consumer.get() == consumer) {
      jobs.push_back(std::move(it->second));
      it = held_.erase(it);
    } else {
      ++it;
    }
  }
  return jobs;
}

}  // namespace umbel
