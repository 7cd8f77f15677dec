#include "repair.hpp"

#include <algorithm>

#include "closing.hpp"
#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& in, std::string_view key) {
  const json::value* const found = in.if_contains(key);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

const json::array* list_at(const json::object& in, std::string_view key) {
  const json::value* const found = in.if_contains(key);
  return found == nullptr ? nullptr : found->if_array();
}

std::optional<TaskEvent> start_of(const std::string& worker, const json::object& info) {
  const json::value* const began = info.if_contains("time_start");
  if (began == nullptr || !began->is_number()) return std::nullopt;
  TaskEvent event;
  event.type = TaskEventType::Started;
  event.uuid = TaskId{text_at(info, "id")};
  event.origin.hostname = worker;
  event.origin.timestamp = from_unix_seconds(began->to_number<double>());
  if (event.uuid.empty() || to_micros(event.origin.timestamp) == 0) return std::nullopt;
  if (const auto name = text_at(info, "name"); !name.empty()) event.name = name;
  // Asked for as texts; a worker that gives the values themselves is not quoted.
  if (const auto args = text_at(info, "args"); !args.empty()) event.args = args;
  if (const auto kwargs = text_at(info, "kwargs"); !kwargs.empty()) event.kwargs = kwargs;
  if (const json::value* const from = info.if_contains("delivery_info");
      from != nullptr && from->is_object()) {
    if (const auto key = text_at(from->get_object(), "routing_key"); !key.empty()) {
      event.routing_key = key;
      if (text_at(from->get_object(), "exchange").empty()) event.queue = key;
    }
  }
  return event;
}

WallTime by_our_clock(const LiveState& state, const std::string& worker, WallTime stamped) {
  const auto found = state.workers().find(worker);
  return found == state.workers().end() ? stamped : found->second.clock.ours(stamped);
}

}  // namespace

std::optional<HeldTasks> held_tasks(const std::string& worker, const Inspection& inspection) {
  HeldTasks held;
  const auto* const active = list_at(inspection.answers, "active");
  const auto* const reserved = list_at(inspection.answers, "reserved");
  const auto* const scheduled = list_at(inspection.answers, "scheduled");
  if (active == nullptr || reserved == nullptr || scheduled == nullptr) return std::nullopt;
  for (const auto* const list : {active, reserved}) {
    for (const json::value& each : *list) {
      if (each.is_object()) held.ids.insert(text_at(each.get_object(), "id"));
    }
  }
  for (const json::value& each : *active) {
    if (!each.is_object()) continue;
    if (auto start = start_of(worker, each.get_object())) held.running.push_back(std::move(*start));
  }
  for (const json::value& each : *scheduled) {
    const json::value* const request =
        each.is_object() ? each.get_object().if_contains("request") : nullptr;
    if (request != nullptr && request->is_object())
      held.ids.insert(text_at(request->get_object(), "id"));
  }
  held.ids.erase("");
  return held;
}

Repair::Repair(ControlClient& control, Live& live, ResultStore& results, FindResult elsewhere,
               const Clock& clock, Log log, std::function<void(std::vector<TaskEvent>)> tell,
               RepairOptions options)
    : control_{control},
      live_{live},
      results_{results},
      elsewhere_{std::move(elsewhere)},
      clock_{clock},
      log_{log},
      tell_{std::move(tell)},
      options_{options} {}

void Repair::told(std::map<std::string, Inspection> inspections, WallTime asked) {
  Answers answers{.asked = asked, .by_worker = {}};
  for (const auto& [worker, inspection] : inspections) {
    if (auto held = held_tasks(worker, inspection))
      answers.by_worker.emplace(worker, std::move(*held));
  }
  if (answers.by_worker.empty()) return;
  const std::lock_guard lock{mutex_};
  if (!waiting_) {
    waiting_ = std::move(answers);
    return;
  }
  waiting_->asked = std::max(waiting_->asked, asked);
  for (auto& [worker, held] : answers.by_worker)
    waiting_->by_worker.insert_or_assign(worker, std::move(held));
}

bool Repair::wants_answers() {
  const auto gaps = live_.with([](LiveState& state) { return state.gaps(); });
  const bool more = gaps_ && *gaps_ != gaps;
  gaps_ = gaps;
  return more;
}

bool Repair::read_beyond(WallTime since) {
  return live_.with([&](LiveState& state) {
    const auto read = state.monitor().events_read;
    return read && *read > since && *read >= state.started();
  });
}

void Repair::look() {
  look_for_lost_workers();
  look_for_late_results();
  std::optional<Answers> answers;
  {
    const std::lock_guard lock{mutex_};
    if (!waiting_) return;
    answers = waiting_;
  }
  // What the workers did just before they answered has been told by now.
  if (!read_beyond(answers->asked + std::chrono::milliseconds{500})) return;
  compare(*answers);
  const std::lock_guard lock{mutex_};
  if (waiting_ && waiting_->asked == answers->asked) waiting_.reset();
}

void Repair::compare(const Answers& answers) {
  std::vector<TaskEvent> unheard;
  live_.with([&](LiveState& state) {
    const WallTime settled = answers.asked - options_.settled;
    for (const auto& [worker, held] : answers.by_worker) {
      for (const TaskEvent& start : held.running) {
        const Task* const known = state.find(start.uuid);
        const bool runs =
            known != nullptr && (known->state == TaskState::Started ||
                                 known->state == TaskState::Custom || is_final(known->state));
        if (!runs && by_our_clock(state, worker, start.origin.timestamp) < settled)
          unheard.push_back(start);
      }
      for (const std::string& id : held.ids) state.set_unknown(TaskId{id}, std::nullopt);
    }
  });
  looked_again_.reset();
  if (!unheard.empty()) {
    log_.info("tasks run of which no event told", {{"tasks", unheard.size()}});
    tell_(std::move(unheard));
  }
  auto doubts = not_held(answers);
  if (doubts.empty()) return;
  const auto held = held_after_all(doubts);
  std::erase_if(doubts, [&](const Doubt& doubt) { return held.contains(doubt.id.str()); });
  settle(doubts);
}

std::vector<Repair::Doubt> Repair::not_held(const Answers& answers) {
  std::set<std::string> held;
  for (const auto& [worker, tasks] : answers.by_worker)
    held.insert(tasks.ids.begin(), tasks.ids.end());
  std::vector<Doubt> doubts;
  live_.with([&](LiveState& state) {
    const WallTime settled = answers.asked - options_.settled;
    const auto is_old = [&](const std::string& worker, WallTime stamped) {
      return answers.by_worker.contains(worker) && by_our_clock(state, worker, stamped) < settled;
    };
    for (auto& [task, version] : state.tasks().held(is_old, options_.most_tasks)) {
      if (held.contains(task.uuid.str())) continue;
      const auto worker = state.workers().find(*task.worker);
      if (worker != state.workers().end()) {
        // What Umbel's worker does not hold any more is back in its queue.
        if (worker->second.state.sw_ident == "umbel") continue;
        // Of two workers of one name only one was heard.
        if (worker->second.twins.seen(clock_.wall())) continue;
      }
      doubts.push_back(
          {task.uuid, version, *task.worker, by_our_clock(state, *task.worker, task.timestamp)});
    }
  });
  return doubts;
}

// Asked again by their ids: a worker tells only so many of what it holds.
std::set<std::string> Repair::held_after_all(const std::vector<Doubt>& doubts) {
  std::set<std::string> held;
  for (std::size_t from = 0; from < doubts.size(); from += options_.at_once) {
    const std::size_t to = std::min(doubts.size(), from + options_.at_once);
    json::array ids;
    std::set<std::string> workers;
    for (std::size_t i = from; i < to; ++i) {
      ids.emplace_back(doubts[i].id.str());
      workers.insert(doubts[i].worker);
    }
    const auto answers = control_.ask({.method = "query_task",
                                       .arguments = {{"ids", std::move(ids)}},
                                       .destination = {workers.begin(), workers.end()}});
    std::set<std::string> said = workers;
    if (answers) {
      for (const auto& [worker, value] : answers->by_node) {
        if (!value.is_object() || value.get_object().contains("error")) continue;
        said.erase(worker);
        for (const auto& [id, where] : value.get_object()) held.insert(std::string{id});
      }
    }
    // Of a worker that did not say, nothing follows.
    for (std::size_t i = from; i < to; ++i) {
      if (said.contains(doubts[i].worker)) held.insert(doubts[i].id.str());
    }
  }
  return held;
}

Result<StoredTask> Repair::ended(const TaskId& id) {
  auto stored = results_.find(id);
  if (stored && is_final(stored->state)) return stored;
  if (!stored && stored.error().code != Errc::NotFound) return stored;
  if (elsewhere_) return elsewhere_(id);
  return not_found("no result is stored");
}

void Repair::settle(const std::vector<Doubt>& doubts) {
  std::vector<TaskEvent> closed;
  std::size_t unknown = 0;
  for (const Doubt& doubt : doubts) {
    const auto stored = ended(doubt.id);
    if (stored && is_final(stored->state)) {
      TaskEvent event = closing_event(*stored);
      if (event.origin.hostname.empty()) event.origin.hostname = doubt.worker;
      closed.push_back(std::move(event));
      continue;
    }
    if (!stored && stored.error().code != Errc::NotFound) continue;  // another time
    const bool marked = live_.with([&](LiveState& state) {
      if (state.tasks().version_of(doubt.id) != doubt.version) return false;
      return state.set_unknown(doubt.id, doubt.known_until);
    });
    if (marked) ++unknown;
  }
  if (!closed.empty()) {
    log_.info("tasks ended without an event; their results say how", {{"tasks", closed.size()}});
    tell_(std::move(closed));
  }
  if (unknown > 0)
    log_.warn("what became of tasks cannot be known", {{"tasks", unknown}, {"of", doubts.size()}});
}

// A worker that says goodbye may still be at what it runs, and store its result afterwards.
void Repair::look_for_late_results() {
  const auto time = clock_.steady();
  if (looked_again_ && time - *looked_again_ < options_.again_every) return;
  looked_again_ = time;
  std::vector<std::pair<TaskId, std::string>> unknown;
  live_.with([&](LiveState& state) {
    state.tasks().each_unknown([&](const Task& task) {
      unknown.emplace_back(task.uuid, task.worker.value_or(""));
      return unknown.size() < options_.most_again;
    });
  });
  std::vector<TaskEvent> closed;
  for (const auto& [id, worker] : unknown) {
    const auto stored = ended(id);
    if (!stored && stored.error().code != Errc::NotFound) break;  // another time
    if (!stored || !is_final(stored->state)) continue;
    TaskEvent event = closing_event(*stored);
    if (event.origin.hostname.empty()) event.origin.hostname = worker;
    closed.push_back(std::move(event));
  }
  if (closed.empty()) return;
  log_.info("results came of tasks of which nobody knew", {{"tasks", closed.size()}});
  tell_(std::move(closed));
}

// A worker that is gone takes what it had started with it, unless its tasks come again by
// themselves, as with Umbel's workers.
void Repair::look_for_lost_workers() {
  const WallTime now = clock_.wall();
  std::map<std::string, WallTime> gone;
  live_.with([&](LiveState& state) {
    const auto read = state.monitor().events_read;
    if (!read || now - *read > std::chrono::seconds{3}) return;  // their signs of life are not seen
    for (const auto& [name, worker] : state.workers()) {
      if (worker.comes_back() || worker.state.status(now) == WorkerStatus::Online) continue;
      if (worker.state.last_seen) gone.emplace(name, *worker.state.last_seen);
    }
  });
  std::set<std::string> fresh;
  for (const auto& [name, seen] : gone) {
    const auto before = mourned_.find(name);
    if (before == mourned_.end() || before->second != seen) fresh.insert(name);
  }
  if (fresh.empty()) {
    mourned_ = std::move(gone);
    return;
  }
  std::vector<Doubt> doubts;
  live_.with([&](LiveState& state) {
    const auto is_gone = [&](const std::string& worker, WallTime) {
      return fresh.contains(worker);
    };
    for (auto& [task, version] : state.tasks().held(is_gone, options_.most_tasks)) {
      // What it had only received was not acknowledged, and is back in its queue.
      if (task.state == TaskState::Received) continue;
      const WallTime last = by_our_clock(state, *task.worker, task.timestamp);
      doubts.push_back({task.uuid, version, *task.worker, std::max(last, gone.at(*task.worker))});
    }
  });
  settle(doubts);
  mourned_ = std::move(gone);
}

}  // namespace umbel::collector
