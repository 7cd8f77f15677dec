// What became of a task, for whoever called it from outside: Python's AsyncResult reads it there.
//
// The store always has every result, and it is the truth. This is a second place beside it, which
// other programs watch: a Redis database, or the reply queue that came with the message. A state is
// told here after the store has it, as often as it takes: telling the same twice changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/model/task.hpp"

namespace umbel {

// A task, or a group of them, as a caller finds it again.
struct ResultTree {
  std::string id;
  bool group = false;
  std::vector<ResultTree> members{};  // of a group

  friend bool operator==(const ResultTree&, const ResultTree&) = default;
};

// One state of one task.
struct CallerResult {
  TaskId id;
  TaskState state = TaskState::Success;  // Started, Retry, Success, Failure, Revoked; Custom
  std::string custom_state{};            // of a Custom one: "PROGRESS"
  // JSON text: the value; of Failure, Retry and Revoked the exception document; of Started
  // {"pid", "hostname"}.
  std::string result = "null";
  std::string traceback{};             // empty: none
  std::vector<ResultTree> children{};  // what the task sent
  std::string group{}, parent{};       // empty: none
  std::optional<WallTime> done{};      // of a final state
  std::string reply_to{};              // the queue that came with the message; empty: none
};

// What another program's task has left here; what it did not say is empty.
struct FoundResult {
  CallerResult result;
  std::string name{}, args{}, kwargs{}, worker{}, queue{};  // args and kwargs: JSON text
  std::optional<std::int64_t> retries{};
};

// A task of a chord's header that has ended.
struct ChordPart {
  std::string group;
  std::optional<std::int64_t> index{};  // its place in the header; nothing: at the end
  TaskId id;
  TaskState state = TaskState::Success;  // Success, Failure, Revoked
  std::string result = "null";           // as in CallerResult
};

struct ChordReturn {
  enum class Is {
    Waiting,   // other parts have not ended, or somebody else sends the body
    Complete,  // send the body with `results`
    Failed,    // the body does not run: it fails with `reason`
  };
  Is is = Is::Waiting;
  std::string results{};  // Complete: JSON text of an array, in the order of the header
  std::string reason{};   // Failed: the words of a ChordError, `Dependency <id> raised …`
};

// Thread-safe. Every call ends within seconds. Unavailable, TimedOut and OutcomeUnknown: again
// later. Invalid: this one will never be taken.
class CallerResults {
 public:
  virtual ~CallerResults() = default;

  // Keeps the states and wakes who waits for them, in order. A task that has succeeded stays so,
  // whatever is told of it later. After an error some may have been told.
  [[nodiscard]] virtual Result<void> tell(std::span<const CallerResult> results) = 0;

  // The last state told of a task, by whomever. NotFound: none, or it was forgotten since.
  [[nodiscard]] virtual Result<FoundResult> find(const TaskId& id) = 0;

  // Whether chords can be counted here; the calls below are Invalid otherwise.
  [[nodiscard]] virtual bool counts_chords() const = 0;

  // A header's task has ended. Of all its tasks, however often each is told and by however many
  // programs at a time, one gets Complete or Failed. That one, told again, gets it again until
  // chord_ended(): so a program that died in between is made up for by the one that runs the task
  // next.
  [[nodiscard]] virtual Result<ChordReturn> chord_part(const ChordPart& part) = 0;
  // The body was sent: what was kept of the parts may go. Not to be called after Failed, so that
  // parts that come late find the chord as it was.
  [[nodiscard]] virtual Result<void> chord_ended(const std::string& group) = 0;

  // Before the last task of a header is sent: how many there are, those in nested groups too.
  [[nodiscard]] virtual Result<void> set_chord_size(const std::string& group,
                                                    std::uint64_t size) = 0;
  // What a group consists of. Of a header with groups in it, so that the results come in its form.
  [[nodiscard]] virtual Result<void> save_group(const ResultTree& group) = 0;

  // Whether it answers now; for /readyz.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace umbel
