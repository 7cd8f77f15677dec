#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "command.hpp"
#include "revoked_exchange.hpp"
#include "stats.hpp"
#include "umbel/celery/repr.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

json::array infos(const std::vector<HeldTask>& tasks, const std::string& node, bool safe = false) {
  json::array all;
  for (const auto& task : tasks) all.push_back(info_of(task, node, safe));
  return all;
}

Reply ping(CommandContext&, const Arguments&) { return ok("pong"); }

Reply clock(CommandContext& c, const Arguments&) {
  return json::value(json::object{{"clock", c.worker.clock().value()}});
}

Reply active(CommandContext& c, const Arguments& arguments) {
  return json::value(infos(c.worker.active(), c.worker.node(), arguments.truth("safe")));
}

Reply reserved(CommandContext& c, const Arguments&) {
  return json::value(infos(c.worker.reserved(), c.worker.node()));
}

Reply scheduled(CommandContext& c, const Arguments&) {
  json::array all;
  for (const auto& task : c.worker.scheduled()) all.push_back(schedule_of(task, c.worker.node()));
  return json::value(std::move(all));
}

Reply revoked(CommandContext& c, const Arguments&) {
  json::array ids;
  for (const auto& entry : c.worker.revoked().entries()) ids.emplace_back(entry.id);
  return json::value(std::move(ids));
}

std::string truth(bool value) { return value ? "True" : "False"; }

std::optional<std::string> seconds(const std::optional<double>& value) {
  if (!value) return std::nullopt;
  return celery::repr(json::value(*value));
}

// An attribute of a task as Python's str() of it; nothing: it has none of that name, or None. Those
// that are the same for every task are what Celery's would be for what this worker does.
std::optional<std::string> attribute(Controlled& worker, const RegisteredTask& task,
                                     std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kAlike{
      {{"acks_late", "True"},
       {"acks_on_failure_or_timeout", "True"},
       {"resultrepr_maxsize", "1024"},
       {"send_events", "True"},
       {"serializer", "json"},
       {"store_eager_result", "False"},
       {"store_errors_even_if_ignored", "False"},
       {"trail", "True"},
       {"typing", "True"}}};
  const auto& options = task.options;
  if (name == "name") return task.entry.name;
  if (name == "queue" && !task.hidden) return options.queue.str();
  if (name == "rate_limit") {
    auto rate = worker.rate_limit(task.entry.name);
    return rate.empty() ? std::nullopt : std::optional{std::move(rate)};
  }
  if (name == "max_retries") return std::to_string(options.retry.max_retries);
  if (name == "soft_time_limit") return seconds(worker.time_limits(task).soft);
  if (name == "time_limit") return seconds(worker.time_limits(task).hard);
  if (name == "ignore_result") return truth(options.ignore_result);
  if (name == "track_started") return truth(options.track_started);
  if (name == "reject_on_worker_lost") return truth(options.reject_on_worker_lost);
  const auto* const alike =
      std::ranges::find(kAlike, name, [](const auto& one) { return one.first; });
  if (alike != kAlike.end()) return std::string{alike->second};
  return std::nullopt;
}

Reply registered(CommandContext& c, const Arguments& arguments) {
  auto wanted = arguments.texts("taskinfoitems");
  if (!wanted) return wanted.error();
  if (wanted->empty()) *wanted = {"exchange", "routing_key", "rate_limit"};
  const bool all_of_them = arguments.truth("builtins");
  json::array all;
  for (const auto& task_name : c.worker.tasks().names()) {
    const auto* const task = c.worker.tasks().find(task_name);
    if ((task->hidden || task_name.starts_with("celery.")) && !all_of_them) continue;
    std::string attributes;
    for (const auto& name : *wanted) {
      if (const auto value = attribute(c.worker, *task, name)) {
        attributes += (attributes.empty() ? "" : " ") + name + "=" + *value;
      }
    }
    all.emplace_back(attributes.empty() ? task_name : task_name + " [" + attributes + "]");
  }
  return json::value(std::move(all));
}

Reply query_task(CommandContext& c, const Arguments& arguments) {
  const auto ids = arguments.texts("ids");
  if (!ids) return ids.error();
  json::object found;
  const auto look = [&](const std::vector<HeldTask>& tasks, const char* state) {
    for (const auto& task : tasks) {
      if (std::ranges::find(*ids, task.id) == ids->end() || found.contains(task.id)) continue;
      found[task.id] = json::array{state, info_of(task, c.worker.node())};
    }
  };
  look(c.worker.active(), "active");
  look(c.worker.reserved(), "reserved");
  return json::value(std::move(found));
}

Reply stats(CommandContext& c, const Arguments&) {
  rusage used{};
  (void)getrusage(RUSAGE_SELF, &used);
  return json::value(stats_document(c.worker.facts(), getpid(), c.worker.clock().value(), used));
}

Reply conf(CommandContext& c, const Arguments& arguments) {
  return json::value(c.worker.conf(arguments.truth("with_defaults")));
}

Reply report(CommandContext& c, const Arguments&) { return ok(c.worker.report()); }

Reply active_queues(CommandContext& c, const Arguments&) {
  json::array all;
  for (const auto& queue : c.worker.queues()) all.push_back(queue_document(queue));
  return json::value(std::move(all));
}

Reply hello(CommandContext& c, const Arguments& arguments) {
  const auto from = arguments.text("from_node");
  if (!from) return from.error();
  if (*from == c.worker.node()) return json::value(nullptr);
  if (const auto* const given = arguments.find("revoked"); given && arguments.truth("revoked")) {
    if (const auto merged = merge_revoked(c.worker.revoked(), *given); !merged) {
      return merged.error();
    }
  }
  return json::value(json::object{{"revoked", revoked_document(c.worker.revoked())},
                                  {"clock", c.worker.clock().forward()}});
}

constexpr std::size_t kMostSamples = 1000;

// As Celery's humanbytes: five digits at most.
std::string bytes_text(std::uint64_t bytes) {
  constexpr std::pair<double, const char*> kUnits[] = {
      {1099511627776.0, "TB"}, {1073741824.0, "GB"}, {1048576.0, "MB"}, {1024.0, "KB"}};
  const auto count = static_cast<double>(bytes);
  for (const auto& [size, unit] : kUnits) {
    if (count < size) continue;
    char text[32];
    const double value = count / size;
    std::snprintf(text, sizeof text, "%.5g", value);
    return std::string{text} + unit;
  }
  return std::to_string(bytes) + "b";
}

Reply memsample(CommandContext& c, const Arguments&) {
  const auto bytes = c.worker.resident_memory();
  if (bytes == 0) return json::value(nullptr);
  if (c.memory_samples.size() >= kMostSamples) {
    c.memory_samples.erase(c.memory_samples.begin());
  }
  c.memory_samples.push_back(bytes_text(bytes));
  return json::value(c.memory_samples.back());
}

// Of many samples as many as were asked for, evenly spread.
Reply memdump(CommandContext& c, const Arguments& arguments) {
  const auto wanted = arguments.whole("samples");
  if (!wanted) return wanted.error();
  const auto most = static_cast<std::size_t>(
      std::clamp<std::int64_t>(wanted->value_or(10), 0, std::int64_t{kMostSamples}));
  const auto bytes = c.worker.resident_memory();
  if (bytes == 0) return json::value("- rss: (unknown).\n");
  std::string text;
  const auto& samples = c.memory_samples;
  const auto shown = std::min(most, samples.size());
  if (shown > 0) text += "- rss (sample):\n";
  for (std::size_t i = 0; i < shown; ++i) {
    text += "-    > " + samples[i * samples.size() / shown] + ",\n";
  }
  text += "- rss (end): " + bytes_text(bytes) + ".\n";
  c.memory_samples.clear();
  return json::value(std::move(text));
}

Reply objgraph(CommandContext&, const Arguments&) {
  return raised_as("ImportError", "Requires the objgraph library");
}

}  // namespace

std::vector<Command> inspect_commands() {
  return {
      {"ping", "", false, {}, {}, true, ping},
      {"clock", "", false, {}, {}, true, clock},
      {"active", "dump_active", false, {}, {"safe"}, true, active},
      {"reserved", "dump_reserved", false, {}, {}, true, reserved},
      {"scheduled", "dump_schedule", false, {}, {}, true, scheduled},
      {"revoked", "dump_revoked", false, {}, {}, true, revoked},
      {"registered", "dump_tasks", false, {}, {"taskinfoitems", "builtins"}, true, registered},
      {"query_task", "", false, {"ids"}, {}, true, query_task},
      {"stats", "", false, {}, {}, true, stats},
      {"conf", "dump_conf", false, {}, {"with_defaults"}, true, conf},
      {"report", "", false, {}, {}, false, report},
      {"active_queues", "", false, {}, {}, false, active_queues},
      {"hello", "", false, {"from_node"}, {"revoked"}, true, hello},
      {"memsample", "", false, {}, {}, true, memsample},
      {"memdump", "", false, {}, {"samples"}, true, memdump},
      {"objgraph", "", false, {}, {"num", "max_depth", "type"}, false, objgraph},
  };
}

}  // namespace umbel
