#include "held_task.hpp"

#include "umbel/base/text.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

constexpr int kTimerPriority = 6;  // of Celery's timer for tasks with an eta, always

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string{value.get_string()} : celery::repr(value);
}

}  // namespace

HeldTask held_task(const Job& job) {
  const auto& task = job.task;
  HeldTask held;
  held.id = task.id.str();
  held.type = task.task;
  held.name = task.shadow.empty() ? task.task : task.shadow;
  held.args = task.args;
  held.kwargs = task.kwargs;
  held.argsrepr = task.argsrepr.empty() ? celery::repr_args(task.args) : task.argsrepr;
  held.kwargsrepr = task.kwargsrepr.empty() ? celery::repr_kwargs(task.kwargs) : task.kwargsrepr;
  held.queue = job.queue.str();
  held.priority = task.priority;
  held.redelivered = job.redelivered;
  return held;
}

// Not acknowledged: that comes after the result, whatever the task.
json::object info_of(const HeldTask& task, const std::string& node, bool safe) {
  json::object info;
  info["id"] = task.id;
  info["name"] = task.name;
  info["args"] = safe ? json::value(task.argsrepr) : json::value(task.args);
  info["kwargs"] = safe ? json::value(task.kwargsrepr) : json::value(task.kwargs);
  info["type"] = task.type;
  info["hostname"] = node;
  info["time_start"] =
      task.started ? json::value(to_unix_seconds(*task.started)) : json::value(nullptr);
  info["acknowledged"] = false;
  info["delivery_info"] = json::object{{"exchange", ""},
                                       {"routing_key", task.queue},
                                       {"priority", task.priority},
                                       {"redelivered", task.redelivered}};
  info["worker_pid"] = or_null(task.process);
  return info;
}

json::object schedule_of(const HeldTask& task, const std::string& node) {
  return {{"eta", task.eta ? json::value(iso8601(*task.eta)) : json::value(nullptr)},
          {"priority", kTimerPriority},
          {"request", info_of(task, node)}};
}

Stamps stamps_of(const celery::TaskMessage& task) {
  const auto* const found = task.extra_headers.if_contains("stamps");
  const auto* const stamps = found == nullptr ? nullptr : found->if_object();
  Stamps all;
  if (stamps == nullptr) return all;
  for (const auto& [key, value] : *stamps) {
    std::vector<std::string> values;
    if (const auto* const list = value.if_array()) {
      for (const auto& one : *list) values.push_back(text_of(one));
    } else {
      values.push_back(text_of(value));
    }
    all.emplace_back(std::string{key}, std::move(values));
  }
  return all;
}

}  // namespace umbel
