#include "umbel/base/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return "debug";
    case LogLevel::Info:
      return "info";
    case LogLevel::Warn:
      return "warn";
    case LogLevel::Error:
      return "error";
  }
  return "error";
}

bool is_plain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == '\x7f') return false;
  }
  return true;
}

struct AsText {
  std::string operator()(const std::string& v) const { return is_plain(v) ? v : json_quoted(v); }
  std::string operator()(std::int64_t v) const { return fmt::to_string(v); }
  std::string operator()(double v) const { return fmt::format("{:.6g}", v); }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
};

struct AsJson {
  std::string operator()(const std::string& v) const { return json_quoted(v); }
  std::string operator()(std::int64_t v) const { return fmt::to_string(v); }
  std::string operator()(double v) const { return v - v == 0 ? fmt::format("{:.6g}", v) : "null"; }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
};

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(now)), millis);
}

}  // namespace

struct Log::Impl {
  std::string program;
  LogLevel level;
  LogFormat format = LogFormat::Text;
  Sink sink;
  std::shared_ptr<spdlog::logger> out;
  std::vector<LogField> fields;  // of every line
};

Log::Log(std::string program, LogLevel level, LogFormat format) : impl_{std::make_shared<Impl>()} {
  impl_->program = std::move(program);
  impl_->level = level;
  impl_->format = format;
  impl_->out = std::make_shared<spdlog::logger>(impl_->program,
                                                std::make_shared<spdlog::sinks::stderr_sink_mt>());
  impl_->out->set_pattern("%v");
  impl_->out->set_level(spdlog::level::trace);
  impl_->out->flush_on(spdlog::level::trace);
}

Log::Log(std::string program, LogLevel level, Sink sink) : impl_{std::make_shared<Impl>()} {
  impl_->program = std::move(program);
  impl_->level = level;
  impl_->sink = std::move(sink);
}

Log Log::none() { return Log{}; }

Log Log::with(LogField field) const {
  Log log;
  if (!impl_) return log;
  log.impl_ = std::make_shared<Impl>(*impl_);
  log.impl_->fields.push_back(std::move(field));
  return log;
}

void Log::debug(std::string_view message, Fields fields) const {
  write(LogLevel::Debug, message, fields);
}
void Log::info(std::string_view message, Fields fields) const {
  write(LogLevel::Info, message, fields);
}
void Log::warn(std::string_view message, Fields fields) const {
  write(LogLevel::Warn, message, fields);
}
void Log::error(std::string_view message, Fields fields) const {
  write(LogLevel::Error, message, fields);
}

void Log::write(LogLevel level, std::string_view message, Fields fields) const {
  if (!impl_ || level < impl_->level) return;
  std::string line;
  if (impl_->format == LogFormat::Json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","program":{},"message":{})", now_text(),
                       name_of(level), json_quoted(impl_->program), json_quoted(message));
    const auto append = [&line](const LogField& field) {
      line += fmt::format(",{}:{}", json_quoted(field.key()), std::visit(AsJson{}, field.value()));
    };
    std::for_each(fields.begin(), fields.end(), append);
    std::for_each(impl_->fields.begin(), impl_->fields.end(), append);
    line += '}';
  } else {
    line = fmt::format("{} {:<5} {}: {}", now_text(), name_of(level), impl_->program, message);
    const auto append = [&line](const LogField& field) {
      line += fmt::format(" {}={}", field.key(), std::visit(AsText{}, field.value()));
    };
    std::for_each(fields.begin(), fields.end(), append);
    std::for_each(impl_->fields.begin(), impl_->fields.end(), append);
  }
  if (impl_->sink) {
    impl_->sink(level, message, line);
  } else {
    impl_->out->log(spdlog::level::info, line);
  }
}

}  // namespace umbel
