// The search grammar: what a person types, as a TaskQuery. docs/api.md describes it; the page has
// the same parser, and query_cases.json is the table that both are tested with. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "umbel/history/task_query.hpp"

namespace umbel::collector {

// What is wrong with a text, and at which of its bytes.
struct QueryError {
  std::string what;
  std::size_t at = 0;
};

// A term as it stands in the text.
struct ParsedTerm {
  std::string key;  // of the grammar, lower case; `text` for a bare word
  QueryTerm term{};
  std::optional<WallTime> time{};  // of `after` and `before`, which are no terms of a TaskQuery
};

struct ParsedQuery {
  std::vector<ParsedTerm> terms;

  [[nodiscard]] TaskQuery query(TaskOrder order) const;
};

constexpr std::size_t kLongestQuery = 4000;  // bytes

[[nodiscard]] std::variant<ParsedQuery, QueryError> parse_query(std::string_view text,
                                                                WallTime now);

// `-received` and the like.
[[nodiscard]] std::optional<TaskOrder> order_from(std::string_view text);
[[nodiscard]] const std::string& orders_allowed();

// What may stand before a colon, and a few words on each.
struct QueryKey {
  std::string_view name;
  std::string_view about;
};
[[nodiscard]] const std::vector<QueryKey>& query_keys();
// What may stand behind `state:`, and what each means.
[[nodiscard]] const std::vector<QueryKey>& query_states();

}  // namespace umbel::collector
