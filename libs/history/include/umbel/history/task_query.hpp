// What is searched for among tasks, in our own words: neither the text that a person typed nor any
// engine's language. Plain values, and what they mean for one task.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/model/task.hpp"

namespace umbel {

enum class TaskField {
  Text,  // id, name, args, kwargs, result or exception
  State,
  Name,
  Worker,
  Queue,
  Id,
  Args,
  Kwargs,
  Result,
  Exception,
  Error,  // fingerprint of the error it failed with
  Root,
  Parent,
  Runtime,  // seconds
  Wait,     // seconds
  Retries,
};

// Of a number. Without an end: infinite.
struct NumberRange {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;  // `least` itself is out
  bool below = false;  // `most` itself is out

  [[nodiscard]] bool contains(double value) const {
    return (above ? value > least : value >= least) && (below ? value < most : value <= most);
  }
  friend bool operator==(const NumberRange&, const NumberRange&) = default;
};

// Holds if any of its values does. A field that a task does not have matches nothing, so that the
// negated term holds.
struct QueryTerm {
  TaskField field = TaskField::Text;
  bool negated = false;
  // Name, Worker, Queue: the whole text, where `*` stands for any characters. Id: its beginning.
  // Error, Root, Parent: the whole text (a root is its own root). All others: contained, whatever
  // the case of ASCII letters.
  std::vector<std::string> texts{};
  std::vector<TaskState> states{};
  bool unknown = false;  // State: nobody knows what became of it, which no history keeps
  std::vector<NumberRange> ranges{};

  friend bool operator==(const QueryTerm&, const QueryTerm&) = default;
};

// Newest and Oldest go by first sight. The others list only tasks that have the number at all
// (more than no retries for MostRetries); of equal ones the newest comes first, or the oldest for
// Quickest.
enum class TaskOrder { Newest, Oldest, Slowest, Quickest, LongestWait, MostRetries };

struct TaskQuery {
  std::vector<QueryTerm> terms{};    // all hold
  std::optional<WallTime> after{};   // first seen then, or later
  std::optional<WallTime> before{};  // first seen earlier
  TaskOrder order = TaskOrder::Newest;

  friend bool operator==(const TaskQuery&, const TaskQuery&) = default;
};

// When a task was first seen, going by what is known of it now.
[[nodiscard]] WallTime first_sight(const Task& task);
// From its receiving to its start, of the last run; seconds.
[[nodiscard]] std::optional<double> wait_of(const Task& task);
// What the task is sorted by; nothing: it is not listed in this order. 0 for Newest and Oldest.
[[nodiscard]] std::optional<double> order_value(const Task& task, TaskOrder order);
[[nodiscard]] inline bool is_by_time(TaskOrder order) {
  return order == TaskOrder::Newest || order == TaskOrder::Oldest;
}
[[nodiscard]] inline bool is_ascending(TaskOrder order) {
  return order == TaskOrder::Oldest || order == TaskOrder::Quickest;
}

[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);
// Whether all terms hold, without `after` and `before`.
[[nodiscard]] bool terms_hold(const Task& task, const TaskQuery& query);
// Whether the query finds the task, first seen at this time.
[[nodiscard]] bool finds(const TaskQuery& query, const Task& task, WallTime first_seen);

}  // namespace umbel
