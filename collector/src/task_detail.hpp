// Everything about one task: GET /api/task/detail/<id>.
#pragma once

#include <optional>

#include "live.hpp"
#include "search.hpp"
#include "umbel/history/history.hpp"
#include "umbel/store/store.hpp"

namespace umbel::collector {

struct DetailParts {
  SearchParts search;
  Store& store;
};

// A task with all that is known of it: as the live state has it, with the texts that the history
// kept; else as the history has it; else as it was accepted. NotFound: nobody knows it.
[[nodiscard]] Result<Task> whole_task(const SearchParts& parts, Store& store, const TaskId& id);

[[nodiscard]] http::Response task_detail(const DetailParts& parts, const http::Request& request);

}  // namespace umbel::collector
