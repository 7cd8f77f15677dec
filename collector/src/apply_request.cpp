#include "apply_request.hpp"

#include <boost/json.hpp>
#include <cmath>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestName = 255;
constexpr double kLongestDelay = 10.0 * 366 * 24 * 3600;  // seconds

Error wrong(std::string_view option, std::string_view allowed) {
  return invalid("`" + std::string{option} + "` must be " + std::string{allowed});
}

// Seconds from now, or a time in ISO 8601.
Result<WallTime> time_of(std::string_view option, const json::value& value, WallTime now) {
  if (value.is_number()) {
    const double after = value.to_number<double>();
    if (!std::isfinite(after) || std::abs(after) > kLongestDelay) {
      return wrong(option, "at most ten years away");
    }
    return now + std::chrono::duration_cast<std::chrono::microseconds>(
                     std::chrono::duration<double>{after});
  }
  if (value.is_string()) {
    if (const auto time = parse_iso8601(value.get_string())) return *time;
  }
  return wrong(option, "seconds from now or a time such as 2030-01-31T12:00:00Z");
}

Result<std::string> word_of(std::string_view option, const json::value& value) {
  if (!value.is_string() || value.get_string().empty() ||
      value.get_string().size() > kLongestName) {
    return wrong(option, "a text of 1 to 255 bytes");
  }
  return std::string{value.get_string()};
}

Result<void> take(TaskRequest& task, std::string_view option, const json::value& value,
                  WallTime now) {
  if (option == "args") {
    if (!value.is_array()) return wrong(option, "a list");
    task.args = celery::to_json(value);
  } else if (option == "kwargs") {
    if (!value.is_object()) return wrong(option, "an object");
    task.kwargs = celery::to_json(value);
  } else if (option == "task_id") {
    const auto word = word_of(option, value);
    if (!word) return word.error();
    task.id = TaskId{*word};
  } else if (option == "queue") {
    const auto word = word_of(option, value);
    if (!word) return word.error();
    task.queue = QueueName{*word};
  } else if (option == "countdown" || option == "eta") {
    if (option == "countdown" && !value.is_number()) return wrong(option, "a number of seconds");
    const auto time = time_of(option, value, now);
    if (!time) return time.error();
    task.eta = *time;
  } else if (option == "expires") {
    const auto time = time_of(option, value, now);
    if (!time) return time.error();
    task.expires = *time;
  } else if (option == "priority") {
    if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > 255) {
      return wrong(option, "a number from 0 to 255");
    }
    task.priority = static_cast<int>(value.get_int64());
  } else {
    return invalid("`" + shortened(option, 80) +
                   "` is no option; allowed are args, kwargs, task_id, queue, countdown, eta, "
                   "expires and priority");
  }
  return {};
}

}  // namespace

Result<TaskRequest> apply_request(const std::string& name, std::string_view body, WallTime now) {
  if (name.size() > kLongestName) {
    return invalid("the task's name is longer than " + std::to_string(kLongestName) + " bytes");
  }
  TaskRequest task;
  task.name = name;
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return task;
  const auto options = celery::parse_json(body);
  if (!options) return invalid("the body is not JSON: " + options.error().what);
  if (!options->is_object()) {
    return invalid("the body must be a JSON object such as {\"args\": [1], \"kwargs\": {}}");
  }
  const auto is_given = [&](std::string_view option) {
    const auto* const value = options->get_object().if_contains(option);
    return value != nullptr && !value->is_null();
  };
  if (is_given("countdown") && is_given("eta")) {
    return invalid("`countdown` and `eta` say the same thing; give one of them");
  }
  for (const auto& [option, value] : options->get_object()) {
    if (value.is_null()) continue;  // as not given
    if (auto taken = take(task, option, value, now); !taken) return taken.error();
  }
  return task;
}

}  // namespace umbel::collector
