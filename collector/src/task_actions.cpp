#include "task_actions.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "python_text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

std::optional<CallArguments> checked(const json::value& args, const json::value& kwargs) {
  if (!args.is_array() || !kwargs.is_object()) return std::nullopt;
  return CallArguments{celery::to_json(args), celery::to_json(kwargs)};
}

}  // namespace

std::optional<CallArguments> call_arguments(const Task& task, const KeptArguments& kept) {
  if (kept.body) {
    const auto body = celery::parse_json(*kept.body);
    if (!body || !body->is_array() || body->get_array().size() < 2) return std::nullopt;
    return checked(body->get_array()[0], body->get_array()[1]);
  }
  if (!task.args || !task.kwargs) return std::nullopt;
  const auto args = from_python_text(*task.args);
  const auto kwargs = from_python_text(*task.kwargs);
  if (!args || !kwargs) return std::nullopt;
  return checked(*args, *kwargs);
}

Permission may_retry(const Task& task, bool known, std::uint64_t bytes) {
  if (!task.name || task.name->empty())
    return {.allowed = false, .why = "its name is not known: the events that told it were missed"};
  if (!is_final(task.state) && task.state != TaskState::Rejected && !task.unknown_since)
    return {.allowed = false, .why = "it has not ended; it can be run again once it has"};
  if (!known && bytes > kKeptBody) {
    return {.allowed = false,
            .why = fmt::format("its arguments have {} bytes; at most {} are kept for a retry",
                               bytes, kKeptBody)};
  }
  if (!known) {
    return {.allowed = false,
            .why = "its arguments are not known whole: only a shortened text of them was told"};
  }
  return {.allowed = true, .why = "as a new task of the same name, arguments and queue"};
}

Permission may_revoke(const Task& task) {
  if (task.state == TaskState::Revoked) return {.allowed = false, .why = "it is revoked already"};
  if (is_final(task.state)) return {.allowed = false, .why = "it has ended"};
  if (task.state == TaskState::Rejected)
    return {.allowed = false, .why = "the worker has rejected it, so that it will not run"};
  if (task.state == TaskState::Started || task.state == TaskState::Custom)
    return {.allowed = false, .why = "it runs already; a running task cannot be called off"};
  return {.allowed = true, .why = "it will not start; a worker that comes to it drops it"};
}

Permission may_terminate(const Task& task, const std::string& pool, bool online) {
  if (task.state != TaskState::Started && task.state != TaskState::Custom)
    return {.allowed = false, .why = "it does not run"};
  if (!online) return {.allowed = false, .why = "its worker does not answer"};
  if (pool.empty())
    return {.allowed = false, .why = "its worker has not said in which kind of pool it runs"};
  if (pool != "prefork") {
    return {.allowed = false,
            .why = "it runs in a pool of " + pool + ", where one task cannot be killed alone"};
  }
  return {.allowed = true, .why = "the process that runs it is killed, and the task is revoked"};
}

}  // namespace umbel::collector
