// Takes part in the elections of Celery's gossip just so far that they come to an end.
//
// A Celery worker that was told to elect waits until as many votes were acknowledged as it believes
// workers alive, ours among them; with a single candidate it even fails. So we stand, and with a
// logical clock beyond everybody's, because the lowest wins and the winner must run a Celery
// signature.
#pragma once

#include <boost/json.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "lamport_clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class Election {
 public:
  static constexpr std::chrono::milliseconds kPatience{500};  // to learn the others' clocks
  static constexpr std::int64_t kBehind = 1000;               // of the highest clock heard
  static constexpr std::size_t kMostWaiting = 10;

  Election(Broker& broker, std::string node, const Clock& time, LamportClock& clock, Log log);

  // Returns at once; what is too many is dropped.
  void stand(boost::json::object vote);

 private:
  void run(const std::stop_token& stop);
  void vote(boost::json::object event, const std::stop_token& stop);

  Broker& broker_;
  const std::string node_;
  const Clock& time_;
  LamportClock& clock_;
  Log log_;
  std::mutex mutex_;
  std::condition_variable_any waiting_changed_;
  std::deque<boost::json::object> waiting_;
  std::jthread thread_;
};

}  // namespace umbel
