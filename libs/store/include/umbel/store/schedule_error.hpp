// What is wrong with the schedule's file, as a scheduler tells it to every program over the store:
// who looks at the page wants to know that what runs is not what the file says.
#pragma once

#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "umbel/base/clock.hpp"

namespace umbel {

struct ScheduleError {
  WallTime since{};           // when the file was first seen so
  WallTime in_force_since{};  // when the schedule that is in force instead was read
  std::string what;           // one line, with the file's name

  friend bool operator==(const ScheduleError&, const ScheduleError&) = default;
};

// Under this key of SharedValues. It runs out unless the scheduler goes on telling it, so that a
// scheduler that is gone accuses no file for ever.
inline constexpr const char* kScheduleErrorKey = "scheduler.schedule_error";
inline constexpr std::chrono::seconds kScheduleErrorKept{30};
inline constexpr std::chrono::seconds kScheduleErrorToldEvery{10};

// As a shared value: two numbers of microseconds since the epoch, then the text. Empty: no error.
[[nodiscard]] inline std::string to_shared(const std::optional<ScheduleError>& error) {
  if (!error) return {};
  return std::to_string(to_micros(error->since)) + " " +
         std::to_string(to_micros(error->in_force_since)) + " " + error->what;
}

// Nothing: no error, or not a value that to_shared() wrote.
[[nodiscard]] inline std::optional<ScheduleError> schedule_error_from(std::string_view value) {
  const auto number = [&value]() -> std::optional<WallTime> {
    std::int64_t micros = 0;
    const auto* end = value.data() + value.size();
    const auto [rest, failed] = std::from_chars(value.data(), end, micros);
    if (failed != std::errc{} || rest == end || *rest != ' ') return std::nullopt;
    value.remove_prefix(static_cast<std::size_t>(rest - value.data()) + 1);
    return from_micros(micros);
  };
  const auto since = number();
  if (!since) return std::nullopt;
  const auto in_force = number();
  if (!in_force) return std::nullopt;
  return ScheduleError{*since, *in_force, std::string{value}};
}

}  // namespace umbel
