// Searching all days: which are looked at in which order, for how long, and where to go on.
//
// By time one day is walked after the other. By a value (the slowest tasks) all days are walked
// together, from value to value, so that the answer is exact over the whole time asked about.
// Either way what was looked at ends at one place in the order, and that place is the cursor.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "search_sql.hpp"
#include "task_days.hpp"
#include "umbel/base/clock.hpp"
#include "umbel/history/history.hpp"

namespace umbel::store_sqlite {

// Calls the function for each of these days that can be read, until it answers true.
using LookThrough = std::function<Result<void>(const std::vector<Day>& days,
                                               const std::function<bool(Connection&, Day)>& look)>;

// One search.
class HistorySearch {
 public:
  // References outlive it.
  HistorySearch(const TaskQuery& query, const SearchOptions& options, const Clock& clock,
                LookThrough look);
  // `all`: the days there are, newest first.
  [[nodiscard]] Result<SearchPage> run(std::vector<Day> all);

 private:
  struct Place {
    Day day{};  // by time only
    OrderKey key;
  };
  struct Newer {
    const Task* task;
    Day day;
    OrderKey key;
  };
  [[nodiscard]] std::string text_of_place(const Place& place) const;
  [[nodiscard]] std::optional<Place> place_from(std::string_view text) const;
  [[nodiscard]] Result<void> place_newer(const std::vector<Day>& all);
  [[nodiscard]] std::vector<std::vector<Day>> groups(std::vector<Day> all) const;
  // Walks through a group behind `from`; true: the page is done.
  [[nodiscard]] Result<bool> walk(const std::vector<Day>& group, OrderKey from, bool last);
  [[nodiscard]] Result<std::optional<OrderKey>> end_of_stretch(const std::vector<Day>& group,
                                                               const OrderKey& from);
  [[nodiscard]] Result<std::vector<FoundTask>> read(const std::vector<Day>& group,
                                                    const OrderKey& from,
                                                    const std::optional<OrderKey>& to,
                                                    std::size_t enough);
  void add_newer(const std::vector<Day>& group, const OrderKey& from,
                 const std::optional<OrderKey>& to, std::vector<FoundTask>& found) const;
  [[nodiscard]] bool late() const { return clock_.steady() - begun_ >= options_.budget; }
  void stop_at(Day day, const OrderKey& key);

  const TaskQuery& query_;
  const SearchOptions& options_;
  const Clock& clock_;
  const LookThrough look_;
  const SearchSql sql_;
  const Steady::time_point begun_;
  const bool by_time_;
  std::unordered_map<std::string_view, const Task*> newer_ids_;
  std::vector<Newer> newer_;  // those that the query finds
  std::size_t stretch_;       // rows walked at once
  SearchPage page_;
};

}  // namespace umbel::store_sqlite
