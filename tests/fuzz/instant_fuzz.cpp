// ISO 8601 times and the other small texts that foreign hands write.
#include <chrono>

#include "fuzz_one.hpp"
#include "umbel/base/text.hpp"

namespace umbel::fuzz {

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input, 512);
  if (const auto instant = parse_iso8601(text)) {
    const std::string written = iso8601(*instant);
    require(parse_iso8601(written) == instant, "an instant reads as it was written", written);
    require(written.ends_with("+00:00"), "an instant is written in UTC", written);
  }
  require(without_password(without_password(text)) == without_password(text),
          "hiding a password twice changes nothing more", without_password(text));
  for (const std::size_t limit : {std::size_t{3}, std::size_t{10}, text.size()}) {
    require(shortened(text, limit).size() <= std::max<std::size_t>(limit, 3),
            "a shortened text is short");
  }
  const std::string quoted = json_quoted(text);
  require(quoted.size() >= 2 && quoted.front() == '"' && quoted.back() == '"',
          "a quoted text has quotes");
}

}  // namespace umbel::fuzz
