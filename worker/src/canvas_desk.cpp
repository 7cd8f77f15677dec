#include "canvas_desk.hpp"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "ended.hpp"
#include "result_desk.hpp"
#include "umbel/celery/json.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

constexpr const char* kChordUnlock = "celery.chord_unlock";

bool may_pass(Errc code) {
  return code == Errc::Unavailable || code == Errc::TimedOut || code == Errc::OutcomeUnknown;
}

std::vector<NamedTask> named(const std::vector<celery::TaskMessage>& tasks, std::size_t from,
                             const QueueName& queue) {
  std::vector<NamedTask> names;
  for (std::size_t i = from; i < tasks.size(); ++i) {
    names.push_back({tasks[i].id, tasks[i].task, queue});
  }
  return names;
}

void tell_without_errbacks(const celery::TaskMessage& task, const Error& why, const Log& log) {
  log.warn("errbacks not called",
           {{"task_id", task.id.str()}, {"task", task.task}, {"reason", why.what}});
}

// As Python's ChordError, with what its caller is told.
std::string chord_error(const std::string& reason) {
  return celery::to_json(celery::exception_document("ChordError", reason, "celery.exceptions"));
}

}  // namespace

CanvasDesk::CanvasDesk(Parts parts, Names names, Log log)
    : parts_{parts}, names_{std::move(names)}, log_{std::move(log)} {}

celery::Surroundings CanvasDesk::around(const QueueName& queue, WallTime now) const {
  celery::Surroundings around;
  around.route = [this](const std::string& task) {
    const auto* registered = parts_.tasks.find(task);
    return registered != nullptr ? registered->options.queue : QueueName{};
  };
  around.now = now;
  around.origin = names_.origin;
  around.queue = queue;
  around.chords_are_counted = parts_.callers != nullptr && parts_.callers->counts_chords();
  return around;
}

Result<std::vector<AcceptedTask>> CanvasDesk::messages_of(celery::Following& following) {
  std::vector<AcceptedTask> tasks;
  tasks.reserve(following.sent.size());
  for (auto& child : following.sent) {
    AcceptedTask task;
    task.id = child.message.id;
    task.name = child.message.task;
    task.queue = child.queue;
    task.not_before = child.message.eta;
    task.message = celery::encode_task(child.message);
    if (task.name == kChordUnlock) {
      if (const auto parts = parts_of(child.message)) {
        watch_chord({std::string{child.message.args[0].as_string()}, child.message, child.queue},
                    *parts);
      }
    }
    child.message = {};
    if (task.message.body.size() > celery::kMaxBody) {
      return invalid(
          fmt::format("the message of {}, which follows it, would have {} bytes (at most "
                      "{})",
                      task.name, task.message.body.size(), celery::kMaxBody));
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

Result<void> CanvasDesk::count(const std::vector<celery::CountedChord>& chords) const {
  for (const auto& chord : chords) {
    if (chord.nested) {
      if (auto saved = parts_.callers->save_group(chord.header); !saved) return saved;
    }
    if (auto told = parts_.callers->set_chord_size(chord.header.id, chord.size); !told) return told;
  }
  return {};
}

Result<celery::Following> CanvasDesk::after(const Ended& ended, const Ending& ending,
                                            WallTime now) const {
  const auto& task = ended.job.task;
  if (ending.state == TaskState::Revoked) {
    celery::Following following;
    following.fallen = celery::fallen_with(task);
    return following;
  }
  const auto near = around(ended.job.queue, now);
  if (ending.state != TaskState::Success) return celery::after_failure(task, near);
  if (ending.value) return celery::after_success(task, *ending.value, near);
  // What comes out of a task's own process comes as text.
  const auto value = celery::parse_json(ending.python.value_or(ending.result));
  if (!value) return value.error();
  return celery::after_success(task, *value, near);
}

Result<void> CanvasDesk::follow(Ended& ended, const Ending& ending, WallTime now) {
  if (ended.job.task.embed.empty()) return {};
  std::vector<AcceptedTask> messages;
  auto following = after(ended, ending, now);
  if (following) {
    auto made = messages_of(*following);
    if (made) {
      messages = std::move(*made);
    } else {
      following = made.error();
    }
  }
  if (!following) {
    if (ending.state == TaskState::Success) return following.error();
    tell_without_errbacks(ended.job.task, following.error(), log_);
    messages.clear();
    following = celery::Following{};
    following->fallen = celery::fallen_with(ended.job.task);
  }
  auto& run = *ended.finished;
  run.successors = std::move(messages);
  run.fails_with_it = named(following->fallen, 0, ended.job.queue);
  ended.fallen = std::move(following->fallen);
  ended.chords = std::move(following->chords);
  std::move(following->children.begin(), following->children.end(),
            std::back_inserter(run.children));
  return {};
}

void CanvasDesk::leave_out_errbacks(Ended& ended, const Error& why) const {
  tell_without_errbacks(ended.job.task, why, log_);
  auto& run = *ended.finished;
  run.successors.clear();
  run.children.clear();
  if (ended.context) run.children = ended.context->children();
}

void CanvasDesk::revoke_rest(Ended& ended, const Ending& ending, WallTime now) const {
  auto fallen = celery::fallen_with(ended.job.task);
  if (fallen.empty()) return;
  FinishedRun run;
  run.id = fallen.front().id;
  run.name = fallen.front().task;
  run.queue = ended.job.queue;
  run.state = ending.state;
  run.result = ending.result;
  run.worker = names_.worker;
  run.done = now;
  run.fails_with_it = named(fallen, 1, ended.job.queue);
  ended.also = std::move(run);
  ended.fallen = std::move(fallen);
}

Result<void> CanvasDesk::route(std::span<FinishedRun> runs) {
  for (auto& run : runs) {
    for (auto& task : run.successors) {
      if (!task.queue.empty()) continue;
      auto queue = parts_.enqueuer.queue_of(task.name, names_.otherwise);
      if (!queue) return queue.error();
      task.queue = std::move(*queue);
    }
  }
  return {};
}

Result<void> CanvasDesk::accept(celery::Following following) {
  auto messages = messages_of(following);
  if (!messages) return messages.error();
  if (auto counted = count(following.chords); !counted) return counted;
  FinishedRun carrier;
  carrier.successors = std::move(*messages);
  if (auto routed = route({&carrier, 1}); !routed) return routed;
  return parts_.enqueuer.accept(std::move(carrier.successors));
}

void CanvasDesk::watch_chord(ChordLook look, const std::vector<TaskId>& open) {
  open_chords_.watch(std::move(look), open);
}

// By a task of its own, so that it happens as it does otherwise. Should it not be accepted, the
// next look comes anyway.
void CanvasDesk::part_ended(const std::string& group, const TaskId& part) {
  auto look = open_chords_.ended(group, part);
  if (!look) return;
  auto& unlock = look->unlock;
  unlock.id = TaskId{named_uuid("look|" + group)};
  unlock.eta.reset();
  unlock.retries = 0;
  unlock.origin = names_.origin;
  std::vector<AcceptedTask> tasks;
  tasks.push_back({unlock.id, unlock.task, look->queue, celery::encode_task(unlock), {}});
  if (const auto accepted = parts_.enqueuer.accept(std::move(tasks)); !accepted) {
    log_.debug("a chord waits for the next look",
               {{"group", group}, {"reason", accepted.error().what}});
  }
}

Result<std::vector<ResultTree>> CanvasDesk::apply(const celery::TaskMessage& task,
                                                  const QueueName& queue,
                                                  const json::value& signature, json::array args) {
  auto made = celery::applied(task, signature, std::move(args), around(queue, parts_.clock.wall()));
  if (!made) return made.error();
  auto children = made->children;
  if (auto accepted = accept(std::move(*made)); !accepted) return accepted.error();
  return children;
}

Result<void> CanvasDesk::on_chord(const celery::TaskMessage& part, const QueueName& queue,
                                  const ChordReturn& chord) {
  auto reason = chord.reason;
  const auto near = around(queue, parts_.clock.wall());
  if (chord.is == ChordReturn::Is::Complete) {
    auto results = celery::parse_json(chord.results);
    Result<void> sent = invalid("its results are no list");
    if (!results) {
      sent = results.error();
    } else if (results->is_array()) {
      auto body = celery::chord_body(part, std::move(results->get_array()), near);
      sent = body ? accept(std::move(*body)) : Result<void>{body.error()};
    }
    if (sent || may_pass(sent.error().code)) return sent;
    reason = "Callback error: " + sent.error().what;
  }
  auto failure = celery::chord_failure(part, near);
  if (!failure) return failure.error();
  return fail(std::move(*failure), queue, reason);
}

// The body ends as a run does: its errbacks are accepted with its result.
Result<void> CanvasDesk::fail(celery::Following following, const QueueName& queue,
                              const std::string& reason) {
  log_.warn("a chord failed; its body does not run", {{"reason", reason}});
  if (following.fallen.empty()) return accept(std::move(following));
  if (auto counted = count(following.chords); !counted) return counted;
  auto messages = messages_of(following);
  if (!messages) return messages.error();
  FinishedRun run;
  run.id = following.fallen.front().id;
  run.name = following.fallen.front().task;
  run.queue = queue;
  run.state = TaskState::Failure;
  run.result = chord_error(reason);
  run.worker = names_.worker;
  run.done = parts_.clock.wall();
  run.children = following.children;
  run.successors = std::move(*messages);
  run.fails_with_it = named(following.fallen, 1, queue);
  if (auto routed = route({&run, 1}); !routed) return routed;
  const auto outcomes = parts_.results.finish({&run, 1});
  if (!outcomes) return outcomes.error();
  parts_.enqueuer.publish_successors({&run, 1}, *outcomes);
  for (const auto& task : following.fallen) {
    if (auto told = tell(task, queue, run); !told) return told;
  }
  return {};
}

// What fell without a message of its own: its callers, and a chord around it.
Result<void> CanvasDesk::tell(const celery::TaskMessage& task, const QueueName& queue,
                              const FinishedRun& run) {
  if (parts_.callers == nullptr) return {};
  auto result = caller_result_of(task);
  result.state = run.state;
  result.result = run.result;
  result.done = run.done;
  if (auto told = parts_.callers->tell({&result, 1}); !told && may_pass(told.error().code)) {
    return told;
  }
  if (!task.embed.contains("chord") || task.group.empty() || !parts_.callers->counts_chords()) {
    return {};
  }
  const auto chord = parts_.callers->chord_part(
      {task.group, celery::group_index_of(task), task.id, run.state, run.result});
  if (!chord) return may_pass(chord.error().code) ? Result<void>{chord.error()} : Result<void>{};
  if (chord->is == ChordReturn::Is::Waiting) return {};
  return on_chord(task, queue, *chord);
}

}  // namespace umbel
