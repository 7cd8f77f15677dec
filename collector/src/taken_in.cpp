// What of the live state was applied before, where a broker delivers again.
#include "live_state.hpp"

namespace umbel::collector {

void TakenIn::take(const EventOrigin& origin) {
  if (origin.pid == 0) return;  // made of a result, or of what a worker said when it was asked
  if (origin.pid == pid && origin.timestamp < at) return;
  at = origin.timestamp;
  clock = origin.clock;
  pid = origin.pid;
}

bool TakenIn::covers(const EventOrigin& origin) const {
  return origin.pid == pid && origin.timestamp <= at &&
         (!origin.clock || !clock || *origin.clock <= *clock);
}

const LiveWorker* LiveState::sender_of(const Event& event) const {
  const auto& origin =
      std::visit([](const auto& each) -> const EventOrigin& { return each.origin; }, event);
  const auto found = workers_.find(origin.hostname);
  return found == workers_.end() ? nullptr : &found->second;
}

bool LiveState::perhaps_applied(const Event& event) const {
  const LiveWorker* const worker = sender_of(event);
  if (worker == nullptr) return false;
  const auto* const about_task = std::get_if<TaskEvent>(&event);
  return about_task != nullptr ? worker->tasks_taken.covers(about_task->origin)
                               : worker->own_taken.covers(std::get<WorkerEvent>(event).origin);
}

bool LiveState::was_applied(const Event& event) const {
  if (!perhaps_applied(event)) return false;
  const auto* const about_task = std::get_if<TaskEvent>(&event);
  if (about_task == nullptr) {
    const LiveWorker& worker = *sender_of(event);
    const auto& about_worker = std::get<WorkerEvent>(event);
    const auto& sequence = about_worker.origin.sequence;
    return (!sequence || *sequence <= worker.last_sequence) &&
           (about_worker.origin.timestamp < worker.own_taken.at ||
            about_worker.type == worker.last_told);
  }
  auto task = tasks_.find(about_task->uuid);
  if (!task) task = tasks_.stub(about_task->uuid);
  if (!task) return false;
  const auto shows = [&](const std::optional<WallTime>& time) {
    return time && *time >= about_task->origin.timestamp;
  };
  switch (about_task->type) {
    case TaskEventType::Received:
      return shows(task->received);
    case TaskEventType::Started:
      return shows(task->started);
    case TaskEventType::Succeeded:
      return shows(task->succeeded);
    case TaskEventType::Failed:
      return shows(task->failed);
    case TaskEventType::Retried:
      return shows(task->retried);
    case TaskEventType::Revoked:
      return shows(task->revoked);
    case TaskEventType::Rejected:
      return shows(task->rejected);
    case TaskEventType::Sent:
    case TaskEventType::Custom:
      break;
  }
  return false;
}

}  // namespace umbel::collector
