#include "actions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "control_command.hpp"
#include "flower.hpp"
#include "revoking.hpp"
#include "serving_queue.hpp"
#include "task_actions.hpp"
#include "task_detail.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;
using http::error_response;
using http::json_response;
using http::Request;
using http::Response;

constexpr std::size_t kMostIds = 1000;
constexpr std::size_t kMostAudit = 1000;
constexpr std::size_t kLongestDetail = 500;

Result<std::vector<TaskId>> ids_of(const Request& request) {
  const auto wanted = [] {
    return invalid(fmt::format(
        "the body must be a JSON object with the tasks to act on, such as {{\"ids\": [\"…\"]}}; 1 "
        "to {} ids",
        kMostIds));
  };
  const auto body = celery::parse_json(request.body);
  if (!body || !body->is_object()) return wanted();
  const auto* const given = body->get_object().if_contains("ids");
  if (given == nullptr || !given->is_array()) return wanted();
  const auto& list = given->get_array();
  if (list.empty() || list.size() > kMostIds) return wanted();
  std::vector<TaskId> ids;
  for (const auto& each : list) {
    if (!each.is_string() || each.get_string().empty()) return wanted();
    ids.emplace_back(std::string{each.get_string()});
  }
  return ids;
}

Result<Task> find(const ApiParts& parts, const TaskId& id) {
  return whole_task({parts.live, parts.history, parts.clock}, parts.store, id);
}

// The new task's id; or why there is none.
Result<TaskId> retry_one(const ApiParts& parts, const TaskId& id) {
  const auto task = find(parts, id);
  if (!task) return task.error();
  const auto kept = parts.store.results().arguments(id);
  if (!kept) return kept.error();
  auto arguments = call_arguments(*task, *kept);
  const auto may = may_retry(*task, arguments.has_value(), kept->bytes);
  if (!may.allowed) return invalid(may.why);
  TaskRequest request;
  request.name = *task->name;
  request.args = std::move(arguments->args);
  request.kwargs = std::move(arguments->kwargs);
  if (task->queue && !task->queue->empty()) {
    request.queue = QueueName{*task->queue};
  } else {
    request.queue_of_unknown = serving_queue(request.name, parts.inspections.all());
  }
  const auto accepted = parts.enqueuer.submit(std::span{&request, 1});
  if (!accepted) return accepted.error();
  parts.accepted.Increment();
  return accepted->front().id;
}

// Wrong as it was asked, whatever it is about; noted all the same.
Response refused_unseen(const ApiParts& parts, const Request& request, const char* action,
                        const std::string& object, const std::string& why) {
  auto line = audit_entry(parts, request, action, object);
  line.outcome = why;
  note(parts, {line});
  return error_response(400, why);
}

template <class Act>
Response each_of(const ApiParts& parts, const Request& request, const char* action, Act act) {
  const auto ids = ids_of(request);
  if (!ids) return refused_unseen(parts, request, action, "", ids.error().what);
  json::array done, refused;
  std::vector<AuditEntry> lines;
  for (const auto& id : *ids) {
    auto line = audit_entry(parts, request, action, id.str());
    json::object row{{"id", id.str()}};
    if (const auto why = act(id, row, line)) {
      line.outcome = *why;
      row["why"] = *why;
      refused.push_back(std::move(row));
    } else {
      done.push_back(std::move(row));
    }
    lines.push_back(std::move(line));
  }
  note(parts, lines);
  return json_response(
      flower::text(json::object{{"done", std::move(done)}, {"refused", std::move(refused)}}));
}

Response retry(const ApiParts& parts, const Request& request) {
  using Why = std::optional<std::string>;
  return each_of(parts, request, "task.retry",
                 [&](const TaskId& id, json::object& row, AuditEntry& line) -> Why {
                   const auto made = retry_one(parts, id);
                   if (!made) return made.error().what;
                   row["new_id"] = made->str();
                   line.detail = made->str();
                   return std::nullopt;
                 });
}

// `terminate` and `signal` from the body; Flower's from the query or from a form.
Result<RevokeHow> how_of(const std::optional<bool>& terminate,
                         const std::optional<std::string>& signal) {
  RevokeHow how;
  how.terminate = terminate.value_or(false);
  if (!signal || signal->empty()) return how;
  const auto name = signal_name(*signal);
  if (!name) return name.error();
  how.signal = *name;
  return how;
}

Response revoke(const ApiParts& parts, const Request& request) {
  using Why = std::optional<std::string>;
  const auto refused = [&](const std::string& why) {
    return refused_unseen(parts, request, "task.revoke", "", why);
  };
  std::optional<bool> terminate;
  std::optional<std::string> signal;
  if (const auto body = celery::parse_json(request.body); body && body->is_object()) {
    if (const auto* const given = body->get_object().if_contains("terminate")) {
      if (!given->is_bool()) return refused("terminate: allowed is true or false");
      terminate = given->get_bool();
    }
    if (const auto* const given = body->get_object().if_contains("signal")) {
      if (!given->is_string()) return refused("signal: allowed is its name");
      signal = std::string{given->get_string()};
    }
  }
  const auto how = how_of(terminate, signal);
  if (!how) return refused(how.error().what);
  return each_of(parts, request, how->terminate ? "task.terminate" : "task.revoke",
                 [&](const TaskId& id, json::object&, AuditEntry& line) -> Why {
                   if (how->terminate) line.detail = how->signal;
                   const auto done = revoke_task(parts, id, *how);
                   return done ? Why{} : Why{done.error().what};
                 });
}

Response revoke_as_flower(const ApiParts& parts, const Request& request) {
  Request form = request;
  form.query = request.body;
  RevokeHow how;
  const TaskId id{request.parameters.at("id")};
  const auto refused = [&](const std::string& why) {
    return refused_unseen(parts, request, "task.revoke", id.str(), why);
  };
  for (const auto& each : {request, form}) {
    const auto terminate = flower::bool_argument(each, "terminate");
    if (!terminate) return refused(terminate.error().what);
    const auto given = how_of(*terminate, each.argument("signal"));
    if (!given) return refused(given.error().what);
    how.terminate = how.terminate || given->terminate;
    if (each.argument("signal")) how.signal = given->signal;
  }
  auto line =
      audit_entry(parts, request, how.terminate ? "task.terminate" : "task.revoke", id.str());
  if (how.terminate) line.detail = how.signal;
  const auto done = revoke_task(parts, id, how);
  if (!done) line.outcome = done.error().what;
  note(parts, {line});
  if (done) {
    return json_response(flower::text(json::object{{"message", "Revoked '" + id.str() + "'"}}));
  }
  const auto code = done.error().code;
  return error_response(code == Errc::NotFound   ? 404
                        : code == Errc::Conflict ? 409
                        : code == Errc::TimedOut ? 504
                                                 : 503,
                        done.error().what);
}

template <class Number>
Result<Number> number(const Request& request, std::string_view name, Number otherwise,
                      Number most) {
  const auto text = request.argument(name);
  if (!text) return otherwise;
  Number value = 0;
  const auto* const end = text->data() + text->size();
  const auto [rest, failed] = std::from_chars(text->data(), end, value);
  if (failed != std::errc{} || rest != end || value < 1 || value > most) {
    return invalid(
        fmt::format("{}: `{}` is no number between 1 and {}", name, shortened(*text, 40), most));
  }
  return value;
}

Response audit(const ApiParts& parts, const Request& request) {
  const auto limit = number<std::size_t>(request, "limit", 100, kMostAudit);
  if (!limit) return error_response(400, limit.error().what);
  const auto before = number<std::uint64_t>(request, "before", 0, UINT64_MAX >> 1U);
  if (!before) return error_response(400, before.error().what);
  const auto entries =
      parts.store.audit().latest(*limit, *before, request.argument("object").value_or(""));
  if (!entries) return error_response(503, entries.error().what);
  json::array rows;
  for (const auto& entry : *entries) {
    rows.push_back(json::object{{"id", entry.id},
                                {"at", to_unix_seconds(entry.at)},
                                {"who", entry.who},
                                {"action", entry.action},
                                {"object", entry.object},
                                {"detail", entry.detail},
                                {"outcome", entry.outcome}});
  }
  json::value next = nullptr;
  if (entries->size() == *limit && entries->back().id > 1) next = entries->back().id;
  return json_response(flower::text(json::object{
      {"entries", std::move(rows)}, {"next", next}, {"now", to_unix_seconds(parts.clock.wall())}}));
}

}  // namespace

AuditEntry audit_entry(const ApiParts& parts, const Request& request, std::string action,
                       std::string object) {
  return {.at = parts.clock.wall(),
          .who = request.remote_address,
          .action = std::move(action),
          .object = shortened(object, kLongestDetail),
          .detail = {},
          .outcome = kDone};
}

void note(const ApiParts& parts, const std::vector<AuditEntry>& entries) {
  const auto noted = parts.store.audit().add(entries);
  if (noted) return;
  parts.log.warn("actions could not be noted in the audit log", {{"actions", entries.size()},
                                                                 {"first", entries.front().action},
                                                                 {"why", noted.error().what}});
}

void add_action_routes(http::Router& router, const ApiParts& parts) {
  const auto add = [&](const char* method, const char* path, auto handler) {
    router.add(method, path, [parts, handler](const Request& request) {
      if (auto no = refuse_if_closed(parts.closed)) return *no;
      return handler(parts, request);
    });
  };
  add("POST", "/api/tasks/retry", retry);
  add("POST", "/api/tasks/revoke", revoke);
  add("POST", "/api/task/revoke/<id>", revoke_as_flower);
  add("GET", "/api/audit", audit);
}

}  // namespace umbel::collector
