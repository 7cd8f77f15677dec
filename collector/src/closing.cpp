#include "closing.hpp"

#include <boost/json.hpp>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

std::string words_of(const json::value& message) {
  if (message.is_string()) return std::string{message.get_string()};
  if (message.is_array() && message.get_array().size() == 1)
    return words_of(message.get_array()[0]);
  return celery::repr(message);
}

std::string exception_of(const std::string& result) {
  const auto parsed = celery::parse_json(result);
  if (!parsed || !parsed->is_object()) return shortened(result, celery::kReprLimit);
  const json::object& document = parsed->get_object();
  const json::value* const message = document.if_contains("exc_message");
  return celery::repr_exception(text_at(document, "exc_type"),
                                message == nullptr ? std::string{} : words_of(*message));
}

std::string value_of(const std::string& result) {
  const auto parsed = celery::parse_json(result);
  return parsed ? celery::repr(*parsed) : shortened(result, celery::kReprLimit);
}

}  // namespace

TaskEvent closing_event(const StoredTask& stored) {
  TaskEvent event;
  event.uuid = stored.id;
  event.origin.hostname = stored.worker;
  event.origin.timestamp = stored.done.value_or(WallTime{});
  if (!stored.name.empty()) event.name = stored.name;
  if (!stored.queue.empty()) event.queue = stored.queue.str();
  event.runtime = stored.runtime;
  switch (stored.state) {
    case TaskState::Success:
      event.type = TaskEventType::Succeeded;
      event.result = value_of(stored.result);
      break;
    case TaskState::Revoked:
      event.type = TaskEventType::Revoked;
      break;
    default:
      event.type = TaskEventType::Failed;
      event.exception = exception_of(stored.result);
      if (!stored.traceback.empty()) event.traceback = stored.traceback;
      break;
  }
  return event;
}

}  // namespace umbel::collector
