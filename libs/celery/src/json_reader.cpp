#include "json_reader.hpp"

#include <string>

#include "umbel/celery/json.hpp"
#include "utf8.hpp"

namespace umbel::celery {

boost::json::parse_options json_options() {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  return options;
}

Error json_error(std::string_view text, const JsonFault& fault) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return invalid("not JSON: the text is empty");
  }
  if (const auto at = first_invalid_utf8(text)) {
    return invalid("not JSON: no UTF-8 at byte " + std::to_string(*at));
  }
  if (fault.code == boost::json::error::too_deep) {
    return invalid("JSON nested deeper than " + std::to_string(kMaxDepth) + " levels at byte " +
                   std::to_string(fault.at));
  }
  return invalid("not JSON: " + fault.code.message() + " at byte " + std::to_string(fault.at));
}

}  // namespace umbel::celery
