// Schedule files: taken whole or refused whole, with a line number in every complaint; what was
// taken can be written down again.
#include <boost/json.hpp>
#include <set>
#include <sstream>

#include "fuzz_one.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/scheduler/schedule_file.hpp"

namespace umbel::fuzz {
namespace {

namespace json = boost::json;

void check_refusal(const std::string& what) {
  require(!what.empty(), "a refusal says why");
  std::istringstream lines{what};
  std::string line;
  std::getline(lines, line);
  require(line.starts_with("FILE:"), "a complaint names the file", what);
  const auto digits_end = line.find_first_not_of("0123456789", 5);
  require(digits_end != std::string::npos && digits_end > 5 && line[digits_end] == ':' &&
              line[5] != '0',
          "a complaint names the line", what);
}

json::value entry_as_json(const ScheduleEntry& entry) {
  json::object out{{"name", entry.name},
                   {"task", entry.task},
                   {"enabled", entry.enabled},
                   {"description", entry.description},
                   {"args", *celery::parse_json(entry.args)},
                   {"kwargs", *celery::parse_json(entry.kwargs)}};
  if (entry.queue) out["queue"] = entry.queue->str();
  if (const auto* const cron = std::get_if<Cron>(&entry.schedule)) {
    out["cron"] = cron->expression.text();
    out["timezone"] = cron->zone.name();
  } else {
    out["every"] = std::get<Interval>(entry.schedule).text();
  }
  return out;
}

// JSON is YAML, as far as it is ASCII (of escaped surrogate pairs YAML knows nothing).
std::string written(const std::vector<ScheduleEntry>& entries) {
  json::array list;
  for (const auto& entry : entries) list.push_back(entry_as_json(entry));
  return celery::to_json(json::object{{"schedules", std::move(list)}});
}

void check_entry(const ScheduleEntry& entry) {
  require(!entry.name.empty() && entry.name.size() <= 200, "an entry has a name");
  require(!entry.task.empty() && entry.task.size() <= 200, "an entry has a task");
  require(!entry.queue || !entry.queue->str().empty(), "a queue has a name");
  const auto args = celery::parse_json(entry.args);
  require(args && args->is_array(), "args are a JSON array", entry.args);
  const auto kwargs = celery::parse_json(entry.kwargs);
  require(kwargs && kwargs->is_object(), "kwargs are a JSON object", entry.kwargs);
  const WallTime now{std::chrono::seconds{1'795'350'738}};
  const auto next = next_after(entry.schedule, now);
  require(!next || *next > now, "the next tick is later");
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  const auto entries = parse_schedule(text, "FILE");
  if (!entries) return check_refusal(entries.error().what);
  std::set<std::string> names;
  for (const auto& entry : *entries) {
    check_entry(entry);
    require(names.insert(entry.name).second, "names differ", entry.name);
  }
  if (text.find('\\') != std::string::npos) return;
  for (const char c : text) {
    if ((c < 0x20 && c != '\n') || c >= 0x7f) return;
  }
  const std::string first = written(*entries);
  const auto again = parse_schedule(first, "FILE");
  require(again.has_value(), "what was written can be read",
          first + '\n' + (again ? "" : again.error().what));
  require(written(*again) == first, "what was written reads as it was", first);
}

}  // namespace umbel::fuzz
