#include "task_detail.hpp"

#include "attempts.hpp"
#include "flower.hpp"
#include "python_text.hpp"
#include "sections.hpp"
#include "task_actions.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;

constexpr std::size_t kMostChildren = 100;
constexpr std::size_t kMostMoments = 1000;
constexpr std::size_t kLongestTraceback = 64 * 1024;
// A tick's task is accepted when the tick is due, or when a scheduler comes back soon afterwards.
constexpr auto kTickBefore = std::chrono::hours{49};
constexpr auto kTickAfter = std::chrono::minutes{5};

json::value seconds(const std::optional<WallTime>& time) {
  return time ? json::value(to_unix_seconds(*time)) : json::value(nullptr);
}

json::value words(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value(nullptr);
}

json::value words_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

void add_missing(const Task& from, Task& to) {
  const auto add = [](const auto& source, auto& target) {
    if (!target) target = source;
  };
  add(from.name, to.name);
  add(from.args, to.args);
  add(from.kwargs, to.kwargs);
  add(from.eta, to.eta);
  add(from.expires, to.expires);
  add(from.result, to.result);
  add(from.exception, to.exception);
  add(from.traceback, to.traceback);
}

bool has_all_texts(const Task& task) {
  const bool ended = is_final(task.state);
  const bool traced = task.state != TaskState::Failure || task.traceback;
  return task.args && task.kwargs && (task.result || task.exception || !ended) && traced;
}

Task as_accepted(const StoredTask& stored) {
  Task task;
  task.uuid = stored.id;
  task.state = stored.state;
  if (!stored.name.empty()) task.name = stored.name;
  if (!stored.queue.str().empty()) task.queue = stored.queue.str();
  if (!stored.worker.empty()) task.worker = stored.worker;
  task.runtime = stored.runtime;
  task.sent = stored.accepted;
  if (!stored.traceback.empty()) task.traceback = stored.traceback;
  const auto done = stored.done;
  if (stored.state == TaskState::Success) task.succeeded = done;
  if (stored.state == TaskState::Failure) task.failed = done;
  if (stored.state == TaskState::Revoked) task.revoked = done;
  task.timestamp = done ? *done : stored.accepted.value_or(WallTime{});
  return task;
}

json::object task_object(const Task& task) {
  json::object object = found_row(task);
  const auto traceback =
      task.traceback ? std::optional{shortened(*task.traceback, kLongestTraceback)} : std::nullopt;
  object["traceback"] = words(traceback);
  object["expires"] = words(task.expires);
  object["root_id"] = words(task.root_id);
  object["parent_id"] = words(task.parent_id);
  object["routing_key"] = words(task.routing_key);
  object["exchange"] = words(task.exchange);
  object["client"] = words(task.client);
  object["revoked"] = seconds(task.revoked);
  object["rejected"] = seconds(task.rejected);
  object["retried"] = seconds(task.retried);
  return object;
}

json::value from_text(const std::optional<std::string>& text) {
  if (!text) return nullptr;
  return from_python_text(*text).value_or(nullptr);
}

// Of the message that it was accepted with, the whole arguments; else of what events told.
json::object values_of(const Task& task, const KeptArguments& kept,
                       const std::optional<StoredTask>& stored) {
  json::object values{{"args", from_text(task.args)},
                      {"kwargs", from_text(task.kwargs)},
                      {"result", from_text(task.result)}};
  if (kept.body) {
    const auto body = celery::parse_json(*kept.body);
    if (body && body->is_array() && body->get_array().size() >= 2) {
      values["args"] = body->get_array()[0];
      values["kwargs"] = body->get_array()[1];
    }
  }
  if (stored && is_final(stored->state) && !stored->result.empty()) {
    if (auto result = celery::parse_json(stored->result)) values["result"] = std::move(*result);
  }
  return values;
}

json::array attempt_rows(const std::vector<Attempt>& attempts) {
  json::array rows;
  for (const Attempt& attempt : attempts) {
    rows.push_back(json::object{{"n", rows.size() + 1},
                                {"worker", words_or_null(attempt.worker)},
                                {"received", seconds(attempt.received)},
                                {"started", seconds(attempt.started)},
                                {"ended", seconds(attempt.ended)},
                                {"outcome", to_text(attempt.outcome)},
                                {"detail", words_or_null(attempt.detail)}});
  }
  return rows;
}

json::array moment_rows(const std::vector<Moment>& moments) {
  json::array rows;
  for (const Moment& moment : moments) {
    if (rows.size() == kMostMoments) break;
    rows.push_back(json::object{{"at", to_unix_seconds(moment.at)},
                                {"type", moment.type},
                                {"worker", words_or_null(moment.worker)},
                                {"detail", words_or_null(moment.detail)}});
  }
  return rows;
}

json::object permission(const Permission& permission) {
  return {{"allowed", permission.allowed}, {"why", permission.why}};
}

json::value schedule_of(Store& store, const TaskId& id, const std::optional<StoredTask>& stored) {
  if (!stored || !stored->accepted) return nullptr;
  const auto tick =
      store.ticks().of_task(id, *stored->accepted - kTickBefore, *stored->accepted + kTickAfter);
  if (!tick || !*tick) return nullptr;
  return json::object{{"name", (*tick)->schedule}, {"due", to_unix_seconds((*tick)->due)}};
}

json::array children_of(const SearchParts& parts, const TaskId& id) {
  TaskQuery query{.order = TaskOrder::Oldest};
  query.terms.push_back({.field = TaskField::Parent, .texts = {id.str()}});
  SearchOptions options;
  options.limit = kMostChildren;
  json::array rows;
  if (const auto page = search_page(parts, query, options)) {
    for (const Task& child : page->tasks) rows.push_back(found_row(child));
  }
  return rows;
}

json::value parent_of(const DetailParts& parts, const Task& task) {
  if (!task.parent_id || task.parent_id->empty()) return nullptr;
  const auto parent = whole_task(parts.search, parts.store, TaskId{*task.parent_id});
  return parent ? json::value(found_row(*parent)) : json::value(nullptr);
}

}  // namespace

Result<Task> whole_task(const SearchParts& parts, Store& store, const TaskId& id) {
  auto live = parts.live.with([&](LiveState& state) {
    const Task* const known = state.find(id);
    return known == nullptr ? std::nullopt : std::optional{*known};
  });
  if (live && has_all_texts(*live)) return std::move(*live);
  auto kept = parts.history.find(id);
  if (live) {
    if (kept) add_missing(*kept, *live);
    return std::move(*live);
  }
  if (kept || kept.error().code != Errc::NotFound) return kept;
  const auto stored = store.results().find(id);
  if (stored) return as_accepted(*stored);
  if (stored.error().code != Errc::NotFound) return stored.error();
  return not_found("no task has the id " + shortened(id.str(), 80));
}

http::Response task_detail(const DetailParts& parts, const http::Request& request) {
  const TaskId id{request.parameters.at("id")};
  const auto task = whole_task(parts.search, parts.store, id);
  if (!task)
    return error_response(task.error().code == Errc::NotFound ? 404 : 503, task.error().what);
  auto timeline = parts.search.history.timeline(id);
  if (!timeline) return error_response(503, timeline.error().what);
  std::optional<StoredTask> stored;
  if (auto found = parts.store.results().find(id)) stored = std::move(*found);
  KeptArguments kept;
  if (auto found = parts.store.results().arguments(id)) kept = std::move(*found);
  const json::object values = values_of(*task, kept, stored);
  const auto [pool, online] = parts.search.live.with([&, now = parts.search.clock.wall()](
                                                         LiveState& state) {
    const auto worker = state.workers().find(task->worker.value_or(""));
    if (worker == state.workers().end()) return std::pair{std::string{}, false};
    return std::pair{worker->second.pool, worker->second.state.status(now) == WorkerStatus::Online};
  });
  json::object answer;
  answer["task"] = task_object(*task);
  answer["values"] = values;
  answer["children"] = children_of(parts.search, id);
  answer["parent"] = parent_of(parts, *task);
  answer["accepted"] = stored ? seconds(stored->accepted) : json::value(nullptr);
  answer["schedule"] = schedule_of(parts.store, id, stored);
  answer["attempts"] = attempt_rows(attempts_of(*timeline, *task));
  answer["moments"] = moment_rows(*timeline);
  answer["can"] = json::object{
      {"retry", permission(may_retry(*task, call_arguments(*task, kept).has_value(), kept.bytes))},
      {"revoke", permission(may_revoke(*task))},
      {"terminate", permission(may_terminate(*task, pool, online))}};
  answer["now"] = to_unix_seconds(parts.search.clock.wall());
  return http::json_response(flower::text(answer));
}

}  // namespace umbel::collector
