// Tells the monitors what this worker does, without ever making a task wait.
//
// Events go into a bounded buffer; a thread hands them to the broker in batches. Each event is
// numbered before the bound is looked at, so a monitor sees a dropped one as a hole. While the
// broker refuses, events stay in the buffer.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "control/lamport_clock.hpp"
#include "instruments.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/model/event.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class EventSender {
 public:
  static constexpr std::size_t kCapacity = 10'000;  // events
  static constexpr std::size_t kFlushAt = 24;       // events, as Celery's dispatcher
  static constexpr std::chrono::milliseconds kFlushAfter{20};

  // `tasks`: whether to tell of tasks as well.
  EventSender(Broker& broker, const Clock& clock, LamportClock& lamport, Instruments& instruments,
              Log log, std::string hostname, bool tasks = true, std::size_t capacity = kCapacity);
  ~EventSender();

  // Stamps origin (name, pid, clock, number; time unless the event has one) and buffers. Never
  // blocks on the broker.
  void send(Event event);

  // Whether anybody wants to hear of tasks; who is about to tell asks first.
  [[nodiscard]] bool tells_of_tasks() const { return tasks_.load(std::memory_order_relaxed); }
  // True: that was a change.
  bool tell_of_tasks(bool on) { return tasks_.exchange(on) != on; }

  // Waits until everything sent so far is with the broker. False: `limit` passed.
  bool flush(std::chrono::milliseconds limit);

 private:
  void run(const std::stop_token& stop);
  // Takes the next events that travel together: one that the worker says of itself, or the tasks'
  // up to the next such one. mutex_ is held.
  [[nodiscard]] std::vector<Event> take_batch();

  Broker& broker_;
  const Clock& clock_;
  LamportClock& lamport_;
  Instruments& instruments_;
  Outage outage_;
  Log log_;
  const std::string hostname_;
  const std::int64_t pid_;
  const std::size_t capacity_;
  std::atomic<bool> tasks_;
  std::mutex mutex_;
  std::condition_variable_any filled_, drained_;
  std::deque<Event> buffer_;
  std::size_t in_flight_ = 0;  // taken from the buffer, not yet with the broker
  std::uint64_t sequence_ = 0;
  bool hurry_ = false;  // somebody waits in flush()
  std::jthread thread_;
};

}  // namespace umbel
