#include "flower.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <tuple>

#include "sections.hpp"
#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::collector::flower {
namespace {

namespace json = boost::json;

json::value seconds(const std::optional<WallTime>& time) {
  return time ? json::value(to_unix_seconds(*time)) : json::value(nullptr);
}

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

std::string folded(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

Error wrong(std::string_view name, const std::string& value, std::string_view allowed) {
  return invalid("argument " + std::string{name} + "=" + shortened(value, 60) + ": allowed is " +
                 std::string{allowed});
}

Result<std::optional<std::int64_t>> integer(const http::Request& request, std::string_view name) {
  using Answer = std::optional<std::int64_t>;
  const auto text = request.argument(name);
  if (!text) return Answer{};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc{} || end != text->data() + text->size())
    return wrong(name, *text, "a whole number");
  return Answer{number};
}

// In the zone of this machine, as Flower reads it.
Result<std::optional<WallTime>> minute(const http::Request& request, std::string_view name) {
  using Answer = std::optional<WallTime>;
  const auto text = request.argument(name);
  if (!text || text->empty()) return Answer{};
  std::tm parts{};
  const char* const end = strptime(text->c_str(), "%Y-%m-%d %H:%M", &parts);
  if (end == nullptr || *end != '\0') return wrong(name, *text, "a time such as 2026-11-22 15:30");
  parts.tm_isdst = -1;
  return Answer{from_unix_seconds(static_cast<double>(std::mktime(&parts)))};
}

std::string filter(const http::Request& request, std::string_view name) {
  const std::string value = request.argument(name).value_or("");
  return value == "All" ? std::string{} : folded(value);
}

bool matches(const Task& task, const TaskQuery& query) {
  const auto is = [](const std::string& wanted, std::string_view value) {
    return wanted.empty() || folded(value) == wanted;
  };
  if (!is(query.worker, task.worker.value_or("")) || !is(query.name, task.name.value_or("")) ||
      !is(query.state, task.state_text())) {
    return false;
  }
  if (!task.received) return true;
  return (!query.received_start || *task.received >= *query.received_start) &&
         (!query.received_end || *task.received <= *query.received_end);
}

// A task that matches, with what it is sorted by; the task itself is looked up for the answer only.
struct Found {
  TaskId id;
  WallTime timestamp{};
  std::string text;
  std::optional<WallTime> time;
};

Found found_in(const Task& task, std::string_view key) {
  Found found{.id = task.uuid, .timestamp = task.timestamp, .text = {}, .time = {}};
  if (key == "name") found.text = folded(task.name.value_or(""));
  if (key == "state") found.text = folded(task.state_text());
  if (key == "received") found.time = task.received;
  if (key == "started") found.time = task.started;
  return found;
}

void sort(std::vector<Found>& found, bool by_change, bool descending) {
  std::sort(found.begin(), found.end(), [&](const Found& a, const Found& b) {
    if (by_change && a.timestamp != b.timestamp) return a.timestamp > b.timestamp;
    const Found& less = descending ? b : a;
    const Found& more = descending ? a : b;
    if (const auto order = std::tie(less.text, less.time) <=> std::tie(more.text, more.time);
        order != 0) {
      return order < 0;
    }
    return a.id < b.id;
  });
}

json::object active_queue(const std::string& name) {
  return {
      {"name", name},
      {"exchange",
       json::object{{"name", name}, {"type", "direct"}, {"durable", true}, {"auto_delete", false}}},
      {"routing_key", name},
      {"durable", true},
      {"exclusive", false},
      {"auto_delete", false}};
}

}  // namespace

Children children_of(const LiveState& state) {
  Children children;
  state.tasks().each_child(
      [&](std::string parent, std::string child) { children.emplace(parent, child); });
  return children;
}

json::object task_dict(const Task& task, const Children& children) {
  json::array known;
  const auto [begin, end] = children.equal_range(task.uuid.str());
  for (auto each = begin; each != end; ++each) known.emplace_back(each->second);
  return {{"uuid", task.uuid.str()},
          {"name", or_null(task.name)},
          {"state", task.state_text()},
          {"received", seconds(task.received)},
          {"sent", seconds(task.sent)},
          {"started", seconds(task.started)},
          {"rejected", seconds(task.rejected)},
          {"succeeded", seconds(task.succeeded)},
          {"failed", seconds(task.failed)},
          {"retried", seconds(task.retried)},
          {"revoked", seconds(task.revoked)},
          {"args", or_null(task.args)},
          {"kwargs", or_null(task.kwargs)},
          {"eta", or_null(task.eta)},
          {"expires", or_null(task.expires)},
          {"retries", or_null(task.retries)},
          {"worker", or_null(task.worker)},
          {"result", or_null(task.result)},
          {"exception", or_null(task.exception)},
          {"timestamp", to_unix_seconds(task.timestamp)},
          {"runtime", or_null(task.runtime)},
          {"traceback", or_null(task.traceback)},
          {"exchange", or_null(task.exchange)},
          {"routing_key", or_null(task.routing_key)},
          {"clock", or_null(task.clock)},
          {"client", or_null(task.client)},
          {"root", or_null(task.root_id)},
          {"root_id", or_null(task.root_id)},
          {"parent", or_null(task.parent_id)},
          {"parent_id", or_null(task.parent_id)},
          {"children", std::move(known)}};
}

Result<TaskQuery> task_query(const http::Request& request) {
  TaskQuery query;
  const auto limit = integer(request, "limit");
  if (!limit) return limit.error();
  if (*limit) {
    if (**limit < 0) return wrong("limit", *request.argument("limit"), "a number from 0 up");
    query.limit = static_cast<std::size_t>(**limit);
  }
  const auto offset = integer(request, "offset");
  if (!offset) return offset.error();
  query.offset = static_cast<std::size_t>(std::max<std::int64_t>(offset->value_or(0), 0));
  query.sort_by = request.argument("sort_by").value_or("");
  const std::string key = query.sort_by.starts_with('-') ? query.sort_by.substr(1) : query.sort_by;
  if (!query.sort_by.empty() && key != "name" && key != "state" && key != "received" &&
      key != "started") {
    return wrong("sort_by", query.sort_by,
                 "name, state, received or started, with - in front for descending");
  }
  query.worker = filter(request, "workername");
  query.name = filter(request, "taskname");
  query.state = filter(request, "state");
  const auto start = minute(request, "received_start");
  if (!start) return start.error();
  const auto end = minute(request, "received_end");
  if (!end) return end.error();
  query.received_start = *start;
  query.received_end = *end;
  return query;
}

json::object tasks(const LiveState& state, const TaskQuery& query) {
  const bool descending = query.sort_by.starts_with('-');
  const std::string_view sorted_by = std::string_view{query.sort_by}.substr(descending ? 1 : 0);
  std::vector<Found> found;
  state.each_task([&](const Task& task, std::uint64_t) {
    if (matches(task, query)) found.push_back(found_in(task, sorted_by));
    return true;
  });
  sort(found, sorted_by.empty(), descending);
  const Children children = children_of(state);
  const std::size_t begin = std::min(query.offset, found.size());
  const std::size_t count =
      std::min({query.limit.value_or(kMostTasks), kMostTasks, found.size() - begin});
  json::object answer;
  for (std::size_t i = begin; i < begin + count; ++i) {
    const Task* const task = state.find(found[i].id);
    json::object dict;
    json::value worker;
    // Erasing a key would move the last one into its place.
    for (auto& [key, value] : task_dict(*task, children)) {
      if (key == "worker") {
        worker = std::move(value);
      } else {
        dict.emplace(key, std::move(value));
      }
    }
    if (!worker.is_null()) dict.emplace("worker", std::move(worker));
    answer.emplace(found[i].id.str(), std::move(dict));
  }
  return answer;
}

Result<bool> bool_argument(const http::Request& request, std::string_view name) {
  const auto given = request.argument(name);
  if (!given) return Result<bool>{false};
  const std::string word = folded(*given);
  for (const char* yes : {"y", "yes", "t", "true", "on", "1"}) {
    if (word == yes) return Result<bool>{true};
  }
  for (const char* no : {"n", "no", "f", "false", "off", "0"}) {
    if (word == no) return Result<bool>{false};
  }
  return wrong(name, *given, "true or false");
}

namespace {

json::object told_by_events(const LiveWorker& worker,
                            const std::vector<CatalogueEntry>& catalogue) {
  const WorkerState& state = worker.state;
  json::object total;
  for (const auto& [name, count] : worker.started) total.emplace(name, count);
  json::object stats{{"total", std::move(total)}, {"pid", state.pid}};
  if (state.clock) stats["clock"] = std::to_string(*state.clock);
  if (state.slots > 0) stats["pool"] = json::object{{"max-concurrency", state.slots}};
  stats["processed"] = state.processed;
  stats["active"] = state.active;
  stats["loadavg"] = json::value_from(state.loadavg);
  json::object answer{{"stats", std::move(stats)}};
  if (!state.queues.empty()) {  // only Umbel's workers say theirs
    const json::array queues = split(state.queues);
    json::array active;
    json::array registered;
    for (const json::value& queue : queues)
      active.push_back(active_queue(std::string{queue.get_string()}));
    for (const CatalogueEntry& entry : catalogue) {
      const auto is_its = [&](const json::value& queue) {
        return queue.get_string() == entry.queue.str();
      };
      if (std::any_of(queues.begin(), queues.end(), is_its)) registered.emplace_back(entry.name);
    }
    answer["active_queues"] = std::move(active);
    answer["registered"] = std::move(registered);
  }
  return answer;
}

}  // namespace

json::object worker(const LiveWorker& worker, const std::optional<Inspection>& inspection,
                    const std::vector<CatalogueEntry>& catalogue) {
  json::object answer = told_by_events(worker, catalogue);
  if (inspection) {
    for (const auto& [method, value] : inspection->answers) answer[method] = value;
  }
  answer["timestamp"] =
      inspection ? to_unix_seconds(inspection->at) : seconds(worker.state.last_seen);
  return answer;
}

std::string text(const json::value& value) {
  std::string written = celery::to_json(value);
  std::string escaped;
  escaped.reserve(written.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    escaped.push_back(written[i]);
    if (written[i] == '<' && i + 1 < written.size() && written[i + 1] == '/')
      escaped.push_back('\\');
  }
  return escaped;
}

}  // namespace umbel::collector::flower
