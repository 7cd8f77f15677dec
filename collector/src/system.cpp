#include "system.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "umbel/metrics/catalogue.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::int64_t kBlindShown = 30 * 86'400;  // seconds

std::optional<std::uint64_t> entries_of(const char* folder) {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator each{folder, error}, end; !error && each != end;
       each.increment(error)) {
    ++count;
  }
  return error ? std::nullopt : std::optional{count};
}

json::value or_null(const std::optional<std::uint64_t>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::object process_section(const SystemParts& parts) {
  const ProcessFigures process = process_figures();
  return {{"memory_bytes", or_null(process.memory_bytes)},
          {"threads", or_null(process.threads)},
          {"descriptors", or_null(process.descriptors)},
          {"cpu_seconds", process.cpu_seconds},
          {"uptime", std::chrono::duration<double>(parts.clock.steady() - parts.started).count()}};
}

json::object history_section(const SystemParts& parts) {
  json::object section{{"tasks", nullptr},
                       {"bytes", nullptr},
                       {"days", nullptr},
                       {"oldest", nullptr},
                       {"retention_days", parts.history_days},
                       {"writer", parts.metrics.gauge(metrics::kHistoryWriter).Value() > 0}};
  const auto days = parts.history.day_sizes();
  if (!days) {
    section["error"] = days.error().what;
    return section;
  }
  std::uint64_t bytes = 0;
  json::array rows;
  for (const HistoryDay& each : *days) {
    bytes += each.bytes;
    rows.push_back(json::object{{"day", each.day}, {"bytes", each.bytes}});
  }
  if (!days->empty()) section["oldest"] = days->front().day;
  section["bytes"] = bytes;
  section["days"] = std::move(rows);
  return section;
}

json::array blind_rows(const LiveState& state, std::int64_t now) {
  json::array rows;
  for (const BlindSpan& span : state.blind_spans().between(now - kBlindShown, now)) {
    rows.push_back(json::object{{"from", span.from},
                                {"to", span.to},
                                {"reason", to_text(span.reason)},
                                {"lost_for_good", lost_for_good(span.reason)},
                                {"lost", span.lost},
                                {"worker", or_null(span.who)}});
  }
  return rows;
}

}  // namespace

ProcessFigures process_figures() {
  ProcessFigures figures;
  std::uint64_t total = 0, resident = 0;
  if (std::ifstream statm{"/proc/self/statm"}; statm >> total >> resident)
    figures.memory_bytes = resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  figures.threads = entries_of("/proc/self/task");
  figures.descriptors = entries_of("/proc/self/fd");
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    figures.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  return figures;
}

json::object system_answer(const SystemParts& parts) {
  json::object history = history_section(parts);
  auto& metrics = parts.metrics;
  const WallTime now = parts.clock.wall();
  json::object answer = parts.live.with([&](LiveState& state) {
    return json::object{
        {"live", json::object{{"tasks", state.task_count()},
                              {"bytes", state.tasks().bytes()},
                              {"evicted", state.evicted()},
                              {"limit", parts.most_tasks}}},
        {"series",
         json::object{{"names", state.names().all().size()},
                      {"names_folded", state.names().folded()},
                      {"names_bytes", state.names().bytes()},
                      {"labels_folded", metrics.counter(metrics::kLabelsFolded).Value()}}},
        {"events",
         json::object{{"per_second", state.events_per_second(now)},
                      {"total", state.events_total()},
                      {"lag_seconds", std::chrono::duration<double>(state.lag(now)).count()},
                      {"missed", state.totals().missed_events},
                      {"cut_batches", state.totals().cut_batches},
                      {"backlog", metrics.gauge(metrics::kHistoryWaiting).Value()}}},
        {"blind", blind_rows(state, unix_second(now))}};
  });
  answer["process"] = process_section(parts);
  answer["history"] = std::move(history);
  answer["stream"] = json::object{{"clients", parts.stream.pages()},
                                  {"closed_slow", metrics.counter(metrics::kPagesDropped).Value()},
                                  {"sent_bytes", parts.stream.sent_bytes()}};
  answer["engines"] =
      json::object{{"broker", or_null(parts.broker)}, {"store", or_null(parts.store)}};
  answer["version"] = parts.version;
#ifdef NDEBUG
  answer["build"] = "release";
#else
  answer["build"] = "debug";
#endif
  answer["now"] = to_unix_seconds(now);
  return answer;
}

}  // namespace umbel::collector
