#include "envelope.hpp"

#include "field_reader.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/task_message.hpp"
#include "value_reader.hpp"

namespace umbel::celery {

namespace json = boost::json;

Result<void> check_content_type(const Message& message) {
  const std::string& type = message.content_type;
  if (type == kJsonType) return {};
  if (type.empty()) return invalid("the message has no content type (allowed: application/json)");
  if (type == "application/x-python-serialize") {
    return invalid(
        "content type application/x-python-serialize (pickle) is refused: reading it would run "
        "the sender's code (allowed: application/json)");
  }
  return invalid("content type '" + shortened(type, 100) +
                 "' is not known (allowed: application/json)");
}

Result<void> check_size(std::string_view what, std::size_t size) {
  if (size <= kMaxBody) return {};
  return invalid("the " + std::string{what} + " has " + std::to_string(size) + " bytes (at most " +
                 std::to_string(kMaxBody) + ")");
}

Result<json::object> parse_headers(const Message& message) {
  if (message.headers.empty()) return json::object{};
  if (const auto size = check_size("header table", message.headers.size()); !size) {
    return size.error();
  }
  auto value = parse_plain_json(message.headers);
  if (!value) return invalid("the headers are " + value.error().what);
  if (!value->is_object()) {
    return invalid("the headers are " + described(*value) + ", not an object");
  }
  return std::move(value->get_object());
}

}  // namespace umbel::celery
