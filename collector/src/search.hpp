// Searching everything that the collector knows: the history, with what it does not have yet in
// the place of what it has.
#pragma once

#include <boost/json.hpp>

#include "live.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/history/history.hpp"
#include "umbel/http/message.hpp"

namespace umbel::collector {

// All of it outlives the calls.
struct SearchParts {
  Live& live;
  History& history;
  const Clock& clock;
};

// GET /api/search, as docs/api.md says.
[[nodiscard]] http::Response search_tasks(const SearchParts& parts, const http::Request& request);

// One page of a search whose text is known to be right. Invalid: the cursor is not of this search.
[[nodiscard]] Result<SearchPage> search_page(const SearchParts& parts, const TaskQuery& query,
                                             const SearchOptions& options);

// A task as a row of a search's answer.
[[nodiscard]] boost::json::object found_row(const Task& task);

// What is asked for in `q` and `sort`.
struct SearchRequest {
  std::string text;
  std::string sort;
  TaskQuery query;
};
// Or what is wrong with it, as an answer.
[[nodiscard]] std::variant<SearchRequest, http::Response> search_request(
    const http::Request& request, WallTime now);
// A whole number between the two, or what is wrong with it.
[[nodiscard]] Result<std::size_t> size_argument(const http::Request& request, std::string_view name,
                                                std::size_t otherwise, std::size_t most);

}  // namespace umbel::collector
