// GET /api/series: the past as points for charts, from the seconds and the rollups.
#pragma once

#include <array>
#include <boost/json.hpp>
#include <cstdint>

#include "live.hpp"
#include "umbel/base/result.hpp"
#include "umbel/http/message.hpp"

namespace umbel::collector {

inline constexpr std::array<std::int64_t, 6> kSeriesRanges{900,    3'600,   21'600,
                                                           86'400, 604'800, 2'592'000};
inline constexpr std::int64_t kMostPoints = 1'500;

// The points lie in [from, to), one for each step; times are Unix seconds.
struct SeriesQuery {
  std::int64_t from = 0, to = 0, step = 1;
};

// The finest step that reaches back to the beginning and gives at most kMostPoints. A coarse
// range's last point is the one still filling; of seconds only whole ones are given. `to` beyond
// `now` is `now`. Errc::Invalid: an argument that is not allowed, named.
[[nodiscard]] Result<SeriesQuery> series_query(const http::Request& request, WallTime now);

// Reads the state in several short holds, so that a month holds nobody up.
[[nodiscard]] boost::json::object series_answer(Live& live, const SeriesQuery& query);

}  // namespace umbel::collector
