#include "complete.hpp"

#include <algorithm>

#include "query.hpp"

namespace umbel::collector {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains(std::string_view text, std::string_view part) {
  return part.empty() || !std::ranges::search(text, part, {}, lower, lower).empty();
}

bool begins(std::string_view text, std::string_view part) {
  return text.size() >= part.size() &&
         std::ranges::equal(text.substr(0, part.size()), part, {}, lower, lower);
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// As a value of the grammar; quoted where it must be.
std::string as_value(const std::string& text) {
  const bool plain = !text.empty() && text.front() != '"' &&
                     std::ranges::none_of(text, [](char c) { return is_space(c) || c == ','; });
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// What begins with the part comes first.
std::vector<CompletionOption> fitting(const std::vector<CompletionOption>& all,
                                      std::string_view part) {
  std::vector<CompletionOption> fit;
  const auto take = [&](bool beginning) {
    for (const auto& option : all) {
      if (fit.size() == kMostOptions) return;
      if (!contains(option.text, part) || begins(option.text, part) != beginning) continue;
      fit.push_back(option);
      fit.back().text = as_value(option.text);
    }
  };
  take(true);
  take(false);
  return fit;
}

const std::vector<CompletionOption>* values_of(const Vocabulary& known, std::string_view key) {
  if (key == "state") return &known.states;
  if (key == "name") return &known.names;
  if (key == "worker") return &known.workers;
  if (key == "queue") return &known.queues;
  if (key == "error") return &known.errors;
  return nullptr;
}

std::vector<CompletionOption> examples_of(std::string_view key) {
  if (key == "runtime" || key == "wait") {
    return {{.text = ">1s", .about = "longer than a second"},
            {.text = ">1m", .about = "longer than a minute"},
            {.text = "<200ms", .about = "shorter than that"},
            {.text = "1s..5s", .about = "between the two"}};
  }
  if (key == "retries") {
    return {{.text = ">0", .about = "tried again at least once"},
            {.text = ">=3", .about = "three times and more"}};
  }
  if (key == "after" || key == "before") {
    return {{.text = "-15m", .about = "a quarter of an hour ago"},
            {.text = "-1h", .about = "an hour ago"},
            {.text = "-1d", .about = "a day ago"},
            {.text = "-7d", .about = "a week ago"}};
  }
  return {};
}

}  // namespace

Completion complete(std::string_view q, std::size_t at, const Vocabulary& known) {
  at = std::min(at, q.size());
  // The term around the caret, and the last comma and colon in it before the caret; not in quotes.
  std::size_t term = 0;
  std::size_t colon = std::string_view::npos;
  std::size_t value = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < at; ++i) {
    const char c = q[i];
    if (quoted && c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && is_space(c)) {
      term = value = i + 1;
      colon = std::string_view::npos;
    } else if (!quoted && c == ':' && colon == std::string_view::npos) {
      colon = i;
      value = i + 1;
    } else if (!quoted && c == ',' && colon != std::string_view::npos) {
      value = i + 1;
    }
  }
  std::size_t end = at;
  while (end < q.size() && (quoted ? q[end] != '"' : !is_space(q[end]) && q[end] != ',')) ++end;
  if (quoted && end < q.size()) ++end;
  if (term < at && q[term] == '-') ++term;
  Completion made;
  made.to = end;
  if (colon == std::string_view::npos) {
    made.from = std::min(term, at);
    const auto part = q.substr(made.from, at - made.from);
    for (const auto& key : query_keys()) {
      if (!begins(key.name, part) || made.options.size() == kMostOptions) continue;
      made.options.push_back(
          {.text = std::string{key.name} + ":", .about = std::string{key.about}});
    }
    if (part.empty()) return made;
    for (auto& name : fitting(known.names, part)) {
      if (made.options.size() == kMostOptions) break;
      name.text = "name:" + name.text;
      made.options.push_back(std::move(name));
    }
    return made;
  }
  made.from = value;
  std::string key{q.substr(term, colon - term)};
  std::ranges::transform(key, key.begin(), lower);
  auto part = q.substr(value, at - value);
  if (part.starts_with('"')) part.remove_prefix(1);
  const auto* const values = values_of(known, key);
  made.options = values != nullptr ? fitting(*values, part) : fitting(examples_of(key), part);
  return made;
}

}  // namespace umbel::collector
