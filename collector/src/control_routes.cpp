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

// How much they may lose depends on what they have at this moment.
void look_at_pools(const ApiParts& parts, const std::vector<std::string>& workers) {
  std::vector<std::string> known;
  for (const std::string& name : workers) {
    if (known_worker(parts, name).known) known.push_back(name);
  }
  if (!known.empty()) (void)parts.inspector.inspect(known);
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

// Who asked for what of which worker, and why it was not even asked.
void note_refused(const ApiParts& parts, const Request& request, const std::string& action,
                  const std::string& object, const std::string& why) {
  auto line = audit_entry(parts, request, action, object);
  line.outcome = why;
  note(parts, {line});
}

struct Wanted {  // of one worker
  std::string worker;
  ControlCommand command;
};

// What each worker answered, all asked at the same time; an error of the code Conflict is its own
// refusal.
std::vector<Result<std::string>> carry_out(const ApiParts& parts,
                                           const std::vector<Wanted>& wanted) {
  std::vector<ControlQuestion> questions;
  std::vector<Result<std::string>> done;
  for (const auto& [worker, command] : wanted) {
    ControlQuestion question{command.method, command.arguments, {worker}};
    if (command.replies) {
      questions.push_back(std::move(question));
      done.emplace_back(command.done);
      continue;
    }
    const auto told = parts.control.tell(question);
    done.push_back(told ? Result<std::string>{command.done} : Result<std::string>{told.error()});
  }
  if (questions.empty()) return done;
  const auto answers = parts.control.ask_all(std::move(questions));
  std::vector<std::string> agreed;
  auto answer = answers.begin();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& [worker, command] = wanted[i];
    if (!command.replies) continue;
    const auto& told = *answer++;
    if (!told) {
      done[i] = told.error();
      continue;
    }
    auto said = answer_of(told->by_node.begin()->second);
    if (!said || command.done.empty()) done[i] = said;
    if (!said) continue;
    agreed.push_back(worker);
    if (command.method == "enable_events")
      parts.live.with([&](LiveState& state) { state.set_silent(worker, false); });
  }
  // What they said of themselves before is out of date.
  if (!agreed.empty()) (void)parts.inspector.inspect(agreed);
  for (const std::string& worker : agreed) parts.inspector.again(worker);
  return done;
}

std::vector<Result<std::string>> act(const ApiParts& parts, const Request& request,
                                     const std::string& action, const std::vector<Wanted>& wanted) {
  std::vector<AuditEntry> lines;
  for (const auto& [worker, command] : wanted) {
    auto line = audit_entry(parts, request, "worker." + action, worker);
    line.detail = command.detail;
    lines.push_back(std::move(line));
  }
  auto done = carry_out(parts, wanted);
  for (std::size_t i = 0; i < done.size(); ++i) {
    if (!done[i]) lines[i].outcome = done[i].error().what;
  }
  note(parts, lines);
  return done;
}

int status_of(const Error& wrong) { return wrong.code == Errc::Conflict ? 409 : 400; }

Response as_flower(const ApiParts& parts, const Request& request, const std::string& action,
                   const std::string& worker, const Given& given) {
  const auto refused = [&](const std::string& why) {
    note_refused(parts, request, "worker." + action, worker, why);
  };
  if (action == "shrink") look_at_pools(parts, {worker});
  const Known known = known_worker(parts, worker);
  if (!known.known) {
    refused("no worker has this name");
    return plain(404, "Unknown worker '" + worker + "'");
  }
  auto command = control_command(action, worker, given, known.slots);
  if (!command) {
    refused(command.error().what);
    return error_response(status_of(command.error()), command.error().what);
  }
  const std::string failed = command->failed;
  const auto done = std::move(act(parts, request, action, {{worker, std::move(*command)}}).front());
  if (done) return json_response(flower::text(json::object{{"message", *done}}));
  if (done.error().code == Errc::Unavailable) return error_response(503, done.error().what);
  return plain(403, failed + done.error().what);
}

// The task stands in the path, the worker among the arguments.
Response limit_as_flower(const ApiParts& parts, const Request& request, const std::string& action) {
  const Given given = given_by(request);
  const auto worker = given("workername");
  if (!worker || worker->empty()) {
    const std::string why = "argument workername is missing: the name of a worker";
    note_refused(parts, request, "worker." + action, "", why);
    return error_response(400, why);
  }
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
  std::string action;
  const auto refused = [&](int status, const std::string& worker, const std::string& why) {
    note_refused(parts, request, "worker." + (action.empty() ? "control" : shortened(action, 60)),
                 worker, why);
    return error_response(status, why);
  };
  const auto body = body_of(request, R"({"action": "grow", "workers": ["celery@host"], "n": 2})");
  if (!body) return refused(400, "", body.error().what);
  const Given given = [&](std::string_view name) -> std::optional<std::string> {
    const auto* const value = body->if_contains(name);
    return value == nullptr ? std::nullopt : text_of(*value);
  };
  action = given("action").value_or("");
  const auto* const list = body->if_contains("workers");
  if (list == nullptr || !list->is_array() || list->get_array().empty() ||
      list->get_array().size() > kMostWorkers) {
    return refused(400, "",
                   fmt::format("workers: allowed is a list of 1 to {} names", kMostWorkers));
  }
  std::vector<std::string> workers;
  for (const json::value& each : list->get_array())
    workers.emplace_back(each.is_string() ? std::string_view{each.get_string()} : "");
  if (action == "shrink") look_at_pools(parts, workers);
  std::vector<Wanted> wanted;
  for (const std::string& worker : workers) {
    const Known known = known_worker(parts, worker);
    if (!known.known)
      return refused(404, worker, "no worker is named `" + shortened(worker, 80) + "`");
    auto command = control_command(action, worker, given, known.slots);
    if (!command) return refused(status_of(command.error()), worker, command.error().what);
    wanted.push_back({worker, std::move(*command)});
  }
  const auto done = act(parts, request, action, wanted);
  json::array rows;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    rows.push_back(answer_row(wanted[i].worker, done[i]));
  return json_response(flower::text(
      json::object{{"answers", std::move(rows)}, {"now", to_unix_seconds(parts.clock.wall())}}));
}

Response purge(const ApiParts& parts, const Request& request) {
  const auto refused = [&](const std::string& why) {
    note_refused(parts, request, "queue.purge", "", why);
    return error_response(400, why);
  };
  const auto body = body_of(request, R"({"queue": "celery"})");
  if (!body) return refused(body.error().what);
  const auto* const name = body->if_contains("queue");
  if (name == nullptr || !name->is_string() || name->get_string().empty())
    return refused("queue: allowed is the name of one");
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
