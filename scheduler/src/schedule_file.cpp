#include "umbel/scheduler/schedule_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "yaml_document.hpp"
#include "yaml_json.hpp"

namespace umbel {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;  // bytes
constexpr std::size_t kMaxName = 200;          // bytes; task ids, queues and labels are made of it
constexpr std::size_t kMaxDescription = 2000;

const std::array<std::string, 10> kKeys{"name", "cron",   "every", "timezone", "task",
                                        "args", "kwargs", "queue", "enabled",  "description"};
constexpr std::string_view kKnownKeys =
    "name, cron or every, timezone, task, args, kwargs, queue, enabled, description";

bool visible(std::string_view text) {
  return !text.empty() &&
         std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

struct Field {
  int line = 0;
  YAML::Node value;
};

// Reads one file, and goes on after a mistake, so that all of them are told at once.
class Reader {
 public:
  explicit Reader(std::string_view file) : file_{file} {}

  Result<std::vector<ScheduleEntry>> read(std::string_view text) {
    try {
      const auto document = first_document(std::string{text});
      if (document.second) {
        mistake(document.second->line + 1, "", "has more than one document (`---`)");
      } else {
        read_top(document.node);
      }
    } catch (const YAML::Exception& error) {
      mistake(error.mark.line + 1, "", "not YAML: " + error.msg);
    }
    if (mistakes_.empty()) return std::move(entries_);
    std::ranges::stable_sort(mistakes_, {}, &std::pair<int, std::string>::first);
    std::string all;
    for (const auto& [line, said] : mistakes_) all.append(all.empty() ? "" : "\n").append(said);
    return invalid(std::move(all));
  }

 private:
  void mistake(int line, const std::string& where, const std::string& reason) {
    mistakes_.emplace_back(line, file_ + ":" + std::to_string(std::max(line, 1)) + ": " +
                                     (where.empty() ? "" : where + ": ") + reason);
  }

  void read_top(const YAML::Node& top) {
    if (!top.IsMap()) {
      return mistake(top.Mark().line + 1, "", "wanted is `schedules:` with a list of entries");
    }
    bool found = false;
    for (const auto& member : top) {
      const int line = member.first.Mark().line + 1;
      const std::string key = member.first.IsScalar() ? member.first.Scalar() : "";
      if (key != "schedules") {
        mistake(line, "'" + key + "'", "unknown key; allowed is schedules");
      } else if (std::exchange(found, true)) {
        mistake(line, "'schedules'", "given twice");
      } else if (!member.second.IsSequence()) {
        mistake(line, "'schedules'", "must be a list of entries (`- name: ...`)");
      } else {
        std::size_t number = 0;
        for (const auto& entry : member.second) read_entry(entry, ++number);
      }
    }
    if (!found && mistakes_.empty()) mistake(1, "", "has no `schedules:`");
  }

  void read_entry(const YAML::Node& node, std::size_t number) {
    line_ = node.Mark().line + 1;
    label_ = "entry " + std::to_string(number);
    if (!node.IsMap()) return mistake(line_, label_, "must be a map of keys and values");
    fields_.clear();
    const auto name = node["name"];
    if (name && name.IsScalar() && visible(name.Scalar())) {
      label_ = "entry '" + shortened(name.Scalar(), 60) + "'";
    }
    for (const auto& member : node) {
      const int line = member.first.Mark().line + 1;
      const std::string key = member.first.IsScalar() ? member.first.Scalar() : "";
      if (std::ranges::find(kKeys, key) == kKeys.end()) {
        const auto near = nearest(key, kKeys);
        wrong(line, key,
              near ? "unknown key; did you mean '" + *near + "'?"
                   : "unknown key; allowed are " + std::string{kKnownKeys});
      } else if (!fields_.try_emplace(key, Field{line, member.second}).second) {
        wrong(line, key, "given twice");
      }
    }

    ScheduleEntry entry;
    const auto before = mistakes_.size();
    entry.name = required_name("name");
    if (!entry.name.empty()) {
      const auto [known, fresh] = names_.try_emplace(entry.name, fields_.at("name").line);
      if (!fresh) {
        wrong(fields_.at("name").line, "name",
              "used before, in line " + std::to_string(known->second) + "; names must differ");
      }
    }
    read_schedule(entry);
    entry.task = required_name("task");
    read_json("args", entry.args, YAML::NodeType::Sequence, "a list, such as [1, two]");
    read_json("kwargs", entry.kwargs, YAML::NodeType::Map, "a map, such as {x: 1}");
    if (fields_.contains("queue")) entry.queue = QueueName{required_name("queue")};
    read_enabled(entry);
    if (const auto* field = find("description")) {
      if (!field->value.IsScalar() || field->value.Scalar().size() > kMaxDescription) {
        wrong(field->line, "description",
              "must be a text of at most " + std::to_string(kMaxDescription) + " bytes");
      } else {
        entry.description = field->value.Scalar();
      }
    }
    if (mistakes_.size() == before) entries_.push_back(std::move(entry));
  }

  const Field* find(const std::string& key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? nullptr : &found->second;
  }

  void wrong(int line, const std::string& key, const std::string& reason) {
    mistake(line, label_ + ": " + key, reason);
  }

  // What goes into ids, labels and headers: one line of visible text.
  std::string required_name(const std::string& key) {
    const auto* const field = find(key);
    if (field == nullptr) {
      wrong(line_, key, "is missing");
      return {};
    }
    const std::string text = field->value.IsScalar() ? field->value.Scalar() : "";
    if (text.empty() || text.size() > kMaxName || text.front() == ' ' || text.back() == ' ' ||
        !visible(text)) {
      wrong(field->line, key,
            "must be a text of 1-" + std::to_string(kMaxName) +
                " bytes in one line, without spaces around it");
      return {};
    }
    return text;
  }

  void read_schedule(ScheduleEntry& entry) {
    const auto* const cron = find("cron");
    const auto* const every = find("every");
    const auto* const zone = find("timezone");
    if (cron != nullptr && every != nullptr) {
      return wrong(std::max(cron->line, every->line), "every", "cron is given too; one of both");
    }
    if (cron != nullptr) return read_cron(entry, *cron, zone);
    if (zone != nullptr) {
      wrong(zone->line, "timezone", "only with cron; `every` counts from the Unix epoch");
    }
    if (every == nullptr) return wrong(line_, "cron", "missing; wanted is one of cron and every");
    const auto interval =
        Interval::parse(every->value.IsScalar() ? every->value.Scalar() : std::string{});
    if (!interval) return wrong(every->line, "every", interval.error().what);
    entry.schedule = *interval;
    entry.schedule_text = "every " + interval->text();
  }

  void read_cron(ScheduleEntry& entry, const Field& cron, const Field* zone_field) {
    auto zone = TimeZone::utc();
    if (zone_field != nullptr) {
      const auto& value = zone_field->value;
      auto parsed = TimeZone::parse(value.IsScalar() ? value.Scalar() : std::string{});
      if (parsed) {
        zone = std::move(*parsed);
      } else {
        wrong(zone_field->line, "timezone", parsed.error().what);
      }
    }
    if (!cron.value.IsScalar()) {
      return wrong(cron.line, "cron", "must be a text, such as \"*/5 * * * *\" (with quotes)");
    }
    auto expression = CronExpression::parse(cron.value.Scalar());
    if (!expression) return wrong(cron.line, "cron", expression.error().what);
    entry.schedule_text = "cron " + expression->text() + " (" + zone.name() + ")";
    entry.schedule = Cron{std::move(*expression), std::move(zone)};
  }

  void read_json(const std::string& key, std::string& target, YAML::NodeType::value type,
                 const std::string& wanted) {
    const auto* const field = find(key);
    if (field == nullptr) return;
    if (field->value.Type() != type) return wrong(field->line, key, "must be " + wanted);
    const auto value = json_from_yaml(field->value);
    if (!value) return wrong(value.error().line, key, value.error().reason);
    target = celery::to_json(*value);
  }

  void read_enabled(ScheduleEntry& entry) {
    const auto* const field = find("enabled");
    if (field == nullptr) return;
    const auto value = json_from_yaml(field->value);
    if (!value || !value->is_bool()) {
      return wrong(field->line, "enabled", "must be true or false");
    }
    entry.enabled = value->get_bool();
  }

  std::string file_;
  std::vector<std::pair<int, std::string>> mistakes_;  // by line
  std::vector<ScheduleEntry> entries_;
  std::map<std::string, int> names_;  // where each was given first
  // Of the entry being read:
  std::map<std::string, Field> fields_;
  std::string label_;
  int line_ = 0;
};

}  // namespace

Result<std::vector<ScheduleEntry>> parse_schedule(std::string_view text, std::string_view file) {
  if (text.size() > kMaxFile) {
    return invalid(std::string{file} + ":1: larger than " + std::to_string(kMaxFile) + " bytes");
  }
  return Reader{file}.read(text);
}

Result<std::vector<ScheduleEntry>> load_schedule(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  if (!in || std::filesystem::is_directory(file)) {
    return not_found("schedule file " + file.string() + " cannot be read");
  }
  std::string content(kMaxFile + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(in.gcount()));
  return parse_schedule(content, file.string());
}

}  // namespace umbel
