// What became of each task: its status from acceptance to result, and the rules by which a late or
// second run cannot overwrite a newer one.
//
// Every task has a run number, 0 at first; a retry and a redelivered start each raise it. A result
// is stored only by the holder of the current number, and only while there is no final one: a
// worker that was frozen and wakes is told so and changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/caller_result.hpp"
#include "umbel/model/task.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel {

// A task's row. Before it ran only the first six fields are set.
struct StoredTask {
  TaskId id;
  std::string name;
  QueueName queue;
  TaskState state = TaskState::Pending;  // Pending, Retry, Success, Failure or Revoked
  std::optional<WallTime>
      accepted;  // nothing: a foreign producer's task, known since a worker began it
  std::int64_t run = 0;
  std::string result;     // JSON text; for Failure the exception document; `null` when the task
                          // ignores its result
  std::string traceback;  // empty: none
  std::string worker;
  std::optional<double> runtime;  // seconds
  std::optional<WallTime> done;
  std::uint64_t sequence = 0;        // of the final result, rising; 0 before
  std::vector<ResultTree> children;  // what the task sent
};

// What a worker must know before it starts a delivered task.
struct RunState {
  bool final = false;            // has its result: acknowledge the message and drop it
  bool revoked = false;          // `final` by revoke(), and no worker has told of it
  std::int64_t run = 0;          // the number to finish with
  std::int64_t lost_starts = 0;  // times a redelivered message of it was started
  std::int64_t handed_back = 0;  // times a run of it was broken off and given back on purpose

  // How many workers vanished with it: started again, and nobody had given it back.
  [[nodiscard]] std::int64_t lost_workers() const { return lost_starts - handed_back; }
};

// A task by what its row needs, if there is none yet.
struct NamedTask {
  TaskId id;
  std::string name;
  QueueName queue;
};

using HandedBack = NamedTask;

enum class Revocation {
  Revoked,  // it has not started and will not
  Running,  // its current run has started
  Ended,    // it has its final result
};

// The arguments that a task was accepted with.
struct KeptArguments {
  // The message's body, as the producer's codec wrote it; nothing: it is not kept, because it has
  // more than kKeptBody bytes, or because the task was not accepted here.
  std::optional<std::string> body;
  std::uint64_t bytes = 0;  // of the body, kept or not; 0: not accepted here
};
inline constexpr std::size_t kKeptBody = 64 * 1024;

struct FinishedRun {
  TaskId id;
  std::string name;
  QueueName queue;
  std::int64_t run = 0;
  TaskState state = TaskState::Success;  // Success, Failure, Revoked; Retry with `retry` set
  std::string result;
  std::string traceback;
  std::string worker;
  std::optional<double> runtime;
  WallTime done{};
  std::optional<AcceptedTask>
      retry;  // the next attempt's message; goes into the outbox in the same transaction
  // What follows the task: accepted in the same transaction, as Outbox::accept does it.
  std::vector<AcceptedTask> successors{};
  // Tasks that end with this one, in the same state and with the same result, because their turn
  // will not come. Those that have their own result, or have begun, keep it.
  std::vector<NamedTask> fails_with_it{};
  std::vector<ResultTree> children{};  // what the task sent, for its caller
};

struct FinishOutcome {
  bool stored =
      false;  // false: superseded by a newer run or by a final result; nothing was changed
  std::optional<OutboxId> retry_row;
  AcceptedRows successor_rows;  // one for each successor; none when not stored
};

// Thread-safe. A failed call changed nothing, save Errc::OutcomeUnknown.
class ResultStore {
 public:
  virtual ~ResultStore() = default;

  // Reads only; one entry for each id, in order. An unknown id is a fresh one.
  [[nodiscard]] virtual Result<std::vector<RunState>> look_up(std::span<const TaskId> ids) = 0;

  // These tasks are about to run: from now on they cannot be revoked, until their run is handed
  // back or ends in another attempt. Answers each state, in order; one that is `final` must not be
  // started. Of begin() and revoke() at the same instant exactly one has its way.
  [[nodiscard]] virtual Result<std::vector<RunState>> begin(std::span<const NamedTask> tasks) = 0;

  // Ends tasks as REVOKED that have not started: one answer for each, in order. A task without a
  // row gets one, under the name and queue given. `result` is the exception document.
  [[nodiscard]] virtual Result<std::vector<Revocation>> revoke(std::span<const NamedTask> tasks,
                                                               const std::string& result,
                                                               WallTime now) = 0;

  // What a task was accepted with, for a copy of it. An unknown id has nothing.
  [[nodiscard]] virtual Result<KeptArguments> arguments(const TaskId& id) = 0;

  // A redelivered message of this task is about to run: does what begin() does, raises the run
  // number and the count of lost starts, and answers the new state.
  [[nodiscard]] virtual Result<RunState> begin_again(const TaskId& id, const std::string& name,
                                                     const QueueName& queue) = 0;

  // These runs were started and are about to go back to their queues, because their worker stops:
  // the starts that follow do not count as a lost worker, and until then they can be revoked.
  [[nodiscard]] virtual Result<void> hand_back(std::span<const HandedBack> runs) = 0;

  // Stores results, all in one transaction, each under the rule above. The messages are to be
  // acknowledged only after this.
  [[nodiscard]] virtual Result<std::vector<FinishOutcome>> finish(
      std::span<const FinishedRun> runs) = 0;

  // NotFound: the id was never accepted here, no worker has begun it, and it has no result.
  [[nodiscard]] virtual Result<StoredTask> find(const TaskId& id) = 0;

  // Final results with a sequence above `after`, in order: how a monitor closes tasks whose end
  // event was lost.
  [[nodiscard]] virtual Result<std::vector<StoredTask>> finished_since(std::uint64_t after,
                                                                       std::size_t limit) = 0;
};

}  // namespace umbel
