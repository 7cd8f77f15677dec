#include "fetcher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "pause.hpp"

namespace umbel {
namespace {
constexpr std::chrono::milliseconds kLongestWait{500};
constexpr std::chrono::milliseconds kLongestPause{1000};  // between tries

Result<void> add_to(Consumer& consumer, const ConsumedQueue& queue) {
  if (queue.binding) return consumer.add_queue_from(queue.name, *queue.binding);
  return consumer.add_queue(queue.name);
}
}  // namespace

Fetcher::Fetcher(Parts parts, std::string name, std::unique_ptr<Consumer> consumer,
                 std::size_t told, std::chrono::milliseconds reconnect_after, Log log)
    : parts_{std::move(parts)},
      name_{std::move(name)},
      reconnect_after_{reconnect_after},
      log_{std::move(log)},
      outage_{"broker", parts_.clock, log_},
      slots_{std::make_shared<Slots>(told)},
      consumer_{std::move(consumer)},
      told_{told},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Fetcher::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<Consumer> Fetcher::consumer() const {
  const std::lock_guard lock{mutex_};
  return consumer_;
}

Result<void> Fetcher::add_queue(const ConsumedQueue& queue) {
  if (!parts_.queues.add(queue)) return {};
  const auto now = consumer();
  if (!now) return {};
  auto added = add_to(*now, queue);
  if (!added) parts_.queues.remove(queue.name);
  return added;
}

Result<void> Fetcher::cancel_queue(const QueueName& queue) {
  auto removed = parts_.queues.remove(queue);
  if (!removed) return {};
  const auto now = consumer();
  if (!now) return {};
  auto gone = now->cancel_queue(queue);
  if (!gone) parts_.queues.add(std::move(*removed));
  return gone;
}

std::size_t Fetcher::prefetch() const {
  const std::lock_guard lock{mutex_};
  return told_;
}

void Fetcher::run(const std::stop_token& stop) {
  if (parts_.first) parts_.first(stop);
  while (!stop.stop_requested()) {
    if (consumer_) {
      fetch(stop);
    } else {
      reconnect(stop);
    }
  }
}

// Lost slots take no messages: what they held room for is left to others.
bool Fetcher::has_slots() {
  Room now;
  now.slots = parts_.pool.size();
  now.lost = std::min(parts_.pool.lost(), now.slots);
  now.stuck = parts_.pool.stuck();
  now.most = parts_.prefetch();
  const bool some = now.lost < now.slots;
  if (now != std::exchange(room_, now)) {
    const auto fit = now.most * (now.slots - now.lost) / now.slots;
    // A stuck task still counts its own message as held.
    slots_->allow(now.stuck + (some ? std::max<std::size_t>(fit, 1) : 0));
  }
  tell_prefetch(now.most + slots_->aside());
  return some;
}

// What waits for its eta is held beyond what may start.
void Fetcher::tell_prefetch(std::size_t prefetch) {
  if (prefetch == told_) return;
  consumer_->set_prefetch(prefetch);
  const std::lock_guard lock{mutex_};
  told_ = prefetch;
}

void Fetcher::fetch(const std::stop_token& stop) {
  parts_.returns.again();
  if (!has_slots()) {
    give_back(parts_.pool.take_waiting());
    give_back(parts_.gate.take_waiting());
    give_back(parts_.intake.take_held());
    (void)pause_for(stop, kLongestWait);
    return;
  }
  const auto wait = parts_.intake.start_due(kLongestWait);
  const auto room = slots_->wait_for_room(stop, wait);
  if (room == 0 || stop.stop_requested()) return;
  auto delivered = consumer_->next(room, wait, stop);
  if (!delivered) {
    failed("next", delivered.error(), stop);
    return;
  }
  outage_.over();
  if (!delivered->empty()) parts_.intake.deliver(std::move(*delivered), consumer_, slots_, stop);
}

// Jobs that have not started, and the copies that waited for them.
void Fetcher::give_back(std::vector<Job> jobs) {
  if (jobs.empty()) return;
  std::vector<Job> copies;
  for (const auto& job : jobs) {
    auto waited = parts_.in_flight.leave(job.task.id);
    std::move(waited.begin(), waited.end(), std::back_inserter(copies));
  }
  std::move(copies.begin(), copies.end(), std::back_inserter(jobs));
  parts_.returns.give(std::move(jobs));
}

void Fetcher::failed(const char* call, const Error& error, const std::stop_token& stop) {
  parts_.instruments.broker_failed(call);
  const auto wait = outage_.failed(error);
  if (consumer_ && outage_.lasted() > reconnect_after_) {
    // What runs keeps the old consumer, to acknowledge with it if it can; what has not started will
    // come again.
    give_back(parts_.pool.take_waiting(consumer_.get()));
    give_back(parts_.gate.take_waiting(consumer_.get()));
    give_back(parts_.intake.take_held(consumer_.get()));
    const std::lock_guard lock{mutex_};
    consumer_.reset();
  }
  // To ask costs little, and work waits.
  (void)pause_for(stop, std::min(wait, kLongestPause));
}

void Fetcher::reconnect(const std::stop_token& stop) {
  ConsumeOptions options;
  // Those from exchanges of their own come afterwards, unless there are no others to begin with.
  const auto wanted = parts_.queues.list();
  for (const auto& queue : wanted) {
    if (!queue.binding) options.queues.push_back(queue.name);
  }
  if (options.queues.empty()) {
    for (const auto& queue : wanted) options.queues.push_back(queue.name);
  }
  options.prefetch = parts_.prefetch() + slots_->aside();
  options.consumer = name_;
  if (options.queues.empty()) {  // all were cancelled
    (void)pause_for(stop, kLongestWait);
    return;
  }
  auto consumer = parts_.broker.consume(options);
  if (!consumer) {
    failed("consume", consumer.error(), stop);
    return;
  }
  outage_.over();
  {
    const std::lock_guard lock{mutex_};
    consumer_ = std::move(*consumer);
    told_ = options.prefetch;
  }
  // What came or went while this was under way.
  const auto now = parts_.queues.list();
  for (const auto& queue : now) {
    if (std::ranges::find(options.queues, queue.name) == options.queues.end()) {
      (void)add_to(*consumer_, queue);
    }
  }
  for (const auto& queue : options.queues) {
    if (std::ranges::find(now, queue, &ConsumedQueue::name) == now.end()) {
      (void)consumer_->cancel_queue(queue);
    }
  }
}

}  // namespace umbel
