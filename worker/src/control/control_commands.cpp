#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>

#include "command.hpp"
#include "token_bucket.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostIds = 50'000;

// `TERM`, `SIGTERM`, 15; absent: TERM.
Result<int> signal_of(const Arguments& arguments) {
  const auto* const value = arguments.find("signal");
  if (value == nullptr) return Result<int>{SIGTERM};
  if (value->is_int64()) {
    const auto number = value->get_int64();
    if (number >= 1 && number < NSIG) return Result<int>{static_cast<int>(number)};
    return raised_as("ValueError", "a signal is from 1 to " + std::to_string(NSIG - 1) + ", not " +
                                       std::to_string(number));
  }
  if (!value->is_string() || value->get_string().empty()) {
    return raised_as("TypeError", "signal name must be uppercase string.");
  }
  std::string name{value->get_string()};
  bool letters = false, lower = false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    letters = letters || std::isalpha(byte) != 0;
    lower = lower || std::islower(byte) != 0;
  }
  if (!letters || lower) return raised_as("TypeError", "signal name must be uppercase string.");
  const auto bare = name.starts_with("SIG") ? name.substr(3) : name;
  for (int number = 1; number < NSIG; ++number) {
    const char* const known = sigabbrev_np(number);
    if (known != nullptr && bare == known) return Result<int>{number};
  }
  return raised_as("AttributeError", "module 'signal' has no attribute 'SIG" + bare + "'");
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// What waits is in the revoked set, and will not start.
Reply revoke_ids(Controlled& worker, const Arguments& arguments, bool terminates) {
  const auto ids = arguments.texts("task_id");
  if (!ids) return ids.error();
  if (ids->size() > kMostIds) {
    return raised_as("ValueError", "at most 50000 ids at once, not " + std::to_string(ids->size()));
  }
  int signal = SIGTERM;
  if (terminates) {
    const auto named = signal_of(arguments);
    if (!named) return named.error();
    signal = *named;
  }
  for (const auto& id : *ids) worker.revoked().add(id);
  if (!terminates) return ok("tasks " + set_repr(*ids) + " flagged as revoked");
  std::vector<std::string> known;
  const auto waiting = worker.reserved();
  for (const auto& id : *ids) {
    const bool runs = worker.terminate(id, signal);
    const bool waits =
        std::ranges::any_of(waiting, [&id = id](const HeldTask& task) { return task.id == id; });
    if (runs || waits) known.push_back(id);
  }
  if (known.empty()) return ok("terminate: tasks unknown");
  return ok("terminate: " + joined(known));
}

Reply revoke(CommandContext& c, const Arguments& arguments) {
  return revoke_ids(c.worker, arguments, arguments.truth("terminate"));
}

Reply terminate(CommandContext& c, const Arguments& arguments) {
  return revoke_ids(c.worker, arguments, true);
}

struct Headers {
  std::vector<std::pair<std::string, std::vector<std::string>>> all;
  std::string shown;  // as Python shows the dict
};

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string{value.get_string()} : celery::repr(value);
}

// An object of values by key, or a list of `key=value`.
Result<Headers> headers_of(const Arguments& arguments) {
  const auto* const given = arguments.find("headers");
  json::object dict;
  if (given != nullptr && given->is_array()) {
    for (const auto& one : given->get_array()) {
      const auto text = text_of(one);
      const auto equals = text.find('=');
      if (equals == std::string::npos) return raised_as("IndexError", "list index out of range");
      const auto next = text.find('=', equals + 1);
      dict[text.substr(0, equals)] = text.substr(equals + 1, next - equals - 1);
    }
  } else if (given != nullptr && given->is_object()) {
    dict = given->get_object();
  } else {
    return arguments.wrong("headers", "an object, or a list of key=value");
  }
  Headers headers;
  for (const auto& [key, value] : dict) {
    std::vector<std::string> values;
    if (const auto* const list = value.if_array()) {
      for (const auto& one : *list) values.push_back(text_of(one));
    } else if (!value.is_null()) {
      values.push_back(text_of(value));
    }
    headers.all.emplace_back(std::string{key}, std::move(values));
  }
  headers.shown = celery::repr(dict);
  return headers;
}

Reply revoke_by_stamped_headers(CommandContext& c, const Arguments& arguments) {
  const auto headers = headers_of(arguments);
  if (!headers) return headers.error();
  const auto signal = signal_of(arguments);
  if (!signal) return signal.error();
  for (const auto& [key, values] : headers->all) {
    if (!c.worker.revoked_stamps().add(key, values)) {
      return raised_as("ValueError", "at most 10000 stamps are kept as revoked");
    }
  }
  if (!arguments.truth("terminate")) {
    return ok("headers " + headers->shown + " flagged as revoked, but not terminated");
  }
  std::map<std::string, std::vector<std::string>> ended;
  for (const auto& [key, values] : headers->all) {
    for (const auto& [id, value] : c.worker.active_with_stamps(key, values)) {
      if (!c.worker.terminate(id, *signal)) continue;
      auto& matched = ended[key];
      if (std::ranges::find(matched, value) == matched.end()) matched.push_back(value);
    }
  }
  if (ended.empty()) return ok("headers " + headers->shown + " were not terminated");
  std::string shown;
  for (const auto& [key, values] : ended) {
    shown += (shown.empty() ? "" : ", ") + celery::repr(json::value(key)) + ": " + set_repr(values);
  }
  return ok("headers defaultdict(<class 'set'>, {" + shown + "}) revoked");
}

Reply rate_limit(CommandContext& c, const Arguments& arguments) {
  const auto task = arguments.text("task_name");
  if (!task) return task.error();
  const auto* const given = arguments.find("rate_limit");
  std::string text;
  if (given != nullptr && given->is_number()) {
    if (given->to_number<double>() != 0) text = celery::repr(*given);
  } else if (auto read = arguments.text("rate_limit")) {
    text = std::move(*read);
  } else {
    return read.error();
  }
  const auto rate = parse_rate(text);
  if (rate.value_error) return nok("Invalid rate limit string: " + rate.fault);
  if (!rate.fault.empty()) return invalid(rate.fault);
  if (c.worker.tasks().find(*task) == nullptr) return nok("unknown task");
  c.worker.limit_rate(*task, text, rate.per_second);
  return text.empty() ? ok("rate limit disabled successfully")
                      : ok("new rate limit set successfully");
}

Reply time_limit(CommandContext& c, const Arguments& arguments) {
  const auto task = arguments.text("task_name");
  if (!task) return task.error();
  const auto soft = arguments.number("soft"), hard = arguments.number("hard");
  if (!soft) return soft.error();
  if (!hard) return hard.error();
  if (c.worker.tasks().find(*task) == nullptr) return nok("unknown task");
  c.worker.limit_time(*task, *soft, *hard);
  return ok("time limits set successfully");
}

Reply enable_events(CommandContext& c, const Arguments&) {
  return ok(c.worker.tell_of_tasks(true) ? "task events enabled" : "task events already enabled");
}

Reply disable_events(CommandContext& c, const Arguments&) {
  return ok(c.worker.tell_of_tasks(false) ? "task events disabled"
                                          : "task events already disabled");
}

Reply heartbeat(CommandContext& c, const Arguments&) {
  c.worker.beat();
  return json::value(nullptr);
}

// Nothing: as Celery declares a queue that it is only given the name of.
Result<std::optional<QueueBinding>> binding_of(const Arguments& arguments,
                                               const std::string& queue) {
  const auto exchange = arguments.text("exchange"), type = arguments.text("exchange_type"),
             key = arguments.text("routing_key");
  for (const auto* const read : {&exchange, &type, &key}) {
    if (!*read) return read->error();
  }
  QueueBinding binding;
  binding.exchange = exchange->empty() ? queue : *exchange;
  if (!type->empty()) binding.type = *type;
  binding.key = arguments.find("routing_key") == nullptr ? queue : *key;
  std::optional<QueueBinding> made;
  if (binding != QueueBinding{queue, "direct", queue}) made = std::move(binding);
  return made;
}

Reply add_consumer(CommandContext& c, const Arguments& arguments) {
  const auto queue = arguments.text("queue");
  if (!queue) return queue.error();
  if (queue->empty()) return arguments.wrong("queue", "the name of a queue");
  const auto binding = binding_of(arguments, *queue);
  if (!binding) return binding.error();
  if (const auto added = c.worker.add_queue({QueueName{*queue}, *binding}); !added) {
    return raised_as(added.error().code == Errc::Invalid ? "ValueError" : "OperationalError",
                     added.error().what);
  }
  return ok("add consumer " + *queue);
}

Reply cancel_consumer(CommandContext& c, const Arguments& arguments) {
  const auto queue = arguments.text("queue");
  if (!queue) return queue.error();
  if (queue->empty()) return arguments.wrong("queue", "the name of a queue");
  if (const auto gone = c.worker.cancel_queue(QueueName{*queue}); !gone) {
    return raised_as("OperationalError", gone.error().what);
  }
  return ok("no longer consuming from " + *queue);
}

Reply election(CommandContext& c, const Arguments& arguments) {
  const auto id = arguments.text("id"), topic = arguments.text("topic");
  if (!id) return id.error();
  if (!topic) return topic.error();
  const auto* const action = arguments.find("action");
  c.worker.elect(*id, *topic, action == nullptr ? json::value(nullptr) : *action);
  return json::value(nullptr);
}

}  // namespace

std::vector<Command> control_commands() {
  return {
      {"revoke", "", true, {"task_id"}, {"terminate", "signal"}, true, revoke},
      {"terminate", "", true, {"signal", "task_id"}, {}, true, terminate},
      {"revoke_by_stamped_headers",
       "",
       true,
       {"headers"},
       {"terminate", "signal"},
       true,
       revoke_by_stamped_headers},
      {"rate_limit", "", true, {"task_name", "rate_limit"}, {}, true, rate_limit},
      {"time_limit", "", true, {}, {"task_name", "hard", "soft"}, true, time_limit},
      {"enable_events", "", true, {}, {}, false, enable_events},
      {"disable_events", "", true, {}, {}, false, disable_events},
      {"heartbeat", "", false, {}, {}, false, heartbeat},
      {"add_consumer",
       "",
       true,
       {"queue"},
       {"exchange", "exchange_type", "routing_key"},
       true,
       add_consumer},
      {"cancel_consumer", "", true, {"queue"}, {}, true, cancel_consumer},
      {"election", "", true, {"id", "topic"}, {"action"}, true, election},
  };
}

}  // namespace umbel
