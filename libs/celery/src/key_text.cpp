#include "key_text.hpp"

#include <algorithm>
#include <string>

#include "utf8.hpp"

namespace umbel::celery {

Result<void> check_key(std::string_view what, std::string_view text, std::size_t most) {
  if (text.empty()) return invalid(std::string{what} + " is empty");
  if (text.size() > most) {
    return invalid(std::string{what} + " has " + std::to_string(text.size()) + " bytes (at most " +
                   std::to_string(most) + ")");
  }
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control != text.end()) {
    return invalid(std::string{what} + " holds a control character at byte " +
                   std::to_string(control - text.begin()));
  }
  if (const auto at = first_invalid_utf8(text)) {
    return invalid(std::string{what} + " is no UTF-8 at byte " + std::to_string(*at));
  }
  return {};
}

}  // namespace umbel::celery
