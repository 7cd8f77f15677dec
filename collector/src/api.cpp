#include "api.hpp"

#include <boost/json.hpp>

#include "apply_request.hpp"
#include "flower.hpp"
#include "inspector.hpp"
#include "serving_queue.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;
using http::json_response;
using http::Request;
using http::Response;

constexpr std::size_t kLongestName = 255;

// The one place that turns an error into an HTTP status.
Response refused(const Error& error, int when_invalid = 400) {
  switch (error.code) {
    case Errc::NotFound:
      return error_response(404, error.what);
    case Errc::Invalid:
      return error_response(when_invalid, error.what);
    case Errc::Conflict:
      return error_response(409, error.what);
    case Errc::TimedOut:
      return error_response(504, error.what);
    default: {
      Response response = error_response(503, error.what);
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
  }
}

// Of an acceptance: what was asked may or may not have been done, or was not, and why.
Response not_accepted(const Error& error, const TaskRequest& task) {
  const Error said{
      error.code,
      error.code == Errc::OutcomeUnknown
          ? "the store gave no answer, so that the task may or may not have been accepted" +
                std::string{task.id ? "; send the same task_id again" : ""} + ": " + error.what
      : error.code == Errc::Unavailable || error.code == Errc::TimedOut
          ? "the store does not answer, so that no task can be accepted: " + error.what
          : error.what};
  return refused(said, 422);
}

json::value value_of(const std::string& text) {
  if (text.empty()) return nullptr;
  const auto parsed = celery::parse_json(text);
  return parsed ? *parsed : json::value(text);
}

std::string status_text(const TaskId& id, json::value result, std::string_view status) {
  return flower::text(
      json::object{{"id", id.str()}, {"result", std::move(result)}, {"status", status}});
}

// What events tell of an end is a display text; a stored result is the value itself.
json::value shown_result(const Task& task) {
  const auto& text = task.state == TaskState::Failure ? task.exception : task.result;
  return text ? json::value(*text) : json::value(nullptr);
}

// Conflict: the id belongs to a task of another name.
Result<AcceptedHandle> accept(const ApiParts& parts, TaskRequest& task) {
  if (!task.queue) task.queue_of_unknown = serving_queue(task.name, parts.inspections.all());
  auto accepted = parts.enqueuer.submit(std::span{&task, 1});
  if (!accepted) return accepted.error();
  AcceptedHandle& handle = accepted->front();
  if (handle.fresh) {
    parts.accepted.Increment();
    return std::move(handle);
  }
  const auto known = parts.store.results().find(handle.id);
  if (known && !known->name.empty() && known->name != task.name) {
    return Error{Errc::Conflict, "the task_id " + shortened(handle.id.str(), 80) +
                                     " belongs to a task named `" + known->name + "`"};
  }
  return std::move(handle);
}

Response submit(const ApiParts& parts, const Request& request) {
  const std::string& name = request.parameters.at("name");
  if (name.size() > kLongestName) {
    return error_response(
        400, "the task's name is longer than " + std::to_string(kLongestName) + " bytes");
  }
  TaskRequest task;
  task.name = name;
  if (request.body.find_first_not_of(" \t\r\n") != std::string::npos) {
    const auto body = celery::parse_json(request.body);
    if (!body) return error_response(400, "the body is not JSON: " + body.error().what);
    if (!body->is_object()) {
      return error_response(
          400, "the body must be a JSON object of the task's arguments, such as {\"x\": 1}");
    }
    task.kwargs = celery::to_json(*body);
  }
  const auto accepted = accept(parts, task);
  if (!accepted) return not_accepted(accepted.error(), task);
  return json_response(flower::text(json::object{
      {"task", json::object{
                   {"id", accepted->id.str()}, {"name", accepted->name}, {"status", "PENDING"}}}}));
}

// Flower's async-apply and send-task; here both check what the catalogue knows.
Response apply(const ApiParts& parts, const Request& request) {
  auto task = apply_request(request.parameters.at("name"), request.body, parts.clock.wall());
  if (!task) return refused(task.error());
  const auto accepted = accept(parts, *task);
  if (!accepted) return not_accepted(accepted.error(), *task);
  return json_response(
      flower::text(json::object{{"task-id", accepted->id.str()}, {"state", "PENDING"}}));
}

Response status(const ApiParts& parts, const Request& request) {
  const auto text =
      task_status(parts.store, parts.history, parts.live, TaskId{request.parameters.at("id")});
  return text ? json_response(*text) : refused(text.error());
}

// Of those that are online, or one of them. Nobody being there is no error.
Result<void> ask_workers(const ApiParts& parts, const std::string& wanted) {
  const bool somebody = parts.live.with([&, now = parts.clock.wall()](LiveState& state) {
    for (const auto& [name, worker] : state.workers()) {
      if ((wanted.empty() || wanted == name) && worker.state.status(now) == WorkerStatus::Online)
        return true;
    }
    return false;
  });
  if (!somebody) return {};
  return parts.inspector.inspect(wanted.empty() ? std::vector<std::string>{} : std::vector{wanted});
}

Response list_workers(const ApiParts& parts, const Request& request) {
  const auto refresh = flower::bool_argument(request, "refresh");
  if (!refresh) return refused(refresh.error());
  const auto only_status = flower::bool_argument(request, "status");
  if (!only_status) return refused(only_status.error());
  const std::string wanted = request.argument("workername").value_or("");
  if (*refresh) {
    const auto asked = ask_workers(parts, wanted);
    if (!asked) return refused(asked.error());
  }
  const WallTime now = parts.clock.wall();
  if (*only_status) {
    return json_response(flower::text(parts.live.with([&](LiveState& state) {
      json::object answer;
      for (const auto& [name, worker] : state.workers()) {
        answer.emplace(name, worker.state.status(now) == WorkerStatus::Online);
      }
      return answer;
    })));
  }
  const auto catalogue = parts.store.catalogue().all();
  if (!catalogue) return refused(catalogue.error());
  const auto inspections = parts.inspections.all();
  const json::object answer = parts.live.with([&](LiveState& state) {
    json::object workers;
    for (const auto& [name, worker] : state.workers()) {
      if (!wanted.empty() && wanted != name) continue;
      const auto told = inspections.find(name);
      workers.emplace(
          name, flower::worker(
                    worker, told == inspections.end() ? std::nullopt : std::optional{told->second},
                    *catalogue));
    }
    return workers;
  });
  if (!wanted.empty() && answer.empty()) {
    Response unknown;
    unknown.status = 404;
    unknown.body = "Unknown worker '" + wanted + "'";
    return unknown;
  }
  return json_response(flower::text(answer));
}

Response list_tasks(const ApiParts& parts, const Request& request) {
  const auto query = flower::task_query(request);
  if (!query) return refused(query.error());
  return json_response(flower::text(
      parts.live.with([&](LiveState& state) { return flower::tasks(state, *query); })));
}

// The live state lets go of the long texts of tasks that have not changed for a while.
void add_texts_from_history(History& history, Task& task) {
  if (task.args && task.kwargs && (task.result || task.exception || !is_final(task.state))) return;
  const auto kept = history.find(task.uuid);
  if (!kept) return;
  const auto add = [](const std::optional<std::string>& from, std::optional<std::string>& to) {
    if (!to) to = from;
  };
  add(kept->args, task.args);
  add(kept->kwargs, task.kwargs);
  add(kept->eta, task.eta);
  add(kept->expires, task.expires);
  add(kept->result, task.result);
  add(kept->exception, task.exception);
  add(kept->traceback, task.traceback);
}

Response task_info(const ApiParts& parts, const Request& request) {
  const TaskId id{request.parameters.at("id")};
  auto task = parts.live.with([&](LiveState& state) {
    const Task* const known = state.find(id);
    return known == nullptr ? std::nullopt : std::optional{*known};
  });
  if (task) {
    add_texts_from_history(parts.history, *task);
  } else {
    auto kept = parts.history.find(id);
    if (!kept) return refused(kept.error());
    task = std::move(*kept);
  }
  const auto dict = parts.live.with(
      [&](LiveState& state) { return flower::task_dict(*task, flower::children_of(state)); });
  return json_response(flower::text(dict));
}

Response list_targets(const ApiParts& parts) {
  return json_response(flower::text(parts.live.with(
      [&](LiveState& state) { return targets(state, parts.static_targets, parts.clock.wall()); })));
}

}  // namespace

std::optional<Response> refuse_if_closed(bool closed) {
  if (!closed) return std::nullopt;
  return error_response(
      401,
      "this collector is reachable from other machines and has no authentication "
      "configured, so the API is "
      "closed; start it with --address 127.0.0.1 to open it to this machine, or with "
      "--unauthenticated-api to open it to whoever reaches it");
}

Result<std::string> task_status(Store& store, History& history, Live& live, const TaskId& id) {
  auto stored = store.results().find(id);
  if (!stored && stored.error().code != Errc::NotFound) return stored.error();
  if (stored && is_final(stored->state)) {
    return status_text(id, value_of(stored->result), to_text(stored->state));
  }
  auto task = live.with([&](LiveState& state) {
    const Task* const known = state.find(id);
    return known == nullptr ? std::nullopt : std::optional{*known};
  });
  if (task) {
    // A task that runs again after an ended run stands in the store as it is now.
    if (is_final(task->state)) add_texts_from_history(history, *task);
    return status_text(id, shown_result(*task), task->state_text());
  }
  if (stored) return status_text(id, nullptr, to_text(stored->state));
  const auto kept = history.find(id);
  if (kept) return status_text(id, shown_result(*kept), kept->state_text());
  if (kept.error().code != Errc::NotFound) return kept.error();
  return not_found("no task has the id " + shortened(id.str(), 80));
}

void add_api_routes(http::Router& router, const ApiParts& parts) {
  // `parts` is copied into each handler: it holds references and small values.
  const auto add = [&](const char* method, const char* path, bool guarded, auto handler) {
    router.add(method, path, [parts, guarded, handler](const Request& request) {
      if (guarded) {
        if (auto no = refuse_if_closed(parts.closed)) return *no;
      }
      return handler(parts, request);
    });
  };
  add("GET", "/", false,
      [](const ApiParts& p, const Request& r) { return serve_asset(p.assets, r); });
  add("GET", "/assets/<file...>", false,
      [](const ApiParts& p, const Request& r) { return serve_asset(p.assets, r); });
  for (const Asset& asset : parts.assets) {  // files beside the page, such as its icon
    if (asset.path.starts_with("/assets/")) continue;
    add("GET", std::string{asset.path}.c_str(), false,
        [](const ApiParts& p, const Request& r) { return serve_asset(p.assets, r); });
  }
  add("POST", "/task/<name>", true, submit);
  add("POST", "/api/task/async-apply/<name>", true, apply);
  add("POST", "/api/task/send-task/<name>", true, apply);
  add("GET", "/task/status/<id>", false, status);
  add("GET", "/api/workers", true, list_workers);
  add("GET", "/api/tasks", true, list_tasks);
  add("GET", "/api/task/info/<id>", true, task_info);
  add("GET", "/api/overview", true,
      [](const ApiParts& p, const Request&) { return json_response(p.stream.overview()); });
  add("GET", "/api/live", true, [](const ApiParts&, const Request&) {
    return error_response(426, "this is a WebSocket; /api/overview answers the same once");
  });
  add("GET", "/api/prometheus/targets", false,
      [](const ApiParts& p, const Request&) { return list_targets(p); });
}

}  // namespace umbel::collector
