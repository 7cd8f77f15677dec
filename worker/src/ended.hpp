// A job that is done with, on its way through the finisher: what to store, what to tell, whom to
// call.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ending.hpp"
#include "job.hpp"
#include "run_context.hpp"
#include "umbel/celery/canvas.hpp"
#include "umbel/model/event.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel {

class CanvasDesk;

struct Ended {
  Job job;
  std::optional<FinishedRun> finished;  // nothing: only acknowledge, and tell of `event` if any
  std::optional<TaskEvent> event;       // told once the result is stored
  std::string line;                     // for --log-tasks; empty: none
  std::unique_ptr<RunContext> context;  // for the hook; null: it never ran
  std::string message;                  // for the hook
  std::optional<std::string> for_callers{};  // the result, where it is another one than the store's
  // Tasks of its chain that ended with it, as they would have been sent.
  std::vector<celery::TaskMessage> fallen{};
  std::optional<FinishedRun> also{};  // to be stored as well: what falls with a revoked task
  // Of what follows it: they must be counted before anything of it is accepted.
  std::vector<celery::CountedChord> chords{};
  bool reject = false;     // acknowledged by Consumer::reject
  bool hand_back = false;  // interrupted by the worker's stop: back to the queue, nothing is stored
  bool run_again = false;  // its process was lost: back to the queue now, counted as a lost worker
};

// What the ended runs of one worker have in common.
struct EndedBy {
  std::string worker;  // node name
  std::string origin;  // of retry messages, `gen<pid>@host`
  bool log_tasks = false;
  CanvasDesk* canvas = nullptr;  // works out what follows; null: nothing does
};

// Fills in result, event, retry message and line of `ended.job` from how it ended. `runtime` in
// seconds; nothing: it never ran.
void conclude(Ended& ended, const Ending& ending, const EndedBy& by, WallTime now,
              std::optional<double> runtime);

// For a job whose task has its result already, and will not be run: nothing is stored. A revocation
// that somebody asked for is told, since nobody else does; true: it was one.
bool conclude_as_known(Ended& ended, const EndedBy& by, WallTime now);

// For a job whose message is only to be acknowledged.
[[nodiscard]] Ended only_acknowledge(Job job);

}  // namespace umbel
