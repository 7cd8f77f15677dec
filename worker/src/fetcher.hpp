// Takes messages from the broker as long as there is room, and finds it again after it was gone.
#pragma once

#include <memory>
#include <optional>
#include <thread>

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
    InFlight& in_flight;
    Returns& returns;
    Instruments& instruments;
    const Clock& clock;
  };
  // A consumer that fails for longer than `reconnect_after` has lost its hold on its messages: a
  // new one is the way back.
  Fetcher(Parts parts, ConsumeOptions options, std::unique_ptr<Consumer> consumer,
          std::chrono::milliseconds reconnect_after, Log log);

  // Takes nothing more; what was taken has been routed.
  void close();
  [[nodiscard]] std::optional<Error> outage() const { return outage_.current(); }

 private:
  void run(const std::stop_token& stop);
  void fetch(const std::stop_token& stop);
  void reconnect(const std::stop_token& stop);
  [[nodiscard]] bool has_slots();
  void give_back(std::vector<Job> jobs);
  void failed(const char* call, const Error& error, const std::stop_token& stop);

  Parts parts_;
  const ConsumeOptions options_;
  const std::chrono::milliseconds reconnect_after_;
  Log log_;
  Outage outage_;
  std::shared_ptr<Slots> slots_;
  std::size_t stuck_ = 0;               // slots of the pool, when last seen
  std::shared_ptr<Consumer> consumer_;  // of the thread alone
  std::jthread thread_;
};

}  // namespace umbel
