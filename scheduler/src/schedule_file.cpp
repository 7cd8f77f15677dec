#include "umbel/scheduler/schedule_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <compare>
#include <cstring>
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
constexpr std::size_t kMaxEntries = 10'000;
constexpr std::size_t kMaxMistakes = 50;          // told of one file
constexpr std::size_t kMaxReason = 500;           // bytes; a reason quotes what it is about
constexpr std::size_t kMaxArguments = 8'000'000;  // bytes of JSON, of all entries

const std::array<std::string, 10> kKeys{"name", "cron",   "every", "timezone", "task",
                                        "args", "kwargs", "queue", "enabled",  "description"};
constexpr std::string_view kKnownKeys =
    "name, cron or every, timezone, task, args, kwargs, queue, enabled, description";

bool visible(std::string_view text) {
  return !text.empty() &&
         std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// Counted from 1.
struct Position {
  int line = 1, column = 1;
  friend auto operator<=>(const Position&, const Position&) = default;
};

Position position(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

struct Field {
  Position key;
  YAML::Node value;
  // Where a mistake about the value is: the value itself, if it stands in one place.
  [[nodiscard]] Position at() const {
    return value.IsScalar() && !value.Mark().is_null() ? position(value.Mark()) : key;
  }
};

// How many bytes the UTF-8 character takes that `text` begins with; 0: it begins with none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool no_character = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
  return overlong || no_character ? 0 : length;
}

// The first byte that no text has: YAML is UTF-8 without control characters.
std::optional<Position> first_that_is_no_text(std::string_view text) {
  Position at;
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text.substr(i));
    const auto c = static_cast<unsigned char>(text[i]);
    if (length == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) return at;
    at = c == '\n' ? Position{at.line + 1, 1} : Position{at.line, at.column + 1};
    i += length;
  }
  return std::nullopt;
}

// What yaml-cpp says of a tab does not mention it.
bool tab_in_indentation(std::string_view text, int line) {
  for (; line > 0; --line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

// Reads one file, and goes on after a mistake, so that all of them are told at once.
class Reader {
 public:
  explicit Reader(std::string_view file) : file_{file} {}

  Result<std::vector<ScheduleEntry>> read(std::string_view text) {
    if (const auto at = first_that_is_no_text(text)) {
      mistake(*at, "", "not text; wanted is YAML in UTF-8, without control characters");
      return told();
    }
    try {
      const auto document = first_document(std::string{text});
      if (document.second) {
        mistake(position(*document.second), "", "has more than one document (`---`)");
      } else {
        read_top(document.node);
      }
    } catch (const YAML::Exception& error) {
      const bool tab = tab_in_indentation(text, error.mark.line) ||
                       tab_in_indentation(text, error.mark.line - 1);
      mistake(position(error.mark), "",
              "not YAML: " + error.msg + (tab ? "; lines are indented with spaces, not tabs" : ""));
    }
    if (mistakes_.empty()) return std::move(entries_);
    return told();
  }

 private:
  void mistake(Position at, const std::string& where, const std::string& reason) {
    if (++mistakes_made_ > kMaxMistakes) return;
    mistakes_.emplace_back(
        at, file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " +
                (where.empty() ? "" : where + ": ") + shortened(reason, kMaxReason));
  }

  Error told() {
    std::ranges::stable_sort(mistakes_, {}, &std::pair<Position, std::string>::first);
    std::string all;
    for (const auto& [at, said] : mistakes_) all.append(all.empty() ? "" : "\n").append(said);
    if (mistakes_made_ > kMaxMistakes) {
      all += "\n" + file_ + ": there are more; these are the first " + std::to_string(kMaxMistakes);
    }
    return invalid(std::move(all));
  }

  void read_top(const YAML::Node& top) {
    if (!top.IsMap()) {
      return mistake(position(top.Mark()), "", "wanted is `schedules:` with a list of entries");
    }
    bool found = false;
    for (const auto& member : top) {
      const auto at = position(member.first.Mark());
      const std::string key = member.first.IsScalar() ? member.first.Scalar() : "";
      if (key != "schedules") {
        mistake(at, "'" + shortened(key, 60) + "'", "unknown key; allowed is schedules");
      } else if (std::exchange(found, true)) {
        mistake(at, "'schedules'", "given twice");
      } else if (!member.second.IsSequence()) {
        mistake(at, "'schedules'", "must be a list of entries (`- name: ...`)");
      } else if (member.second.size() > kMaxEntries) {
        mistake(at, "'schedules'",
                "has " + std::to_string(member.second.size()) + " entries; allowed are " +
                    std::to_string(kMaxEntries));
      } else {
        std::size_t number = 0;
        for (const auto& entry : member.second) {
          if (mistakes_made_ > kMaxMistakes) break;
          read_entry(entry, ++number);
        }
      }
    }
    if (!found && mistakes_.empty()) mistake({}, "", "has no `schedules:`");
  }

  void read_entry(const YAML::Node& node, std::size_t number) {
    at_ = position(node.Mark());
    label_ = "entry " + std::to_string(number);
    if (!node.IsMap()) return mistake(at_, label_, "must be a map of keys and values");
    fields_.clear();
    const auto name = node["name"];
    if (name && name.IsScalar() && visible(name.Scalar())) {
      label_ = "entry '" + shortened(name.Scalar(), 60) + "'";
    }
    for (const auto& member : node) {
      const auto at = position(member.first.Mark());
      const std::string key = member.first.IsScalar() ? member.first.Scalar() : "";
      if (std::ranges::find(kKeys, key) == kKeys.end()) {
        const auto near = nearest(key, kKeys);
        wrong(at, shortened(key, 60),
              near ? "unknown key; did you mean '" + *near + "'?"
                   : "unknown key; allowed are " + std::string{kKnownKeys});
      } else if (!fields_.try_emplace(key, Field{at, member.second}).second) {
        wrong(at, key, "given twice");
      }
    }

    ScheduleEntry entry;
    const auto before = mistakes_made_;
    entry.name = required_name("name");
    if (!entry.name.empty()) {
      const auto [known, fresh] = names_.try_emplace(entry.name, fields_.at("name").key.line);
      if (!fresh) {
        wrong(fields_.at("name").at(), "name",
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
        wrong(field->at(), "description",
              "must be a text of at most " + std::to_string(kMaxDescription) + " bytes");
      } else {
        entry.description = field->value.Scalar();
      }
    }
    if (mistakes_made_ == before) entries_.push_back(std::move(entry));
  }

  const Field* find(const std::string& key) const {
    const auto found = fields_.find(key);
    return found == fields_.end() ? nullptr : &found->second;
  }

  void wrong(Position at, const std::string& key, const std::string& reason) {
    mistake(at, label_ + ": " + key, reason);
  }

  // What goes into ids, labels and headers: one line of visible text.
  std::string required_name(const std::string& key) {
    const auto* const field = find(key);
    if (field == nullptr) {
      wrong(at_, key, "is missing");
      return {};
    }
    const std::string text = field->value.IsScalar() ? field->value.Scalar() : "";
    if (text.empty() || text.size() > kMaxName || text.front() == ' ' || text.back() == ' ' ||
        !visible(text)) {
      wrong(field->at(), key,
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
      return wrong(std::max(cron->key, every->key), "every", "cron is given too; one of both");
    }
    if (cron != nullptr) return read_cron(entry, *cron, zone);
    if (zone != nullptr) {
      wrong(zone->at(), "timezone", "only with cron; `every` counts from the Unix epoch");
    }
    if (every == nullptr) return wrong(at_, "cron", "missing; wanted is one of cron and every");
    const auto interval =
        Interval::parse(every->value.IsScalar() ? every->value.Scalar() : std::string{});
    if (!interval) return wrong(every->at(), "every", interval.error().what);
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
        wrong(zone_field->at(), "timezone", parsed.error().what);
      }
    }
    if (!cron.value.IsScalar()) {
      return wrong(cron.at(), "cron", "must be a text, such as \"*/5 * * * *\" (with quotes)");
    }
    auto expression = CronExpression::parse(cron.value.Scalar());
    if (!expression) return wrong(cron.at(), "cron", expression.error().what);
    entry.schedule_text = "cron " + expression->text() + " (" + zone.name() + ")";
    entry.schedule = Cron{std::move(*expression), std::move(zone)};
  }

  void read_json(const std::string& key, std::string& target, YAML::NodeType::value type,
                 const std::string& wanted) {
    const auto* const field = find(key);
    if (field == nullptr) return;
    if (field->value.Type() != type) return wrong(field->at(), key, "must be " + wanted);
    if (arguments_ > kMaxArguments) return;
    const auto value = json_from_yaml(field->value);
    if (!value) {
      const auto& [line, column, reason] = value.error();
      return wrong({std::max(line, 1), std::max(column, 1)}, key, reason);
    }
    target = celery::to_json(*value);
    arguments_ += target.size();
    if (arguments_ > kMaxArguments) {
      wrong(field->key, key,
            "with it the arguments of all entries are larger than " +
                std::to_string(kMaxArguments) + " bytes");
      target.clear();
    }
  }

  void read_enabled(ScheduleEntry& entry) {
    const auto* const field = find("enabled");
    if (field == nullptr) return;
    const auto value = json_from_yaml(field->value);
    if (!value || !value->is_bool()) {
      return wrong(field->at(), "enabled", "must be true or false");
    }
    entry.enabled = value->get_bool();
  }

  std::string file_;
  std::vector<std::pair<Position, std::string>> mistakes_;
  std::size_t mistakes_made_ = 0;
  std::size_t arguments_ = 0;  // bytes of JSON
  std::vector<ScheduleEntry> entries_;
  std::map<std::string, int> names_;  // where each was given first
  // Of the entry being read:
  std::map<std::string, Field> fields_;
  std::string label_;
  Position at_;
};

}  // namespace

Result<std::vector<ScheduleEntry>> parse_schedule(std::string_view text, std::string_view file) {
  if (text.size() > kMaxFile) {
    return invalid(std::string{file} + ":1:1: larger than " + std::to_string(kMaxFile) + " bytes");
  }
  return Reader{file}.read(text);
}

Result<std::string> read_schedule_file(const std::filesystem::path& file) {
  std::error_code fault;
  const auto status = std::filesystem::status(file, fault);
  const auto refused = [&](const std::string& why) {
    return not_found("schedule file " + file.string() + " cannot be read: " + why);
  };
  if (!std::filesystem::exists(status)) return refused("there is no such file");
  // A pipe would make its reader wait, and could not be read again.
  if (!std::filesystem::is_regular_file(status)) return refused("it is no regular file");
  std::ifstream in{file, std::ios::binary};
  if (!in) return refused(std::strerror(errno));
  std::string content(kMaxFile + 1, '\0');
  in.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (in.bad()) return refused(std::strerror(errno));
  content.resize(static_cast<std::size_t>(in.gcount()));
  content.shrink_to_fit();
  return content;
}

Result<std::vector<ScheduleEntry>> load_schedule(const std::filesystem::path& file) {
  const auto content = read_schedule_file(file);
  if (!content) return content.error();
  return parse_schedule(*content, file.string());
}

}  // namespace umbel
