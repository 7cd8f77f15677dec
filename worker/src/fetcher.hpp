// Takes messages from the broker as long as there is room, and finds it again after it was gone.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "consumed_queues.hpp"
#include "control/rate_gate.hpp"
#include "intake.hpp"
#include "pool.hpp"
#include "umbel/broker/broker.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class Fetcher {
 public:
  struct Parts {
    Broker& broker;
    Intake& intake;
    Pool& pool;
    RateGate& gate;
    ConsumedQueues& queues;
    InFlight& in_flight;
    Returns& returns;
    Instruments& instruments;
    const Clock& clock;
    // Messages to hold at most, as things are: follows the size of the pool.
    std::function<std::size_t()> prefetch;
    // Called before anything is taken; may wait.
    std::function<void(const std::stop_token&)> first;
  };
  // A consumer that fails for longer than `reconnect_after` has lost its hold on its messages: a
  // new one is the way back.
  // `told`: the prefetch that `consumer` was given.
  Fetcher(Parts parts, std::string name, std::unique_ptr<Consumer> consumer, std::size_t told,
          std::chrono::milliseconds reconnect_after, Log log);

  // Takes nothing more; what was taken has been routed.
  void close();
  [[nodiscard]] std::optional<Error> outage() const { return outage_.current(); }

  // What is consumed changes now, or with the next connection. On an error it stays as it was.
  [[nodiscard]] Result<void> add_queue(const ConsumedQueue& queue);
  // What is held of it stays held.
  [[nodiscard]] Result<void> cancel_queue(const QueueName& queue);
  [[nodiscard]] std::size_t prefetch() const;  // that the broker is told

 private:
  void run(const std::stop_token& stop);
  void fetch(const std::stop_token& stop);
  void reconnect(const std::stop_token& stop);
  [[nodiscard]] bool has_slots();
  void tell_prefetch(std::size_t prefetch);
  [[nodiscard]] std::shared_ptr<Consumer> consumer() const;
  void give_back(std::vector<Job> jobs);
  void failed(const char* call, const Error& error, const std::stop_token& stop);

  Parts parts_;
  const std::string name_;
  const std::chrono::milliseconds reconnect_after_;
  Log log_;
  Outage outage_;
  std::shared_ptr<Slots> slots_;
  struct Room {
    std::size_t slots = 0, lost = 0, stuck = 0, most = 0;
    friend bool operator==(const Room&, const Room&) = default;
  };
  Room room_;  // when last seen
  mutable std::mutex mutex_;
  std::shared_ptr<Consumer> consumer_;  // changed by the thread alone, under the lock
  std::size_t told_ = 0;                // the prefetch that the consumer knows
  std::jthread thread_;
};

}  // namespace umbel
