// The answers of Flower's REST API, in its shapes, made from the live state. Pure.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "live_state.hpp"
#include "umbel/base/result.hpp"
#include "umbel/http/message.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel::collector::flower {

using Children = std::multimap<std::string, std::string>;  // by parent: its known children
[[nodiscard]] Children children_of(const LiveState& state);

// The 31 keys of a task, in Flower's order.
[[nodiscard]] boost::json::object task_dict(const Task& task, const Children& children);

struct TaskQuery {
  std::optional<std::size_t> limit;
  std::size_t offset = 0;
  std::string sort_by;  // `name`, `state`, `received` or `started`, with `-` in front for
                        // descending; empty: newest change first
  std::string worker, name, state;  // exact, whatever their case; empty: any
  std::optional<WallTime> received_start, received_end;
};

// The most tasks that one answer holds.
inline constexpr std::size_t kMostTasks = 10'000;

// Errc::Invalid names the argument and what it may be.
[[nodiscard]] Result<TaskQuery> task_query(const http::Request& request);
// By id; `worker` last, or left out when it is not known.
[[nodiscard]] boost::json::object tasks(const LiveState& state, const TaskQuery& query);

// `y yes t true on 1` and `n no f false off 0`; not given: false. Errc::Invalid otherwise.
[[nodiscard]] Result<bool> bool_argument(const http::Request& request, std::string_view name);

// What the worker answered when it was asked (`stats`, `active_queues`, `registered`, `scheduled`,
// `active`, `reserved`, `revoked`, `conf`); what it did not answer, as far as its events and the
// catalogue tell.
[[nodiscard]] boost::json::object worker(const LiveWorker& worker,
                                         const std::optional<Inspection>& inspection,
                                         const std::vector<CatalogueEntry>& catalogue);

// As Flower writes JSON: Python's separators, ASCII, and `</` as `<\/`.
[[nodiscard]] std::string text(const boost::json::value& value);

}  // namespace umbel::collector::flower
