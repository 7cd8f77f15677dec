// What follows tasks: from what was decided (celery/canvas.hpp) to messages that are accepted, and
// to tasks that end because their turn will not come.
//
// What follows a run is accepted in the transaction that stores its result; what follows a chord is
// accepted by itself, under ids that are the same whoever does it and however often.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "ending.hpp"
#include "job.hpp"
#include "open_chords.hpp"
#include "umbel/base/log.hpp"
#include "umbel/celery/canvas.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/results/caller_results.hpp"
#include "umbel/store/store.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {

struct Ended;

// Thread-safe. References outlive it.
class CanvasDesk {
 public:
  struct Parts {
    const TaskRegistry& tasks;
    ResultStore& results;
    Enqueuer& enqueuer;
    CallerResults* callers = nullptr;  // null: callers are told nothing
    const Clock& clock;
  };
  struct Names {
    std::string worker;   // node name, as it stands in results
    std::string origin;   // of messages, `gen<pid>@host`
    QueueName otherwise;  // for tasks that nobody has registered
  };
  CanvasDesk(Parts parts, Names names, Log log);

  // Of a run that ended for good: what follows it goes into `ended.finished`, what its caller finds
  // and what fell with it into `ended`, and chords that must be counted before anything of it is
  // accepted. Queues that the catalogue must be asked for are left empty. An error, of a success
  // only: it cannot be followed, in words for a person; nothing was changed.
  [[nodiscard]] Result<void> follow(Ended& ended, const Ending& ending, WallTime now);
  // Errbacks of a run that failed which cannot be sent: it ends without them.
  void leave_out_errbacks(Ended& ended, const Error& why) const;
  // Tells where callers wait how many parts these chords have.
  [[nodiscard]] Result<void> count(const std::vector<celery::CountedChord>& chords) const;

  // The message will never run, because somebody revoked its task in the store: so do those that
  // were to follow it.
  void revoke_rest(Ended& ended, const Ending& ending, WallTime now) const;

  // Fills in the queues that follow() left empty. An error is the store's.
  [[nodiscard]] Result<void> route(std::span<FinishedRun> runs);

  // A chord's header has ended: its body is sent, or fails. As ResultDesk::OnChord.
  [[nodiscard]] Result<void> on_chord(const celery::TaskMessage& part, const QueueName& queue,
                                      const ChordReturn& chord);

  // A chord's parts are being looked at, and these have not ended.
  void watch_chord(ChordLook look, const std::vector<TaskId>& open);
  // A part of a chord has its result in the store: if it was the last that this worker knew as
  // open, the chord is looked at now.
  void part_ended(const std::string& group, const TaskId& part);

  // Applies a signature now, for a built-in task.
  [[nodiscard]] Result<std::vector<ResultTree>> apply(const celery::TaskMessage& task,
                                                      const QueueName& queue,
                                                      const boost::json::value& signature,
                                                      boost::json::array args);

 private:
  [[nodiscard]] celery::Surroundings around(const QueueName& queue, WallTime now) const;
  [[nodiscard]] Result<celery::Following> after(const Ended& ended, const Ending& ending,
                                                WallTime now) const;
  [[nodiscard]] Result<std::vector<AcceptedTask>> messages_of(celery::Following& following);
  [[nodiscard]] Result<void> accept(celery::Following following);
  [[nodiscard]] Result<void> fail(celery::Following following, const QueueName& queue,
                                  const std::string& reason);
  [[nodiscard]] Result<void> tell(const celery::TaskMessage& task, const QueueName& queue,
                                  const FinishedRun& run);

  Parts parts_;
  Names names_;
  Log log_;
  OpenChords open_chords_;
};

}  // namespace umbel
