#include "umbel/celery/events.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include "event_reader.hpp"
#include "json_reader.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel::celery {

Result<std::size_t> decode_events(std::string_view body, std::vector<Event>& out) {
  if (body.size() > kMaxBody) {
    return invalid("the body of the events has " + std::to_string(body.size()) +
                   " bytes (at most " + std::to_string(kMaxBody) + ")");
  }
  boost::json::basic_parser<EventHandler> parser{json_options(), out};
  if (const auto fault = parse_text(parser, body, LoneSurrogates::Replace)) {
    parser.handler().roll_back();
    Error error = json_error(body, *fault);
    error.what = "the body of the events is " + error.what;
    return error;
  }
  if (!parser.handler().holds_objects()) {
    return invalid("the body of the events is a single value (allowed: an object or a list)");
  }
  return parser.handler().skipped();
}

}  // namespace umbel::celery
