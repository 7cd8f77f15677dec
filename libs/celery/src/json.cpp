#include "umbel/celery/json.hpp"

#include <algorithm>
#include <cmath>

#include "json_text.hpp"
#include "value_reader.hpp"

namespace umbel::celery {
namespace {

namespace json = boost::json;

enum class NotFinite { Null, Token };

void append_not_finite(std::string& out, double value) {
  out += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

void append(std::string& out, const json::value& value, NotFinite not_finite) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      return;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      return;
    case json::kind::int64:
      append_integer(out, value.get_int64());
      return;
    case json::kind::uint64:
      append_integer(out, value.get_uint64());
      return;
    case json::kind::double_:
      if (std::isfinite(value.get_double())) {
        append_float(out, value.get_double());
      } else if (not_finite == NotFinite::Token) {
        append_not_finite(out, value.get_double());
      } else {
        out += "null";
      }
      return;
    case json::kind::string:
      append_json_string(out, {value.get_string().data(), value.get_string().size()});
      return;
    case json::kind::array: {
      std::string_view separator = "[";
      if (value.get_array().empty()) out += '[';
      for (const json::value& element : value.get_array()) {
        out += separator;
        append(out, element, not_finite);
        separator = ", ";
      }
      out += ']';
      return;
    }
    case json::kind::object: {
      std::string_view separator = "{";
      if (value.get_object().empty()) out += '{';
      for (const auto& member : value.get_object()) {
        out += separator;
        append_json_string(out, {member.key().data(), member.key().size()});
        out += ": ";
        append(out, member.value(), not_finite);
        separator = ", ";
      }
      out += '}';
      return;
    }
  }
}

}  // namespace

Result<json::value> parse_json(std::string_view text) {
  auto value = parse_plain_json(text);
  if (value) unwrap_typed_values(*value);
  return value;
}

std::string to_json(const json::value& value) {
  std::string out;
  append(out, value, NotFinite::Null);
  return out;
}

std::string to_python_json(const json::value& value) {
  std::string out;
  append(out, value, NotFinite::Token);
  return out;
}

bool has_not_finite(const json::value& value) {
  switch (value.kind()) {
    case json::kind::double_:
      return !std::isfinite(value.get_double());
    case json::kind::array:
      return std::ranges::any_of(value.get_array(), has_not_finite);
    case json::kind::object:
      return std::ranges::any_of(value.get_object(),
                                 [](const auto& member) { return has_not_finite(member.value()); });
    default:
      return false;
  }
}

bool deeper_than(const json::value& value, std::size_t most) {
  if (!value.is_structured()) return false;
  if (most == 0) return true;
  if (const json::array* const array = value.if_array()) {
    return std::any_of(array->begin(), array->end(),
                       [most](const json::value& one) { return deeper_than(one, most - 1); });
  }
  const json::object& object = value.get_object();
  return std::any_of(object.begin(), object.end(),
                     [most](const auto& member) { return deeper_than(member.value(), most - 1); });
}

json::object exception_document(std::string_view type, std::string_view message,
                                std::string_view module) {
  json::array arguments;
  if (!message.empty()) arguments.emplace_back(json::string_view{message.data(), message.size()});
  json::object document;
  document["exc_type"] = json::string_view{type.data(), type.size()};
  document["exc_message"] = std::move(arguments);
  document["exc_module"] = json::string_view{module.data(), module.size()};
  return document;
}

}  // namespace umbel::celery
