#include "fetcher.hpp"

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

void Fetcher::fetch(const std::stop_token& stop) {
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

void Fetcher::failed(const char* call, const Error& error, const std::stop_token& stop) {
  parts_.instruments.broker_failed(call);
  const auto wait = outage_.failed(error);
  if (consumer_ && outage_.lasted() > reconnect_after_) {
    // What runs keeps the old consumer, to acknowledge with it if it can; what has not started will
    // come again.
    auto back = parts_.pool.take_waiting(consumer_.get());
    auto held = parts_.intake.take_held(consumer_.get());
    std::move(held.begin(), held.end(), std::back_inserter(back));
    std::vector<Job> copies;
    for (const auto& job : back) {
      auto waited = parts_.in_flight.leave(job.task.id);
      std::move(waited.begin(), waited.end(), std::back_inserter(copies));
    }
    std::move(copies.begin(), copies.end(), std::back_inserter(back));
    hand_back(std::move(back), parts_.instruments, log_);
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
