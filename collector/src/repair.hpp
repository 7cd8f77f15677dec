// Puts right what events did not tell: after a start, a gap or a worker's death it compares the
// tasks that are thought to be with workers with what the workers say they hold, closes those whose
// result is stored, takes up those that run without our knowing, and marks the others as unknown.
// It never guesses: a task is only marked after the worker that had it was asked twice or is gone,
// its result was looked for, and the event stream was read beyond the answer.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control_client.hpp"
#include "inspections.hpp"
#include "live.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/model/event.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::collector {

// What a worker says it holds.
struct HeldTasks {
  std::set<std::string> ids;       // active, reserved, scheduled
  std::vector<TaskEvent> running;  // of those active, their starts as events
};
// Nothing: it did not say all three.
[[nodiscard]] std::optional<HeldTasks> held_tasks(const std::string& worker,
                                                  const Inspection& inspection);

// A final result that somebody else keeps (a result backend of Celery's); NotFound: none.
using FindResult = std::function<Result<StoredTask>(const TaskId&)>;

struct RepairOptions {
  // A task that changed more recently is left alone: its event may be on the way.
  std::chrono::microseconds settled = std::chrono::seconds{10};
  std::size_t most_tasks = 20'000;  // looked at in one go
  std::size_t at_once = 500;        // ids in one question
  // How often the results of those that nobody knows of are looked for again, and of how many.
  std::chrono::milliseconds again_every{60'000};
  std::size_t most_again = 2000;
};

class Repair {
 public:
  // References outlive it. `tell` takes events that are as good as a worker's own.
  Repair(ControlClient& control, Live& live, ResultStore& results, FindResult elsewhere,
         const Clock& clock, Log log, std::function<void(std::vector<TaskEvent>)> tell,
         RepairOptions options = {});

  // What workers said when they were asked at `asked`. Thread-safe.
  void told(std::map<std::string, Inspection> inspections, WallTime asked);
  // Whether the workers ought to be asked at once, because something was not seen. For the
  // inspector's thread, as look().
  [[nodiscard]] bool wants_answers();
  // Does what is due; waits for answers to what it asks.
  void look();

 private:
  struct Answers {
    WallTime asked{};
    std::map<std::string, HeldTasks> by_worker;
  };
  struct Doubt {  // a task that nobody holds any more
    TaskId id;
    std::uint64_t version = 0;
    std::string worker;
    WallTime known_until{};
  };

  void compare(const Answers& answers);
  void look_for_lost_workers();
  void look_for_late_results();
  [[nodiscard]] std::vector<Doubt> not_held(const Answers& answers);
  [[nodiscard]] std::set<std::string> held_after_all(const std::vector<Doubt>& doubts);
  void settle(const std::vector<Doubt>& doubts);
  [[nodiscard]] Result<StoredTask> ended(const TaskId& id);
  // Whether the stream was read to its end at some time after `since`.
  [[nodiscard]] bool read_beyond(WallTime since);

  ControlClient& control_;
  Live& live_;
  ResultStore& results_;
  const FindResult elsewhere_;
  const Clock& clock_;
  Log log_;
  const std::function<void(std::vector<TaskEvent>)> tell_;
  const RepairOptions options_;
  std::optional<std::uint64_t> gaps_;  // that were known when workers were asked last
  std::optional<Steady::time_point> looked_again_;
  std::map<std::string, WallTime> mourned_;  // workers that are gone, by when they were last seen
  std::mutex mutex_;
  std::optional<Answers> waiting_;  // until the stream has been read beyond them
};

}  // namespace umbel::collector
