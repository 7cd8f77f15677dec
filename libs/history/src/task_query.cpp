#include "umbel/history/task_query.hpp"

#include <algorithm>

#include "umbel/model/fingerprint.hpp"

namespace umbel {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains(const std::optional<std::string>& text, std::string_view part) {
  if (!text) return false;
  return !std::ranges::search(*text, part, {}, lower, lower).empty() || part.empty();
}

bool is(const std::optional<std::string>& text, std::string_view wanted) {
  return text && *text == wanted;
}

bool text_matches(const Task& task, TaskField field, std::string_view wanted) {
  switch (field) {
    case TaskField::Text:
      return contains(task.uuid.str(), wanted) || contains(task.name, wanted) ||
             contains(task.args, wanted) || contains(task.kwargs, wanted) ||
             contains(task.result, wanted) || contains(task.exception, wanted);
    case TaskField::Name:
      return task.name && glob_matches(wanted, *task.name);
    case TaskField::Worker:
      return task.worker && glob_matches(wanted, *task.worker);
    case TaskField::Queue:
      return task.queue && glob_matches(wanted, *task.queue);
    case TaskField::Id:
      return task.uuid.str().starts_with(wanted);
    case TaskField::Args:
      return contains(task.args, wanted);
    case TaskField::Kwargs:
      return contains(task.kwargs, wanted);
    case TaskField::Result:
      return contains(task.result, wanted);
    case TaskField::Exception:
      return contains(task.exception, wanted);
    case TaskField::Error:
      return is(error_fingerprint(task), wanted);
    case TaskField::Root:
      return is(task.root_id, wanted) || task.uuid.str() == wanted;
    case TaskField::Parent:
      return is(task.parent_id, wanted);
    default:
      return false;
  }
}

std::optional<double> number_of(const Task& task, TaskField field) {
  switch (field) {
    case TaskField::Runtime:
      return task.runtime;
    case TaskField::Wait:
      return wait_of(task);
    case TaskField::Retries:
      return static_cast<double>(task.retries.value_or(0));
    default:
      return std::nullopt;
  }
}

bool holds(const Task& task, const QueryTerm& term) {
  const auto number = number_of(task, term.field);
  const bool some =
      (term.unknown && task.unknown_since.has_value()) ||
      std::ranges::find(term.states, task.state) != term.states.end() ||
      std::ranges::any_of(term.texts,
                          [&](const auto& text) { return text_matches(task, term.field, text); }) ||
      (number && std::ranges::any_of(term.ranges,
                                     [&](const auto& range) { return range.contains(*number); }));
  return some != term.negated;
}

}  // namespace

WallTime first_sight(const Task& task) {
  if (task.received) return *task.received;
  return task.sent.value_or(task.timestamp);
}

std::optional<double> wait_of(const Task& task) {
  if (!task.received || !task.started || *task.started < *task.received) return std::nullopt;
  return static_cast<double>((*task.started - *task.received).count()) / 1e6;
}

std::optional<double> order_value(const Task& task, TaskOrder order) {
  switch (order) {
    case TaskOrder::Slowest:
    case TaskOrder::Quickest:
      return task.runtime;
    case TaskOrder::LongestWait:
      return wait_of(task);
    case TaskOrder::MostRetries:
      if (task.retries.value_or(0) <= 0) return std::nullopt;
      return static_cast<double>(*task.retries);
    default:
      return 0;
  }
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t next = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  while (at < text.size()) {
    if (next < pattern.size() && pattern[next] == '*') {
      star = next++;
      taken = at;
    } else if (next < pattern.size() && pattern[next] == text[at]) {
      ++next;
      ++at;
    } else if (star != std::string_view::npos) {
      next = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  while (next < pattern.size() && pattern[next] == '*') ++next;
  return next == pattern.size();
}

bool terms_hold(const Task& task, const TaskQuery& query) {
  return std::ranges::all_of(query.terms, [&](const auto& term) { return holds(task, term); });
}

bool finds(const TaskQuery& query, const Task& task, WallTime first_seen) {
  return (!query.after || first_seen >= *query.after) &&
         (!query.before || first_seen < *query.before) &&
         order_value(task, query.order).has_value() && terms_hold(task, query);
}

}  // namespace umbel
