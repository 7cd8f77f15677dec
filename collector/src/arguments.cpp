#include "arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

Error wrong(std::string_view name, const std::string& value, const std::string& allowed) {
  return invalid("argument " + std::string{name} + "=" + shortened(value, 60) + ": allowed is " +
                 allowed);
}

}  // namespace

Result<std::int64_t> choice_argument(const http::Request& request, std::string_view name,
                                     std::span<const std::int64_t> allowed) {
  const auto text = request.argument(name);
  if (!text) return allowed.front();
  std::int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, number);
  const bool known = read.ec == std::errc{} && read.ptr == end &&
                     std::find(allowed.begin(), allowed.end(), number) != allowed.end();
  if (known) return number;
  std::string list;
  for (const std::int64_t each : allowed) list += (list.empty() ? "" : ", ") + std::to_string(each);
  return wrong(name, *text, "one of " + list);
}

Result<std::optional<WallTime>> time_argument(const http::Request& request, std::string_view name) {
  using Answer = std::optional<WallTime>;
  const auto text = request.argument(name);
  if (!text) return Answer{};
  double seconds = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, seconds);
  if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(seconds) || seconds < 0 ||
      seconds > 1e11) {
    return wrong(name, *text, "Unix seconds, such as 1763812800");
  }
  return Answer{from_unix_seconds(seconds)};
}

}  // namespace umbel::collector
