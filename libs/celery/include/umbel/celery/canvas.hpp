// What follows a task: callbacks, the next of its chain, errbacks, the body of a chord. Decides and
// sends nothing: answers the messages that are to be accepted together with the task's result, and
// which tasks end with it because their turn never comes.
//
// As Celery's workers do it (app/trace.py, canvas.py, backends/base.py), with one addition: every
// id is the signature's, or made of the finished task's id, so that a second run of the same task
// would make the same children and not others.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/ids.hpp"
#include "umbel/base/result.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/model/caller_result.hpp"

namespace umbel::celery {

// More than this from one task is refused.
inline constexpr std::size_t kMostFollowing = 100'000;  // messages
// Of what is repeated in each of many messages: a result for every member of a group, a chord's
// body for every task of its header.
inline constexpr std::size_t kMostFollowingBytes = 128 * 1024 * 1024;

// What is not in the message of the finished task.
struct Surroundings {
  // Where a task goes whose signature names no queue.
  std::function<QueueName(const std::string& task)> route;
  WallTime now{};
  std::string origin;  // of the messages, `gen<pid>@host`
  QueueName queue;     // the finished task's own: where Celery's built-in tasks go
  // Whether chords are counted where callers wait; else by a celery.chord_unlock task, which goes
  // to `queue`.
  bool chords_are_counted = false;
};

struct Child {
  TaskMessage message;
  QueueName queue;
};

// A chord whose size must be told where callers wait, before its header is sent.
struct CountedChord {
  std::uint64_t size = 0;
  ResultTree header;    // a group
  bool nested = false;  // the header has groups in it: its form must be kept there too
};

struct Following {
  std::vector<Child> sent;           // in order
  std::vector<ResultTree> children;  // the same as a caller finds them
  std::vector<CountedChord> chords;
  std::vector<TaskMessage> fallen;  // see fallen_with()
};

// Each answers Errc::Invalid where a signature cannot be sent: malformed (the place is named), too
// deep to be read again, or more than the bounds above.

// `returned` is the task's value.
[[nodiscard]] Result<Following> after_success(const TaskMessage& task,
                                              const boost::json::value& returned,
                                              const Surroundings& around);
// Errbacks get the task's id as their argument. A revoked task has none called, as in Celery.
[[nodiscard]] Result<Following> after_failure(const TaskMessage& task, const Surroundings& around);
// The body of the chord that `part` belongs to, with the header's results.
[[nodiscard]] Result<Following> chord_body(const TaskMessage& part, boost::json::array results,
                                           const Surroundings& around);
// The chord failed: its body's errbacks; the body and what was to follow it have fallen.
[[nodiscard]] Result<Following> chord_failure(const TaskMessage& part, const Surroundings& around);

// Applies one signature with `args`, as a child of `task`: what the built-in tasks celery.group and
// the like do.
[[nodiscard]] Result<Following> applied(const TaskMessage& task,
                                        const boost::json::value& signature,
                                        boost::json::array args, const Surroundings& around);

// The tasks that never run because `task` did not succeed: those of its chain whose ids are known,
// each as much of a message as is known (id, task, group, group_index, the chord it is a part of,
// reply_to). They end as it did. A chain that is malformed has none.
[[nodiscard]] std::vector<TaskMessage> fallen_with(const TaskMessage& task);

// Whether what is to follow can be read. A task that came with less should not run.
[[nodiscard]] Result<void> check_canvas(const TaskMessage& task);

// The position in its group, where the message says it.
[[nodiscard]] std::optional<std::int64_t> group_index_of(const TaskMessage& task);

}  // namespace umbel::celery
