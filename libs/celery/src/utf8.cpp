#include "utf8.hpp"

namespace umbel::celery {

CodePoint code_point_at(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) -> char32_t {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
  };
  const auto continues = [&](std::size_t k) { return (byte(k) & 0xC0U) == 0x80U; };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead >= 0xC2 && lead <= 0xDF && continues(1)) {
    return {(lead & 0x1FU) << 6U | (byte(1) & 0x3FU), 2};
  }
  if (lead >= 0xE0 && lead <= 0xEF && continues(1) && continues(2)) {
    const char32_t value = (lead & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value >= 0x800 && !surrogate ? CodePoint{value, 3} : CodePoint{};
  }
  if (lead >= 0xF0 && lead <= 0xF4 && continues(1) && continues(2) && continues(3)) {
    const char32_t value = (lead & 0x07U) << 18U | (byte(1) & 0x3FU) << 12U |
                           (byte(2) & 0x3FU) << 6U | (byte(3) & 0x3FU);
    return value >= 0x10000 && value <= 0x10FFFF ? CodePoint{value, 4} : CodePoint{};
  }
  return {};
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = code_point_at(text, i).length;
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace umbel::celery
