// Bodies of event messages: single events and lists.
#include <vector>

#include "fuzz_one.hpp"
#include "umbel/celery/events.hpp"
#include "umbel/model/task.hpp"
#include "umbel/model/worker_state.hpp"

namespace umbel::fuzz {
namespace {

// What was read must be fit for use, and a second copy of it must not change what the first made.
void use(const std::vector<Event>& events) {
  Task task;
  WorkerState worker;
  for (const Event& event : events) {
    if (const auto* const about_task = std::get_if<TaskEvent>(&event)) {
      require(!about_task->uuid.str().empty(), "a task event has an id");
      require(!about_task->origin.hostname.empty(), "an event has a sender");
      require(!short_name(*about_task).empty(), "an event has a name");
      task.uuid = about_task->uuid;
      apply(task, *about_task);
      const Task once = task;
      apply(task, *about_task);
      require(task == once, "an event that comes twice counts once");
    } else {
      apply(worker, std::get<WorkerEvent>(event), WallTime{});
      static_cast<void>(worker.status(WallTime{std::chrono::hours{1}}));
    }
  }
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  std::vector<Event> events(1);
  const auto skipped = celery::decode_events(text, events);
  if (!skipped) {
    require(skipped.error().code == Errc::Invalid && !skipped.error().what.empty(),
            "a refusal says why");
    require(events.size() == 1, "what is refused appends nothing");
    return;
  }
  events.erase(events.begin());
  use(events);
  const std::string written = celery::encode_events(events);
  std::vector<Event> again;
  const auto none = celery::decode_events(written, again);
  require(none.has_value() && *none == 0, "what was written is read whole", written);
  require(again.size() == events.size(), "what was written has as many events", written);
  require(celery::encode_events(again) == written, "writing twice gives the same text", written);
  if (text.find_first_not_of(" \t\r\n") != std::string::npos &&
      text[text.find_first_not_of(" \t\r\n")] == '{') {
    std::vector<Event> listed;
    const auto same = celery::decode_events("[" + text + "]", listed);
    require(same.has_value() && *same == *skipped, "a single event reads as a list of one");
    require(celery::encode_events(listed) == written, "a single event reads as a list of one");
  }
}

}  // namespace umbel::fuzz
