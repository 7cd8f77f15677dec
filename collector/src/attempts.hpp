// The attempts at a task, as its moments tell: who took it, when it ran, what came of it. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "umbel/history/history.hpp"
#include "umbel/model/task.hpp"

namespace umbel::collector {

enum class AttemptOutcome {
  Waiting,  // taken by a worker, not started
  Running,  // started, not ended
  Succeeded,
  Failed,
  Retried,  // failed, and put back to be tried again
  Revoked,
  Rejected,
  Lost,        // started, and another attempt followed without a word of its end
  HandedBack,  // taken, and taken anew by somebody without having been started
};
[[nodiscard]] const char* to_text(AttemptOutcome outcome);

struct Attempt {
  std::string worker;
  std::optional<WallTime> received{}, started{}, ended{};
  AttemptOutcome outcome = AttemptOutcome::Waiting;
  std::string detail{};  // an exception, or who vanished; may be empty

  friend bool operator==(const Attempt&, const Attempt&) = default;
};

// Oldest first. `moments` oldest first; where they do not tell how the last attempt went on, the
// task does.
[[nodiscard]] std::vector<Attempt> attempts_of(std::span<const Moment> moments, const Task& task);

// When a task came to its state, if no worker has it then: it is over, or waits to be tried again.
[[nodiscard]] std::optional<WallTime> ended_at(const Task& task);
// The same, if it is over.
[[nodiscard]] std::optional<WallTime> finished_at(const Task& task);

}  // namespace umbel::collector
