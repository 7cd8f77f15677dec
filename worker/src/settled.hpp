// From a job that is done with to what its callers outside are told: a pure step.
#pragma once

#include <optional>

#include "ended.hpp"
#include "result_desk.hpp"

namespace umbel {

// `outcome`: of `ended.finished`; null: it had none. Takes the result out of `ended`, but not the
// job. Nothing: there is nothing to tell, and the message may be acknowledged.
[[nodiscard]] std::optional<Settled> settled_of(Ended& ended, const FinishOutcome* outcome);

// That the task has begun, on this node.
[[nodiscard]] CallerResult started_state_of(const celery::TaskMessage& task,
                                            const std::string& worker);

// Whether nobody wants its value: a chord's body wants those of its parts, whatever they say.
[[nodiscard]] bool ignores_result(const Job& job);

// What is needed to end a job while its own is in use: all but its slot and its arguments.
[[nodiscard]] Job face_of(const Job& job);

// A message without its arguments and with all that is needed to tell of it.
[[nodiscard]] celery::TaskMessage without_arguments(const celery::TaskMessage& task);

}  // namespace umbel
