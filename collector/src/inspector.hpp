// Knows the workers that nobody told us of: asks each for its pool, queues, tasks and settings when
// it is first heard of, when it comes back, and every minute; asks those whose tasks make no events
// to tell of them, if that is wanted. What they answer goes to the inspections, to the live state
// in a few words, and to the repair.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control_client.hpp"
#include "inspections.hpp"
#include "live.hpp"
#include "repair.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"

namespace umbel::collector {

struct InspectorOptions {
  std::chrono::milliseconds look_every{1000};
  std::chrono::milliseconds ask_every{60'000};   // everybody
  std::chrono::milliseconds again_after{5000};   // at the soonest, after a gap
  std::chrono::milliseconds events_every{5000};  // whether their tasks make events
  bool enable_events = true;  // of workers that are not Umbel's: those were told what to do
};

class Inspector {
 public:
  // References outlive it.
  Inspector(ControlClient& control, Inspections& inspections, Live& live, Repair& repair,
            const Clock& clock, Log log, InspectorOptions options);
  ~Inspector();
  void start();
  void stop();

  // Asks these workers now, all of them if none is named, and waits for what they say. An error:
  // none of them answered anything, or the broker does not; what was known stays. Thread-safe.
  [[nodiscard]] Result<void> inspect(const std::vector<std::string>& workers);
  // Asks this worker at the next look, and twice more a few seconds later: Celery's answer to some
  // commands before they are carried out. Thread-safe.
  void again(const std::string& worker);

 private:
  struct Sight {  // of a worker, at the last look
    std::int64_t pid = 0;
    bool online = false;
    std::int64_t processed = 0;
    std::uint64_t told = 0;         // events of its tasks
    std::uint64_t came_online = 0;  // how many times it said so
    bool twins = false;             // two processes have its name
    bool may_enable = false;
  };

  void run(const std::stop_token& stop);
  void look();
  // Of those that are to be asked again, whose time has come.
  [[nodiscard]] std::set<std::string> due_again();
  void look_for_silent_ones();
  void enable_events_of(const std::vector<std::string>& workers);
  void look_for_grown_pools();
  [[nodiscard]] std::vector<std::string> fresh_ones();
  void put(const std::string& worker, const Inspection& told);

  ControlClient& control_;
  Inspections& inspections_;
  Live& live_;
  Repair& repair_;
  const Clock& clock_;
  Log log_;
  const InspectorOptions options_;
  bool woken_ = false;   // the heartbeats, at the start
  bool wanted_ = false;  // answers of everybody, because of a gap
  std::optional<Steady::time_point> asked_, events_looked_;
  std::map<std::string, Sight> sights_;        // at the last look
  std::map<std::string, Sight> event_sights_;  // at the last look for events
  std::mutex mutex_;
  // Workers that are to be asked, and when next; under the mutex.
  std::multimap<Steady::time_point, std::string> again_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace umbel::collector
