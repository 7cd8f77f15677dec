// Tells callers outside what became of their tasks, behind the store and before the
// acknowledgement.
//
// Where callers read (Redis, a reply queue) may be out while the store is not. Then what is to be
// told waits here and is tried again with longer and longer pauses, and for `hold` the messages
// stay unacknowledged: should this worker die meanwhile, they come again, and are told from the
// store. A longer outage must not stop the worker: from then on messages are acknowledged as if
// they had been told, and what waits is kept in memory alone, within bounds. The store has every
// result all the while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "instruments.hpp"
#include "job.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/results/caller_results.hpp"
#include "umbel/runtime/outage.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel {

// A task whose result is in the store.
struct Settled {
  Job held{};                                 // to be acknowledged afterwards
  bool reject = false;                        // by Consumer::reject
  celery::TaskMessage task{};                 // of its arguments nothing is needed
  std::vector<celery::TaskMessage> fallen{};  // tasks that ended with it, alike
  QueueName queue{};                          // that its message came from
  CallerResult result{};
  bool from_store = false;  // `result` is not known here: it is read there, id and reply_to are set
  bool ignored = false;     // its callers want no result
  bool ignored_success = false;  // or none of a success
};

// A message that has been told of as far as it will be.
struct Released {
  Job job;
  bool reject = false;
};

// Thread-safe. References outlive it.
class ResultDesk {
 public:
  struct Parts {
    CallerResults& callers;
    ResultStore& results;
    Instruments& instruments;
    const Clock& clock;
  };
  struct Limits {
    std::chrono::milliseconds hold{30'000};  // of an outage, during which nothing is acknowledged
    std::size_t most = 10'000;               // results that wait; more drop the oldest
    std::size_t bytes = 64 * 1024 * 1024;    // of them
  };
  // Sends a chord's body, or fails it; `queue` is where the part came from. Asked again while it
  // answers Unavailable, TimedOut or OutcomeUnknown.
  using OnChord = std::function<Result<void>(const celery::TaskMessage& part,
                                             const QueueName& queue, const ChordReturn& chord)>;
  // `release` takes what may be acknowledged; called from the desk's thread.
  ResultDesk(Parts parts, Limits limits, std::function<void(std::vector<Released>)> release,
             OnChord on_chord, Log log);

  // Whether there is anything to do for it; if not, it may be acknowledged at once.
  [[nodiscard]] bool concerns(const Settled& settled) const;
  // Answers what may be acknowledged at once, because an outage has lasted for `hold` already.
  [[nodiscard]] std::vector<Released> push(std::vector<Settled> settled);
  // A state on the way: told once, and not again if that fails.
  void tell(CallerResult state);

  // Waits until all is told or given up. False: `until` passed.
  bool wait_idle(Steady::time_point until);
  // The same before a stop: does not wait for what cannot be told now and still holds its message.
  // That goes back, and whoever gets it tells of it from the store.
  bool wait_told(Steady::time_point until);
  // Ends after at most one more try; answers what may not be acknowledged yet.
  [[nodiscard]] std::vector<Job> close();
  [[nodiscard]] std::optional<Error> outage() const { return outage_.current(); }
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Entry {
    Settled settled;
    std::size_t bytes = 0;
    bool on_the_way = false;  // a state that is not final: droppable
    bool told = false;        // chord parts may still be left
    std::size_t parts_done = 0;
    bool released = false;
  };
  enum class Step { Done, Later };

  void run(const std::stop_token& stop);
  // Tells a batch; what is left of it comes first when it is tried again.
  [[nodiscard]] Step work_off(std::deque<Entry>& batch, std::vector<Released>& free);
  [[nodiscard]] static Released taken_from(Entry& entry);
  [[nodiscard]] bool held_long_enough() const;
  [[nodiscard]] Step read_from_store(std::deque<Entry>& batch);
  [[nodiscard]] Step tell_all(std::deque<Entry>& batch);
  [[nodiscard]] Step tell_one_by_one(const std::vector<CallerResult>& results);
  [[nodiscard]] Step return_parts(Entry& entry);
  [[nodiscard]] Step return_part(const celery::TaskMessage& task, const Settled& of);
  void failed(const char* call, const Error& error);
  // The lock is held by these.
  void put_back(std::deque<Entry>& batch);
  void let_go(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] std::vector<Released> take_held();
  void keep_bounds();
  void add(Entry entry);
  void show_waiting() const;

  Parts parts_;
  const Limits limits_;
  std::function<void(std::vector<Released>)> release_;
  OnChord on_chord_;
  Log log_;
  Outage outage_;
  mutable std::mutex mutex_;
  std::condition_variable_any pushed_, idle_;
  std::deque<Entry> queue_;
  std::size_t bytes_ = 0, in_hand_ = 0;
  std::uint64_t dropped_ = 0;  // in this outage
  std::jthread thread_;
};

// What callers are told of a task's message, but for how it ended.
[[nodiscard]] CallerResult caller_result_of(const celery::TaskMessage& task);

}  // namespace umbel
