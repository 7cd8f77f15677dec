// What became of a task, for whoever called it from outside: Python's AsyncResult reads it there.
//
// The store always has every result, and it is the truth. This is a second place beside it, which
// other programs watch: a Redis database, or the reply queue that came with the message. A state is
// told here after the store has it, as often as it takes: telling the same twice changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "umbel/base/result.hpp"
#include "umbel/model/caller_result.hpp"

namespace umbel {

// Thread-safe. Every call ends within seconds. Unavailable, TimedOut and OutcomeUnknown: again
// later. Invalid: this one will never be taken.
class CallerResults {
 public:
  virtual ~CallerResults() = default;

  // Whether telling this one can reach anybody: where nothing is kept, a caller must have left an
  // address.
  [[nodiscard]] virtual bool reaches(const CallerResult& result) const = 0;

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

  // Whether it answers now, within a second; for /readyz.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace umbel
