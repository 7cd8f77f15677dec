#include "fetcher.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "pause.hpp"

namespace umbel {
namespace {
constexpr std::chrono::milliseconds kLongestWait{500};
}  // namespace

Fetcher::Fetcher(Parts parts, ConsumeOptions options, std::unique_ptr<Consumer> consumer,
                 std::chrono::milliseconds reconnect_after, Log log)
    : parts_{parts},
      options_{std::move(options)},
      reconnect_after_{reconnect_after},
      log_{std::move(log)},
      outage_{"broker", parts.clock, log_},
      slots_{std::make_shared<Slots>(options_.prefetch)},
      consumer_{std::move(consumer)},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Fetcher::close() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Fetcher::run(const std::stop_token& stop) {
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
  const auto all = parts_.pool.size();
  const auto stuck = std::min(parts_.pool.lost(), all);
  if (stuck != std::exchange(stuck_, stuck)) {
    const auto fit = options_.prefetch * (all - stuck) / all;
    // A lost slot still counts its own message as held.
    slots_->allow(stuck + (stuck == all ? 0 : std::max<std::size_t>(fit, 1)));
  }
  return stuck < all;
}

void Fetcher::fetch(const std::stop_token& stop) {
  parts_.returns.again();
  if (!has_slots()) {
    give_back(parts_.pool.take_waiting());
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
    give_back(parts_.intake.take_held(consumer_.get()));
    consumer_.reset();
  }
  (void)pause_for(stop, wait);
}

void Fetcher::reconnect(const std::stop_token& stop) {
  auto consumer = parts_.broker.consume(options_);
  if (!consumer) {
    failed("consume", consumer.error(), stop);
    return;
  }
  outage_.over();
  consumer_ = std::move(*consumer);
}

}  // namespace umbel
