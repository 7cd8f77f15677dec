#include "small_id.hpp"

namespace umbel::collector {
namespace {

std::optional<std::uint64_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint64_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint64_t>(c - 'a' + 10);
  return std::nullopt;
}

bool dash_at(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

std::optional<SmallId> uuid_from(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  SmallId id{.high = 0, .low = 0, .kind = SmallId::Kind::Uuid};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (dash_at(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const auto digit = hex_digit(text[i]);
    if (!digit) return std::nullopt;
    std::uint64_t& half = digits < 16 ? id.high : id.low;
    half = half << 4U | *digit;
    ++digits;
  }
  return id;
}

std::string uuid_text(const SmallId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(36, '-');
  std::size_t digit = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (dash_at(i)) continue;
    const std::uint64_t half = digit < 16 ? id.high : id.low;
    text[i] = kDigits[half >> (60U - 4U * (digit % 16U)) & 0xFU];
    ++digit;
  }
  return text;
}

}  // namespace umbel::collector
