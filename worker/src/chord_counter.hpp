// Where runs wait that start chords, until the place that counts them knows how many parts there
// are.
//
// A part that ended before that would find no chord, so nothing of it may be sent earlier; and what
// follows a run is accepted together with its result. While that place is out, such a run is
// therefore neither stored nor acknowledged: it is somebody else's outage and no fault of the task.
// Should the worker end meanwhile, the message goes back and the task runs again.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "ended.hpp"
#include "instruments.hpp"
#include "umbel/runtime/outage.hpp"

namespace umbel {

// Thread-safe. References outlive it.
class ChordCounter {
 public:
  struct Ways {
    // Tells that place of them. Unavailable, TimedOut, OutcomeUnknown: again later.
    std::function<Result<void>(const std::vector<celery::CountedChord>&)> count;
    std::function<void(Ended)> pass;                  // all of its chords are counted
    std::function<void(Ended, const Error&)> refuse;  // they never will be
  };
  // The ways are called from a thread of its own.
  ChordCounter(Ways ways, Instruments& instruments, const Clock& clock, Log log);

  void push(Ended ended);
  // Waits until nothing waits here. False: `until` passed.
  bool wait_idle(Steady::time_point until);
  // Ends after at most one more try; answers what could not be counted.
  [[nodiscard]] std::vector<Job> close();

 private:
  void run(const std::stop_token& stop);
  // False: it was left in `ended`, to be tried again.
  [[nodiscard]] bool work_off(Ended& ended);

  Ways ways_;
  Instruments& instruments_;
  Outage outage_;
  std::mutex mutex_;
  std::condition_variable_any pushed_, idle_;
  std::deque<Ended> queue_;
  bool busy_ = false;
  std::jthread thread_;
};

}  // namespace umbel
