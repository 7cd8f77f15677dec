#include "query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "umbel/base/text.hpp"

namespace umbel::collector {
namespace {

constexpr std::size_t kMostTerms = 32;
constexpr std::size_t kMostValues = 50;
constexpr std::size_t kFingerprint = 16;

using enum TaskState;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string folded(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool in_key(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

std::string quoted(std::string_view text) { return "`" + shortened(text, 60) + "`"; }

const std::map<std::string, std::vector<TaskState>, std::less<>>& states() {
  static const std::map<std::string, std::vector<TaskState>, std::less<>> known{
      {"pending", {Pending}},         {"received", {Received}},
      {"started", {Started}},         {"succeeded", {Success}},
      {"success", {Success}},         {"failed", {Failure}},
      {"failure", {Failure}},         {"revoked", {Revoked}},
      {"retrying", {Retry}},          {"retry", {Retry}},
      {"rejected", {Rejected}},       {"waiting", {Pending, Received, Retry}},
      {"running", {Custom, Started}}, {"finished", {Failure, Rejected, Revoked, Success}},
  };
  return known;
}

enum class Kind { State, Text, Duration, Count, Time, Fingerprint };

struct KeyFacts {
  TaskField field = TaskField::Text;
  Kind kind = Kind::Text;
};

const std::map<std::string, KeyFacts, std::less<>>& keys() {
  static const std::map<std::string, KeyFacts, std::less<>> known{
      {"state", {TaskField::State, Kind::State}},
      {"name", {TaskField::Name, Kind::Text}},
      {"worker", {TaskField::Worker, Kind::Text}},
      {"queue", {TaskField::Queue, Kind::Text}},
      {"id", {TaskField::Id, Kind::Text}},
      {"args", {TaskField::Args, Kind::Text}},
      {"kwargs", {TaskField::Kwargs, Kind::Text}},
      {"result", {TaskField::Result, Kind::Text}},
      {"exception", {TaskField::Exception, Kind::Text}},
      {"error", {TaskField::Error, Kind::Fingerprint}},
      {"root", {TaskField::Root, Kind::Text}},
      {"parent", {TaskField::Parent, Kind::Text}},
      {"runtime", {TaskField::Runtime, Kind::Duration}},
      {"wait", {TaskField::Wait, Kind::Duration}},
      {"retries", {TaskField::Retries, Kind::Count}},
      {"after", {TaskField::Text, Kind::Time}},
      {"before", {TaskField::Text, Kind::Time}},
  };
  return known;
}

std::string all_keys() {
  std::string list;
  for (const auto& key : query_keys()) list += (list.empty() ? "" : ", ") + std::string{key.name};
  return list;
}

std::optional<double> number(std::string_view& text) {
  double value = 0;
  const auto* const end = text.data() + text.size();
  const auto [rest, fault] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (fault != std::errc{} || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return value;
}

// Seconds; without a unit too.
std::optional<double> duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto value = number(text);
  if (!value) return std::nullopt;
  struct Unit {
    std::string_view name;
    double times, over;
  };
  // A division by a million is exact where a multiplication by a millionth is not.
  constexpr std::array<Unit, 7> kUnits{{{"", 1, 1},
                                        {"us", 1, 1e6},
                                        {"ms", 1, 1e3},
                                        {"s", 1, 1},
                                        {"m", 60, 1},
                                        {"h", 3600, 1},
                                        {"d", 86400, 1}}};
  for (const auto& unit : kUnits) {
    if (text == unit.name) return *value * unit.times / unit.over;
  }
  return std::nullopt;
}

std::optional<double> count(std::string_view text) {
  std::int64_t value = 0;
  const auto [rest, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || rest != text.data() + text.size() || value < 0) return std::nullopt;
  return static_cast<double>(value);
}

template <class Read>
std::optional<NumberRange> range(std::string_view text, const Read& read) {
  NumberRange found;
  if (text.starts_with('>') || text.starts_with('<')) {
    const bool least = text.front() == '>';
    text.remove_prefix(1);
    const bool itself = text.starts_with('=');
    if (itself) text.remove_prefix(1);
    const auto value = read(text);
    if (!value) return std::nullopt;
    (least ? found.least : found.most) = *value;
    (least ? found.above : found.below) = !itself;
    return found;
  }
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const auto least = read(text.substr(0, dots));
  const auto most = read(text.substr(dots + 2));
  if (!least || !most || *least > *most) return std::nullopt;
  return NumberRange{.least = *least, .most = *most};
}

bool looks_like_a_date(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00";
  if (text.size() < kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != '-') return false;
  }
  return true;
}

std::optional<WallTime> time(std::string_view text, WallTime now) {
  if (text.starts_with('-')) {
    const auto ago = duration(text.substr(1));
    if (!ago || *ago > 1e10) return std::nullopt;
    return now - std::chrono::microseconds{static_cast<std::int64_t>(*ago * 1e6)};
  }
  if (looks_like_a_date(text)) {
    std::string whole{text};
    if (whole.size() == 10) whole += "T00:00:00";
    const bool without_seconds =
        whole.size() >= 16 && whole[13] == ':' && (whole.size() == 16 || whole[16] != ':');
    if (without_seconds) whole.insert(16, ":00");
    return parse_iso8601(whole);
  }
  if (text.empty()) return std::nullopt;
  const auto seconds = number(text);
  if (!seconds || !text.empty() || *seconds > 1e11) return std::nullopt;
  return from_unix_seconds(*seconds);
}

// Reads from the left; the first error ends it.
class Parser {
 public:
  Parser(std::string_view text, WallTime now) : text_{text}, now_{now} {}

  std::variant<ParsedQuery, QueryError> parse() {
    if (text_.size() > kLongestQuery) {
      return QueryError{"the search is longer than " + std::to_string(kLongestQuery) + " bytes",
                        kLongestQuery};
    }
    while (!error_) {
      while (at_ < text_.size() && is_space(text_[at_])) ++at_;
      if (at_ == text_.size()) break;
      term();
      if (query_.terms.size() > kMostTerms) {
        fail("a search has at most " + std::to_string(kMostTerms) + " terms", text_.size());
      }
    }
    if (error_) return std::move(*error_);
    return std::move(query_);
  }

 private:
  struct Value {
    std::string text;
    std::size_t at = 0;
  };

  void fail(std::string what, std::size_t at) {
    if (!error_) error_ = QueryError{std::move(what), at};
  }
  [[nodiscard]] bool at_end() const { return at_ == text_.size() || is_space(text_[at_]); }

  void term() {
    const std::size_t begin = at_;
    const bool negated = text_[at_] == '-';
    if (negated && ++at_ < text_.size() ? is_space(text_[at_]) : at_ == text_.size()) {
      return fail("`-` must stand right before what it is to exclude; quote it to search for it",
                  begin);
    }
    std::size_t colon = at_;
    while (colon < text_.size() && in_key(text_[colon])) ++colon;
    if (colon == at_ || colon == text_.size() || text_[colon] != ':') return word(negated);
    const std::size_t key_at = at_;
    const std::string key = folded(text_.substr(at_, colon - at_));
    const auto known = keys().find(key);
    if (known == keys().end()) return unknown_key(key, key_at);
    at_ = colon + 1;
    const auto values = read_values();
    if (error_) return;
    ParsedTerm parsed{.key = key, .term = {.field = known->second.field, .negated = negated}};
    if (known->second.kind == Kind::Time) {
      take_time(parsed, values, negated, begin);
    } else {
      for (const Value& value : values) take(parsed.term, key, known->second.kind, value);
      std::ranges::sort(parsed.term.states, {}, [](TaskState s) { return to_text(s); });
      const auto twice = std::ranges::unique(parsed.term.states);
      parsed.term.states.erase(twice.begin(), twice.end());
    }
    query_.terms.push_back(std::move(parsed));
  }

  void unknown_key(const std::string& key, std::size_t at) {
    std::vector<std::string> names;
    for (const auto& each : query_keys()) names.emplace_back(each.name);
    const auto near = nearest(key, names);
    fail("there is no key " + quoted(key) + (near ? "; did you mean `" + *near + "`?" : "") +
             "; allowed are " + all_keys() + "; quote a text that has a colon",
         at);
  }

  void word(bool negated) {
    ParsedTerm parsed{.key = "text", .term = {.field = TaskField::Text, .negated = negated}};
    if (text_[at_] == '"') {
      const auto value = read_quoted();
      if (error_) return;
      if (!at_end()) return fail("a space must follow the closing quote", at_);
      parsed.term.texts.push_back(value.text);
    } else {
      const std::size_t begin = at_;
      while (!at_end()) ++at_;
      parsed.term.texts.emplace_back(text_.substr(begin, at_ - begin));
    }
    query_.terms.push_back(std::move(parsed));
  }

  Value read_quoted() {
    Value value{.text = {}, .at = at_};
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      const bool escape = text_[at_] == '\\' && at_ + 1 < text_.size() &&
                          (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\');
      if (escape) ++at_;
      value.text += text_[at_];
    }
    if (at_ == text_.size()) {
      fail("the quote that opens here is not closed", value.at);
    } else if (++at_; value.text.empty()) {
      fail("a value is missing between the quotes", value.at);
    }
    return value;
  }

  std::vector<Value> read_values() {
    std::vector<Value> values;
    for (;;) {
      if (at_ < text_.size() && text_[at_] == '"') {
        values.push_back(read_quoted());
        if (!error_ && !at_end() && text_[at_] != ',')
          fail("a space or a comma must follow the closing quote", at_);
      } else {
        const std::size_t begin = at_;
        while (!at_end() && text_[at_] != ',') ++at_;
        if (at_ == begin) fail("a value is missing here", at_);
        values.push_back({.text = std::string{text_.substr(begin, at_ - begin)}, .at = begin});
      }
      if (values.size() > kMostValues)
        fail("a term has at most " + std::to_string(kMostValues) + " values", at_);
      if (error_ || at_end()) return values;
      ++at_;
    }
  }

  void take(QueryTerm& term, const std::string& key, Kind kind, const Value& value) {
    switch (kind) {
      case Kind::State: {
        if (folded(value.text) == "unknown") {
          term.unknown = true;
          return;
        }
        const auto known = states().find(folded(value.text));
        if (known == states().end()) {
          std::string list;
          for (const auto& state : query_states())
            list += (list.empty() ? "" : ", ") + std::string{state.name};
          return fail("there is no state " + quoted(value.text) + "; allowed are " + list +
                          " and Celery's names",
                      value.at);
        }
        term.states.insert(term.states.end(), known->second.begin(), known->second.end());
        return;
      }
      case Kind::Duration:
        if (auto found = range(value.text, duration)) {
          term.ranges.push_back(*found);
          return;
        }
        return fail(quoted(value.text) + " is no range of time; allowed is " + key + ":>5s, " +
                        key + ":<=200ms or " + key + ":1s..5s with the units us, ms, s, m, h, d",
                    value.at);
      case Kind::Count:
        if (const auto exact = count(value.text)) {
          term.ranges.push_back({.least = *exact, .most = *exact});
          return;
        }
        if (auto found = range(value.text, count)) {
          term.ranges.push_back(*found);
          return;
        }
        return fail(quoted(value.text) + " is not allowed; " + key +
                        " takes a whole number, as in " + key + ":2, " + key + ":>0 or " + key +
                        ":1..3",
                    value.at);
      case Kind::Fingerprint: {
        const auto text = folded(value.text);
        const bool hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
        if (!hex || text.size() != kFingerprint) {
          return fail(quoted(value.text) +
                          " is no error; allowed are the 16 hexadecimal digits of its fingerprint",
                      value.at);
        }
        term.texts.push_back(text);
        return;
      }
      default:
        term.texts.push_back(value.text);
    }
  }

  void take_time(ParsedTerm& parsed, const std::vector<Value>& values, bool negated,
                 std::size_t begin) {
    const std::string other = parsed.key == "after" ? "before" : "after";
    if (negated) return fail("instead of -" + parsed.key + ": say " + other + ":", begin);
    if (values.size() > 1) return fail(parsed.key + " takes one value", values[1].at - 1);
    parsed.time = time(values.front().text, now_);
    if (parsed.time) return;
    fail(quoted(values.front().text) +
             " is no time; allowed are -1h (so long ago; units us, ms, s, m, h, d), 2026-11-22, "
             "2026-11-22T10:00Z and Unix seconds",
         values.front().at);
  }

  std::string_view text_;
  WallTime now_;
  std::size_t at_ = 0;
  ParsedQuery query_;
  std::optional<QueryError> error_;
};

const std::vector<std::pair<std::string_view, TaskOrder>>& orders() {
  static const std::vector<std::pair<std::string_view, TaskOrder>> known{
      {"-received", TaskOrder::Newest},  {"received", TaskOrder::Oldest},
      {"-runtime", TaskOrder::Slowest},  {"runtime", TaskOrder::Quickest},
      {"-wait", TaskOrder::LongestWait}, {"-retries", TaskOrder::MostRetries},
  };
  return known;
}

}  // namespace

TaskQuery ParsedQuery::query(TaskOrder order) const {
  TaskQuery made;
  made.order = order;
  for (const ParsedTerm& each : terms) {
    if (!each.time) {
      made.terms.push_back(each.term);
    } else if (each.key == "after") {
      made.after = made.after ? std::max(*made.after, *each.time) : *each.time;
    } else {
      made.before = made.before ? std::min(*made.before, *each.time) : *each.time;
    }
  }
  return made;
}

std::variant<ParsedQuery, QueryError> parse_query(std::string_view text, WallTime now) {
  return Parser{text, now}.parse();
}

std::optional<TaskOrder> order_from(std::string_view text) {
  for (const auto& [name, order] : orders()) {
    if (name == text) return order;
  }
  return std::nullopt;
}

const std::string& orders_allowed() {
  static const std::string list = [] {
    std::string all;
    for (const auto& [name, order] : orders()) all += (all.empty() ? "" : ", ") + std::string{name};
    return all;
  }();
  return list;
}

const std::vector<QueryKey>& query_keys() {
  static const std::vector<QueryKey> known{
      {"state", "what became of it: failed, running, waiting…"},
      {"name", "the task's name; * stands for anything"},
      {"worker", "who took it; * stands for anything"},
      {"queue", "where it went; * stands for anything"},
      {"id", "the beginning of its id"},
      {"args", "contained in its arguments"},
      {"kwargs", "contained in its named arguments"},
      {"result", "contained in its result"},
      {"exception", "contained in what it failed with"},
      {"error", "the fingerprint of an error"},
      {"root", "the task with which it all began"},
      {"parent", "the task that called it"},
      {"runtime", "how long it ran: >5s, <200ms, 1s..5s"},
      {"wait", "from received to started: >1m"},
      {"retries", "how often it was tried again: >0, 2"},
      {"after", "first seen since: -1h, 2026-11-22"},
      {"before", "first seen earlier than: -1h, 2026-11-22"},
  };
  return known;
}

const std::vector<QueryKey>& query_states() {
  static const std::vector<QueryKey> known{
      {"failed", "ended with an error"},
      {"succeeded", "ended well"},
      {"running", "started, and not ended"},
      {"waiting", "not started: pending, received or retrying"},
      {"finished", "succeeded, failed, revoked or rejected"},
      {"started", "started, and not ended"},
      {"received", "taken by a worker, not started"},
      {"pending", "accepted, and not seen since"},
      {"retrying", "failed, and will be tried again"},
      {"revoked", "called off"},
      {"rejected", "refused by the worker"},
      {"unknown", "not ended, and nobody knows what became of it"},
  };
  return known;
}

}  // namespace umbel::collector
