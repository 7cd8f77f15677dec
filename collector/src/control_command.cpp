#include "control_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMostSlots = 1000;  // that are added at once, or scaled to
constexpr std::size_t kLongestName = 255;
constexpr double kLongestLimit = 31'536'000;  // seconds; a year

Error wrong(std::string_view name, const std::string& value, const std::string& allowed) {
  return invalid(fmt::format("argument {}={}: allowed is {}", name, shortened(value, 60), allowed));
}

Error missing(std::string_view name, std::string_view allowed) {
  return invalid(fmt::format("argument {} is missing: {}", name, allowed));
}

Result<std::int64_t> whole(const Given& given, std::string_view name,
                           std::optional<std::int64_t> otherwise, std::int64_t least,
                           std::int64_t most) {
  const auto text = given(name);
  const auto allowed = fmt::format("a whole number from {} to {}", least, most);
  if (!text) return otherwise ? Result<std::int64_t>{*otherwise} : missing(name, allowed);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size() || number < least || number > most)
    return wrong(name, *text, allowed);
  return number;
}

Result<std::string> name_given(const Given& given, std::string_view name) {
  const auto text = given(name);
  if (!text || text->empty()) return missing(name, "a name");
  const bool plain = std::none_of(text->begin(), text->end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (text->size() > kLongestName || !plain)
    return wrong(name, *text, fmt::format("a name of at most {} bytes", kLongestName));
  return *text;
}

// Seconds; nothing: that limit is taken away.
Result<json::value> limit(const Given& given, std::string_view name) {
  const auto text = given(name);
  if (!text || text->empty()) return json::value(nullptr);
  double seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc{} || end != text->data() + text->size() || !std::isfinite(seconds) ||
      seconds <= 0 || seconds > kLongestLimit) {
    return wrong(name, *text, "seconds above 0, or nothing for no limit");
  }
  return json::value(seconds);
}

bool is_rate(std::string_view text) {  // `10/m`, `0.5`, `0`
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const auto unit = text.substr(slash + 1);
    if (unit != "s" && unit != "m" && unit != "h") return false;
    text = text.substr(0, slash);
  }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && std::isfinite(number) &&
         number >= 0;
}

Result<ControlCommand> grow(const std::string& worker, const Given& given) {
  const auto n = whole(given, "n", 1, 1, kMostSlots);
  if (!n) return n.error();
  return ControlCommand{.method = "pool_grow",
                        .arguments = {{"n", *n}},
                        .done = fmt::format("Growing '{}' worker's pool by {}", worker, *n),
                        .failed = fmt::format("Failed to grow '{}' worker's pool: ", worker),
                        .detail = fmt::format("n={}", *n)};
}

// A pool of nothing would hold its tasks until it is started again.
Result<ControlCommand> shrink(const std::string& worker, const Given& given, std::int64_t slots) {
  if (slots <= 0)
    return Error{Errc::Conflict, "the size of its pool is not known yet: it has not said it"};
  if (slots == 1) return Error{Errc::Conflict, "its pool has one slot left"};
  const auto n = whole(given, "n", 1, 1, slots - 1);
  if (!n) {
    return invalid(n.error().what +
                   fmt::format("; the pool has {} slots, and one has to stay", slots));
  }
  return ControlCommand{.method = "pool_shrink",
                        .arguments = {{"n", *n}},
                        .done = fmt::format("Shrinking '{}' worker's pool by {}", worker, *n),
                        .failed = fmt::format("Failed to shrink '{}' worker's pool: ", worker),
                        .detail = fmt::format("n={}", *n)};
}

Result<ControlCommand> autoscale(const std::string& worker, const Given& given) {
  const auto least = whole(given, "min", std::nullopt, 0, kMostSlots);
  if (!least) return least.error();
  const auto most =
      whole(given, "max", std::nullopt, std::max<std::int64_t>(*least, 1), kMostSlots);
  if (!most) return most.error();
  return ControlCommand{
      .method = "autoscale",
      .arguments = {{"min", *least}, {"max", *most}},
      .done = fmt::format("Autoscaling '{}' worker (min={}, max={})", worker, *least, *most),
      .failed = fmt::format("Failed to autoscale '{}' worker: ", worker),
      .detail = fmt::format("min={} max={}", *least, *most)};
}

Result<ControlCommand> consumer(const std::string& worker, const Given& given, bool add) {
  const auto queue = name_given(given, "queue");
  if (!queue) return queue.error();
  return ControlCommand{
      .method = add ? "add_consumer" : "cancel_consumer",
      .arguments = {{"queue", *queue}},
      .failed = fmt::format("Failed to {} '{}' consumer {} '{}' worker: ", add ? "add" : "cancel",
                            *queue, add ? "to" : "from", worker),
      .detail = "queue=" + *queue};
}

Result<ControlCommand> rate_limit(const Given& given) {
  const auto task = name_given(given, "task");
  if (!task) return task.error();
  static constexpr const char* kAllowed =
      "a number of tasks per second, or with /s, /m or /h behind it; 0 for no limit";
  const auto rate = given("ratelimit");
  if (!rate || rate->empty()) return missing("ratelimit", kAllowed);
  if (!is_rate(*rate)) return wrong("ratelimit", *rate, kAllowed);
  return ControlCommand{.method = "rate_limit",
                        .arguments = {{"task_name", *task}, {"rate_limit", *rate}},
                        .failed = "Failed to set rate limit: ",
                        .detail = *task + " rate=" + *rate};
}

Result<ControlCommand> time_limit(const Given& given) {
  const auto task = name_given(given, "task");
  if (!task) return task.error();
  const auto soft = limit(given, "soft");
  if (!soft) return soft.error();
  const auto hard = limit(given, "hard");
  if (!hard) return hard.error();
  if (soft->is_double() && hard->is_double() && soft->get_double() >= hard->get_double()) {
    return invalid(fmt::format("argument soft={}: allowed is less than hard, which is {}",
                               soft->get_double(), hard->get_double()));
  }
  const auto said = [](const json::value& value) {
    return value.is_double() ? fmt::format("{} s", value.get_double()) : std::string{"none"};
  };
  return ControlCommand{
      .method = "time_limit",
      .arguments = {{"task_name", *task}, {"hard", *hard}, {"soft", *soft}},
      .failed = "Failed to set timeouts: ",
      .detail = fmt::format("{} soft={} hard={}", *task, said(*soft), said(*hard))};
}

}  // namespace

Result<ControlCommand> control_command(std::string_view action, const std::string& worker,
                                       const Given& given, std::int64_t slots) {
  if (action == "shutdown")
    return ControlCommand{.method = "shutdown", .replies = false, .done = "Shutting down!"};
  if (action == "restart_pool") {
    return ControlCommand{.method = "pool_restart",
                          .arguments = {{"reload", false}},
                          .done = fmt::format("Restarting '{}' worker's pool", worker),
                          .failed = fmt::format("Failed to restart the '{}' pool: ", worker)};
  }
  if (action == "grow") return grow(worker, given);
  if (action == "shrink") return shrink(worker, given, slots);
  if (action == "autoscale") return autoscale(worker, given);
  if (action == "add_consumer" || action == "cancel_consumer")
    return consumer(worker, given, action == "add_consumer");
  if (action == "rate_limit") return rate_limit(given);
  if (action == "time_limit") return time_limit(given);
  if (action == "enable_events" || action == "disable_events")
    return ControlCommand{.method = std::string{action}, .failed = "Failed: "};
  return not_found(fmt::format(
      "no action is named `{}`: allowed are shutdown, restart_pool, grow, shrink, autoscale, "
      "add_consumer, cancel_consumer, rate_limit, time_limit, enable_events and disable_events",
      shortened(action, 60)));
}

Result<std::string> signal_name(const std::string& text) {
  static constexpr std::array kSignals{"TERM", "KILL", "INT",  "QUIT",
                                       "HUP",  "USR1", "USR2", "ABRT"};
  std::string name = text;
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  if (name.starts_with("SIG")) name = name.substr(3);
  if (std::find(kSignals.begin(), kSignals.end(), name) != kSignals.end()) return "SIG" + name;
  return wrong("signal", text, fmt::format("one of SIG{}", fmt::join(kSignals, ", SIG")));
}

Result<std::string> answer_of(const json::value& value) {
  const auto words = [](const json::value& said) {
    return said.is_string() ? std::string{said.get_string()} : celery::to_json(said);
  };
  if (const json::object* const object = value.if_object()) {
    if (const json::value* const error = object->if_contains("error"))
      return Error{Errc::Conflict, words(*error)};
    if (const json::value* const ok = object->if_contains("ok")) return words(*ok);
  }
  return value.is_null() ? Result<std::string>{std::string{}} : words(value);
}

}  // namespace umbel::collector
