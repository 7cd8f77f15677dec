// One delivery in this worker's hands, from the broker's queue to its acknowledgement.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "instruments.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/store/result_store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

// Counts the deliveries held, so that the fetcher asks only for what there is room for.
// Thread-safe.
class Slots {
 public:
  explicit Slots(std::size_t most) : most_{most} {}

  // Waits until there is room, at most `limit`; answers for how many.
  [[nodiscard]] std::size_t wait_for_room(const std::stop_token& stop,
                                          std::chrono::milliseconds limit) {
    std::unique_lock lock{mutex_};
    freed_.wait_for(lock, stop, limit, [this] { return held_ < most_; });
    return held_ < most_ ? most_ - held_ : 0;
  }
  void allow(std::size_t most) {
    const std::lock_guard lock{mutex_};
    most_ = most;
    freed_.notify_one();
  }
  void take() {
    const std::lock_guard lock{mutex_};
    ++held_;
  }
  void give_back() {
    const std::lock_guard lock{mutex_};
    --held_;
    freed_.notify_one();
  }
  // One that is held and takes no room: it waits for its time.
  void put_aside() {
    const std::lock_guard lock{mutex_};
    --held_;
    ++aside_;
    freed_.notify_one();
  }
  void take_back() {
    const std::lock_guard lock{mutex_};
    --aside_;
    ++held_;
  }
  [[nodiscard]] std::size_t aside() const {
    const std::lock_guard lock{mutex_};
    return aside_;
  }

 private:
  std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  std::size_t held_ = 0, aside_ = 0;
};

// Holds one slot as long as it lives. Shares the Slots, because a stuck task may outlive the
// worker's other parts.
class SlotHold {
 public:
  SlotHold() = default;
  explicit SlotHold(std::shared_ptr<Slots> slots) : slots_{std::move(slots)} { slots_->take(); }
  SlotHold(SlotHold&&) noexcept = default;
  SlotHold& operator=(SlotHold&& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(aside_, other.aside_);
    return *this;
  }
  ~SlotHold() {
    if (!slots_) return;
    take_back();
    slots_->give_back();
  }
  // From now on it takes no room; take_back() undoes that.
  void put_aside() {
    if (slots_ && !std::exchange(aside_, true)) slots_->put_aside();
  }
  void take_back() {
    if (slots_ && std::exchange(aside_, false)) slots_->take_back();
  }

 private:
  std::shared_ptr<Slots> slots_;
  bool aside_ = false;
};

// Move-only. The consumer that delivered it is kept alive: only that one can acknowledge it.
struct Job {
  std::shared_ptr<Consumer> consumer;
  DeliveryTag tag = 0;
  QueueName queue;
  bool redelivered = false;
  WallTime published{};
  Message message;  // empty once it is decoded and will not be sent on
  std::optional<std::string>
      unfit;  // why it could not be decoded; then of `task` at most the id is set
  celery::TaskMessage task;
  const RegisteredTask* registered = nullptr;  // null: no such task here
  RunState state;
  bool begun = false;    // the store knows that it starts, so nobody can revoke it
  bool started = false;  // its function was called
  SlotHold slot;
  GaugeHold prefetched;
};

// How often the task was put off without that being an attempt. Together with `retries` it numbers
// the attempts of a task.
inline constexpr const char* kPostponedHeader = "umbel_postponed";
[[nodiscard]] std::int64_t postponements_of(const celery::TaskMessage& task);

// Before jobs are given back because the worker stops: a note in the store that no worker was lost
// with the ones that were started, and that they can be revoked again.
void note_broken_off(const std::vector<Job>& jobs, ResultStore& results, Instruments& instruments,
                     const Log& log);

}  // namespace umbel
