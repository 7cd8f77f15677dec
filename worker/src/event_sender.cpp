#include "event_sender.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "pause.hpp"
#include "umbel/celery/events.hpp"

namespace umbel {
namespace {
constexpr std::size_t kMostPerBatch = 1000;

bool of_worker(const Event& event) { return std::holds_alternative<WorkerEvent>(event); }

// Celery's gossip and its monitors listen by routing key: `worker.heartbeat` and so on, each one
// object; tasks' events in lists.
Result<void> publish(Broker& broker, const std::vector<Event>& batch, const std::string& node) {
  if (!of_worker(batch.front())) {
    return broker.publish_events(celery::encode_events(batch), {.key = "task.multi", .node = node});
  }
  const auto& said = std::get<WorkerEvent>(batch.front());
  return broker.publish_events(celery::encode_event(batch.front()),
                               {.key = fmt::format("worker.{}", short_name(said)), .node = node});
}
}  // namespace

EventSender::EventSender(Broker& broker, const Clock& clock, LamportClock& lamport,
                         Instruments& instruments, Log log, std::string hostname, bool tasks,
                         std::size_t capacity)
    : broker_{broker},
      clock_{clock},
      lamport_{lamport},
      instruments_{instruments},
      outage_{"broker, for events", clock, log},
      log_{std::move(log)},
      hostname_{std::move(hostname)},
      pid_{getpid()},
      capacity_{capacity},
      tasks_{tasks},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

EventSender::~EventSender() = default;

void EventSender::send(Event event) {
  const auto now = clock_.wall();
  std::lock_guard lock{mutex_};
  ++sequence_;
  std::visit(
      [&](auto& e) {
        e.origin.hostname = hostname_;
        e.origin.pid = pid_;
        e.origin.clock = lamport_.forward();
        e.origin.sequence = sequence_;
        if (e.origin.timestamp == WallTime{}) e.origin.timestamp = now;
      },
      event);
  if (buffer_.size() + in_flight_ >= capacity_) {
    instruments_.events_dropped.Increment();
    return;
  }
  buffer_.push_back(std::move(event));
  if (buffer_.size() == 1 || buffer_.size() == kFlushAt) filled_.notify_one();
}

bool EventSender::flush(std::chrono::milliseconds limit) {
  std::unique_lock lock{mutex_};
  hurry_ = true;
  filled_.notify_one();
  const bool done =
      drained_.wait_for(lock, limit, [this] { return buffer_.empty() && in_flight_ == 0; });
  hurry_ = false;
  return done;
}

std::vector<Event> EventSender::take_batch() {
  auto end = buffer_.begin();
  if (end != buffer_.end() && of_worker(*end)) {
    ++end;
  } else {
    const auto most = std::min(buffer_.size(), kMostPerBatch);
    end = std::find_if(end, end + static_cast<std::ptrdiff_t>(most), of_worker);
  }
  std::vector<Event> batch{std::move_iterator{buffer_.begin()}, std::move_iterator{end}};
  buffer_.erase(buffer_.begin(), end);
  in_flight_ = batch.size();
  return batch;
}

void EventSender::run(const std::stop_token& stop) {
  std::vector<Event> batch;
  std::unique_lock lock{mutex_};
  for (;;) {
    if (batch.empty()) {
      filled_.wait(lock, stop, [this] { return !buffer_.empty(); });
      filled_.wait_for(lock, stop, kFlushAfter,
                       [this] { return buffer_.size() >= kFlushAt || hurry_; });
      batch = take_batch();
    }
    if (batch.empty()) return;  // told to stop, and nothing left
    lock.unlock();
    const auto sent = publish(broker_, batch, hostname_);
    if (sent) {
      outage_.over();
      instruments_.events_sent.Increment(static_cast<double>(batch.size()));
    } else {
      instruments_.broker_failed("publish_events");
      const auto wait = outage_.failed(sent.error());
      (void)pause_for(stop, wait);
    }
    lock.lock();
    if (sent) {
      batch.clear();
      in_flight_ = 0;
      if (buffer_.empty()) drained_.notify_all();
    } else if (stop.stop_requested()) {
      const auto lost = batch.size() + buffer_.size();
      instruments_.events_dropped.Increment(static_cast<double>(lost));
      log_.warn("events given up: the broker did not take them before the end", {{"events", lost}});
      return;
    }
  }
}

}  // namespace umbel
