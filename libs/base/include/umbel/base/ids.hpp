// Ids that do not mix.
//
// On the wire a task id, a worker's name and a queue's name are all strings; a function that takes
// two strings gets called with them swapped sooner or later. The tag makes each a type of its own,
// at no cost.
#pragma once

#include <compare>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace umbel {

template <class Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_{std::move(value)} {}
  [[nodiscard]] const std::string& str() const noexcept { return value_; }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
  friend auto operator<=>(const StrongId&, const StrongId&) = default;
  friend std::ostream& operator<<(std::ostream& out, const StrongId& id) {
    return out << id.value_;
  }

 private:
  std::string value_;
};

using TaskId = StrongId<struct TaskIdTag>;          // any text up to 255 bytes; ours are UUIDs
using WorkerName = StrongId<struct WorkerNameTag>;  // Celery's node name, `name@host`
using QueueName = StrongId<struct QueueNameTag>;

static_assert(!std::is_convertible_v<WorkerName, TaskId>);

// A random UUID (version 4), lower case with dashes.
[[nodiscard]] std::string random_uuid();
[[nodiscard]] inline TaskId new_task_id() { return TaskId{random_uuid()}; }

// A UUID (version 5, RFC 4122) under Umbel's own namespace: the same name gives the same id on
// every machine and in every run, so that doing a thing twice (a tick, a spawned task) makes one
// task.
[[nodiscard]] std::string named_uuid(std::string_view name);

}  // namespace umbel

template <class Tag>
struct std::hash<umbel::StrongId<Tag>> {
  std::size_t operator()(const umbel::StrongId<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.str());
  }
};
