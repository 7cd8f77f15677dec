#include "field_reader.hpp"

#include <cmath>

#include "umbel/celery/json.hpp"

namespace umbel::celery {

std::optional<double> number_of(const boost::json::value& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  return std::nullopt;
}

std::string described(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return value.get_bool() ? "true" : "false";
    case boost::json::kind::string:
      return "a string";
    case boost::json::kind::array:
      return "a list";
    case boost::json::kind::object:
      return "an object";
    default:
      return value.is_double() && !std::isfinite(value.get_double())
                 ? "no finite number"
                 : "the number " + to_json(value);
  }
}

}  // namespace umbel::celery
