// A worker that starts asks the others for the time and for what is revoked (Celery's mingle).
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "lamport_clock.hpp"
#include "revoked_set.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel {

// Asks once, on a thread of its own. Thread-safe. References outlive it.
class Mingle {
 public:
  static constexpr std::chrono::milliseconds kPatience{1000};  // as Celery's

  Mingle(Broker& broker, std::string node, RevokedSet& revoked, LamportClock& clock, Log log);
  // Returns when it has heard, at the latest when its patience is over.
  void wait(const std::stop_token& stop);

 private:
  void run(const std::stop_token& stop);
  // How many answered.
  [[nodiscard]] Result<std::size_t> ask(const std::stop_token& stop);
  void take_in(const std::string& node, const boost::json::object& told);

  Broker& broker_;
  const std::string node_;
  RevokedSet& revoked_;
  LamportClock& clock_;
  Log log_;
  std::mutex mutex_;
  std::condition_variable_any done_changed_;
  bool done_ = false;
  std::jthread thread_;
};

}  // namespace umbel
