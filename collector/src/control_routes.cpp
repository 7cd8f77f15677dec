#include "control_routes.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "actions.hpp"
#include "control_command.hpp"
#include "flower.hpp"
#include "inspector.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;
using http::json_response;
using http::Request;
using http::Response;

constexpr std::size_t kMostWorkers = 100;  // of one request

Response plain(int status, std::string text) {
  Response response;
  response.status = status;
  response.body = std::move(text);
  return response;
}

struct Known {
  bool known = false;
  std::int64_t slots = 0;
};

Known known_worker(const ApiParts& parts, const std::string& name) {
  return parts.live.with([&](LiveState& state) {
    const auto found = state.workers().find(name);
    if (found == state.workers().end()) return Known{};
    return Known{true, found->second.state.slots};
  });
}

// Of the query, else of a form.
Given given_by(const Request& request) {
  return [&request, form = [&] {
    Request copy;
    copy.query = request.body;
    return copy;
  }()](std::string_view name) {
    auto value = request.argument(name);
    return value ? value : form.argument(name);
  };
}

// What the worker answered; an error of the code Conflict is its own refusal.
Result<std::string> carry_out(const ApiParts& parts, const std::string& worker,
                              const ControlCommand& command) {
  ControlQuestion question{command.method, command.arguments, {worker}};
  if (!command.replies) {
    const auto told = parts.control.tell(question);
    if (!told) return told.error();
    return command.done;
  }
  const auto answers = parts.control.ask(std::move(question));
  if (!answers) return answers.error();
  auto said = answer_of(answers->by_node.begin()->second);
  if (!said) return said.error();
  // What it said of itself before is out of date.
  (void)parts.inspector.inspect({worker});
  parts.inspector.again(worker);
  return command.done.empty() ? *said : command.done;
}

Result<std::string> act(const ApiParts& parts, const Request& request, const std::string& action,
                        const std::string& worker, const ControlCommand& command) {
  auto line = audit_entry(parts, request, "worker." + action, worker);
  line.detail = command.detail;
  auto done = carry_out(parts, worker, command);
  if (!done) line.outcome = done.error().what;
  note(parts, {line});
  return done;
}

Response as_flower(const ApiParts& parts, const Request& request, const std::string& action,
                   const std::string& worker, const Given& given) {
  const Known known = known_worker(parts, worker);
  if (!known.known) return plain(404, "Unknown worker '" + worker + "'");
  const auto command = control_command(action, worker, given, known.slots);
  if (!command)
    return error_response(command.error().code == Errc::Conflict ? 409 : 400, command.error().what);
  const auto done = act(parts, request, action, worker, *command);
  if (done) return json_response(flower::text(json::object{{"message", *done}}));
  if (done.error().code == Errc::Unavailable) return error_response(503, done.error().what);
  return plain(403, command->failed + done.error().what);
}

// The task stands in the path, the worker among the arguments.
Response limit_as_flower(const ApiParts& parts, const Request& request, const std::string& action) {
  const Given given = given_by(request);
  const auto worker = given("workername");
  if (!worker || worker->empty())
    return error_response(400, "argument workername is missing: the name of a worker");
  const std::string& task = request.parameters.at("name");
  return as_flower(parts, request, action, *worker, [&](std::string_view name) {
    return name == "task" ? std::optional{task} : given(name);
  });
}

json::object answer_row(const std::string& worker, const Result<std::string>& done) {
  json::object row{{"worker", worker}, {"ok", nullptr}, {"error", nullptr}};
  if (done) {
    row["ok"] = *done;
  } else {
    row["error"] = done.error().what;
  }
  return row;
}

std::optional<std::string> text_of(const json::value& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_string()) return std::string{value.get_string()};
  return json::serialize(value);
}

Result<json::object> body_of(const Request& request, const char* example) {
  auto body = celery::parse_json(request.body);
  if (!body || !body->is_object())
    return invalid(std::string{"the body must be a JSON object such as "} + example);
  return std::move(body->get_object());
}

Response control(const ApiParts& parts, const Request& request) {
  const auto body = body_of(request, R"({"action": "grow", "workers": ["celery@host"], "n": 2})");
  if (!body) return error_response(400, body.error().what);
  const Given given = [&](std::string_view name) -> std::optional<std::string> {
    const auto* const value = body->if_contains(name);
    return value == nullptr ? std::nullopt : text_of(*value);
  };
  const std::string action = given("action").value_or("");
  const auto* const list = body->if_contains("workers");
  if (list == nullptr || !list->is_array() || list->get_array().empty() ||
      list->get_array().size() > kMostWorkers) {
    return error_response(400,
                          fmt::format("workers: allowed is a list of 1 to {} names", kMostWorkers));
  }
  std::vector<std::pair<std::string, ControlCommand>> wanted;
  for (const json::value& each : list->get_array()) {
    const std::string worker{each.is_string() ? std::string_view{each.get_string()} : ""};
    const Known known = known_worker(parts, worker);
    if (!known.known)
      return error_response(404, "no worker is named `" + shortened(worker, 80) + "`");
    auto command = control_command(action, worker, given, known.slots);
    if (!command)
      return error_response(command.error().code == Errc::Conflict ? 409 : 400,
                            command.error().what);
    wanted.emplace_back(worker, std::move(*command));
  }
  json::array rows;
  for (const auto& [worker, command] : wanted)
    rows.push_back(answer_row(worker, act(parts, request, action, worker, command)));
  return json_response(flower::text(
      json::object{{"answers", std::move(rows)}, {"now", to_unix_seconds(parts.clock.wall())}}));
}

Response purge(const ApiParts& parts, const Request& request) {
  const auto body = body_of(request, R"({"queue": "celery"})");
  if (!body) return error_response(400, body.error().what);
  const auto* const name = body->if_contains("queue");
  if (name == nullptr || !name->is_string() || name->get_string().empty())
    return error_response(400, "queue: allowed is the name of one");
  const std::string queue{name->get_string()};
  auto line = audit_entry(parts, request, "queue.purge", queue);
  const auto gone = parts.broker.purge(QueueName{queue});
  if (gone) {
    line.detail = fmt::format("{} tasks", *gone);
  } else {
    line.outcome = gone.error().what;
  }
  note(parts, {line});
  if (!gone) {
    const auto code = gone.error().code;
    return error_response(code == Errc::NotFound  ? 404
                          : code == Errc::Invalid ? 400
                                                  : 503,
                          gone.error().what);
  }
  return json_response(
      flower::text(json::object{{"purged", *gone}, {"now", to_unix_seconds(parts.clock.wall())}}));
}

}  // namespace

void add_control_routes(http::Router& router, const ApiParts& parts) {
  const auto add = [&](const char* path, auto handler) {
    router.add("POST", path, [parts, handler](const Request& request) {
      if (auto no = refuse_if_closed(parts.closed)) return *no;
      return handler(parts, request);
    });
  };
  static constexpr std::pair<const char*, const char*> kFlower[]{
      {"/api/worker/shutdown/<name...>", "shutdown"},
      {"/api/worker/pool/restart/<name...>", "restart_pool"},
      {"/api/worker/pool/grow/<name...>", "grow"},
      {"/api/worker/pool/shrink/<name...>", "shrink"},
      {"/api/worker/pool/autoscale/<name...>", "autoscale"},
      {"/api/worker/queue/add-consumer/<name...>", "add_consumer"},
      {"/api/worker/queue/cancel-consumer/<name...>", "cancel_consumer"}};
  for (const auto& [path, action] : kFlower) {
    add(path, [action = std::string{action}](const ApiParts& p, const Request& r) {
      return as_flower(p, r, action, r.parameters.at("name"), given_by(r));
    });
  }
  add("/api/task/timeout/<name...>",
      [](const ApiParts& p, const Request& r) { return limit_as_flower(p, r, "time_limit"); });
  add("/api/task/rate-limit/<name...>",
      [](const ApiParts& p, const Request& r) { return limit_as_flower(p, r, "rate_limit"); });
  add("/api/control", control);
  add("/api/queues/purge", purge);
}

}  // namespace umbel::collector
