// Small numbers written in few bytes: what the monitor keeps by time is rewritten often.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace umbel::collector {

// Seven bits to a byte, lowest first; the top bit says that more follow.
class ByteWriter {
 public:
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_.push_back(static_cast<char>(value | 0x80U));
    bytes_.push_back(static_cast<char>(value));
  }
  void signed_number(std::int64_t value) {
    const auto doubled = static_cast<std::uint64_t>(value) << 1U;
    number(value < 0 ? ~doubled : doubled);
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
  }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what ByteWriter wrote. Once something is cut short or too long, everything is nothing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_{bytes} {}

  [[nodiscard]] std::optional<std::uint64_t> number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) return std::nullopt;
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    bytes_ = {};
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> signed_number() {
    const auto value = number();
    if (!value) return std::nullopt;
    const std::uint64_t half = *value >> 1U;
    return static_cast<std::int64_t>((*value & 1U) != 0 ? ~half : half);
  }
  [[nodiscard]] std::optional<std::string_view> text() {
    const auto size = number();
    if (!size || *size > bytes_.size()) return std::nullopt;
    const auto value = bytes_.substr(0, static_cast<std::size_t>(*size));
    bytes_.remove_prefix(static_cast<std::size_t>(*size));
    return value;
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

}  // namespace umbel::collector
