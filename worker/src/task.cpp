#include "umbel/worker/task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "control/token_bucket.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel {
namespace detail {
namespace {

bool fits(const std::string& type, const boost::json::value& value) {
  if (type == "integer") return value.is_int64() || value.is_uint64();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return true;
}

std::string in_words(const boost::json::value& value) {
  const char* type = value.is_null()     ? "null"
                     : value.is_bool()   ? "boolean"
                     : value.is_double() ? "number"
                     : value.is_number() ? "integer"
                     : value.is_string() ? "string"
                     : value.is_array()  ? "array"
                                         : "object";
  return fmt::format("{} {}", type, shortened(celery::repr(value), 80));
}

[[noreturn]] void type_error(const std::string& text) { throw FinalTaskError{"TypeError", text}; }

std::string listed(const std::vector<TaskParameter>& parameters) {
  std::string text;
  for (const auto& parameter : parameters) {
    text += fmt::format("{}{}: {}{}", text.empty() ? "" : ", ", parameter.name, parameter.type,
                        parameter.required ? "" : " = " + parameter.default_value);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::vector<boost::json::value> bind(const std::string& task,
                                     const std::vector<TaskParameter>& parameters,
                                     const boost::json::array& args,
                                     const boost::json::object& kwargs) {
  if (args.size() > parameters.size()) {
    type_error(fmt::format("{}() takes {} positional arguments but {} were given (parameters: {})",
                           task, parameters.size(), args.size(), listed(parameters)));
  }
  std::vector<boost::json::value> values;
  std::vector<std::string> missing;
  std::set<std::string_view> known;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& parameter = parameters[i];
    known.insert(parameter.name);
    const auto named = kwargs.find(parameter.name);
    if (i < args.size() && named != kwargs.end()) {
      type_error(fmt::format("{}() got two values for argument '{}'", task, parameter.name));
    }
    if (i < args.size()) {
      values.push_back(args[i]);
    } else if (named != kwargs.end()) {
      values.push_back(named->value());
    } else if (parameter.required) {
      missing.push_back(fmt::format("'{}' ({})", parameter.name, parameter.type));
      continue;
    } else {
      values.push_back(celery::parse_json(parameter.default_value).value());
    }
    if (!fits(parameter.type, values.back())) refuse(task, parameter, values.back());
  }
  std::vector<std::string> surplus;
  for (const auto& item : kwargs) {
    if (!known.contains(item.key()))
      surplus.push_back(fmt::format("'{}'", std::string_view{item.key()}));
  }
  if (!missing.empty()) {
    type_error(fmt::format("{}() is missing {}", task, fmt::join(missing, ", ")));
  }
  if (!surplus.empty()) {
    type_error(fmt::format("{}() got unexpected {} (parameters: {})", task,
                           fmt::join(surplus, ", "), listed(parameters)));
  }
  return values;
}

void refuse(const std::string& task, const TaskParameter& parameter,
            const boost::json::value& value) {
  type_error(fmt::format("{}() argument '{}' must be {}, not {}", task, parameter.name,
                         parameter.type == "any" ? "of another type" : parameter.type,
                         in_words(value)));
}

std::string json_text(const boost::json::value& value) { return celery::to_json(value); }

}  // namespace detail

const RegisteredTask* TaskRegistry::find(const std::string& name) const {
  const auto found = tasks_.find(name);
  return found == tasks_.end() ? nullptr : &found->second;
}

std::vector<CatalogueEntry> TaskRegistry::entries() const {
  std::vector<CatalogueEntry> entries;
  for (const auto& [name, task] : tasks_) {
    if (!task.hidden) entries.push_back(task.entry);
  }
  return entries;
}

std::vector<std::string> TaskRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, task] : tasks_) names.push_back(name);
  return names;
}

std::vector<QueueName> TaskRegistry::queues() const {
  std::set<QueueName> queues;
  for (const auto& [name, task] : tasks_) {
    if (!task.hidden) queues.insert(task.options.queue);
  }
  return {queues.begin(), queues.end()};
}

void TaskRegistry::add_built_in(RegisteredTask task) {
  const auto name = task.entry.name;
  tasks_.emplace(name, std::move(task));
}

void TaskRegistry::insert(const std::string& name, RegisteredTask task, TaskOptions options) {
  if (name.empty()) throw std::logic_error{"a task needs a name"};
  if (const auto rate = parse_rate(options.rate_limit); !rate.fault.empty()) {
    throw std::logic_error{"task " + name + ": rate_limit: " + rate.fault};
  }
  task.entry.name = name;
  task.entry.queue = options.queue;
  task.entry.max_retries = options.retry.max_retries;
  task.entry.soft_time_limit = options.soft_time_limit;
  task.entry.ignore_result = options.ignore_result;
  task.entry.description = options.description;
  task.options = std::move(options);
  if (!tasks_.emplace(name, std::move(task)).second) {
    throw std::logic_error{"task " + name + " is registered twice"};
  }
}

}  // namespace umbel
