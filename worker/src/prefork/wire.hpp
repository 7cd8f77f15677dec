// Bytes as the frames between a worker and its task processes hold them: little-endian numbers of
// fixed size, texts and lists behind their lengths. Both sides are the same binary on the same
// machine, so there is no version and no alignment; but a process that a task has damaged may write
// anything, so a reader checks every length before it believes it. Pure.
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "umbel/base/clock.hpp"

namespace umbel::prefork {

static_assert(std::endian::native == std::endian::little);

class WireWriter {
 public:
  template <class T>
  requires(std::is_arithmetic_v<T>) void number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    bytes_.append(bytes, sizeof(T));
  }
  void flag(bool value) { number<std::uint8_t>(value ? 1 : 0); }
  void text(std::string_view value) {
    number(static_cast<std::uint64_t>(value.size()));
    bytes_.append(value);
  }
  void time(WallTime value) { number(static_cast<std::int64_t>(value.time_since_epoch().count())); }
  template <class T, class Write>
  void maybe(const std::optional<T>& value, const Write& write) {
    flag(value.has_value());
    if (value) write(*value);
  }
  template <class T, class Write>
  void list(const std::vector<T>& values, const Write& write) {
    number(static_cast<std::uint64_t>(values.size()));
    for (const auto& value : values) write(value);
  }
  [[nodiscard]] std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

// After the first thing that does not fit everything reads as zero or empty, and ok() is false.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_{bytes} {}

  template <class T>
  requires(std::is_arithmetic_v<T>) T number() {
    T value{};
    if (!has(sizeof(T))) return value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  // One of the values 0 … most.
  std::uint8_t choice(std::uint8_t most) {
    const auto value = number<std::uint8_t>();
    if (value > most) ok_ = false;
    return ok_ ? value : 0;
  }
  bool flag() { return choice(1) == 1; }
  std::string text() {
    const auto size = number<std::uint64_t>();
    if (!has(size)) return {};
    std::string value{rest_.substr(0, size)};
    rest_.remove_prefix(size);
    return value;
  }
  WallTime time() { return WallTime{WallTime::duration{number<std::int64_t>()}}; }
  template <class T, class Read>
  std::optional<T> maybe(const Read& read) {
    if (!flag()) return std::nullopt;
    return std::optional<T>{read()};
  }
  template <class T, class Read>
  std::vector<T> list(const Read& read) {
    const auto count = number<std::uint64_t>();
    std::vector<T> values;
    if (!has(count)) return values;  // each takes a byte at least
    for (std::uint64_t i = 0; i < count && ok_; ++i) values.push_back(read());
    return values;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && rest_.empty(); }

 private:
  bool has(std::uint64_t bytes) {
    if (bytes > rest_.size()) ok_ = false;
    return ok_;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace umbel::prefork
