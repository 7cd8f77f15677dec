// Logs are events with fields.
//
// The message is a constant one can grep for; what varies is a field. `error`: somebody must act.
// `warn`: we coped, a trend matters. `info`: a program or connection changed state. `debug`: per
// task. Never payloads, never secrets; one line per outage and one at its end, not one per retry.
//
//   log.warn("task retry scheduled", {{"task_id", id.str()}, {"attempt", 3},
//   {"delay_seconds", 8.0}});
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace umbel {

enum class LogLevel { Debug, Info, Warn, Error };
enum class LogFormat { Text, Json };

class LogField {
 public:
  LogField(std::string_view key, std::string value) : key_{key}, value_{std::move(value)} {}
  LogField(std::string_view key, std::string_view value) : key_{key}, value_{std::string{value}} {}
  LogField(std::string_view key, const char* value) : key_{key}, value_{std::string{value}} {}
  LogField(std::string_view key, bool value) : key_{key}, value_{value} {}
  LogField(std::string_view key, double value) : key_{key}, value_{value} {}
  template <std::integral T>
  LogField(std::string_view key, T value) : key_{key}, value_{static_cast<std::int64_t>(value)} {}

  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] const auto& value() const { return value_; }

 private:
  std::string_view key_;  // a literal
  std::variant<std::string, std::int64_t, double, bool> value_;
};

// A cheap handle; copies write to the same place. Thread-safe.
class Log {
 public:
  using Fields = std::initializer_list<LogField>;
  // What a line consists of, before it is laid out; `text` is the laid-out line without a newline.
  using Sink = std::function<void(LogLevel, std::string_view message, std::string_view text)>;

  // Writes to standard error.
  Log(std::string program, LogLevel level, LogFormat format = LogFormat::Text);
  // Hands every line to `sink`, which must be thread-safe. For tests.
  Log(std::string program, LogLevel level, Sink sink);
  // Writes nothing.
  static Log none();

  void debug(std::string_view message, Fields fields = {}) const;
  void info(std::string_view message, Fields fields = {}) const;
  void warn(std::string_view message, Fields fields = {}) const;
  void error(std::string_view message, Fields fields = {}) const;

  // The same log with `field` at the end of every line.
  [[nodiscard]] Log with(LogField field) const;

 private:
  struct Impl;
  Log() = default;
  void write(LogLevel level, std::string_view message, Fields fields) const;
  std::shared_ptr<Impl> impl_;
};

}  // namespace umbel
