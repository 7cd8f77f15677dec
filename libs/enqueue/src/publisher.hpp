// Publishes what was accepted, behind the backs of those who accepted it.
//
// An acceptance is durable once the store has it; whoever waits for the answer need not wait for
// the broker too. This thread takes the rows in the order of their acceptance, as many at a time as
// have come. Its queue is bounded: while it is full acceptances wait a moment for room, and what
// finds none stays in the outbox for the relay.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel::enqueue {

// Thread-safe.
class Publisher {
 public:
  struct Bounds {
    std::size_t most_rows = 2000;  // waiting; fewer than the broker takes within the relay's 2 s
    std::size_t most_together = 500;
    std::chrono::milliseconds for_room{200};
  };
  using Publish = std::function<void(std::span<const OutboxRow>)>;

  // `publish` is called on the thread of this.
  explicit Publisher(Publish publish) : Publisher{std::move(publish), Bounds{}} {}
  Publisher(Publish publish, Bounds bounds);
  // Publishes what still waits, once.
  ~Publisher() = default;

  // Rows that find no room in time are left out: they are in the outbox.
  void take(std::vector<OutboxRow> rows);

 private:
  void run(const std::stop_token& stop);
  const Publish publish_;
  const Bounds bounds_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<OutboxRow> waiting_;
  bool stalled_ = false;  // somebody waited in vain, and nothing has gone out since
  std::jthread thread_;
};

}  // namespace umbel::enqueue
