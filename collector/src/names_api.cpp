#include "names_api.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestName = 300;  // bytes

json::value quantiles(const Spread& spread) {
  if (spread.count() == 0) return nullptr;
  json::array three;
  for (const double q : {0.5, 0.95, 0.99})
    three.emplace_back(std::chrono::duration<double>(*spread.quantile(q)).count());
  return three;
}

json::value ratio(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return nullptr;
  return static_cast<double>(part) / static_cast<double>(whole);
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(shortened(text, kLongestName));
}

struct Now {
  std::uint64_t running = 0, waiting = 0;
};

std::map<std::string, Now> by_name(const LiveState& state) {
  std::map<std::string, Now> all;
  state.tasks().each_running([&](const std::string&, const std::string& name, std::uint64_t tasks) {
    all[name].running += tasks;
  });
  state.tasks().each_waiting([&](const std::string&, const std::string& name, std::uint64_t tasks) {
    all[name].waiting += tasks;
  });
  return all;
}

// Nothing is known of the window: no count of it is either.
json::object window_row(const NameWindow& window) {
  const auto known = [&](std::uint64_t count) {
    return window.known > 0 ? json::value(count) : json::value(nullptr);
  };
  const std::uint64_t finished = window.counts.finished();
  return {{"received", known(window.counts.received)},
          {"succeeded", known(window.counts.succeeded)},
          {"failed", known(window.counts.failed)},
          {"retried", known(window.counts.retried)},
          {"rate", ratio(finished, static_cast<std::uint64_t>(window.known))},
          {"failure_ratio", ratio(window.counts.failed, finished)},
          {"wait", quantiles(window.wait)},
          {"run", quantiles(window.run)}};
}

void add_rest(json::object& row, const Names& names, const Names::Entry& entry, const Now& tasks,
              std::int64_t second) {
  json::array finished, failed;
  for (const auto& minute : names.by_minute(entry, second)) {
    finished.push_back(minute ? json::value(minute->finished()) : json::value(nullptr));
    failed.push_back(minute ? json::value(minute->failed) : json::value(nullptr));
  }
  row["running"] = tasks.running;
  row["waiting"] = tasks.waiting;
  row["last_seen"] = entry.last_seen();
  row["total"] = entry.finished();
  row["spark"] = std::move(finished);
  row["spark_failed"] = std::move(failed);
}

json::value parameters(const CatalogueEntry* entry) {
  if (entry == nullptr) return nullptr;
  json::array rows;
  for (const TaskParameter& each : entry->parameters) {
    json::value otherwise = nullptr;
    if (!each.required) {
      boost::system::error_code error;
      otherwise = json::parse(each.default_value, error);
      if (error) otherwise = json::value(each.default_value);
    }
    rows.push_back(json::object{{"name", each.name},
                                {"type", each.type},
                                {"required", each.required},
                                {"default", std::move(otherwise)}});
  }
  return rows;
}

}  // namespace

json::object names_answer(const LiveState& state, std::int64_t minutes, WallTime now) {
  const Names& names = state.names();
  const std::int64_t second = unix_second(now);
  const auto tasks = by_name(state);
  struct Row {
    std::uint64_t finished = 0;
    const std::string* name = nullptr;
    json::object object;
  };
  std::vector<Row> rows;
  for (const Names::Entry& entry : names.all()) {
    const NameWindow window = names.window(entry, minutes, second);
    json::object row{{"name", shortened(entry.name(), kLongestName)},
                     {"queue", text_or_null(entry.queue())}};
    for (auto& [key, value] : window_row(window)) row[key] = std::move(value);
    const auto known = tasks.find(entry.name());
    add_rest(row, names, entry, known == tasks.end() ? Now{} : known->second, second);
    rows.push_back({window.counts.finished(), &entry.name(), std::move(row)});
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.finished != b.finished ? a.finished > b.finished : *a.name < *b.name;
  });
  json::array list;
  for (Row& row : rows) list.push_back(std::move(row.object));
  return {{"names", std::move(list)},
          {"minutes", minutes},
          {"folded", names.folded()},
          {"now", to_unix_seconds(now)}};
}

Result<json::object> name_answer(const LiveState& state, const std::string& name,
                                 const CatalogueEntry* catalogue, WallTime now) {
  const Names& names = state.names();
  const Names::Entry* const entry = names.find(name);
  if (entry == nullptr && catalogue == nullptr)
    return not_found("no task is named `" + shortened(name, 80) + "`");
  const std::int64_t second = unix_second(now);
  const Names::Entry unseen{name};
  const Names::Entry& known = entry == nullptr ? unseen : *entry;
  json::object windows;
  for (const std::int64_t minutes : {1, 5, 60})
    windows[std::to_string(minutes)] = window_row(names.window(known, minutes, second));
  json::array workers;
  for (const std::string& worker : known.workers()) workers.emplace_back(worker);
  const std::string queue =
      known.queue().empty() && catalogue != nullptr ? catalogue->queue.str() : known.queue();
  json::object answer{
      {"name", name},
      {"queue", text_or_null(queue)},
      {"description", text_or_null(catalogue == nullptr ? std::string{} : catalogue->description)},
      {"parameters", parameters(catalogue)},
      {"windows", std::move(windows)},
      {"workers", std::move(workers)}};
  const auto tasks = by_name(state);
  const auto current = tasks.find(name);
  add_rest(answer, names, known, current == tasks.end() ? Now{} : current->second, second);
  if (entry == nullptr) answer["last_seen"] = nullptr;
  answer["now"] = to_unix_seconds(now);
  return answer;
}

}  // namespace umbel::collector
